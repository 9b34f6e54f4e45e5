/* Search for the displacement of a patch: from the best of some starts by diamonds, then by half
 * and quarter samples, mixed linearly where time is short. */
#include "encoder.h"

enum { MAX_ROUNDS = 24, NEIGHBOURS = 4, ALL_NEIGHBOURS = 8, MAX_WHOLE_VECTOR = MAX_VECTOR >> 2 };

/* A diamond, then the corners of the square around it. */
static const Vector AROUND[ALL_NEIGHBOURS] = {
    {-1, 0, 0}, {1, 0, 0}, {0, -1, 0}, {0, 1, 0},
    {-1, -1, 0}, {-1, 1, 0}, {1, -1, 0}, {1, 1, 0},
};

/* Rough length of one component of a coded vector, in bits. */
INLINE f64 component_bits(i32 difference) {
    u32 size = (u32)abs_i32(difference);
    return 1.0 + 2.0 * (size ? 32 - __builtin_clz(size) : 0);
}

/* Of a vector that is coded as its distance from another. */
INLINE f64 vector_bits(Vector vector, Vector from) {
    return component_bits(vector.y - from.y) + component_bits(vector.x - from.x);
}

/* The whole samples of a vector; rounding down must not leave what can be coded. */
INLINE Vector whole_samples(Vector v) {
    return sharp_vector(max_i32(v.y >> 2, -MAX_WHOLE_VECTOR), max_i32(v.x >> 2, -MAX_WHOLE_VECTOR));
}
INLINE Vector quarter_samples(Vector whole) { return sharp_vector(4 * whole.y, 4 * whole.x); }
INLINE Vector moved(Vector v, i32 k, i32 reach) {
    return sharp_vector(v.y + reach * AROUND[k].y, v.x + reach * AROUND[k].x);
}
INLINE int within(Vector v, i32 most) { return abs_i32(v.y) <= most && abs_i32(v.x) <= most; }

/* What to look for, and when to stop. */
typedef struct {
    i32 y, x, side;
    Vector centre; /* vectors cost bits by their distance from here */
    i32 reach;     /* first step in samples */
    f64 good;      /* cost of a start that ends the search */
} Search;

INLINE f64 whole_cost(const Encoder *e, const Search *find, Vector whole) {
    i64 difference = absolute_difference(e, find->y, find->x, find->side, find->y + whole.y,
                                         find->x + whole.x);
    f64 bits = vector_bits(quarter_samples(whole), find->centre);
    return (f64)difference + e->bit_difference * bits;
}

/* Set e->found to the best whole displacement; return its cost. */
static f64 search_whole(Encoder *e, const Search *find, const Vector *starts, i32 start_count) {
    f64 best_cost = WORST;
    for (i32 k = 0; k < start_count; k++) {
        Vector whole = whole_samples(starts[k]);
        f64 cost = whole_cost(e, find, whole);
        if (cost < best_cost) {
            best_cost = cost;
            e->found = quarter_samples(whole);
        }
    }
    if (best_cost < find->good) return best_cost;
    /* Large steps first: parts on a belt move many samples between two frames. */
    i32 reach = find->reach;
    for (i32 round = 0; reach >= 1 && round < MAX_ROUNDS; round++) {
        Vector from = sharp_vector(e->found.y >> 2, e->found.x >> 2);
        int better = 0;
        for (i32 k = 0; k < NEIGHBOURS; k++) {
            Vector whole = moved(from, k, reach);
            if (!within(whole, MAX_WHOLE_VECTOR)) continue;
            f64 cost = whole_cost(e, find, whole);
            if (cost < best_cost) {
                best_cost = cost;
                e->found = quarter_samples(whole);
                better = 1;
            }
        }
        if (!better) reach >>= 1;
    }
    return best_cost;
}

/* Move e->found to a better fraction among the four nearest ones, twice. */
static void search_mixed(Encoder *e, const Search *find, f64 best_cost) {
    for (i32 fraction = 2; fraction >= 1; fraction--) {
        Vector from = e->found;
        for (i32 k = 0; k < NEIGHBOURS; k++) {
            Vector vector = moved(from, k, fraction);
            if (!within(vector, MAX_VECTOR)) continue;
            f64 cost = mixed_difference(e, find->y, find->x, find->side, vector) +
                       e->bit_difference * vector_bits(vector, find->centre);
            if (cost < best_cost) {
                best_cost = cost;
                e->found = vector;
            }
        }
    }
}
