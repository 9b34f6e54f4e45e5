/* Pixels of 8 bits for a screen: four at a time, as long as 16 bytes may be read. */
#include "header.h"

typedef u8 u8x16 __attribute__((vector_size(16)));
typedef u8 u8x16_any __attribute__((vector_size(16), aligned(1), may_alias));

enum { BGR_BYTES = 3, RGBA_BYTES = 4, PIXELS_A_STEP = 4, PIXELS_A_LOAD = 6, OPAQUE = 255 };

int64_t rk_packet_rgba(const uint8_t *bgr, int64_t count, uint8_t *rgba) {
    const u8x16 opaque = {OPAQUE};
    i64 i = 0;
    for (; i + PIXELS_A_LOAD <= count; i += PIXELS_A_STEP) {
        u8x16 from = *(const u8x16_any *)(bgr + BGR_BYTES * i);
        *(u8x16_any *)(rgba + RGBA_BYTES * i) = __builtin_shufflevector(
            from, opaque, 2, 1, 0, 16, 5, 4, 3, 16, 8, 7, 6, 16, 11, 10, 9, 16);
    }
    for (; i < count; i++) {
        for (i64 channel = 0; channel < BGR_BYTES; channel++)
            rgba[RGBA_BYTES * i + channel] = bgr[BGR_BYTES * i + 2 - channel];
        rgba[RGBA_BYTES * i + BGR_BYTES] = OPAQUE;
    }
    return RK_OK;
}
