/* Codec lossless: colour transform (colour.h), prediction from neighbours (prediction.h), and rANS
 * (records.h) of the errors (syntax.h), whose distributions are learnt (classes.h).
 *
 * Every sample is predicted by a mean of four predictors, each weighted by how well it did around
 * here, as in the weighted predictor of JPEG XL (ISO/IEC 18181-1), less the mean error of its
 * context, as in LOCO-I (ISO/IEC 14495-1). A writer knows all samples, so it makes the predictions
 * of a row before it codes the row; what is serial, is a few operations a sample.
 */
#include "colour.h"
#include "syntax.h"

/* A band of pixels, which is coded row by row, and each row plane by plane. */
typedef struct {
    i64 height, width, channels;
    i64 transform, repeats;
} Picture;

/* Memory --------------------------------------------------------------------------------------- */

INLINE i64 records_of(i64 width) { return RECORDS_PER_SAMPLE * max_i64(CHUNK_SAMPLES, width); }

/* Rows of planes in a chunk. */
INLINE i64 rows_per_chunk(i64 width) { return max_i64(CHUNK_SAMPLES / width, 1); }

static i64 plane_bytes(i64 width) {
    return (i64)sizeof(Plane) + plane_numbers(width) * (i64)sizeof(i32);
}

int64_t rk_lossless_encoder_bytes(int64_t width, int64_t channels) {
    i64 per_column = sizeof(i32) + sizeof(u16);
    return (i64)(SLOTS * sizeof(u64) + sizeof(Learnt)) + records_of(width) * (i64)sizeof(u32)
        + padded_width(width) * per_column + channels * plane_bytes(width);
}

int64_t rk_lossless_decoder_bytes(int64_t width, int64_t channels) {
    return (i64)(sizeof(Learnt) + ERROR_CLASSES * sizeof(Lookup)) + channels * plane_bytes(width);
}

static Plane *start_planes(void *memory, i64 width, i64 channels) {
    Plane *planes = memory;
    i32 *rows = (i32 *)(planes + channels);
    for (i64 c = 0; c < channels; c++)
        planes[c] = start_plane(rows + c * plane_numbers(width), width, c);
    return planes;
}

/* Writing -------------------------------------------------------------------------------------- */

INLINE void put_row(Learnt *learnt, Writer *writer, const Plane *plane, const i32 *guesses,
                    const u16 *cells, const int repeats) {
    const i32 *row = plane->here;
    ErrorClass *classes = learnt->classes + plane->kind * ENERGIES;
    Bias *biases = learnt->biases[plane->kind];
    Writer w = *writer;
    for (i64 j = 0; j < plane->width; j++) {
        i64 cell = cells[j], energy = cell / TEXTURES;
        Bias *bias = &biases[cell];
        i32 error = row[j] - guesses[j];
        i32 coded = error - correction_of(bias);
        add_error(bias, error);
        if (repeats && put_same(&w, learnt->flags[plane->kind], neighbours_of(plane, j), row[j]))
            continue;
        put_error(&w, &classes[energy], energy, coded);
    }
    writer->count = w.count;
}

INLINE i64 encode_band(const Picture *picture, const u8 *pixels, const int bytes, i64 *memory,
                       u8 *data, i64 capacity) {
    i64 width = picture->width, channels = picture->channels;
    /* What has the largest numbers comes first: everything is aligned. */
    Plane *planes = start_planes(memory, width, channels);
    u64 *reciprocals = (u64 *)((u8 *)memory + channels * plane_bytes(width));
    Learnt *learnt = (Learnt *)(reciprocals + SLOTS);
    u32 *records = (u32 *)(learnt + 1);
    i32 *guesses = (i32 *)(records + records_of(width));
    u16 *cells = (u16 *)(guesses + padded_width(width));
    Writer w = {records, 0, reciprocals, data, 0, capacity};
    fill_reciprocals(reciprocals);
    start_learning(learnt);
    i64 rows = 0;
    for (i64 i = 0; i < picture->height; i++) {
        row_to_planes(planes, pixels + i * width * channels * bytes, channels, picture->transform,
                      bytes);
        for (i64 c = 0; c < channels; c++) {
            open_row(&planes[c], 0);
            guess_row(&planes[c], guesses, cells);
            if (picture->repeats)
                put_row(learnt, &w, &planes[c], guesses, cells, 1);
            else
                put_row(learnt, &w, &planes[c], guesses, cells, 0);
            close_row(&planes[c], 0);
            if (++rows % rows_per_chunk(width) == 0 && !flush_records(&w)) return RK_ERROR_SPACE;
        }
    }
    if (w.count > 0 && !flush_records(&w)) return RK_ERROR_SPACE;
    return w.position;
}

/* Reading -------------------------------------------------------------------------------------- */

typedef struct {
    i32 least, most; /* only hostile bytes lead outside */
} Range;

/* Read a row; 0 if it has what is no sample. */
INLINE int take_row(Learnt *learnt, Lookup *lookups, RansDecoder *decoder, const Plane *plane,
                    Range range, const int repeats) {
    i32 *row = plane->here;
    ErrorClass *classes = learnt->classes + plane->kind * ENERGIES;
    lookups += plane->kind * ENERGIES;
    Bias *biases = learnt->biases[plane->kind];
    RansDecoder d = *decoder;
    /* What the next sample needs of this one stays in registers. */
    Neighbours at = {.w = row[-1], .ww = row[-2]};
    i32 miss_w = plane->misses_here[-1], miss_ww = plane->misses_here[-2];
    i32x4 errors_w = errors_at(plane->errors_here, -1);
    for (i64 j = 0; j < plane->width; j++) {
        at.n = plane->above[j];
        at.nw = plane->above[j - 1];
        at.ne = plane->above[j + 1];
        at.nn = plane->twice_above[j];
        i32x4 differences = differences_of(at), above = errors_above(plane, j);
        i32 guess = guess_of(at, differences, above + errors_w), same;
        i64 energy = energy_of(local_of(plane->misses_above, j, miss_w, miss_ww));
        Bias *bias = &biases[energy * TEXTURES + texture_of(at, guess)];
        i64 actual;
        if (repeats && take_same(&d, learnt->flags[plane->kind], at, &same))
            actual = same;
        else
            actual = guess + correction_of(bias)
                + take_error(&d, &classes[energy], &lookups[energy], energy);
        if (actual < range.least || actual > range.most) return 0;
        at.ww = at.w;
        at.w = row[j] = (i32)actual;
        errors_w = errors_of(differences, at.w - at.n, above);
        *(i32x4_any *)(plane->errors_here + PREDICTORS * j) = errors_w;
        miss_ww = miss_w;
        miss_w = plane->misses_here[j] = abs_i32(at.w - guess);
        add_error(bias, at.w - guess);
    }
    *decoder = d;
    return 1;
}

INLINE i64 decode_band(const Picture *picture, const u8 *data, i64 start, i64 end, i64 *memory,
                       u8 *pixels, const int bytes) {
    i64 width = picture->width, channels = picture->channels, rows = 0;
    Plane *planes = start_planes(memory, width, channels);
    Learnt *learnt = (Learnt *)((u8 *)memory + channels * plane_bytes(width));
    Lookup *lookups = (Lookup *)(learnt + 1);
    RansDecoder d = {0, 0, data, start, end - (i64)sizeof(u16)};
    start_learning(learnt);
    for (i64 i = 0; i < picture->height; i++) {
        for (i64 c = 0; c < channels; c++) {
            Range range = {picture->transform == YCOCG && c > 0 ? -PEAK(bytes) : 0, PEAK(bytes)};
            if (rows++ % rows_per_chunk(width) == 0) {
                if (rows > 1 && !is_spent(&d, end)) return RK_ERROR_STREAM;
                if (!start_chunk(&d, end)) return RK_ERROR_STREAM;
            }
            open_row(&planes[c], 1);
            int is_whole = picture->repeats
                ? take_row(learnt, lookups, &d, &planes[c], range, 1)
                : take_row(learnt, lookups, &d, &planes[c], range, 0);
            if (!is_whole || d.position > end) return RK_ERROR_STREAM;
            close_row(&planes[c], 1);
        }
        planes_to_row(planes, pixels + i * width * channels * bytes, channels, picture->transform,
                      bytes);
    }
    return is_spent(&d, end) && d.position == end ? RK_OK : RK_ERROR_STREAM;
}

int64_t rk_lossless_encode_u8(const uint8_t *pixels, int64_t height, int64_t width,
                              int64_t channels, int64_t transform, int64_t repeats,
                              int64_t *memory, uint8_t *data, int64_t capacity) {
    Picture picture = {height, width, channels, transform, repeats};
    return encode_band(&picture, pixels, 1, memory, data, capacity);
}

int64_t rk_lossless_encode_u16(const uint16_t *pixels, int64_t height, int64_t width,
                               int64_t channels, int64_t transform, int64_t repeats,
                               int64_t *memory, uint8_t *data, int64_t capacity) {
    Picture picture = {height, width, channels, transform, repeats};
    return encode_band(&picture, (const u8 *)pixels, 2, memory, data, capacity);
}

int64_t rk_lossless_decode_u8(const uint8_t *data, int64_t start, int64_t end, int64_t height,
                              int64_t width, int64_t channels, int64_t transform, int64_t repeats,
                              int64_t *memory, uint8_t *pixels) {
    Picture picture = {height, width, channels, transform, repeats};
    return decode_band(&picture, data, start, end, memory, pixels, 1);
}

int64_t rk_lossless_decode_u16(const uint8_t *data, int64_t start, int64_t end, int64_t height,
                               int64_t width, int64_t channels, int64_t transform, int64_t repeats,
                               int64_t *memory, uint16_t *pixels) {
    Picture picture = {height, width, channels, transform, repeats};
    return decode_band(&picture, data, start, end, memory, (u8 *)pixels, 2);
}
