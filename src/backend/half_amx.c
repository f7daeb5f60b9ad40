/* bf16 products by the tile instructions of AMX (Intel, Sapphire Rapids and later). A tile holds 16 rows of 64 bytes; the state of the
 * tiles belongs to a thread and is set up and given back around every block, which costs some dozen cycles of the thousand that a block takes. */
#include "backend/half_tables.h"

#if AT_HALF_X86

#include <math.h>

#include "backend/vec_avx512.h"

#include "backend/math.inc"
#include "backend/activation.inc"

/* Intel's layout of the configuration of tiles, palette 1. */
typedef struct tile_configuration {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} tile_configuration;

static const tile_configuration whole_tiles = {
    .palette = 1, .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64}, .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

#define TILES_BEGIN _tile_loadconfig(&whole_tiles);
#define TILES_END _tile_release();
#define TILE_ZERO(t) _tile_zero(t)
#define TILE_LOAD(t, from, stride) _tile_loadd(t, from, stride)
#define TILE_DOT(sum, a, b) _tile_dpbf16ps(sum, a, b)
#define TILE_STORE(t, to, stride) _tile_stored(t, to, stride)

#include "backend/half_tiles.inc"
#include "backend/half.inc"

const at_half at_half_amx = AT_HALF("amx", 512);

#endif
