/* The order of a palette: a k-d tree without pointers, for search and for coding alike.
 *
 * Sorted centroids low..high are cut at low + the largest power of two below their number, across
 * the axis on which they spread widest (Bentley 1975; Friedman, Bentley and Finkel 1977). Therefore
 * the bits of an index, highest first, say on which side of ever closer cuts a colour lies.
 */

enum {
    /* Parts that wait while one is cut: each cut halves, and there are 2^16 centroids at most. */
    TREE_DEPTH = 24,
    SORTED_BY_INSERTION = 8,
};

typedef struct {
    i64 low, high;
} Part;

/* Largest power of two below a number of two or more. */
INLINE i64 half_of(i64 count) { return 1ll << (63 - __builtin_clzll((u64)count - 1)); }

/* A key of a sort: the float, mapped to where integers compare likewise, then the place before the
 * sort, which keeps it stable, then the centroid. */
INLINE u64 sort_key(f32 value, i64 place, u16 centroid) {
    union {
        f32 value;
        u32 bits;
    } key = {.value = value + 0.0f}; /* -0 is 0 */
    u32 ordered = key.bits >> 31 ? ~key.bits : key.bits | 1u << 31;
    return (u64)ordered << 32 | (u64)place << 16 | centroid;
}

static void sort_by_insertion(u64 *keys, i64 count) {
    for (i64 i = 1; i < count; i++) {
        u64 key = keys[i];
        i64 at = i;
        for (; at > 0 && keys[at - 1] > key; at--) keys[at] = keys[at - 1];
        keys[at] = key;
    }
}

static void merge(const u64 *from, i64 middle, i64 count, u64 *to) {
    i64 left = 0, right = middle;
    for (i64 i = 0; i < count; i++) {
        int take_left = right >= count || (left < middle && from[left] < from[right]);
        to[i] = take_left ? from[left] : from[right];
        left += take_left;
        right += !take_left;
    }
}

/* Sort keys in runs of doubling length; `other` has room for as many. Returns where they are. */
static u64 *sort_keys(u64 *keys, u64 *other, i64 count) {
    for (i64 first = 0; first < count; first += SORTED_BY_INSERTION)
        sort_by_insertion(keys + first, min_i64(SORTED_BY_INSERTION, count - first));
    for (i64 length = SORTED_BY_INSERTION; length < count; length *= 2) {
        for (i64 first = 0; first < count; first += 2 * length) {
            i64 size = min_i64(2 * length, count - first);
            merge(keys + first, min_i64(length, size), size, other + first);
        }
        u64 *sorted = other;
        other = keys;
        keys = sorted;
    }
    return keys;
}

/* Axis on which a part spreads widest, the first of equal ones. */
static i64 widest_axis(const f32 *centroids, i64 channels, const u16 *order, i64 count) {
    i64 axis = 0;
    f32 widest = -1;
    for (i64 c = 0; c < channels; c++) {
        f32 low = centroids[order[0] * channels + c], high = low;
        for (i64 i = 1; i < count; i++) {
            f32 value = centroids[order[i] * channels + c];
            low = value < low ? value : low;
            high = value > high ? value : high;
        }
        if (high - low > widest) {
            axis = c;
            widest = high - low;
        }
    }
    return axis;
}

static void sort_part(const f32 *centroids, i64 channels, i64 axis, u16 *order, i64 count,
                      u64 *scratch) {
    for (i64 i = 0; i < count; i++)
        scratch[i] = sort_key(centroids[order[i] * channels + axis], i, order[i]);
    const u64 *sorted = sort_keys(scratch, scratch + count, count);
    for (i64 i = 0; i < count; i++) order[i] = (u16)sorted[i];
}

int64_t rk_kmeans_build_tree(const float *centroids, int64_t count, int64_t channels,
                             uint16_t *order, uint8_t *axes, float *cuts, uint64_t *scratch) {
    Part waiting[TREE_DEPTH] = {{0, count}};
    i64 parts = 1;
    for (i64 i = 0; i < count; i++) order[i] = (u16)i;
    while (parts > 0) {
        Part part = waiting[--parts];
        i64 size = part.high - part.low;
        if (size < 2) continue;
        u16 *inside = order + part.low;
        i64 axis = widest_axis(centroids, channels, inside, size);
        sort_part(centroids, channels, axis, inside, size, scratch);
        i64 middle = part.low + half_of(size);
        axes[middle] = (u8)axis;
        cuts[middle] = centroids[order[middle] * channels + axis];
        waiting[parts++] = (Part){part.low, middle};
        waiting[parts++] = (Part){middle, part.high};
    }
    return RK_OK;
}
