/* Points side by side: the samples of a channel in neighbouring lanes, as floats. */
#include "../lanes.h"

enum { MOST_CHANNELS = 64, BLOCK_POINTS = 64 };

typedef enum { SAMPLES_8, SAMPLES_16, SAMPLES_FLOAT } SampleKind;

typedef struct {
    f32 samples[MOST_CHANNELS][BLOCK_POINTS];
} Block;

INLINE f32 float_of(const void *samples, const SampleKind kind, i64 at) {
    return kind == SAMPLES_8    ? (f32)((const u8 *)samples)[at]
           : kind == SAMPLES_16 ? (f32)((const u16 *)samples)[at]
                                : ((const f32 *)samples)[at];
}

INLINE void load_points(Block *b, const void *points, const SampleKind kind, i64 first, i64 count,
                        const i64 channels) {
    if (channels == 3) {
        /* Compilers know how to sort triples into three vectors. */
        for (i64 p = 0; p < count; p++)
            for (i64 c = 0; c < 3; c++)
                b->samples[c][p] = float_of(points, kind, (first + p) * 3 + c);
    } else {
        for (i64 c = 0; c < channels; c++)
            for (i64 p = 0; p < count; p++)
                b->samples[c][p] = float_of(points, kind, (first + p) * channels + c);
    }
}

/* Load up to BLOCK_POINTS points; returns their number. The lanes behind them are zero. */
INLINE i64 load_block(Block *b, const void *points, const SampleKind kind, i64 first, i64 count,
                      const i64 channels) {
    i64 size = min_i64(BLOCK_POINTS, count - first);
    if (LIKELY(size == BLOCK_POINTS)) {
        load_points(b, points, kind, first, BLOCK_POINTS, channels);
    } else {
        for (i64 c = 0; c < channels; c++) CLEAR(b->samples[c], sizeof(b->samples[c]));
        load_points(b, points, kind, first, size, channels);
    }
    return size;
}
