/* Frames of the synthetic camera: sprites pasted into a scene, then lens and sensor. */
#include "lanes.h"

enum {
    OPAQUE = 256,
    OPACITY_BITS = 8,
    GAIN_BITS = 14,
    FULL_SCALE = 65535,
};

static void paste_row(u16 *scene, const u16 *colour, const u16 *cover, i64 count) {
    i64 x = 0;
    for (; x + LANES <= count; x += LANES) {
        i32x8 rest = splat_i32x8(OPAQUE) - load_u16x8(cover + x);
        i32x8 below = load_u16x8(scene + x) * rest >> OPACITY_BITS;
        store_u16x8(scene + x, min_i32x8(load_u16x8(colour + x) + below, splat_i32x8(FULL_SCALE)));
    }
    for (; x < count; x++) {
        i32 below = scene[x] * (OPAQUE - cover[x]) >> OPACITY_BITS;
        scene[x] = (u16)min_i32(colour[x] + below, FULL_SCALE);
    }
}

int64_t rk_synthetic_paste(uint16_t *scene, int64_t rows, int64_t columns, const uint16_t *colour,
                           const uint16_t *cover, int64_t sprite_rows, int64_t sprite_columns,
                           int64_t top, int64_t left) {
    i64 first_row = max_i64(top, 0), last_row = min_i64(top + sprite_rows, rows);
    i64 first = max_i64(left, 0), last = min_i64(left + sprite_columns, columns);
    if (first >= last) return RK_OK;
    for (i64 row = first_row; row < last_row; row++) {
        i64 inside = (row - top) * sprite_columns + first - left;
        paste_row(scene + row * columns + first, colour + inside, cover + inside, last - first);
    }
    return RK_OK;
}

/* Light one sample, add noise and round to the sensor's bits. */
INLINE i32 exposed(i32 sample, i32 row_gain, i32 column_gain, i32 noise, i32 shift) {
    i32 gain = row_gain * column_gain >> GAIN_BITS;
    i32 lit = sample * gain >> GAIN_BITS; /* 65535 times a gain below 2 fits */
    return clamp_i32((lit + noise + (1 << shift >> 1)) >> shift, 0, FULL_SCALE >> shift);
}

int64_t rk_synthetic_expose_u8(const uint16_t *scene, int64_t rows, int64_t columns,
                               const int32_t *row_gains, const int32_t *column_gains,
                               const int16_t *noise, const int64_t *offsets, uint8_t *pixels) {
    for (i64 row = 0; row < rows; row++) {
        const i16 *own_noise = noise + offsets[row];
        const u16 *samples = scene + row * columns;
        u8 *to = pixels + row * columns;
        for (i64 x = 0; x < columns; x++)
            to[x] = (u8)exposed(samples[x], row_gains[row], column_gains[x], own_noise[x], 8);
    }
    return RK_OK;
}

int64_t rk_synthetic_expose_u16(const uint16_t *scene, int64_t rows, int64_t columns,
                                const int32_t *row_gains, const int32_t *column_gains,
                                const int16_t *noise, const int64_t *offsets, int64_t shift,
                                uint16_t *pixels) {
    for (i64 row = 0; row < rows; row++) {
        const i16 *own_noise = noise + offsets[row];
        const u16 *samples = scene + row * columns;
        u16 *to = pixels + row * columns;
        for (i64 x = 0; x < columns; x++)
            to[x] = (u16)exposed(samples[x], row_gains[row], column_gains[x], own_noise[x],
                                 (i32)shift);
    }
    return RK_OK;
}
