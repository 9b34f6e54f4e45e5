/* What all codecs ask of a header, and how they read a body and part the memory of the caller. */
#ifndef RK_PACKET_HEADER_H
#define RK_PACKET_HEADER_H

#include "../base.h"

enum { RAW = 0, SVD = 1, SVD_PATCH = 3, LOSSLESS = 4 }; /* ids of codecs */

/* Limits of the wire format. */
enum { MOST_SIDE = 65535, MOST_CHANNELS = 64, MOST_SAMPLES = 1 << 27, MOST_NUMBERS = 64 };

/* Pictures from these sizes on are cut into two and four parts. The fuzz targets cut smaller ones:
 * what is as large takes them too long. */
#ifndef RK_TWO_PARTS
#define RK_TWO_PARTS (1280 * 720)
#define RK_FOUR_PARTS (3840 * 2160)
#endif
enum { TWO_PARTS = RK_TWO_PARTS, FOUR_PARTS = RK_FOUR_PARTS, MOST_PARTS = 4 };

typedef struct rk_packet Packet;

INLINE i64 samples_of(const Packet *p) { return p->height * p->width * p->channels; }

static int has_picture(const Packet *p) {
    return p->height >= 1 && p->height <= MOST_SIDE && p->width >= 1 && p->width <= MOST_SIDE
        && p->channels >= 1 && p->channels <= MOST_CHANNELS && samples_of(p) <= MOST_SAMPLES
        && (p->sample_bytes == 1 || p->sample_bytes == 2) && p->param_count >= 0
        && p->param_count <= MOST_NUMBERS && p->rank_count >= 0 && p->rank_count <= MOST_NUMBERS;
}

/* What a screen takes as RGBA. Before it becomes that, BGR lies at the end of the same memory. */
static int is_bgr(const Packet *p) { return p->channels == 3 && p->sample_bytes == 1; }
static u8 *bgr_within(const Packet *p, u8 *rgba) { return rgba + p->height * p->width; }

INLINE i64 parts_of(i64 height, i64 width) {
    i64 pixels = height * width;
    return pixels < TWO_PARTS ? 1 : pixels < FOUR_PARTS ? 2 : MOST_PARTS;
}

/* Halves go to the even neighbour. */
INLINE i64 divide_to_nearest(i64 dividend, i64 divisor) {
    i64 quotient = dividend / divisor, twice = 2 * (dividend % divisor);
    return quotient + (twice > divisor || (twice == divisor && quotient % 2 == 1));
}

/* What is left of a body. */
typedef struct {
    const u8 *at, *end;
} Bytes;

INLINE i64 bytes_left(const Bytes *from) { return from->end - from->at; }

/* The next `count` bytes; the caller has checked that they are there. */
INLINE Bytes cut_bytes(Bytes *from, i64 count) {
    Bytes part = {from->at, from->at + count};
    from->at += count;
    return part;
}

INLINE u64 read_number(const u8 *at, const int bytes) {
    u64 value = 0;
    for (int i = 0; i < bytes; i++) value |= (u64)at[i] << 8 * i;
    return value;
}

INLINE f32 read_f32(const u8 *at) {
    f32 value;
    COPY(&value, at, sizeof(value));
    return value;
}

INLINE f64 read_f64(const u8 *at) {
    f64 value;
    COPY(&value, at, sizeof(value));
    return value;
}

/* Memory that is parted into arrays: from address 0 to count it, then where it is. Both give the same
 * number of bytes, because the first array begins at a multiple of ALIGNMENT. */
enum { ALIGNMENT = 64 };
typedef struct {
    uintptr_t base;
    i64 bytes;
} Memory;

INLINE Memory new_memory(u8 *from) {
    return (Memory){((uintptr_t)from + ALIGNMENT - 1) & ~(uintptr_t)(ALIGNMENT - 1), 0};
}

INLINE void *take_bytes(Memory *memory, i64 bytes) {
    uintptr_t at = memory->base + (uintptr_t)memory->bytes;
    memory->bytes += (bytes + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    return (void *)at;
}
#define TAKE(memory, type, count) ((type *)take_bytes((memory), (count) * (i64)sizeof(type)))

/* What the caller provides: the arrays, wherever the first one has to begin. */
INLINE i64 memory_for(const Memory *memory) { return memory->bytes + ALIGNMENT; }

#endif
