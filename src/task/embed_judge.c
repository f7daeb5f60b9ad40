/* How alike two texts are, as any program says it, against the scores of the pairs. */
#include "task/embed.h"
#include "task/judge.h"
#include "task/metric_regress.h"

at_status at_embed_keep_ranks(json_t *values, const at_regress_metrics *m, at_error *err) {
    static const char *const KEPT[] = {"spearman", "spearman_interval", "pearson", "pearson_interval"};
    json_t *all = at_metrics_regress_json(m);
    if (!all) return at_fail_memory(err, 0);
    for (size_t i = 0; i < sizeof KEPT / sizeof *KEPT; i++)
        if (json_object_get(all, KEPT[i])) json_object_set(values, KEPT[i], json_object_get(all, KEPT[i]));
    json_decref(all);
    return AT_OK;
}

/* Where the pairs' scores stand; a file of one column is scores alone. */
static at_status right_column(const at_table *t, const at_columns *wanted, at_arena *arena, int *column, at_error *err) {
    at_embed_columns c;
    *column = 0;
    if (t->n_columns == 1) return AT_OK;
    AT_TRY(at_embed_find(t, wanted, NULL, 1, arena, &c, NULL, err));
    *column = c.label;
    if (c.n_texts == 2 && c.label >= 0) return AT_OK;
    return at_fail(err, AT_USAGE, "%s: these data are %s; what is judged are pairs with a score, against one number a pair. Models are judged by "
                   "other data, too: attune eval", t->path, at_embed_shape(&c));
}

static at_status judge(const at_table *right, int right_at, const at_table *answers, int at, at_arena *arena, at_score *score, at_error *err) {
    int n = right->n_rows;
    double *truth = AT_NEW_ARRAY(arena, double, n), *answer = AT_NEW_ARRAY(arena, double, n);
    at_regress_metrics m;
    if (!truth || !answer) return at_fail_memory(err, (size_t)n * 16);
    for (int r = 0; r < n; r++) {
        AT_TRY(at_column_number(right, r, right_at, &truth[r], err));
        AT_TRY(at_column_number(answers, r, at, &answer[r], err));
    }
    AT_TRY(at_metrics_regress(truth, answer, n, &m, err));
    score->loss = 0; /* a program's numbers may have any scale */
    score->values = json_pack("{s:i}", "examples", n);
    return score->values ? at_embed_keep_ranks(score->values, &m, err) : at_fail_memory(err, 0);
}

at_status at_embed_judge(at_task_state *s, const at_table *right, const at_columns *wanted, const at_table *answers, const char *column,
                         at_score *score, at_error *err) {
    static const char *const USUAL[] = {"similarity", "cosine", "predicted_similarity", NULL}, *const NONE[] = {NULL};
    at_arena arena = {0};
    int right_at, at = 0;
    *score = (at_score){0};
    at_status st = right_column(right, wanted, &arena, &right_at, err);
    if (!st) st = at_judge_answer_column(answers, column, USUAL, right->n_columns > 1 ? right->column[right_at] : NULL, &at, err);
    if (!st) st = judge(right, right_at, answers, at, &arena, score, err);
    if (!st) st = at_score_choose(s, "spearman", NONE, score, err);
    at_arena_free(&arena);
    return st;
}
