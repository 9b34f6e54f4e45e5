/* The encoder of a slice: cell by cell, plan the patches, decide about each and write it. */
#include "encoder.h"

static void open_encoder(Encoder *e, const struct rk_slice *from) {
    Slice *s = &e->slice;
    open_slice(s, from);
    e->source = from->source;
    e->left_t_real = from->left_t_real;
    e->right_real = from->right_real;
    e->bit_price = from->bit_price;
    e->bit_difference = from->bit_difference;
    e->step = (f64)s->step / STEP_ONE;
    e->inverse_step = (f32)(1.0 / e->step);
    e->effort = (i32)from->effort;
    e->rank = (i32)clamp_i64(from->rank, 1, UNIT);
    e->found = (Vector){(i32)from->moved[0], (i32)from->moved[1], 0};
    e->trial = s->blocks[1];
    e->kept_prediction = s->blocks[2];
    e->smooth_trial = s->blocks[3];
    e->kept_levels = s->level_lines[1];
    CLEAR(e->still, sizeof e->still); /* as it stays in key frames */
    for (i32 n = 0; n < SCAN_8_LENGTH; n++) e->places_8[SCAN_8[n].y][SCAN_8[n].x] = (u8)n;
    for (i32 n = 0; n < SCAN_16_LENGTH; n++) e->places_16[SCAN_16[n].y][SCAN_16[n].x] = (u8)n;
}

/* Write the patches of the cell that begins at (cell_y, cell_x). */
static void write_patch(Encoder *e, i32 cell_y, i32 cell_x, i32 uy, i32 ux, i32 size) {
    Slice *s = &e->slice;
    if (begins_outside(s, uy, ux)) return;
    if (fits(s, uy, ux, size)) {
        Planned planned = e->plan[uy - cell_y][ux - cell_x];
        if (planned.size < size)
            s->decision.kind = SPLIT;
        else
            decide_patch(e, uy, ux, size, planned.skip);
        if (code_patch(s, 0, uy, ux, size)) return;
    }
    i32 half = 1 << (size - 1);
    for (i32 quarter = 0; quarter < 4; quarter++)
        write_patch(e, cell_y, cell_x, uy + (quarter >> 1) * half, ux + (quarter & 1) * half,
                    size - 1);
}

static i64 write_plane(Encoder *e) {
    Slice *s = &e->slice;
    for (i32 uy = s->top; uy < s->bottom; uy += CELL_UNITS) {
        begin_cells(s, uy);
        for (i32 ux = 0; ux < s->units_x; ux += CELL_UNITS) {
            plan_cell(e, uy, ux);
            if (e->effort >= BEST && fits(s, uy, ux, SIZE_32) && !all_skipped(e))
                cut_cell(e, uy, ux);
            write_patch(e, uy, ux, uy, ux, SIZE_32);
        }
        if (s->coder.overrun) return RK_ERROR_SPACE;
    }
    filter_slice(s);
    return RK_OK;
}

int64_t rk_svd_patch_encode_plane(struct rk_slice *slice) {
    Encoder *e = ALIGNED(slice->scratch, Encoder);
    open_encoder(e, slice);
    i64 result = write_plane(e);
    store_coder(&e->slice.coder);
    slice->moved[0] = e->found.y;
    slice->moved[1] = e->found.x;
    return result;
}

int64_t rk_svd_patch_scratch_bytes(void) { return sizeof(Encoder) + _Alignof(Encoder) - 1; }
