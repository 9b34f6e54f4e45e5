/* The decoder of a slice. Together with what it includes it needs nothing of the encoder. */
#include "slice.h"

/* Working state for a call, in scratch memory of the caller, which need not be aligned. */
#define ALIGNED(scratch, type) \
    ((type *)(((uintptr_t)(scratch) + _Alignof(type) - 1) & ~(uintptr_t)(_Alignof(type) - 1)))

static void open_slice(Slice *s, const struct rk_slice *from) {
    s->coder = load_coder(from->coder, from->data);
    s->reference = from->reference;
    s->rebuilt = from->rebuilt;
    s->units = (Unit *)from->units;
    s->guide = (const Unit *)from->guide;
    s->left = from->left;
    s->right_t = from->right_t;
    s->height = (i32)from->units_y * UNIT;
    s->width = (i32)from->units_x * UNIT;
    s->units_x = (i32)from->units_x;
    s->top = (i32)clamp_i64(from->top, 0, from->units_y);
    s->bottom = (i32)clamp_i64(from->bottom, s->top, from->units_y);
    s->guide_units_y = (i32)from->guide_units_y;
    s->guide_units_x = (i32)from->guide_units_x;
    s->guide_shift = (i32)from->guide_shift;
    s->largest = (i32)from->largest;
    s->step = (i32)clamp_i64(from->step, 1, MAX_STEP);
    s->filter = (i32)clamp_i64(from->filter, 0, MAX_FILTER);
    s->filter_shift = (i32)clamp_i64(from->filter_shift, 0, 8);
    s->deep = from->deep != 0;
    s->chroma = from->chroma != 0;
    s->decision = (Decision){.kind = SPLIT};
    s->prediction = s->blocks[0];
    s->levels = s->level_lines[0];
    CLEAR(s->level_lines, sizeof s->level_lines);
    CLEAR(s->near, sizeof s->near);
    if (!s->deep) pair_factors(s);
}

/* Begin the row of cells at `uy` as it is in the reference: one copy of a row takes less time than
 * one of each patch that stands still, and memory is what both wait for. */
static void begin_cells(Slice *s, i32 uy) {
    if (!s->reference) return;
    i64 at = sample_index(s, uy * UNIT, 0);
    i64 samples = (i64)s->width * UNIT * min_i32(CELL_UNITS, s->bottom - uy);
    COPY(s->rebuilt + at, s->reference + at, samples * sizeof(u16));
}

static void read_patch(Slice *s, i32 uy, i32 ux, i32 size) {
    if (begins_outside(s, uy, ux)) return;
    if (fits(s, uy, ux, size) && code_patch(s, 1, uy, ux, size)) return;
    i32 half = 1 << (size - 1);
    for (i32 quarter = 0; quarter < 4; quarter++)
        read_patch(s, uy + (quarter >> 1) * half, ux + (quarter & 1) * half, size - 1);
}

static i64 read_plane(Slice *s) {
    for (i32 uy = s->top; uy < s->bottom; uy += CELL_UNITS) {
        begin_cells(s, uy);
        for (i32 ux = 0; ux < s->units_x; ux += CELL_UNITS) read_patch(s, uy, ux, SIZE_32);
        if (s->coder.overrun) return RK_ERROR_STREAM;
    }
    filter_slice(s);
    return RK_OK;
}

int64_t rk_svd_patch_decode_plane(struct rk_slice *slice) {
    Slice *s = ALIGNED(slice->scratch, Slice);
    open_slice(s, slice);
    i64 result = read_plane(s);
    store_coder(&s->coder);
    return result;
}

