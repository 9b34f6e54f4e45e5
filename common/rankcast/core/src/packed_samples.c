/* Samples of 10, 12 and 14 bits that cameras pack without gaps, to 16 bits each. */
#include "base.h"

enum { GROUP = 4 /* samples whose packed bits fill whole bytes, in every layout */ };

/* Least significant bits first, as the PFNC formats that end in p. */
INLINE u16 lsb_first(u64 group, i64 index, i64 bits) {
    return (u16)((group >> (index * bits)) & ((1U << bits) - 1));
}

/* GigE Vision's own: bytes 0 and 2 of three hold the upper eight bits of two samples, byte 1 the rest,
 * that of the second sample from bit 4 on. */
INLINE u16 gige(u64 group, i64 index, i64 bits) {
    const i64 low_bits = bits - 8, odd = index % 2;
    const u64 three = group >> (24 * (index / 2));
    const u64 high = (three >> (16 * odd)) & 255;
    const u64 low = (three >> (8 + 4 * odd)) & ((1U << low_bits) - 1);
    return (u16)(high << low_bits | low);
}

/* Eight bytes are read at once up to where that many are left. */
#define UNPACK(sample_of, group_bytes, bits)                                             \
    do {                                                                                 \
        const i64 readable = packed_bytes < 8 ? 0 : (packed_bytes - 8) / (group_bytes) + 1; \
        const i64 whole = min_i64(samples / GROUP, readable);                            \
        for (i64 group = 0; group < whole; group++) {                                    \
            u64 word;                                                                    \
            COPY(&word, packed + (group_bytes) * group, 8);                              \
            for (i64 i = 0; i < GROUP; i++)                                              \
                unpacked[GROUP * group + i] = sample_of(word, i, bits);                  \
        }                                                                                \
        for (i64 group = whole; GROUP * group < samples; group++) {                      \
            u64 word = 0;                                                                \
            COPY(&word, packed + (group_bytes) * group,                                  \
                 min_i64(packed_bytes - (group_bytes) * group, 8));                      \
            for (i64 i = GROUP * group; i < min_i64(GROUP * (group + 1), samples); i++)  \
                unpacked[i] = sample_of(word, i % GROUP, bits);                          \
        }                                                                                \
    } while (0)

int64_t rk_unpack_lsb_first(const uint8_t *packed, int64_t packed_bytes, int64_t bits,
                            int64_t samples, uint16_t *unpacked) {
    if (samples < 0 || packed_bytes < 0) return RK_ERROR_SPACE;
    if (bits != 10 && bits != 12 && bits != 14) return RK_ERROR_STREAM;
    if (samples > packed_bytes * 8 / bits) return RK_ERROR_SPACE;
    if (bits == 10)
        UNPACK(lsb_first, 5, 10);
    else if (bits == 12)
        UNPACK(lsb_first, 6, 12);
    else
        UNPACK(lsb_first, 7, 14);
    return RK_OK;
}

int64_t rk_unpack_gige(const uint8_t *packed, int64_t packed_bytes, int64_t bits, int64_t samples,
                       uint16_t *unpacked) {
    if (samples < 0 || packed_bytes < 0) return RK_ERROR_SPACE;
    if (bits != 10 && bits != 12) return RK_ERROR_STREAM;
    if (samples / 2 * 3 + samples % 2 * 2 > packed_bytes) return RK_ERROR_SPACE;
    if (bits == 10)
        UNPACK(gige, 6, 10);
    else
        UNPACK(gige, 6, 12);
    return RK_OK;
}
