#include "backend/compact.h"

#include <math.h>
#include <string.h>

#include "base/half.h"

enum { SCALE_BYTES = 2 * AT_PANEL };

static const float MOST_SCALE = 65504; /* of a half */

const char *at_form_name(at_form form) {
    static const char *const NAMES[] = {"fp32", "bf16", "q8_0"};
    return NAMES[form];
}

static size_t bf16_at(int n, int k) { return ((size_t)(k / 2) * AT_PANEL + (size_t)(n % AT_PANEL)) * 2 + (size_t)(k % 2); }

static void pack_bf16(const float *rows, int cols, int in, uint16_t *panel) {
    for (int n = 0; n < cols; n++)
        for (int k = 0; k < in; k++) panel[bf16_at(n, k)] = at_to_bf16(rows[(size_t)n * (size_t)in + (size_t)k]);
}

/* Column n of a block: d = largest / 127; q = x / d, halves away from zero. */
static void pack_block(const float *x, int count, int n, unsigned char *block) {
    float largest = 0;
    for (int i = 0; i < count; i++) largest = fmaxf(largest, fabsf(x[i]));
    float d = fminf(largest / 127.0f, MOST_SCALE), by = d != 0 ? 1.0f / d : 0;
    uint16_t half = at_to_f16(d);
    memcpy(block + 2 * n, &half, sizeof half);
    for (int i = 0; i < count; i++) {
        float q = fminf(fmaxf(roundf(x[i] * by), -127), 127);
        block[SCALE_BYTES + (i / 2 * AT_PANEL + n) * 2 + i % 2] = (unsigned char)(signed char)q;
    }
}

static void pack_q8_0(const float *rows, int cols, int in, unsigned char *panel) {
    for (int k = 0; k < in; k += AT_COMPACT_BLOCK, panel += AT_COMPACT_BLOCK_BYTES)
        for (int n = 0; n < cols; n++)
            pack_block(rows + (size_t)n * (size_t)in + (size_t)k, in - k < AT_COMPACT_BLOCK ? in - k : AT_COMPACT_BLOCK, n, panel);
}

void at_compact_pack(at_form form, const float *rows, int out, int in, void *packed) {
    size_t panel_bytes = at_compact_panel_bytes(form, in);
    unsigned char *panel = packed;
    for (int n = 0; n < out; n += AT_PANEL, panel += panel_bytes, rows += (size_t)AT_PANEL * (size_t)in) {
        int cols = out - n < AT_PANEL ? out - n : AT_PANEL;
        memset(panel, 0, panel_bytes);
        if (form == AT_FORM_BF16) pack_bf16(rows, cols, in, (uint16_t *)(void *)panel);
        else pack_q8_0(rows, cols, in, panel);
    }
}

static void row_q8_0(const unsigned char *panel, int in, int n, float *row) {
    for (int k = 0; k < in; k++) {
        const unsigned char *block = panel + (size_t)(k / AT_COMPACT_BLOCK) * AT_COMPACT_BLOCK_BYTES;
        uint16_t half;
        memcpy(&half, block + 2 * n, sizeof half);
        row[k] = at_from_f16(half) * (float)(signed char)block[SCALE_BYTES + (k % AT_COMPACT_BLOCK / 2 * AT_PANEL + n) * 2 + k % 2];
    }
}

void at_compact_row(at_form form, const void *packed, int in, int n, float *row) {
    const unsigned char *panel = (const unsigned char *)packed + (size_t)(n / AT_PANEL) * at_compact_panel_bytes(form, in);
    if (form == AT_FORM_Q8_0) {
        row_q8_0(panel, in, n % AT_PANEL, row);
        return;
    }
    const uint16_t *values = (const uint16_t *)(const void *)panel;
    for (int k = 0; k < in; k++) row[k] = at_from_bf16(values[bf16_at(n, k)]);
}
