/* A coded matrix of factors: tables of rANS from parameters of the stream, then the columns of two
 * bands.
 *
 * Python has read the head (classes in use, states, parameters) as unpack_values does, and has
 * checked that the tables are there, that both states are below 2^31 and that words are whole. Rank,
 * length and ranks of bands are those of a valid packet.
 */
#include "harness.h"

enum {
    CLASSES = 64, SYMBOLS = 64, SLOTS = 4096, PARAMETERS = 4,
    MOST_COLUMNS = 24, MOST_LENGTH = 200, BLOCK = 64, BLOCK_ROW = 68,
    MATRIX_BYTES = 16, CLASS_BYTES = 5,
};

static uint64_t little_endian(const uint8_t *from, int count) {
    uint64_t value = 0;
    for (int i = 0; i < count; i++) value |= (uint64_t)from[i] << 8 * i;
    return value;
}

typedef struct {
    const uint8_t *data;
    int64_t start, end;
    int64_t *states, *parameters;
    uint8_t *used;
} Head;

/* 0 where Python raises. */
static int read_head(Head *head, const uint8_t *data, int64_t size) {
    if (size < MATRIX_BYTES) return 0;
    *head = (Head){data, MATRIX_BYTES, size, new_block(2 * 8),
                   new_zeros(CLASSES * PARAMETERS * 8), new_zeros(CLASSES)};
    uint64_t mask = little_endian(data, 8);
    for (int c = 0; c < CLASSES; c++) {
        if (!(mask >> c & 1)) continue;
        if (head->start + CLASS_BYTES > size) return 0;
        const uint8_t *at = data + head->start;
        int64_t *of_class = head->parameters + c * PARAMETERS;
        of_class[0] = (int64_t)little_endian(at, 2);
        for (int i = 1; i < PARAMETERS; i++) of_class[i] = at[1 + i];
        head->used[c] = 1;
        head->start += CLASS_BYTES;
    }
    for (int i = 0; i < 2; i++) head->states[i] = (int64_t)little_endian(data + 8 + 4 * i, 4);
    int whole_words = (size - head->start) % 2 == 0;
    return whole_words && head->states[0] >> 31 == 0 && head->states[1] >> 31 == 0;
}

TARGET {
    Input in = {bytes, bytes + size};
    begin_run();
    int64_t columns = take(&in, 1, MOST_COLUMNS), length = take(&in, 1, MOST_LENGTH);
    int64_t end = take(&in, 0, columns), first_bytes = take(&in, 0, 65535);
    int64_t data_size = bytes_left(&in), count = columns * length;
    Head head;
    uint16_t *frequencies = new_block(CLASSES * SYMBOLS * 2);
    if (!read_head(&head, take_bytes(&in, &data_size), data_size) ||
        rk_rans_frequencies(head.parameters, head.used, frequencies) < 0) {
        run_result = RK_ERROR_STREAM;
        free_blocks();
        return 0;
    }
    uint8_t *lookup = new_block(CLASSES * SLOTS);
    uint32_t *entries = new_block(CLASSES * SYMBOLS * 4);
    rk_rans_build_decoder(head.parameters, frequencies, lookup, entries);
    for (int64_t i = 0; i < CLASSES * SLOTS; i++) REQUIRE(lookup[i] < SYMBOLS);
    int32_t *scratch = new_block(3 * BLOCK_ROW * ((length + BLOCK - 1) / BLOCK + 2) * 4);
    int32_t *values = new_zeros(count * 4);
    int64_t border = head.end;
    if (first_bytes / 2 * 2 < head.end - head.start) border = head.start + first_bytes / 2 * 2;
    if (succeeded(rk_svd_decode(head.data, head.start, border, head.states, head.parameters, lookup,
                                entries, 0, end, length, scratch, values))
        && succeeded(rk_svd_decode(head.data, border, head.end, head.states, head.parameters,
                                   lookup, entries, end, columns, length, scratch, values)))
        observe(values, count * 4);
    for (int64_t i = 0; i < count; i++) REQUIRE(labs(values[i]) <= 1 << 30);
    free_blocks();
    return 0;
}
