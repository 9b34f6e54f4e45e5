/* Prediction of a patch from the reference frame, displaced by quarter samples. Exact in 32 bits up
 * to samples of 16: 65535 x 112 x 112 < 2^30, where 112 is the largest sum of absolute taps. */
#include "slice.h"

enum { TAPS_BEFORE = 3, TAPS_AFTER = 4, TAP_COUNT = 8, TAP_BITS = 6 };

/* Quarter-sample interpolation (ITU-T H.265, table 8-11). */
static const i16 TAPS[4][TAP_COUNT] = {
    {0, 0, 0, 64, 0, 0, 0, 0},
    {-1, 4, -10, 58, 17, -5, 1, 0},
    {-1, 4, -11, 40, 40, -11, 4, -1},
    {0, 1, -5, 17, 58, -10, 4, -1},
};

/* Linear interpolation through a low-pass filter of [1 2 1] / 4, which takes off noise. */
static const i16 SMOOTH_TAPS[4][TAP_COUNT] = {
    {0, 0, 16, 32, 16, 0, 0, 0},
    {0, 0, 12, 28, 20, 4, 0, 0},
    {0, 0, 8, 24, 24, 8, 0, 0},
    {0, 0, 4, 20, 28, 12, 0, 0},
};
enum { SMOOTH_BEFORE = 2, SMOOTH_COUNT = 4 }; /* of these taps, that are not zero */

/* Samples of the reference from a place on, `stride` from row to row. */
typedef struct {
    const u16 *samples;
    i64 stride;
} Window;

/* Where a prediction goes, likewise. */
typedef struct {
    u16 *samples;
    i64 stride;
} Target;

/* Copy what filters read around a patch at (y, x), where some of that lies outside the plane: there
 * the border repeats, so that any vector is safe. */
OUTLINE Window padded_window(Slice *s, i32 y, i32 x, i32 side) {
    i32 extent = side + TAPS_BEFORE + TAPS_AFTER;
    for (i32 i = 0; i < extent; i++) {
        const u16 *row = s->reference + sample_index(s, clamp_i32(y + i, 0, s->height - 1), 0);
        for (i32 j = 0; j < extent; j++) s->window[i][j] = row[clamp_i32(x + j, 0, s->width - 1)];
    }
    return (Window){&s->window[0][0], WINDOW + 8};
}

/* What filters read for a patch displaced to (y, x): from three samples above and left of it on. */
INLINE Window window_of(Slice *s, i32 y, i32 x, i32 side) {
    y -= TAPS_BEFORE;
    x -= TAPS_BEFORE;
    i32 extent = side + TAPS_BEFORE + TAPS_AFTER;
    if (y < 0 || x < 0 || y + extent > s->height || x + extent > s->width)
        return padded_window(s, y, x, side);
    return (Window){s->reference + sample_index(s, y, x), s->width};
}

INLINE i32x8 clip_samples(i32x8 value, i32 largest) {
    return clamp_i32x8(value, splat_i32x8(0), splat_i32x8(largest));
}

INLINE i32x8 rounded(i32x8 sum, const i32 bits) { return (sum + (1 << (bits - 1))) >> bits; }

/* Planes of more than 8 bits: sums of 32 bits --------------------------------------------------- */

INLINE i32x8 filter_samples(const u16 *samples, const i64 step, const i16 *taps, const i32 count) {
    i32x8 sum = splat_i32x8(0);
    for (i32 t = 0; t < count; t++) sum += taps[t] * load_u16x8(samples + t * step);
    return sum;
}

INLINE void filter_once_wide(Window from, i64 step, const i16 *taps, i32 side, i32 largest,
                             Target to) {
    for (i32 i = 0; i < side; i++)
        for (i32 j = 0; j < side; j += 8) {
            i32x8 sum = filter_samples(from.samples + i * from.stride + j, step, taps, TAP_COUNT);
            store_u16x8(to.samples + i * to.stride + j,
                        clip_samples(rounded(sum, TAP_BITS), largest));
        }
}

INLINE void filter_twice_wide(Slice *s, Window from, const i16 *taps_y, const i16 *taps_x,
                              const i32 count, i32 side, Target to) {
    for (i32 i = 0; i < side + count - 1; i++)
        for (i32 j = 0; j < side; j += 8)
            store_i32x8(&s->filtered[i][j],
                        filter_samples(from.samples + i * from.stride + j, 1, taps_x, count));
    for (i32 i = 0; i < side; i++)
        for (i32 j = 0; j < side; j += 8) {
            i32x8 sum = splat_i32x8(0);
            for (i32 t = 0; t < count; t++) sum += taps_y[t] * load_i32x8(&s->filtered[i + t][j]);
            store_u16x8(to.samples + i * to.stride + j,
                        clip_samples(rounded(sum, 2 * TAP_BITS), s->largest));
        }
}

/* Planes of 8 bits: the first sum is -6120 to 22440, the second one takes two rows at once ------- */

/* Taps in all lanes each. */
typedef struct {
    i16x8 lanes[TAP_COUNT];
} Taps;

INLINE Taps spread_taps(const i16 *taps, const i32 count) {
    Taps spread;
    for (i32 t = 0; t < count; t++) spread.lanes[t] = splat_i16x8(taps[t]);
    return spread;
}

INLINE i16x8 filter_narrow_samples(const u16 *samples, const i64 step, const Taps *taps,
                                   const i32 count) {
    i16x8 sum = splat_i16x8(0);
    for (i32 t = 0; t < count; t++) sum += taps->lanes[t] * load_i16x8(samples + t * step);
    return sum;
}

INLINE void filter_once_narrow(Window from, i64 step, const i16 *taps, i32 side, i32 largest,
                               Target to) {
    const i16x8 half = splat_i16x8(1 << (TAP_BITS - 1));
    const Taps spread = spread_taps(taps, TAP_COUNT);
    for (i32 i = 0; i < side; i++)
        for (i32 j = 0; j < side; j += 8) {
            const u16 *at = from.samples + i * from.stride + j;
            i16x8 sum = filter_narrow_samples(at, step, &spread, TAP_COUNT);
            store_i16x8(to.samples + i * to.stride + j,
                        clamp_i16x8((sum + half) >> TAP_BITS, splat_i16x8(0),
                                    splat_i16x8((i16)largest)));
        }
}

INLINE void filter_twice_narrow(Slice *s, Window from, const i16 *taps_y, const i16 *taps_x,
                                const i32 count, i32 side, Target to) {
    const Taps across = spread_taps(taps_x, count);
    i16x16 down[TAP_COUNT / 2];
    for (i32 t = 0; t < count; t += 2) down[t / 2] = splat_pair(taps_y + t);
    for (i32 j = 0; j < side; j += 8) {
        const u16 *at = from.samples + j;
        i16x8 above = filter_narrow_samples(at, 1, &across, count);
        for (i32 i = 0; i < side + count - 2; i++) {
            at += from.stride;
            i16x8 below = filter_narrow_samples(at, 1, &across, count);
            s->filtered_pairs[i] = interleave_i16x8(above, below);
            above = below;
        }
        for (i32 i = 0; i < side; i++) {
            i32x8 sum = splat_i32x8(0);
            for (i32 t = 0; t < count; t += 2)
                sum += dot_pairs(down[t / 2], s->filtered_pairs[i + t]);
            i16x8 value = narrow_i32x8(rounded(sum, 2 * TAP_BITS));
            store_i16x8(to.samples + i * to.stride + j,
                        clamp_i16x8(value, splat_i16x8(0), splat_i16x8((i16)s->largest)));
        }
    }
}

/* ----------------------------------------------------------------------------------------------- */

/* Along one direction alone: samples lie `step` apart. (64 s + 2048) >> 12 is (s + 32) >> 6, so the
 * second pass can be left out. */
INLINE void filter_once(const Slice *s, Window from, i64 step, i32 fraction, i32 side, Target to) {
    if (s->largest < 256)
        filter_once_narrow(from, step, TAPS[fraction], side, s->largest, to);
    else
        filter_once_wide(from, step, TAPS[fraction], side, s->largest, to);
}

INLINE void filter_twice(Slice *s, Window from, const i16 *taps_y, const i16 *taps_x,
                         const i32 count, i32 side, Target to) {
    if (s->largest < 256)
        filter_twice_narrow(s, from, taps_y, taps_x, count, side, to);
    else
        filter_twice_wide(s, from, taps_y, taps_x, count, side, to);
}

INLINE void copy_samples(Window from, i32 side, Target to) {
    for (i32 i = 0; i < side; i++, from.samples += from.stride, to.samples += to.stride)
        for (i32 j = 0; j < side; j += 8) store_i16x8(to.samples + j, load_i16x8(from.samples + j));
}

/* Fill `to` with the patch at (y, x) of the reference, displaced by `by`. */
static void displace(Slice *s, i32 y, i32 x, i32 side, Vector by, Target to) {
    i32 fraction_y = by.y & 3, fraction_x = by.x & 3;
    Window from = window_of(s, y + (by.y >> 2), x + (by.x >> 2), side);
    if (by.smooth) {
        from.samples += SMOOTH_BEFORE * (from.stride + 1);
        filter_twice(s, from, SMOOTH_TAPS[fraction_y] + SMOOTH_BEFORE,
                     SMOOTH_TAPS[fraction_x] + SMOOTH_BEFORE, SMOOTH_COUNT, side, to);
    } else if (fraction_y && fraction_x) {
        filter_twice(s, from, TAPS[fraction_y], TAPS[fraction_x], TAP_COUNT, side, to);
    } else if (fraction_x) {
        from.samples += TAPS_BEFORE * from.stride;
        filter_once(s, from, 1, fraction_x, side, to);
    } else if (fraction_y) {
        from.samples += TAPS_BEFORE;
        filter_once(s, from, from.stride, fraction_y, side, to);
    } else {
        from.samples += TAPS_BEFORE * (from.stride + 1);
        copy_samples(from, side, to);
    }
}

/* The same into `out`, for a search. */
static void predict_inter(Slice *s, i32 y, i32 x, i32 side, Vector by, u16 (*out)[CELL]) {
    displace(s, y, x, side, by, (Target){&out[0][0], CELL});
}
