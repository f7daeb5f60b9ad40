#include "train/sampler.h"

#include <string.h>

#include "base/random.h"

at_status at_step_plan_init(at_step_plan *p, int n, int lanes, at_arena *arena, at_error *err) {
    *p = (at_step_plan){.lanes = lanes};
    p->dealt = AT_NEW_ARRAY(arena, uint32_t, n);
    p->seq_id = AT_NEW_ARRAY(arena, uint32_t, n);
    p->sorted = AT_NEW_ARRAY(arena, uint64_t, n);
    p->chunk = AT_NEW_ARRAY(arena, at_step_chunk, n);
    p->chunk_at = AT_NEW_ARRAY(arena, int, lanes + 1);
    p->lane_rows = AT_NEW_ARRAY(arena, int, lanes);
    if (!p->dealt || !p->seq_id || !p->sorted || !p->chunk || !p->chunk_at || !p->lane_rows)
        return at_fail_memory(err, (size_t)n * 24);
    return AT_OK;
}

/* The first example of each row; the largest row. */
static int find_rows(at_sampler *s) {
    int most = 0, n = 0;
    for (int i = 0; i < s->d->n; i++) {
        if (i && s->d->row[i] == s->d->row[i - 1]) continue;
        if (n && i - (int)s->first[n - 1] > most) most = i - (int)s->first[n - 1];
        s->first[n++] = (uint32_t)i;
    }
    s->first[n] = (uint32_t)s->d->n;
    return s->d->n - (int)s->first[n - 1] > most ? s->d->n - (int)s->first[n - 1] : most;
}

static int count_labels(const at_dataset *d) {
    int32_t most = -1;
    for (int i = 0; i < d->n; i++)
        if (d->label[i] > most) most = d->label[i];
    return most + 1;
}

static at_status init_rows(at_sampler *s, at_arena *arena, int *step_seq, at_error *err) {
    s->first = AT_NEW_ARRAY(arena, uint32_t, s->n_units + 1);
    if (!s->first) return at_fail_memory(err, (size_t)s->n_units * sizeof *s->first);
    *step_seq = s->batch_size * find_rows(s);
    if (*step_seq > s->d->n) *step_seq = s->d->n;
    s->step = AT_NEW_ARRAY(arena, uint32_t, *step_seq);
    return s->step ? AT_OK : at_fail_memory(err, (size_t)*step_seq * sizeof *s->step);
}

static at_status init_labels(at_sampler *s, at_arena *arena, at_error *err) {
    int n = s->d->n, labels = count_labels(s->d);
    s->drawn = AT_NEW_ARRAY(arena, uint32_t, n);
    s->same_label = AT_NEW_ARRAY(arena, uint32_t, n);
    s->label_at = AT_NEW_ARRAY(arena, uint32_t, labels);
    return s->drawn && s->same_label && s->label_at ? AT_OK : at_fail_memory(err, (size_t)n * 8);
}

at_status at_sampler_init(at_sampler *s, const at_dataset *d, int batch_size, int lanes, int chunk_rows, uint64_t seed,
                          at_arena *arena, at_error *err) {
    if (batch_size < 1) return at_fail(err, AT_USAGE, "a step of %d examples cannot be trained on", batch_size);
    if (d->n < 1) return at_fail(err, AT_BAD_DATA, "%s: has no examples to train on", d->path);
    int units = at_dataset_units(d);
    if (batch_size > units) batch_size = units;
    int steps = (units + batch_size - 1) / batch_size, step_seq = batch_size;
    *s = (at_sampler){.d = d, .n_units = units, .batch_size = batch_size, .lanes = lanes, .chunk_rows = chunk_rows,
                      .steps_per_epoch = steps, .seed = seed, .epoch = -1};
    s->order = AT_NEW_ARRAY(arena, uint32_t, units);
    if (!s->order) return at_fail_memory(err, (size_t)units * sizeof *s->order);
    if (d->draw == AT_DRAW_ROWS) AT_TRY(init_rows(s, arena, &step_seq, err));
    if (d->draw == AT_DRAW_LABELS) AT_TRY(init_labels(s, arena, err));
    return at_step_plan_init(&s->plan, step_seq, lanes, arena, err);
}

/* Shell's sort with Ciura's gaps: the keys are distinct, a step has tens to thousands of them, and nothing is allocated. */
static void sort_keys(uint64_t *key, int n) {
    static const int gaps[] = {1750, 701, 301, 132, 57, 23, 10, 4, 1};
    for (int g = 0; g < (int)(sizeof gaps / sizeof *gaps); g++)
        for (int i = gaps[g]; i < n; i++) {
            uint64_t moved = key[i];
            int j = i;
            for (; j >= gaps[g] && key[j - gaps[g]] > moved; j -= gaps[g]) key[j] = key[j - gaps[g]];
            key[j] = moved;
        }
}

/* The lane of each sequence, longest first to the lane with the fewest tokens, in the low bits of sorted[]'s entry. */
static void deal_to_lanes(at_step_plan *p, const at_dataset *d) {
    for (int i = 0; i < p->n; i++) {
        uint32_t length = (uint32_t)at_dataset_length(d, (int)p->example[i]);
        p->sorted[i] = (uint64_t)(UINT32_MAX - length) << 32 | (uint32_t)i;
        p->tokens += (int)length;
    }
    sort_keys(p->sorted, p->n);
    for (int l = 0; l < p->lanes; l++) p->lane_rows[l] = 0;
    for (int i = 0; i < p->n; i++) {
        int least = 0;
        for (int l = 1; l < p->lanes; l++)
            if (p->lane_rows[l] < p->lane_rows[least]) least = l;
        uint32_t place = (uint32_t)p->sorted[i];
        p->lane_rows[least] += at_dataset_length(d, (int)p->example[place]);
        p->sorted[i] = (uint64_t)least << 32 | place;
    }
}

/* Cuts a lane into about lane_rows / chunk_rows chunks of nearly equal size: a sequence opens the next chunk where its middle lies
 * beyond this chunk's share. */
static void cut_lane(at_step_plan *p, const at_dataset *d, int lane, int start, int end, int chunk_rows) {
    int64_t rows = p->lane_rows[lane], chunks = (rows + chunk_rows / 2) / chunk_rows, before = 0;
    if (chunks < 1) chunks = 1;
    p->chunk_at[lane] = p->n_chunks;
    for (int i = start, nth = 0; i < end; i++) {
        int64_t length = at_dataset_length(d, (int)p->dealt[i]);
        int opens = i == start || (nth < chunks && (2 * before + length) * chunks > 2 * nth * rows);
        if (opens) p->chunk[p->n_chunks++] = (at_step_chunk){i, 0};
        nth += opens;
        p->chunk[p->n_chunks - 1].n++;
        before += length;
    }
}

void at_step_plan_deal(at_step_plan *p, const at_dataset *d, const uint32_t *example, int n, int chunk_rows) {
    p->example = example;
    p->n = n;
    p->tokens = p->n_chunks = 0;
    deal_to_lanes(p, d);
    for (int lane = 0, end = 0; lane < p->lanes; lane++) {
        int start = end;
        for (int i = 0; i < n; i++) {
            if ((int)(p->sorted[i] >> 32) != lane) continue;
            p->seq_id[end] = (uint32_t)p->sorted[i];
            p->dealt[end] = example[p->seq_id[end]];
            end++;
        }
        cut_lane(p, d, lane, start, end, chunk_rows);
    }
    p->chunk_at[p->lanes] = p->n_chunks;
}

/* In the order drawn, each example brings the next one of its label with it. */
static void pair_labels(at_sampler *s) {
    const uint32_t none = UINT32_MAX, taken = UINT32_MAX - 1;
    int n = s->d->n, at = 0;
    memset(s->label_at, 0xff, (size_t)count_labels(s->d) * sizeof *s->label_at);
    memcpy(s->drawn, s->order, (size_t)n * sizeof *s->drawn);
    for (int i = n; i-- > 0;) {
        int32_t label = s->d->label[s->drawn[i]];
        s->same_label[i] = label < 0 ? none : s->label_at[label];
        if (label >= 0) s->label_at[label] = (uint32_t)i;
    }
    for (int i = 0; i < n; i++) {
        uint32_t next = s->same_label[i];
        if (next == taken) continue;
        s->order[at++] = s->drawn[i];
        if (next == none) continue;
        s->order[at++] = s->drawn[next];
        s->same_label[next] = taken;
    }
}

static void draw_epoch(at_sampler *s, int epoch) {
    if (epoch == s->epoch) return;
    at_random_permutation(at_random_key(s->seed, AT_SITE_SHUFFLE, (uint64_t)epoch), s->order, (uint32_t)s->n_units);
    if (s->d->draw == AT_DRAW_LABELS) pair_labels(s);
    s->epoch = epoch;
}

/* The examples of n rows. */
static int take_rows(at_sampler *s, const uint32_t *unit, int n) {
    int taken = 0;
    for (int i = 0; i < n; i++)
        for (uint32_t k = s->first[unit[i]]; k < s->first[unit[i] + 1]; k++) s->step[taken++] = k;
    return taken;
}

const at_step_plan *at_sampler_step(at_sampler *s, int step) {
    int start = step % s->steps_per_epoch * s->batch_size, n = s->n_units - start < s->batch_size ? s->n_units - start : s->batch_size;
    draw_epoch(s, step / s->steps_per_epoch);
    if (s->first) at_step_plan_deal(&s->plan, s->d, s->step, take_rows(s, s->order + start, n), s->chunk_rows);
    else at_step_plan_deal(&s->plan, s->d, s->order + start, n, s->chunk_rows);
    return &s->plan;
}

static void raise_to(int *most, int value) {
    if (value > *most) *most = value;
}

void at_step_bounds_add(at_step_bounds *b, const at_step_plan *p, const at_dataset *d) {
    for (int l = 0; l < p->lanes; l++) raise_to(&b->lane_rows, p->lane_rows[l]);
    raise_to(&b->n_chunks, p->n_chunks);
    raise_to(&b->step_seq, p->n);
    for (int c = 0; c < p->n_chunks; c++) {
        const at_step_chunk *chunk = &p->chunk[c];
        int rows = 0, places = 0, decoder_rows = 0;
        for (int i = 0; i < chunk->n; i++) {
            int example = (int)p->dealt[chunk->start + i], length = at_dataset_source_length(d, example);
            int behind = at_dataset_decoder_length(d, example);
            rows += length;
            decoder_rows += behind;
            if (d->place_at) places += at_dataset_n_outputs(d, example);
            raise_to(&b->max_len, length);
            raise_to(&b->decoder_len, behind);
        }
        raise_to(&b->rows, rows);
        raise_to(&b->decoder_rows, decoder_rows);
        raise_to(&b->n_places, places);
        raise_to(&b->n_seq, chunk->n);
    }
}

at_step_bounds at_sampler_bounds(at_sampler *s, int n_steps) {
    at_step_bounds bounds = {0};
    for (int step = 0; step < n_steps; step++) at_step_bounds_add(&bounds, at_sampler_step(s, step), s->d);
    return bounds;
}
