/* Codec lossless: colour transform, prediction from neighbours, and range coding of the errors.
 *
 * Every sample is predicted by a mean of four predictors, each weighted by how well it did around
 * here, as in the weighted predictor of JPEG XL (ISO/IEC 18181-1), less the mean error of its
 * context, as in LOCO-I (ISO/IEC 14495-1). The same functions write and read; a writer knows all
 * samples, so it makes the predictions of a row before it codes the row.
 */
#include "pixels.h"
#include "range_coder.h"

enum { PLAIN, YCOCG }; /* transforms, as in the header of a packet */

enum {
    PREDICTORS = 4,
    KINDS = 3, /* of planes; the third one and all that follow it share their models */
    ENERGY_CLASSES = 24,
    TEXTURES = 8,
    MOST_COUNTED = 256, /* errors in a context, where sum and count are halved */
    BINS = 20,
    MOST_BINS = 40,
    UNARY = 12,      /* sizes below it are coded in unary, then in classes of doubling width */
    MOST_PLAIN = 24, /* bits within such a class: enough for any error */
    PATTERNS = 64,
    ASKED = 3, /* neighbours that a sample may equal */
};

enum {
    MODEL_ZERO = REGISTERS,
    MODEL_SIGN = MODEL_ZERO + KINDS * ENERGY_CLASSES,
    MODEL_BIN = MODEL_SIGN + KINDS * ENERGY_CLASSES,
    MODEL_SAME = MODEL_BIN + KINDS * ENERGY_CLASSES * BINS,
    STATES = MODEL_SAME + KINDS * ASKED * PATTERNS,
};

/* Sums of errors below it have their weights in a table; larger ones take divisions. */
enum { WEIGHTS = 1024 };

typedef struct {
    i32 sum, count;
} Bias;

/* What a band has learnt; it goes from plane to plane. */
typedef struct {
    i64 state[STATES];
    Bias bias[KINDS][ENERGY_CLASSES * TEXTURES];
    i64 weights[WEIGHTS];
} Band;

/* One plane while it is coded. Errors lie between one border on each side. */
typedef struct {
    i32 *samples;
    i64 height, width;
    i64 kind;
    /* What is read must lie within: only hostile bytes lead outside, and huge errors take long. */
    i64 least, most;
    i32 *above, *here;           /* absolute errors of the four predictors, sample by sample */
    i32 *mean_above, *mean_here; /* and of the corrected guess */
    i32 *guesses;                /* of a row that is written */
} Plane;

typedef struct {
    i32 w, n, nw, ne, nn, ww;
} Neighbours;

typedef i32 i32x4 __attribute__((vector_size(16)));
typedef i32 i32x4_any __attribute__((vector_size(16), aligned(4), may_alias));

INLINE i32x4 errors_at(const i32 *errors, i64 j) { return *(const i32x4_any *)(errors + 4 * j); }

INLINE i32 floor_log2(u32 value) { return 31 - __builtin_clz(value); }

/* Prediction ----------------------------------------------------------------------------------- */

/* The inverse square of the errors near here: half the error, four times the say. Times 2^40, so
 * that sums are exact. */
INLINE i64 weight_for(i32 near) {
    f64 error = near + 2;
    /* A quotient of 2^40 that is no integer lies at least 2^-40 of itself below the next one: the
     * rounding of a double does not lift it up to there. */
    return (i64)(0x1p40 / (error * error)) + 1;
}

static void start_band(Band *band) {
    const i64 fresh = 1ll << 15 | 1ll << 31;
    CLEAR(band, sizeof(*band));
    for (int i = REGISTERS; i < STATES; i++) band->state[i] = fresh;
    for (int near = 0; near < WEIGHTS; near++) band->weights[near] = weight_for(near);
}

/* Neighbours beyond the edge are the nearest ones inside; all are 0 at the first sample. */
INLINE Neighbours neighbours_of(const Plane *plane, i64 i, i64 j) {
    const i32 *row = plane->samples + i * plane->width;
    Neighbours at;
    if (i > 0) {
        const i32 *above = row - plane->width;
        at.n = above[j];
        at.w = j > 0 ? row[j - 1] : at.n;
        at.nw = j > 0 ? above[j - 1] : at.n;
        at.ne = j + 1 < plane->width ? above[j + 1] : at.n;
        at.nn = i > 1 ? above[j - plane->width] : at.n;
    } else {
        at.w = j > 0 ? row[j - 1] : 0;
        at.n = at.nw = at.ne = at.nn = at.w;
    }
    at.ww = j > 1 ? row[j - 2] : at.w;
    return at;
}

INLINE i32x4 predictions(Neighbours at) {
    i32 slope = (at.ne - at.nw) >> 1;
    return (i32x4){at.w + at.n - at.nw, at.n + slope, at.w + slope, at.n + ((at.n - at.nn) >> 1)};
}

INLINE i32x4 errors_of(i32x4 predicted, i32 actual) {
    i32x4 error = actual - predicted, sign = error >> 31;
    return (error ^ sign) - sign;
}

/* The quotient rounded down, of a divisor above 0. */
INLINE i64 divide_down_i64(i64 dividend, i64 divisor) {
    return dividend / divisor - (dividend % divisor < 0);
}
INLINE i32 divide_down_i32(i32 dividend, i32 divisor) {
    return dividend / divisor - (dividend % divisor < 0);
}

/* The weighted mean of the predictions, hardly outside the range of the neighbours. */
INLINE i32 guess_of(const Band *band, const Plane *plane, i64 j, Neighbours at, i32x4 predicted) {
    i32x4 near = errors_at(plane->above, j) + errors_at(plane->above, j + 1)
        + errors_at(plane->above, j + 2) + errors_at(plane->here, j);
    const i64 *known = band->weights;
    int is_known = (near[0] | near[1] | near[2] | near[3]) < WEIGHTS;
    i64 total = 0, weights = 0;
    for (int k = 0; k < PREDICTORS; k++) {
        i64 weight = LIKELY(is_known) ? known[near[k]] : weight_for(near[k]);
        total += weight * predicted[k];
        weights += weight;
    }
    i32 low = min_i32(min_i32(at.w, at.n), at.ne), high = max_i32(max_i32(at.w, at.n), at.ne);
    i32 margin = (high - low) >> 2;
    i64 mean = divide_down_i64(total + (weights >> 1), weights);
    return (i32)clamp_i64(mean, low - margin, high + margin);
}

/* Two classes an octave. */
INLINE i64 energy_of(i32 local) {
    if (local <= 3) return local;
    i32 octave = floor_log2((u32)local) - 1;
    return min_i64(2 * octave + (local >> octave), ENERGY_CLASSES - 1);
}

/* Syntax --------------------------------------------------------------------------------------- */

/* Number of ones of a size in unary: itself below UNARY, then classes of 2, 4, 8 ... sizes. */
INLINE i64 bins_of(i64 high) {
    return high < UNARY ? high : UNARY - 1 + (63 - __builtin_clzll((u64)(high - UNARY + 2)));
}

/* Write a prediction error, or read and return it: whether it is zero, its sign, then its size in
 * adaptive unary over plain low bits. `local` is six times the error to expect. */
INLINE i64 code_error(RangeCoder *c, const int decoding, i64 model, i32 local, i64 value) {
    /* Below a third of the error to expect, bits are noise. */
    i64 plain = local < 16 ? 0 : floor_log2((u32)local) - 3, size, negative;
    if (plain == 0) {
        if (!code_bit_as(c, decoding, MODEL_ZERO + model, value != 0)) return 0;
        negative = code_bit_as(c, decoding, MODEL_SIGN + model, value < 0);
        size = abs_i64(value) - 1;
    } else {
        /* Fold the sign away: a plain bit splits the middle interval in any case. */
        negative = code_bits_as(c, decoding, 1, value < 0);
        size = value < 0 ? -value - 1 : value;
    }
    i64 high = size >> plain, ones = decoding ? 0 : bins_of(high), bins = 0;
    while (bins < MOST_BINS
           && code_bit_as(c, decoding, MODEL_BIN + model * BINS + min_i64(bins, BINS - 1),
                          bins < ones))
        bins++;
    if (bins < UNARY) {
        high = bins;
    } else {
        i64 bits = bins - UNARY + 1, first = UNARY - 2 + (1ll << bits);
        high = first + code_bits_as(c, decoding, min_i64(bits, MOST_PLAIN), high - first);
    }
    if (plain == 0) return negative ? -high - 1 : high + 1;
    size = high << plain | code_bits_as(c, decoding, plain, size);
    return negative ? -size - 1 : size;
}

/* Write or read which of three neighbours the sample equals; returns 0 if none, else sets
 * `same`. */
INLINE int code_same(RangeCoder *c, const int decoding, i64 kind, Neighbours at, i32 actual,
                     i32 *same) {
    i64 pattern = (at.w == at.n) + 2 * (at.n == at.nw) + 4 * (at.n == at.ne) + 8 * (at.w == at.nw)
        + 16 * (at.ww == at.w) + 32 * (at.nn == at.n);
    i64 model = MODEL_SAME + kind * ASKED * PATTERNS + pattern;
    *same = at.w;
    if (code_bit_as(c, decoding, model, actual == at.w)) return 1;
    *same = at.n;
    if (at.n != at.w && code_bit_as(c, decoding, model + PATTERNS, actual == at.n)) return 1;
    *same = at.ne;
    return at.ne != at.w && at.ne != at.n
        && code_bit_as(c, decoding, model + 2 * PATTERNS, actual == at.ne);
}

/* Rows and planes ------------------------------------------------------------------------------ */

static void add_error(Bias *bias, i32 error) {
    bias->sum += error;
    bias->count++;
    if (bias->count >= MOST_COUNTED) {
        bias->sum >>= 1;
        bias->count >>= 1;
    }
}

/* All guesses of a row whose samples are known, and the errors of the predictors. */
static void guess_row(const Band *band, const Plane *plane, i64 i) {
    const i32 *row = plane->samples + i * plane->width;
    for (i64 j = 0; j < plane->width; j++) {
        Neighbours at = neighbours_of(plane, i, j);
        i32x4 predicted = predictions(at);
        plane->guesses[j] = guess_of(band, plane, j, at, predicted);
        *(i32x4_any *)(plane->here + 4 * (j + 1)) = errors_of(predicted, row[j]);
    }
}

/* Write or read a row; 0 if what is read is no sample. */
INLINE int code_row(Band *band, RangeCoder *c, const int decoding, const Plane *plane, i64 i,
                    const int repeats) {
    i32 *row = plane->samples + i * plane->width;
    for (i64 j = 0; j < plane->width; j++) {
        Neighbours at = neighbours_of(plane, i, j);
        i32x4 predicted = predictions(at);
        i32 guess = decoding ? guess_of(band, plane, j, at, predicted) : plane->guesses[j];
        const i32 *errors = plane->mean_above + j;
        i32 local = 2 * plane->mean_here[j] + 2 * errors[1] + errors[0] + errors[2];
        i64 energy = energy_of(local);
        i64 texture = (at.n > guess) + 2 * (at.w > guess) + 4 * (at.nn > at.n);
        Bias *bias = &band->bias[plane->kind][energy * TEXTURES + texture];
        if (bias->count > 0)
            guess += divide_down_i32(2 * bias->sum + bias->count, 2 * bias->count);
        i64 error;
        i32 same;
        if (repeats && code_same(c, decoding, plane->kind, at, row[j], &same))
            error = same - guess;
        else
            error = code_error(c, decoding, plane->kind * ENERGY_CLASSES + energy, local,
                               (i64)row[j] - guess);
        if (decoding) {
            i64 actual = guess + error;
            if (actual < plane->least || actual > plane->most) return 0;
            row[j] = (i32)actual;
            *(i32x4_any *)(plane->here + 4 * (j + 1)) = errors_of(predicted, row[j]);
        }
        add_error(bias, (i32)error);
        plane->mean_here[j + 1] = abs_i32((i32)error);
    }
    return 1;
}

/* What lies left of the next row, and right of this one, stands for unknown neighbours. */
static void finish_row(Plane *plane) {
    i64 width = plane->width;
    i32x4 first = errors_at(plane->here, 1), last = errors_at(plane->here, width);
    *(i32x4_any *)plane->here = *(i32x4_any *)plane->above = first;
    *(i32x4_any *)(plane->here + 4 * (width + 1)) = last;
    plane->mean_here[0] = plane->mean_above[0] = plane->mean_here[1];
    plane->mean_here[width + 1] = plane->mean_here[width];
    i32 *above = plane->above, *mean_above = plane->mean_above;
    plane->above = plane->here;
    plane->here = above;
    plane->mean_above = plane->mean_here;
    plane->mean_here = mean_above;
}

/* Write or read a plane; 0 if the buffer is too small, or the stream ends early or lies. */
INLINE int code_plane(Band *band, RangeCoder *c, const int decoding, Plane *plane,
                      const int repeats) {
    for (i64 i = 0; i < plane->height; i++) {
        if (!decoding) guess_row(band, plane, i);
        if (!code_row(band, c, decoding, plane, i, repeats)) return 0;
        finish_row(plane);
        if (c->overrun) return 0;
    }
    return 1;
}

OUTLINE int encode_plane(Band *band, RangeCoder *c, Plane plane, i64 repeats) {
    return repeats ? code_plane(band, c, 0, &plane, 1) : code_plane(band, c, 0, &plane, 0);
}

/* The coder is a copy: its address would keep it out of registers. */
OUTLINE int decode_plane(Band *band, RangeCoder *c, Plane plane, i64 repeats) {
    RangeCoder coder = *c;
    int is_whole =
        repeats ? code_plane(band, &coder, 1, &plane, 1) : code_plane(band, &coder, 1, &plane, 0);
    *c = coder;
    return is_whole;
}

/* A band of pixels, which is coded plane by plane. */
typedef struct {
    i64 height, width, channels;
    i64 transform;
    i32 *planes;
    i32 *rows; /* behind the planes */
} Picture;

static Picture picture_of(i64 height, i64 width, i64 channels, i64 transform, i32 *scratch) {
    return (Picture){height, width, channels, transform, scratch,
                     scratch + channels * height * width};
}

static Plane start_plane(const Picture *picture, i64 index) {
    i64 padded = picture->width + 2;
    i32 *rows = picture->rows;
    CLEAR(rows, 10 * padded * sizeof(i32));
    return (Plane){
        .samples = picture->planes + index * picture->height * picture->width,
        .height = picture->height,
        .width = picture->width,
        .kind = min_i64(index, KINDS - 1),
        .above = rows,
        .here = rows + 4 * padded,
        .mean_above = rows + 8 * padded,
        .mean_here = rows + 9 * padded,
        .guesses = rows + 10 * padded,
    };
}

/* Colour --------------------------------------------------------------------------------------- */

/* The reversible transform YCoCg-R (Malvar and Sullivan 2003). */
INLINE void split_ycocg(Pixels8 p, i32 *y, i32 *co, i32 *cg) {
    i32x8 orange = p.channel[RED] - p.channel[BLUE];
    i32x8 middle = p.channel[BLUE] + (orange >> 1);
    i32x8 green = p.channel[GREEN] - middle;
    store_i32x8(co, orange);
    store_i32x8(cg, green);
    store_i32x8(y, middle + (green >> 1));
}

INLINE Pixels8 merge_ycocg(const i32 *y, const i32 *co, const i32 *cg) {
    i32x8 orange = load_i32x8(co), green = load_i32x8(cg);
    i32x8 middle = load_i32x8(y) - (green >> 1);
    i32x8 blue = middle - (orange >> 1);
    return (Pixels8){{blue, green + middle, orange + blue}};
}

INLINE void to_planes(const Picture *picture, const u8 *pixels, const int bytes) {
    i64 count = picture->height * picture->width, channels = picture->channels;
    i32 *planes = picture->planes;
    if (picture->transform == PLAIN) {
        for (i64 c = 0; c < channels; c++)
            for (i64 i = 0; i < count; i++)
                planes[c * count + i] = sample_at(pixels, i * channels + c, bytes);
        return;
    }
    i32 *y = planes, *co = planes + count, *cg = planes + 2 * count;
    i64 i = 0;
    for (; i + 8 <= count; i += 8) {
        Pixels8 p = load_pixels(pixels + COLOURS * bytes * i, bytes);
        split_ycocg(p, y + i, co + i, cg + i);
    }
    if (i < count) {
        u16 in[8 * COLOURS] = {0};
        i32 out[COLOURS][8];
        COPY(in, pixels + COLOURS * bytes * i, COLOURS * bytes * (count - i));
        split_ycocg(load_pixels(in, bytes), out[0], out[1], out[2]);
        COPY(y + i, out[0], sizeof(i32) * (size_t)(count - i));
        COPY(co + i, out[1], sizeof(i32) * (size_t)(count - i));
        COPY(cg + i, out[2], sizeof(i32) * (size_t)(count - i));
    }
}

/* Hostile planes within their ranges may stand for no colours: these wrap, which harms nobody. */
INLINE void to_pixels(const Picture *picture, u8 *pixels, const int bytes) {
    i64 count = picture->height * picture->width, channels = picture->channels;
    const i32 *planes = picture->planes;
    if (picture->transform == PLAIN) {
        for (i64 c = 0; c < channels; c++) {
            for (i64 i = 0; i < count; i++)
                set_sample(pixels, i * channels + c, planes[c * count + i], bytes);
        }
        return;
    }
    const i32 *y = planes, *co = planes + count, *cg = planes + 2 * count;
    i64 i = 0;
    for (; i + 8 <= count; i += 8) {
        Pixels8 p = merge_ycocg(y + i, co + i, cg + i);
        store_pixels(pixels + COLOURS * bytes * i, p, bytes);
    }
    if (i < count) {
        u16 out[8 * COLOURS];
        i32 in[COLOURS][8] = {{0}};
        COPY(in[0], y + i, sizeof(i32) * (size_t)(count - i));
        COPY(in[1], co + i, sizeof(i32) * (size_t)(count - i));
        COPY(in[2], cg + i, sizeof(i32) * (size_t)(count - i));
        store_pixels(out, merge_ycocg(in[0], in[1], in[2]), bytes);
        COPY(pixels + COLOURS * bytes * i, out, COLOURS * bytes * (count - i));
    }
}

/* Bands ---------------------------------------------------------------------------------------- */

INLINE i64 encode_band(const Picture *picture, const void *pixels, const int bytes, i64 repeats,
                       u8 *data, i64 capacity) {
    Band band;
    start_band(&band);
    rk_range_start_encoder(band.state, capacity);
    RangeCoder c = load_coder(band.state, data);
    to_planes(picture, pixels, bytes);
    for (i64 index = 0; index < picture->channels; index++)
        if (!encode_plane(&band, &c, start_plane(picture, index), repeats)) return RK_ERROR_SPACE;
    store_coder(&c);
    return rk_range_finish_encoder(band.state, data);
}

INLINE i64 decode_band(const Picture *picture, const u8 *data, i64 start, i64 end, i64 repeats,
                       void *pixels, const int bytes) {
    Band band;
    start_band(&band);
    rk_range_start_decoder(band.state, data, start, end);
    RangeCoder c = load_coder(band.state, (u8 *)data);
    for (i64 index = 0; index < picture->channels; index++) {
        Plane plane = start_plane(picture, index);
        plane.least = picture->transform == YCOCG && index > 0 ? -PEAK(bytes) : 0;
        plane.most = PEAK(bytes);
        if (!decode_plane(&band, &c, plane, repeats)) return RK_ERROR_STREAM;
    }
    to_pixels(picture, pixels, bytes);
    return c.position >= end ? RK_OK : RK_ERROR_STREAM;
}

int64_t rk_lossless_encode_u8(const uint8_t *pixels, int64_t height, int64_t width,
                              int64_t channels, int64_t transform, int64_t repeats,
                              int32_t *scratch, uint8_t *data, int64_t capacity) {
    Picture picture = picture_of(height, width, channels, transform, scratch);
    return encode_band(&picture, pixels, 1, repeats, data, capacity);
}

int64_t rk_lossless_encode_u16(const uint16_t *pixels, int64_t height, int64_t width,
                               int64_t channels, int64_t transform, int64_t repeats,
                               int32_t *scratch, uint8_t *data, int64_t capacity) {
    Picture picture = picture_of(height, width, channels, transform, scratch);
    return encode_band(&picture, pixels, 2, repeats, data, capacity);
}

int64_t rk_lossless_decode_u8(const uint8_t *data, int64_t start, int64_t end, int64_t height,
                              int64_t width, int64_t channels, int64_t transform, int64_t repeats,
                              int32_t *scratch, uint8_t *pixels) {
    Picture picture = picture_of(height, width, channels, transform, scratch);
    return decode_band(&picture, data, start, end, repeats, pixels, 1);
}

int64_t rk_lossless_decode_u16(const uint8_t *data, int64_t start, int64_t end, int64_t height,
                               int64_t width, int64_t channels, int64_t transform, int64_t repeats,
                               int32_t *scratch, uint16_t *pixels) {
    Picture picture = picture_of(height, width, channels, transform, scratch);
    return decode_band(&picture, data, start, end, repeats, pixels, 2);
}
