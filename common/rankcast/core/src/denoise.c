/* Means over time of planes that stand still, in blocks of 8 x 8. */
#include "lanes.h"

enum {
    SIDE = 8,
    AREA = SIDE * SIDE,
    INSIDE = 6, /* samples of a row that have neighbours in the block on both sides */
    MOST_FRAMES = 16,
    LEVELS = 8,
    MEASURES = 3,
};

/* Squared differences of 64 noisy samples stray by 18 % from their mean: four times that. */
static const f32 MOST_SQUARES = 1.7f;
/* Four times the noise of its mean: the block brightens or darkens as a whole. */
static const f32 MOST_SHIFT = 4.0f;
/* Deviations from which on a sample moves its mean further, and from which on it replaces it. */
static const f32 DOUBTFUL = 2.0f, CERTAIN = 4.0f;
/* Variance of the noise in what `texture` adds up (Immerkaer 1996, doi:10.1006/cviu.1996.0060). */
static const f32 TEXTURE_GAIN = 36.0f;

typedef struct {
    f32 level;    /* mean of the samples */
    f32 sum;      /* of the differences between the samples and the means so far */
    f32 squares;  /* of these */
} Change;

INLINE f32x8 real_row(const u16 *from) { return to_f32x8(load_u16x8(from)); }

static Change change_of(const u16 *samples, const f32 *means, i64 stride) {
    f32x8 levels = {0}, sums = {0}, squares = {0};
    for (i64 row = 0; row < SIDE; row++, samples += stride, means += stride) {
        f32x8 x = real_row(samples), d = x - load_f32x8(means);
        levels += x;
        sums += d;
        squares += d * d;
    }
    return (Change){fold_f32x8(levels) / AREA, fold_f32x8(sums), fold_f32x8(squares)};
}

/* Sum of squares of second differences in both directions, which a gradient leaves at zero. */
static f32 texture(const u16 *samples, i64 stride) {
    const i32x8 inside = {0, -1, -1, -1, -1, -1, -1, 0};
    f32x8 squares = {0};
    for (i64 row = 1; row <= INSIDE; row++) {
        const u16 *here = samples + row * stride;
        i32x8 down = load_u16x8(here - stride) - 2 * load_u16x8(here) + load_u16x8(here + stride);
        i32x8 left = __builtin_shufflevector(down, down, 0, 0, 1, 2, 3, 4, 5, 6);
        i32x8 right = __builtin_shufflevector(down, down, 1, 2, 3, 4, 5, 6, 7, 7);
        f32x8 both = to_f32x8((left - 2 * down + right) & inside);
        squares += both * both;
    }
    return fold_f32x8(squares);
}

/* Take a block that has moved as it is. */
static void begin(const u16 *samples, f32 *means, i64 stride) {
    for (i64 row = 0; row < SIDE; row++, samples += stride, means += stride)
        store_f32x8(means, real_row(samples));
}

/* Take a block that stands still into its means; `deviation` is that of a difference. */
static void average(u16 *samples, f32 *means, i64 stride, f32 share, f32 deviation,
                    int is_written) {
    f32x8 scale = splat_f32x8(1.0f / ((CERTAIN - DOUBTFUL) * deviation));
    f32 from = DOUBTFUL / (CERTAIN - DOUBTFUL);
    for (i64 row = 0; row < SIDE; row++, samples += stride, means += stride) {
        f32x8 mean = load_f32x8(means), d = real_row(samples) - mean;
        f32x8 doubt = positive_f32x8(abs_f32x8(d) * scale - from);
        doubt = select_f32x8(doubt < 1.0f, doubt, splat_f32x8(1.0f));
        mean += d * (share + (1.0f - share) * doubt);
        store_f32x8(means, mean);
        if (is_written) store_u16x8(samples, __builtin_convertvector(mean + 0.5f, i32x8));
    }
}

int64_t rk_denoise(uint16_t *samples, float *means, uint8_t *ages, int64_t block_rows,
                   int64_t block_columns, const float *variances, double full_range,
                   int64_t is_written, float *measures) {
    i64 stride = block_columns * SIDE;
    for (i64 row = 0; row < block_rows; row++)
        for (i64 column = 0; column < block_columns; column++) {
            i64 index = row * block_columns + column;
            u16 *block = samples + row * SIDE * stride + column * SIDE;
            f32 *mean = means + row * SIDE * stride + column * SIDE;
            Change change = change_of(block, mean, stride);
            /* A mean of so many frames has noise too. */
            f32 age = (f32)max_i64(ages[index], 1), noises = 1.0f + 1.0f / age;
            f32 *measured = measures + index * MEASURES;
            measured[0] = change.level;
            measured[1] = change.squares / (AREA * noises);
            measured[2] = texture(block, stride) / (INSIDE * INSIDE * TEXTURE_GAIN);
            f32 brightness = __builtin_sqrtf(change.level / (f32)full_range);
            i64 level = min_i64((i64)(brightness * LEVELS), LEVELS - 1);
            f32 variance = variances[level] * noises;
            if (change.squares < MOST_SQUARES * AREA * variance &&
                change.sum * change.sum < MOST_SHIFT * MOST_SHIFT * AREA * variance) {
                f32 frames = min_i64((i64)age + 1, MOST_FRAMES);
                average(block, mean, stride, 1.0f / frames, __builtin_sqrtf(variance),
                        is_written != 0);
                ages[index] = (u8)frames;
            } else {
                begin(block, mean, stride);
                ages[index] = 1;
            }
        }
    return RK_OK;
}
