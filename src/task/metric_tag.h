/* Metrics of tagging: of marked parts equal to seqeval's, of plain tags equal to scikit-learn's with zero_division=0. */
#ifndef AT_TASK_METRIC_TAG_H
#define AT_TASK_METRIC_TAG_H

#include "task/metric_classify.h"
#include "task/schemes.h"

typedef struct at_type_scores {
    const char *type;            /* points into a tag */
    at_class_scores scores;
} at_type_scores;

typedef struct at_tag_metrics {
    long tokens, sentences;
    double accuracy;             /* of tokens */
    at_class_scores micro, macro, weighted;
    at_type_scores *type;        /* [n_types] sorted by name; plain tags: the tags */
    int n_types;
    double f1_low, f1_high;      /* micro F1 (plain: accuracy): percentile bootstrap over sentences, fixed seed */
} at_tag_metrics;

/* truth, answer [tokens], sentence_at [n_sentences + 1]. Plain: types are tags, micro is the accuracy. */
at_status at_metrics_tag(const char *const *truth, const char *const *answer, const uint64_t *sentence_at, int n_sentences,
                         at_scheme scheme, at_reading reading, at_arena *arena, at_tag_metrics *metrics, at_error *err);
json_t *at_metrics_tag_json(const at_tag_metrics *metrics, at_scheme scheme);

#endif
