/* Answers that are not at their offset, where they stand at exactly one other place. */
#include <stdlib.h>
#include <string.h>

#include "task/answer.h"
#include "task/mend.h"

typedef struct repair {
    at_mending *m;
    at_answer_columns columns;
    at_arena scratch;
} repair;

/* Puts an offset into the JSON of a row's answers, however it is written. */
static void put_start(json_t *root, int i, long long start) {
    json_t *starts = json_object_get(root, "answer_start");
    if (json_is_array(root)) json_object_set_new(json_array_get(root, (size_t)i), "answer_start", json_integer(start));
    else if (json_is_array(starts)) json_array_set_new(starts, (size_t)i, json_integer(start));
    else json_object_set_new(root, "answer_start", json_integer(start));
}

static at_cell number_cell(at_arena *arena, long long value) {
    char *text = at_format(arena, "%lld", value);
    return (at_cell){text, text ? (uint32_t)strlen(text) : 0};
}

static void save(repair *p, int row, json_t *root) {
    char *text = json_dumps(root, 0), *kept = text ? at_strdup(p->m->arena, text) : NULL;
    free(text);
    if (!kept) p->m->failed = 1;
    else *at_mend_cell(p->m, row, p->columns.answers) = (at_cell){kept, (uint32_t)strlen(kept)};
}

static void mend_row(repair *p, int row) {
    const at_table *t = p->m->table;
    at_gold *gold;
    int n, changed = 0;
    char name[AT_QUESTION_NAME];
    if (at_answer_gold(t, row, &p->columns, &p->scratch, &gold, &n, NULL)) return; /* it cannot be read: to be corrected by hand */
    at_cell context = at_table_cell(t, row, p->columns.context), cell = at_table_cell(t, row, p->columns.answers);
    json_t *root = cell.len && strchr("[{", *cell.text) ? json_loadb(cell.text, cell.len, 0, NULL) : NULL;
    for (int i = 0; i < n; i++) {
        at_gold g = gold[i];
        if (g.start < 0 || !at_answer_place(t, row, &p->columns, &g, NULL)) continue;
        long long start = at_answer_only_place(context, &gold[i]);
        if (start < 0) continue;
        at_mend_tell(p->m, "answer_start", row, 0, "%sthe answer '%.60s' is at %lld, not at %lld", at_answer_name(t, row, name), gold[i].text, start, gold[i].start);
        if (root) put_start(root, i, start);
        else if (p->columns.start >= 0) *at_mend_cell(p->m, row, p->columns.start) = number_cell(p->m->arena, start);
        changed = 1;
    }
    if (changed && root) save(p, row, root);
    json_decref(root);
}

at_status at_answer_mend(const at_task_state *s, at_mending *m, at_error *err) {
    repair p = {.m = m};
    AT_TRY(at_answer_find(m->table, &s->columns, 1, &p.columns, err));
    for (int r = 0; r < m->table->n_rows; r++) {
        at_mark mark = at_arena_mark(&p.scratch);
        mend_row(&p, r);
        at_arena_rewind(&p.scratch, mark);
    }
    at_arena_free(&p.scratch);
    return m->failed ? at_fail_memory(err, 0) : AT_OK;
}
