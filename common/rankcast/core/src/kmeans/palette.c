/* Colours of a palette, each as the difference to the one before: a palette in the order of its
 * tree has similar colours side by side. */
#include "../numbers.h"
#include "../whole_stream.h"

enum { PALETTE_MODELS = MOST_CHANNELS * NUMBER_MODELS };

/* Write the palette, (colours, channels), or read it, clamped to 0..peak. */
INLINE void code_palette(RangeCoder *c, const int decoding, i64 *palette, i64 colours, i64 channels,
                         i64 peak) {
    i64 before[MOST_CHANNELS] = {0};
    for (i64 colour = 0; colour < colours && !c->overrun; colour++) {
        for (i64 channel = 0; channel < channels; channel++) {
            i64 *sample = &palette[colour * channels + channel];
            i64 context = REGISTERS + channel * NUMBER_MODELS;
            i64 step = code_number_as(c, decoding, context, *sample - before[channel]);
            if (decoding) *sample = clamp_i64(before[channel] + step, 0, peak);
            before[channel] = *sample;
        }
    }
}

int64_t rk_kmeans_pack_palette(const int64_t *palette, int64_t colours, int64_t channels,
                               uint8_t *data, int64_t capacity_bytes) {
    i64 state[ADAPTIVE_STATE(PALETTE_MODELS)];
    RangeCoder c = begin_writing(state, channels * NUMBER_MODELS, data, capacity_bytes);
    code_palette(&c, 0, (i64 *)palette, colours, channels, 0);
    return end_writing(&c);
}

int64_t rk_kmeans_unpack_palette(const uint8_t *data, int64_t size_bytes, int64_t colours,
                                 int64_t channels, int64_t peak, int64_t *palette) {
    if (channels > MOST_CHANNELS) return RK_ERROR_STREAM;
    i64 state[ADAPTIVE_STATE(PALETTE_MODELS)];
    RangeCoder c = begin_reading(state, channels * NUMBER_MODELS, data, size_bytes);
    code_palette(&c, 1, palette, colours, channels, peak);
    return end_reading(&c);
}
