/* Frames of svd-patch: a key frame or a known picture, and those that are predicted from it.
 *
 * Python has derived planes, padding and slices from layout, shape and depth alone (geometry.py),
 * and has checked that the step is 4 to 2^20, that the filter is a known one, that borders of slices
 * do not fall or leave the picture, and that a predicted frame has its reference in the same geometry.
 * Models and samples are those of the frame before; factors are what fuzz_svd_patch_basis.c reads.
 */
#include "harness.h"
#include "svd_patch_tables.h"

enum { GREY, YCC420, YCC444, BAYER, MULTISPECTRAL };
enum {
    MOST_SIDE = 80, MOST_PLANES = 4, MOST_SLICES = 3, MOST_FRAMES = 3,
    UNIT = 8, SLICE_UNITS = 4, FIELDS = 6, POSITION = 5, OVERRUN = 8,
};

typedef struct {
    int64_t units_y, units_x, guide_shift, samples;
    int64_t top[MOST_SLICES + 1]; /* of the slices, and the end of the last one */
} PlaneSize;

typedef struct {
    int64_t layout, deep, largest, step;
    int64_t filter, filter_shift;
    int64_t planes, slices;
    PlaneSize size[MOST_PLANES];
} Stream;

typedef struct {
    uint16_t *planes[MOST_PLANES];
    int64_t *coders[MOST_SLICES];
    const Basis *bases[MOST_PLANES];
} Picture;

static int64_t units_of(int64_t samples) { return (samples + UNIT - 1) / UNIT; }

static Stream take_stream(Input *in) {
    Stream s = {.layout = take(in, GREY, MULTISPECTRAL), .deep = take(in, 0, 1)};
    int64_t least = s.layout == BAYER ? 2 : 1;
    int64_t height = take(in, least, MOST_SIDE), width = take(in, least, MOST_SIDE);
    int64_t channels = take(in, 2, MOST_PLANES);
    s.step = take(in, 4, 1 << 20);
    s.filter = take(in, 0, 51);
    s.filter_shift = take(in, 0, 8);
    s.slices = take(in, 1, MOST_SLICES);
    s.largest = s.deep ? 65535 : s.layout == YCC444 ? 1023 : 255;
    s.planes = s.layout == GREY            ? 1
               : s.layout == BAYER         ? 4
               : s.layout == MULTISPECTRAL ? channels
                                           : 3;
    int64_t borders[MOST_SLICES + 1] = {0};
    for (int64_t plane = 0; plane < s.planes; plane++) {
        int64_t rows = height, columns = width;
        PlaneSize *size = &s.size[plane];
        if (s.layout == YCC420 && plane) {
            rows = (height + 1) / 2;
            columns = (width + 1) / 2;
            size->guide_shift = 1;
        } else if (s.layout == BAYER) {
            rows = (height + 1 - plane / 2) / 2;
            columns = (width + 1 - plane % 2) / 2;
        }
        size->units_y = units_of(rows);
        size->units_x = units_of(columns);
        size->samples = size->units_y * size->units_x * UNIT * UNIT;
        int64_t bands = (s.size[0].units_y + SLICE_UNITS - 1) / SLICE_UNITS;
        for (int64_t i = 1; i < s.slices; i++) {
            if (plane == 0) borders[i] = take(in, borders[i - 1], bands);
            int64_t cut = borders[i] * SLICE_UNITS >> size->guide_shift;
            size->top[i] = cut < size->units_y ? cut : size->units_y;
        }
        size->top[s.slices] = size->units_y;
    }
    return s;
}

static Picture new_picture(const Stream *s) {
    Picture picture;
    for (int64_t plane = 0; plane < s->planes; plane++)
        picture.planes[plane] = new_zeros(s->size[plane].samples * 2);
    for (int64_t i = 0; i < s->slices; i++) picture.coders[i] = new_coder(rk_svd_patch_models());
    return picture;
}

/* Take over models, or begin afresh; copies of samples follow slice by slice. */
static void start_picture(const Stream *s, Picture *picture, const Picture *reference) {
    int64_t models = rk_svd_patch_models(), bytes = (REGISTERS + models) * 8;
    for (int64_t i = 0; i < s->slices; i++) {
        if (reference) {
            memcpy(picture->coders[i], reference->coders[i], (size_t)bytes);
        } else {
            rk_svd_patch_begin_models(picture->coders[i] + REGISTERS);
        }
    }
    memcpy(picture->bases, reference ? reference->bases : picture->bases, sizeof picture->bases);
}

/* Read what the bodies of key frames have first; 0 where Python raises. */
static int take_bases(const Stream *s, Input *in, Picture *picture) {
    int64_t size, largest = basis_one(s->deep) - 1;
    uint8_t *data = take_part(in, &size);
    int64_t *state = new_coder(rk_svd_patch_basis_models());
    const Basis *table = table_basis(s->deep);
    rk_range_start_decoder(state, data, 0, size);
    for (int64_t plane = 0; plane < s->planes; plane++) {
        int32_t *first = new_block(64 * 4), *factors = new_block(128 * 4);
        get_factors(table, factors);
        memcpy(first, factors, 64 * 4);
        picture->bases[plane] = table;
        if (size && rk_svd_patch_code_basis(state, data, 0, first, factors, largest) > 0)
            picture->bases[plane] = own_basis(table, factors);
    }
    return !size || !state[OVERRUN];
}

/* Read a slice of all planes, as Engine.read does. */
static int read_slice(const Stream *s, Input *in, int64_t index, Picture *picture,
                      const Picture *reference, int16_t *const units[MOST_PLANES]) {
    int64_t size, *coder = picture->coders[index];
    uint8_t *data = take_part(in, &size);
    rk_range_start_decoder(coder, data, 0, size);
    uint8_t *scratch = new_block(rk_svd_patch_scratch_bytes());
    for (int64_t plane = 0; plane < s->planes; plane++) {
        const PlaneSize *of = &s->size[plane];
        const Basis *basis = picture->bases[plane];
        struct rk_slice slice = {
            .coder = coder,
            .data = data,
            .reference = reference ? reference->planes[plane] : NULL,
            .rebuilt = picture->planes[plane],
            .units = units[plane],
            .guide = plane ? units[0] : NULL,
            .left = basis->left[0][0],
            .right_t = basis->right_t[0][0][0],
            .scratch = scratch,
            .units_y = of->units_y,
            .units_x = of->units_x,
            .guide_units_y = s->size[0].units_y,
            .guide_units_x = s->size[0].units_x,
            .guide_shift = of->guide_shift,
            .top = of->top[index],
            .bottom = of->top[index + 1],
            .largest = s->largest,
            .deep = s->deep,
            .chroma = plane > 0 && (s->layout == YCC420 || s->layout == YCC444),
            .step = s->step,
            .filter = s->filter,
            .filter_shift = s->filter_shift,
        };
        if (rk_svd_patch_decode_plane(&slice) < 0) return 0;
    }
    return coder[POSITION] >= size;
}

static int read_frame(const Stream *s, Input *in, Picture *picture, const Picture *reference) {
    int16_t *units[MOST_PLANES];
    for (int64_t plane = 0; plane < s->planes; plane++)
        units[plane] = new_zeros(s->size[plane].units_y * s->size[plane].units_x * FIELDS * 2);
    start_picture(s, picture, reference);
    if (!reference && !take_bases(s, in, picture)) return 0;
    for (int64_t index = 0; index < s->slices; index++)
        if (!read_slice(s, in, index, picture, reference, units)) return 0;
    return 1;
}

static void look_at(const Stream *s, const Picture *picture) {
    int64_t checksum = 0;
    for (int64_t plane = 0; plane < s->planes; plane++) {
        int64_t count = s->size[plane].samples;
        const uint16_t *samples = picture->planes[plane];
        for (int64_t i = 0; i < count; i++) REQUIRE(samples[i] <= s->largest);
        checksum = rk_svd_patch_checksum(samples, count, checksum);
        observe(samples, count * 2);
    }
    observe(&checksum, sizeof checksum);
}

/* A picture that somebody has coded before, of noise and with the table. */
static void imagine(const Stream *s, Picture *picture, uint32_t seed) {
    for (int64_t plane = 0; plane < s->planes; plane++) {
        fill_noise(picture->planes[plane], s->size[plane].samples, (uint32_t)s->largest, seed++);
        picture->bases[plane] = table_basis(s->deep);
    }
}

TARGET {
    Input in = {bytes, bytes + size};
    begin_run();
    Stream stream = take_stream(&in);
    Picture held = new_picture(&stream), spare = new_picture(&stream);
    int has_reference = (int)take(&in, 0, 1);
    if (has_reference) imagine(&stream, &held, (uint32_t)take(&in, 0, 255));
    for (int64_t frames = take(&in, 1, MOST_FRAMES); frames > 0; frames--) {
        int is_key = !has_reference || take(&in, 0, 1);
        if (!succeeded(read_frame(&stream, &in, &spare, is_key ? NULL : &held) - 1)) continue;
        look_at(&stream, &spare);
        Picture read = spare;
        spare = held;
        held = read;
        has_reference = 1;
    }
    free_blocks();
    return 0;
}
