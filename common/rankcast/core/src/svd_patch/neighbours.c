/* What lies around a patch: the unit to the left, the unit above, and the unit of the first plane
 * at the same place, the guide. They suggest displacements and choose the models of flags. */
#include "contexts.h"

typedef struct {
    const Unit *left, *above, *guide; /* NULL where there is none */
} Neighbours;

INLINE Neighbours neighbours_of(const Slice *s, i32 uy, i32 ux) {
    Neighbours n = {NULL, NULL, NULL};
    if (ux > 0) n.left = unit_at(s, uy, ux - 1);
    if (uy > s->top) n.above = unit_at(s, uy - 1, ux);
    if (s->guide) {
        i32 guide_y = min_i32(uy << s->guide_shift, s->guide_units_y - 1);
        i32 guide_x = min_i32(ux << s->guide_shift, s->guide_units_x - 1);
        n.guide = s->guide + (i64)guide_y * s->guide_units_x + guide_x;
    }
    return n;
}

INLINE int is_kind(const Unit *unit, i32 kind) { return unit && unit->kind == kind; }

INLINE Vector vector_of(const Unit *unit) {
    return new_vector(unit->vector_y, unit->vector_x, unit->mode);
}

/* The displacement of the guide in samples of this plane. */
INLINE Vector guide_vector(const Slice *s, const Unit *guide) {
    return new_vector(guide->vector_y >> s->guide_shift, guide->vector_x >> s->guide_shift,
                      guide->mode);
}

INLINE int same_vector(Vector a, Vector b) {
    u64 all_of_a, all_of_b;
    COPY(&all_of_a, &a, sizeof(a));
    COPY(&all_of_b, &b, sizeof(b));
    return all_of_a == all_of_b;
}

INLINE void add_candidate(Slice *s, Vector vector) {
    for (i32 k = 0; k < s->candidate_count; k++)
        if (same_vector(s->candidates[k], vector)) return;
    s->candidates[s->candidate_count++] = vector;
}

/* Collect the displacements that neighbours suggest, without repeats: always one at least. */
INLINE void list_candidates(Slice *s, const Neighbours *n) {
    s->candidate_count = 0;
    if (is_kind(n->guide, SKIPPED) || is_kind(n->guide, INTER))
        add_candidate(s, guide_vector(s, n->guide));
    if (n->left && n->left->kind != INTRA)
        add_candidate(s, vector_of(n->left));
    if (n->above && n->above->kind != INTRA)
        add_candidate(s, vector_of(n->above));
    add_candidate(s, (Vector){0, 0, 0});
}

INLINE i32 guide_class(const Neighbours *n, int has) { return !n->guide ? 0 : has ? 1 : 2; }

INLINE i32 skip_context(const Slice *s, const Neighbours *n, i32 size) {
    i32 near = is_kind(n->left, SKIPPED) + is_kind(n->above, SKIPPED);
    i32 guide = guide_class(n, is_kind(n->guide, SKIPPED));
    return AT_SKIP + ((s->chroma * SIZES + size) * NEAR + near) * GUIDES + guide;
}

/* Of the flag whether a patch of 16 or 32 splits. */
INLINE i32 split_context(const Slice *s, const Neighbours *n, i32 size) {
    i32 near = (n->left && n->left->size < size) + (n->above && n->above->size < size);
    i32 guide_size = min_i32(size + s->guide_shift, SIZE_32);
    i32 guide = guide_class(n, n->guide && n->guide->size < guide_size);
    i32 place = ((s->chroma * (SIZES - 1) + size - 1) * NEAR + near) * GUIDES + guide;
    return AT_SPLIT + place * 2 + (s->reference != NULL);
}

/* Of the flag between intra and inter. */
INLINE i32 intra_context(const Slice *s, const Neighbours *n, i32 size) {
    i32 near = is_kind(n->left, INTRA) + is_kind(n->above, INTRA);
    i32 guide = guide_class(n, is_kind(n->guide, INTRA));
    return AT_INTRA + ((s->chroma * NEAR + near) * GUIDES + guide) * SIZES + size;
}

/* Of the flag that the prediction by a new vector is smoothed. */
INLINE i32 smooth_context(const Slice *s, i32 size) { return AT_SMOOTH + s->chroma * SIZES + size; }

/* Of the flag that a core has levels. */
INLINE i32 coded_context(const Neighbours *n, i32 group, i32 size) {
    i32 near = (n->left && n->left->coded) + (n->above && n->above->coded);
    i32 guide = guide_class(n, n->guide && !n->guide->coded);
    return AT_CODED + ((group * SIZES + size) * NEAR + near) * GUIDES + guide;
}

/* Statistics of coefficients that a patch shares. */
INLINE i32 group_of(const Slice *s, int intra) { return s->chroma * 2 + !intra; }
