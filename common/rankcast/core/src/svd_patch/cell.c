/* The samples of a cell while it is planned, or their differences to the reference: in levels and
 * lanes of 16 bits where e->narrow, otherwise in steps. */
#include "encoder.h"

/* Copy the source of `high` x `wide` units from (uy, ux) on. */
static void load_cell(Encoder *e, i32 uy, i32 ux, i32 high, i32 wide) {
    for (i32 i = 0; i < UNIT * high; i++) {
        const u16 *row = e->source + sample_index(&e->slice, uy * UNIT + i, ux * UNIT);
        for (i32 j = 0; j < UNIT * wide; j += 8)
            if (LIKELY(e->narrow))
                store_i16x8(&e->differences[i][j], load_i16x8(row + j));
            else
                store_f32x8(&e->samples[i][j], real_samples(row + j) * e->inverse_step);
    }
}

/* Subtract the reference from one row of a part of the cell. `x` is where the part begins in `row`,
 * which has `most` samples. */
INLINE void subtract_row(Encoder *e, i32 i, i32 j, i32 count, const u16 *row, i32 x, i32 most) {
    int inside = x >= 0 && x + count <= most;
    if (LIKELY(e->narrow)) {
        i16 *to = &e->differences[i][j];
        for (i32 k = 0; inside && k < count; k += 8)
            store_i16x8(to + k, load_i16x8(to + k) - load_i16x8(row + x + k));
        for (i32 k = 0; !inside && k < count; k++)
            to[k] = (i16)(to[k] - row[clamp_i32(x + k, 0, most - 1)]);
        return;
    }
    f32 *to = &e->samples[i][j];
    for (i32 k = 0; inside && k < count; k += 8)
        store_f32x8(to + k, load_f32x8(to + k) - real_samples(row + x + k) * e->inverse_step);
    for (i32 k = 0; !inside && k < count; k++)
        to[k] -= (f32)row[clamp_i32(x + k, 0, most - 1)] * e->inverse_step;
}

/* Subtract the reference, displaced by whole samples, from the part of the cell at (uy, ux) that
 * begins at its unit (a, b). */
static void subtract(Encoder *e, i32 uy, i32 ux, i32 a, i32 b, i32 high, i32 wide, Vector by) {
    const Slice *s = &e->slice;
    i32 y = (uy + a) * UNIT + by.y, x = (ux + b) * UNIT + by.x;
    for (i32 i = 0; i < high * UNIT; i++) {
        const u16 *row = s->reference + sample_index(s, clamp_i32(y + i, 0, s->height - 1), 0);
        subtract_row(e, a * UNIT + i, b * UNIT, wide * UNIT, row, x, s->width);
    }
}

INLINE f32 take_narrow_part(Encoder *e, i32 y, i32 x, const i32 size) {
    i16 offset = e->slice.reference ? 0 : e->differences[y][x];
    i32x8 squares = splat_i32x8(0);
    for (i32 i = 0; i < UNIT << size; i += 2)
        for (i32 g = 0; g < 1 << size; g++) {
            i16x16 pair = interleave_i16x8(load_i16x8(&e->differences[y + i][x + 8 * g]),
                                           load_i16x8(&e->differences[y + i + 1][x + 8 * g]));
            pair -= offset;
            e->residual_pairs[g][i / 2] = pair;
            squares += dot_pairs(pair, pair);
        }
    return (f32)sum_i32x8(squares) * (e->inverse_step * e->inverse_step);
}

/* Make a part of the cell the residual that is to be transformed; return its energy. In a key frame
 * any sample near the mean, taken off, keeps 32 bits exact enough. */
INLINE f32 take_part(Encoder *e, i32 y, i32 x, const i32 size) {
    if (LIKELY(e->narrow)) return take_narrow_part(e, y, x, size);
    f32 offset = e->slice.reference ? 0.0f : e->samples[y][x];
    f32x8 squares = splat_f32x8(0);
    for (i32 i = 0; i < UNIT << size; i++)
        for (i32 g = 0; g < 1 << size; g++) {
            f32x8 value = load_f32x8(&e->samples[y + i][x + 8 * g]) - offset;
            store_f32x8(e->residual[g][i], value);
            squares += value * value;
        }
    return add_lanes(0, squares);
}

INLINE f64 narrow_spread(const Encoder *e, i32 y, i32 x) {
    i16 offset = e->slice.reference ? 0 : e->differences[y][x];
    i32x8 sums = splat_i32x8(0), squares = splat_i32x8(0);
    for (i32 i = 0; i < QUARTER; i++) {
        i16x16 row = *(const i16x16_any *)&e->differences[y + i][x] - offset;
        sums += dot_pairs(row, (i16x16){0} + 1);
        squares += dot_pairs(row, row);
    }
    f64 total = sum_i32x8(sums), energy = sum_i32x8(squares);
    if (!e->slice.reference) energy -= total * total / (QUARTER * QUARTER);
    return energy * (f64)(e->inverse_step * e->inverse_step);
}

/* Energy of a quarter of the cell; in a key frame, of what its mean leaves. */
static f64 spread(const Encoder *e, i32 y, i32 x) {
    if (LIKELY(e->narrow)) return narrow_spread(e, y, x);
    int skip_mean = !e->slice.reference;
    f32 offset = skip_mean ? e->samples[y][x] : 0.0f;
    f32x8 sums[2] = {{0}}, squares[2] = {{0}};
    for (i32 i = 0; i < QUARTER; i++)
        for (i32 g = 0; g < 2; g++) {
            f32x8 value = load_f32x8(&e->samples[y + i][x + 8 * g]) - offset;
            sums[g] += value;
            squares[g] += value * value;
        }
    f64 total = sum_tiles(sums, 2), energy = sum_tiles(squares, 2);
    return skip_mean ? energy - total * total / (QUARTER * QUARTER) : energy;
}
