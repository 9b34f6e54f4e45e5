/* Facts of a picture that are counted exactly: its distinct colours, the error of a palette. */

/* Places of distinct colours in the picture, found through an open hash table. */
typedef struct {
    i64 *slots; /* index into `places`, below zero where empty */
    i64 mask;   /* their number, a power of two, less one */
    i64 *places, *counts;
    i64 count;
} Colours;

INLINE i64 sample_of(const void *samples, const SampleKind kind, i64 at) {
    return kind == SAMPLES_8 ? ((const u8 *)samples)[at] : ((const u16 *)samples)[at];
}

INLINE int same_colour(const void *colours, const SampleKind kind, i64 channels, i64 a, i64 b) {
    i64 first = a * channels, second = b * channels, c = 0;
    while (c < channels &&
           sample_of(colours, kind, first + c) == sample_of(colours, kind, second + c))
        c++;
    return c == channels;
}

INLINE i64 hash_of(const void *colours, const SampleKind kind, i64 channels, i64 place) {
    u32 hash = 0;
    /* Fibonacci hashing: 2^32 over the golden ratio. */
    for (i64 c = 0; c < channels; c++)
        hash = (hash ^ (u32)sample_of(colours, kind, place * channels + c)) * 2654435761u;
    return hash ^ hash >> 15;
}

/* Index of the colour at a place of the picture, which is added where it is new. */
INLINE i64 find_colour(Colours *found, const void *colours, const SampleKind kind, i64 channels,
                       i64 place) {
    i64 slot = hash_of(colours, kind, channels, place) & found->mask;
    while (found->slots[slot] >= 0) {
        i64 index = found->slots[slot];
        if (same_colour(colours, kind, channels, found->places[index], place)) return index;
        slot = (slot + 1) & found->mask;
    }
    found->slots[slot] = found->count;
    found->places[found->count] = place;
    return found->count++;
}

INLINE i64 find_colours(const void *colours, const SampleKind kind, i64 count, i64 channels,
                        i64 *slots, i64 slot_count, i64 *places, i64 *counts, i64 most) {
    Colours found = {.slots = slots, .mask = slot_count - 1, .places = places, .counts = counts};
    i64 index = 0;
    for (i64 i = 0; i < count && found.count < most; i++) {
        /* Neighbours are often alike, and then need no search. */
        if (i == 0 || !same_colour(colours, kind, channels, i, i - 1))
            index = find_colour(&found, colours, kind, channels, i);
        found.counts[index]++;
    }
    return found.count;
}

int64_t rk_kmeans_distinct_u8(const uint8_t *colours, int64_t count, int64_t channels,
                              int64_t *slots, int64_t slot_count, int64_t *places, int64_t *counts,
                              int64_t most) {
    return find_colours(colours, SAMPLES_8, count, channels, slots, slot_count, places, counts,
                        most);
}

int64_t rk_kmeans_distinct_u16(const uint16_t *colours, int64_t count, int64_t channels,
                               int64_t *slots, int64_t slot_count, int64_t *places,
                               int64_t *counts, int64_t most) {
    return find_colours(colours, SAMPLES_16, count, channels, slots, slot_count, places, counts,
                        most);
}

int64_t rk_kmeans_squared_error(const uint16_t *colours, const uint16_t *labels,
                                const int64_t *palette, int64_t count, int64_t channels) {
    i64 total = 0;
    for (i64 i = 0; i < count; i++) {
        for (i64 c = 0; c < channels; c++) {
            i64 difference = colours[i * channels + c] - palette[labels[i] * channels + c];
            total += difference * difference;
        }
    }
    return total;
}
