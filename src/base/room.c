#include "base/room.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

/* Before the array itself. */
typedef union header {
    struct {
        size_t bytes, mapped; /* of the array; of the mapping with the header, 0: on the heap */
    };
    char keeps_alignment[AT_ALIGN];
} header;

static header *header_of(void *room) { return room ? (header *)room - 1 : NULL; }

static header *take(size_t bytes) {
    size_t whole = bytes + sizeof(header);
    header *h = bytes >= AT_MAPPED_BYTES ? at_pages_map(whole) : NULL;
    size_t mapped = h ? whole : 0;
    if (!h) h = malloc(whole);
    if (h) *h = (header){.bytes = bytes, .mapped = mapped};
    return h;
}

static void drop(header *h) {
    if (h && h->mapped) at_pages_return(h, h->mapped);
    else free(h);
}

static void idle(header *h) {
    if (h->mapped) madvise(h, h->mapped, MADV_DONTNEED); /* the file keeps what they hold */
}

/* In pieces, so that hardly anything of both is resident at once. */
static void copy(header *to, header *from, size_t bytes) {
    enum { PIECE = 1 << 20 };
    for (size_t at = 0; at < bytes; at += PIECE) {
        memcpy((char *)(to + 1) + at, (char *)(from + 1) + at, bytes - at < PIECE ? bytes - at : PIECE);
        idle(to);
        idle(from);
    }
}

void *at_room_resize(void *room, size_t bytes) {
    header *old = header_of(room), *h;
    if (bytes > SIZE_MAX / 2) return NULL;
    if (bytes < AT_MAPPED_BYTES && (!old || !old->mapped)) {
        h = realloc(old, bytes + sizeof *h);
        if (!h) return NULL;
        *h = (header){.bytes = bytes};
        return h + 1;
    }
    h = take(bytes);
    if (!h) return NULL;
    if (old) copy(h, old, old->bytes < bytes ? old->bytes : bytes);
    drop(old);
    return h + 1;
}

void at_room_free(void *room) { drop(header_of(room)); }

void at_room_idle(void *room) {
    if (room) idle(header_of(room));
}
