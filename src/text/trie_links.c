#include <stdlib.h>
#include <string.h>

#include "text/spec.h"
#include "text/trie.h"

/* What the edges say the other way round. */
typedef struct at_nodes {
    uint32_t *parent, *order; /* order: nodes by depth, the root first */
    uint16_t *depth, *n_ends; /* n_ends: tokens that end where the node's text does */
    uint8_t *byte;
} at_nodes;

static void nodes_free(at_nodes *n) {
    free(n->parent);
    free(n->order);
    free(n->depth);
    free(n->n_ends);
    free(n->byte);
}

static at_status nodes_alloc(size_t n, at_nodes *nodes, at_error *err) {
    *nodes = (at_nodes){calloc(n, sizeof(uint32_t)), calloc(n, sizeof(uint32_t)), calloc(n, sizeof(uint16_t)), calloc(n, sizeof(uint16_t)), calloc(n, 1)};
    if (nodes->parent && nodes->order && nodes->depth && nodes->n_ends && nodes->byte) return AT_OK;
    nodes_free(nodes);
    return at_fail_memory(err, n * 13);
}

/* A node was made after the one before it, so its depth is known when it is come to. */
static at_status measure(const at_trie *trie, at_nodes *nodes, at_error *err) {
    uint32_t *from = calloc(AT_TOKEN_BYTES + 2, sizeof *from);
    if (!from) return at_fail_memory(err, (AT_TOKEN_BYTES + 2) * sizeof *from);
    for (size_t i = 0; i <= trie->mask; i++) {
        const at_edge edge = trie->edge[i];
        if (edge.key == UINT32_MAX) continue;
        nodes->parent[edge.node] = edge.key >> 8;
        nodes->byte[edge.node] = (uint8_t)edge.key;
    }
    from[1] = 1;
    for (uint32_t node = 1; node < trie->n_nodes; node++) {
        nodes->depth[node] = (uint16_t)(nodes->depth[nodes->parent[node]] + 1);
        from[nodes->depth[node] + 1]++;
    }
    for (int d = 0; d <= AT_TOKEN_BYTES; d++) from[d + 1] += from[d];
    for (uint32_t node = 0; node < trie->n_nodes; node++) nodes->order[from[nodes->depth[node]]++] = node;
    free(from);
    return AT_OK;
}

static at_status link_all(const at_trie *trie, at_nodes *nodes, int most, at_trie_links *links, at_error *err) {
    for (uint32_t i = 1; i < trie->n_nodes; i++) {
        uint32_t node = nodes->order[i], before = nodes->parent[node];
        uint32_t fail = before ? at_trie_step(trie, links, links->fail[before], nodes->byte[node]) : 0;
        links->fail[node] = fail;
        links->next[node] = trie->id[fail] >= 0 ? fail : links->next[fail];
        nodes->n_ends[node] = (uint16_t)(nodes->n_ends[fail] + (trie->id[node] >= 0));
        if (nodes->n_ends[node] > most) return at_fail(err, AT_BAD_MODEL, "more than %d tokens are each the end of a longer one", most);
    }
    return AT_OK;
}

at_status at_trie_link(at_arena *arena, const at_trie *trie, int most, at_trie_links *links, at_error *err) {
    at_nodes nodes;
    links->fail = AT_NEW_ARRAY(arena, uint32_t, trie->n_nodes);
    links->next = AT_NEW_ARRAY(arena, uint32_t, trie->n_nodes);
    if (!links->fail || !links->next) return at_fail_memory(err, trie->n_nodes * sizeof *links->fail);
    AT_TRY(nodes_alloc(trie->n_nodes, &nodes, err));
    at_status st = measure(trie, &nodes, err);
    if (!st) st = link_all(trie, &nodes, most, links, err);
    nodes_free(&nodes);
    return st;
}
