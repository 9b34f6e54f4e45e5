/* Packets of lossless: the lengths of all bands but the last, then the bands. */
#include "header.h"

enum { PLAIN, YCOCG, BAND_ROWS = 64, LENGTH_BYTES = 4 };

typedef struct {
    i64 height, width, channels, sample_bytes;
    i64 transform, repeats;
} LosslessPicture;

/* First row of a band, and behind the last one the end of the picture. */
INLINE i64 band_row(i64 height, i64 band, i64 bands) {
    if (band == bands) return height;
    return min_i64(BAND_ROWS * divide_to_nearest(height * band, BAND_ROWS * bands), height);
}

/* `numbers` has rk_lossless_decoder_bytes. */
static i64 decode_bands(const LosslessPicture *p, Bytes body, i64 *numbers, u8 *pixels) {
    i64 bands = parts_of(p->height, p->width), row_bytes = p->width * p->channels * p->sample_bytes;
    if (bytes_left(&body) < LENGTH_BYTES * (bands - 1)) return RK_ERROR_STREAM;
    Bytes lengths = cut_bytes(&body, LENGTH_BYTES * (bands - 1));
    for (i64 band = 0; band < bands; band++) {
        i64 length = bytes_left(&body);
        if (band < bands - 1)
            length = (i64)read_number(lengths.at + LENGTH_BYTES * band, LENGTH_BYTES);
        if (length > bytes_left(&body)) return RK_ERROR_STREAM;
        Bytes part = cut_bytes(&body, length);
        i64 top = band_row(p->height, band, bands);
        i64 rows = band_row(p->height, band + 1, bands) - top;
        u8 *to = pixels + top * row_bytes;
        i64 result = p->sample_bytes == 1
            ? rk_lossless_decode_u8(part.at, 0, length, rows, p->width, p->channels, p->transform,
                                    p->repeats, numbers, to)
            : rk_lossless_decode_u16(part.at, 0, length, rows, p->width, p->channels, p->transform,
                                     p->repeats, numbers, (u16 *)to);
        if (result < 0) return result;
    }
    return RK_OK;
}

static i64 lossless_memory_bytes(const Packet *p) {
    if (p->param_count != 2 || p->params[0] < PLAIN || p->params[0] > YCOCG || p->params[1] < 0
        || p->params[1] > 1 || (p->params[0] == YCOCG && p->channels != 3))
        return RK_ERROR_STREAM;
    return rk_lossless_decoder_bytes(p->width, p->channels) + ALIGNMENT;
}

static i64 decode_lossless(const Packet *p, Bytes body, u8 *memory, u8 *pixels) {
    LosslessPicture picture = {p->height,       p->width,     p->channels,
                               p->sample_bytes, p->params[0], p->params[1]};
    Memory arrays = new_memory(memory);
    return decode_bands(&picture, body, TAKE(&arrays, i64, 0), pixels);
}
