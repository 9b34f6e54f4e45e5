/* What the fuzz targets of the native core share: fields from the first bytes of an input, a heap
 * block for every array, and what a run came to.
 *
 * A target clamps a field to what the Python caller has checked before its call, and to sizes that
 * keep an input quick, and to nothing else. Seeds are written by make_seeds.py in the same order.
 */
#ifndef RANKCAST_HARNESS_H
#define RANKCAST_HARNESS_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "rankcast_core.h"

/* For replay.c: the last error of an input, and a hash of everything that it was decoded to. */
__attribute__((weak)) int64_t run_result;
__attribute__((weak)) uint64_t run_digest;

/* What must hold whatever the bytes are. */
#define REQUIRE(condition) \
    do {                   \
        if (!(condition)) __builtin_trap(); \
    } while (0)

typedef struct {
    const uint8_t *at, *end;
} Input;

static inline int64_t bytes_left(const Input *in) { return in->end - in->at; }

/* A number from `low` to `high`, of as few bytes as hold the range; zeros follow the end. */
static inline int64_t take(Input *in, int64_t low, int64_t high) {
    uint64_t range = (uint64_t)(high - low) + 1, value = 0;
    int size = range <= 1u << 8 ? 1 : range <= 1u << 16 ? 2 : 4;
    for (int i = 0; i < size; i++)
        if (in->at < in->end) value |= (uint64_t)*in->at++ << 8 * i;
    return low + (int64_t)(value % range);
}

/* Blocks of an input, all of them given back at its end. */
enum { MOST_BLOCKS = 256, LEFTOVER = 0xA5 };
static void *blocks[MOST_BLOCKS];
static int block_count;

/* A block of exactly that size, so that ASan sees the first byte beside it. What Python takes from
 * np.empty has leftovers in it. */
static inline void *new_block(int64_t bytes) {
    REQUIRE(block_count < MOST_BLOCKS);
    void *made = blocks[block_count++] = malloc((size_t)bytes);
    REQUIRE(made);
    memset(made, LEFTOVER, (size_t)bytes);
    return made;
}

static inline void *new_zeros(int64_t bytes) { return memset(new_block(bytes), 0, (size_t)bytes); }

static inline void free_blocks(void) {
    while (block_count > 0) free(blocks[--block_count]);
}

/* The next `size` bytes of the input, or as many as there are, in a block of their own. */
static inline uint8_t *take_bytes(Input *in, int64_t *size) {
    if (*size > bytes_left(in)) *size = bytes_left(in);
    uint8_t *data = new_block(*size);
    if (*size) memcpy(data, in->at, (size_t)*size);
    in->at += *size;
    return data;
}

/* A part with its length before it. */
static inline uint8_t *take_part(Input *in, int64_t *size) {
    *size = take(in, 0, 65535);
    return take_bytes(in, size);
}

/* The same samples for the same seed, 0 to `most`. */
static inline void fill_noise(uint16_t *samples, int64_t count, uint32_t most, uint32_t seed) {
    for (int64_t i = 0; i < count; i++) {
        seed = seed * 1664525u + 1013904223u;
        samples[i] = (uint16_t)((seed >> 16) % (most + 1));
    }
}

static inline void begin_run(void) {
    run_result = RK_OK;
    run_digest = 0xCBF29CE484222325u;
}

/* Note what a call returned; nothing of a failed call is looked at. */
static inline int succeeded(int64_t result) {
    if (result < 0) run_result = result;
    return result >= 0;
}

/* Hash what a call has written: FNV-1a, eight bytes at a time and the rest one by one. */
static inline void observe(const void *data, int64_t bytes) {
    const uint8_t *at = data;
    for (; bytes >= 8; bytes -= 8, at += 8) {
        uint64_t eight;
        memcpy(&eight, at, 8);
        run_digest = (run_digest ^ eight) * 0x100000001B3u;
        run_digest ^= run_digest >> 32; /* bits of the product move upwards only */
    }
    for (; bytes > 0; bytes--) run_digest = (run_digest ^ *at++) * 0x100000001B3u;
}

/* A range coder as Python makes it: registers, and models that have seen nothing. */
enum { REGISTERS = 16 };
static inline int64_t *new_coder(int64_t models) {
    int64_t *state = new_zeros((REGISTERS + models) * 8);
    for (int64_t i = 0; i < models; i++) state[REGISTERS + i] = 1ll << 15 | 1ll << 31;
    return state;
}

#define TARGET int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
TARGET;

#endif
