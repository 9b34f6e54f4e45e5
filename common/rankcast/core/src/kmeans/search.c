/* The nearest of a set of centroids for each point: of few by comparing with all, of many by going
 * down their tree. Of equally near ones the first that is met counts, and both ways keep to a fixed
 * order, so that encoders give the same bytes everywhere. */

enum {
    LEAF = 8,         /* centroids that are not cut any further: one vector */
    MOST_VECTORS = 4, /* of points that are compared at a time: what the registers of AVX2 hold */
};

typedef struct rk_kmeans_centroids Centroids;

/* What is known of eight points so far. */
typedef struct {
    f32x8 distance;
    i32x8 which;
} Nearest;

/* Samples of a channel, in the order of the tree. Behind the last stand LEAF zeros, so that a leaf
 * may be loaded whole. */
INLINE const f32 *channel_of(const Centroids *set, i64 channel) {
    return set->planes + channel * (set->count + LEAF);
}

INLINE f32x8 squared(f32x8 value) { return value * value; }

/* Compare the points of some neighbouring vectors with all centroids. */
INLINE void compare_with_all(const Block *b, const i64 channels, const Centroids *set, i64 first,
                             Nearest *nearest, const int vectors) {
    for (int v = 0; v < vectors; v++)
        nearest[v] = (Nearest){splat_f32x8(__builtin_inff()), splat_i32x8(0)};
    for (i64 k = 0; k < set->count; k++) {
        f32x8 sums[MOST_VECTORS];
        for (int v = 0; v < vectors; v++) sums[v] = splat_f32x8(0);
        for (i64 c = 0; c < channels; c++) {
            f32x8 centre = splat_f32x8(channel_of(set, c)[k]);
            for (int v = 0; v < vectors; v++)
                sums[v] += squared(centre - load_f32x8(&b->samples[c][first + LANES * v]));
        }
        for (int v = 0; v < vectors; v++) {
            i32x8 closer = sums[v] < nearest[v].distance;
            nearest[v].distance = select_f32x8(closer, sums[v], nearest[v].distance);
            /* The last one that was closer is the largest. */
            nearest[v].which = max_i32x8(closer & splat_i32x8((i32)k), nearest[v].which);
        }
    }
}

INLINE void search_all(const Block *b, const i64 channels, const Centroids *set, u16 *nearest,
                       f32 *distances) {
    for (i64 first = 0; first < BLOCK_POINTS; first += LANES * MOST_VECTORS) {
        Nearest found[MOST_VECTORS];
        compare_with_all(b, channels, set, first, found, MOST_VECTORS);
        for (int v = 0; v < MOST_VECTORS; v++) {
            store_u16x8(&nearest[first + LANES * v], found[v].which);
            store_f32x8(&distances[first + LANES * v], found[v].distance);
        }
    }
}

typedef struct {
    i64 low, high;
    f32 bound; /* squared distance to the cut: no centroid of this part is nearer */
} Distant;

INLINE f32 distance_to(const f32 *point, const i64 channels, const Centroids *set, i64 k) {
    f32 sum = 0;
    for (i64 c = 0; c < channels; c++) {
        f32 difference = point[c] - channel_of(set, c)[k];
        sum += difference * difference;
    }
    return sum;
}

/* Compare a point with a leaf; most leaves have nothing nearer. */
INLINE void compare_with_leaf(const f32 *point, const i64 channels, const Centroids *set, i64 low,
                              i64 high, f32 *best, i64 *which) {
    f32x8 sums = splat_f32x8(0);
    for (i64 c = 0; c < channels; c++)
        sums += squared(splat_f32x8(point[c]) - load_f32x8(channel_of(set, c) + low));
    if (!any_lane(sums < splat_f32x8(*best))) return;
    f32 distances[LANES];
    store_f32x8(distances, sums);
    for (i64 k = low; k < high; k++) {
        if (distances[k - low] < *best) {
            *best = distances[k - low];
            *which = k;
        }
    }
}

/* Search for the centroid nearest to a point. Neighbours look alike: the last answer, `which`,
 * bounds this search from the start. */
INLINE f32 search_tree(const f32 *point, const i64 channels, const Centroids *set, i64 *which) {
    f32 best = distance_to(point, channels, set, *which);
    Distant waiting[TREE_DEPTH];
    waiting[0] = (Distant){0, set->count, 0};
    i64 parts = 1;
    while (parts > 0) {
        Distant part = waiting[--parts];
        if (part.bound >= best) continue;
        i64 low = part.low, high = part.high;
        while (high - low > LEAF) {
            i64 middle = low + half_of(high - low);
            f32 beyond = point[set->axes[middle]] - set->cuts[middle];
            if (beyond < 0) {
                waiting[parts++] = (Distant){middle, high, beyond * beyond};
                high = middle;
            } else {
                waiting[parts++] = (Distant){low, middle, beyond * beyond};
                low = middle;
            }
        }
        compare_with_leaf(point, channels, set, low, high, &best, which);
    }
    return best;
}

INLINE void search_trees(const Block *b, const i64 channels, const Centroids *set, i64 size,
                         i64 *which, u16 *nearest, f32 *distances) {
    for (i64 p = 0; p < size; p++) {
        f32 point[MOST_CHANNELS];
        for (i64 c = 0; c < channels; c++) point[c] = b->samples[c][p];
        distances[p] = search_tree(point, channels, set, which);
        nearest[p] = set->order[*which];
    }
}

INLINE void search(const void *points, const SampleKind kind, i64 count, const i64 channels,
                   const Centroids *set, u16 *nearest, f32 *distances) {
    Block block;
    i64 which = 0;
    for (i64 first = 0; first < count; first += BLOCK_POINTS) {
        i64 size = load_block(&block, points, kind, first, count, channels);
        if (set->order) {
            search_trees(&block, channels, set, size, &which, nearest + first, distances + first);
        } else if (LIKELY(size == BLOCK_POINTS)) {
            search_all(&block, channels, set, nearest + first, distances + first);
        } else {
            u16 last_nearest[BLOCK_POINTS];
            f32 last_distances[BLOCK_POINTS];
            search_all(&block, channels, set, last_nearest, last_distances);
            COPY(nearest + first, last_nearest, size * (i64)sizeof(u16));
            COPY(distances + first, last_distances, size * (i64)sizeof(f32));
        }
    }
}

/* Compiled for grey and for colour, and once for any other number of channels. */
INLINE i64 search_in(const void *points, const SampleKind kind, i64 count, const Centroids *set,
                     u16 *nearest, f32 *distances) {
    i64 channels = set->channels;
    if (channels > MOST_CHANNELS) return RK_ERROR_SPACE;
    switch (channels) {
    case 1: search(points, kind, count, 1, set, nearest, distances); break;
    case 3: search(points, kind, count, 3, set, nearest, distances); break;
    default: search(points, kind, count, channels, set, nearest, distances);
    }
    return RK_OK;
}

int64_t rk_kmeans_nearest_u8(const uint8_t *points, int64_t count,
                             const struct rk_kmeans_centroids *centroids, uint16_t *nearest,
                             float *distances) {
    return search_in(points, SAMPLES_8, count, centroids, nearest, distances);
}

int64_t rk_kmeans_nearest_u16(const uint16_t *points, int64_t count,
                              const struct rk_kmeans_centroids *centroids, uint16_t *nearest,
                              float *distances) {
    return search_in(points, SAMPLES_16, count, centroids, nearest, distances);
}

int64_t rk_kmeans_nearest_f32(const float *points, int64_t count,
                              const struct rk_kmeans_centroids *centroids, uint16_t *nearest,
                              float *distances) {
    return search_in(points, SAMPLES_FLOAT, count, centroids, nearest, distances);
}
