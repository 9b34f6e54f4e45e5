/* The syntax of a patch. One function is both the writer and the reader: compiled with `decoding`
 * as a constant, it takes what to write from s->decision, or does without it.
 *
 *   patch: [skipped, candidate] [split] [intra] (mode | merged, candidate or vector) [coded, core]
 */
#include "contexts.h"

/* Code the index of a candidate; return the candidate. */
INLINE Vector code_candidate(Slice *s, RangeCoder *c, const int decoding) {
    i32 models = AT_CANDIDATE + s->chroma * MAX_CANDIDATES, index = 0;
    while (index < s->candidate_count - 1 &&
           code_bit_as(c, decoding, models + index, index < s->decision.index))
        index++;
    return s->candidates[index];
}

/* Code one component of a vector: zero, sign, then Exponential Golomb: the number of bits below the
 * leading one in unary, and these bits. */
INLINE i32 code_component(RangeCoder *c, const int decoding, i32 axis, i32 value) {
    i32 models = AT_VECTOR + axis * VECTOR_MODELS, width_models = models + 2;
    if (!code_bit_as(c, decoding, models, value != 0)) return 0;
    int negative = code_bit_as(c, decoding, models + 1, value < 0);
    i32 size = abs_i32(value), width = 0;
    i32 target = decoding ? 0 : 31 - __builtin_clz((u32)size);
    while (width < VECTOR_BINS && code_bit_as(c, decoding, width_models + width, width < target))
        width++;
    size = 1 << width | (i32)code_bits_as(c, decoding, width, size);
    return negative ? -size : size;
}

INLINE Vector code_vector(Slice *s, RangeCoder *c, const int decoding, i32 size) {
    Vector near = s->candidates[0], vector = s->decision.vector;
    i32 y = near.y + code_component(c, decoding, 0, vector.y - near.y);
    i32 x = near.x + code_component(c, decoding, 1, vector.x - near.x);
    i32 smooth = code_bit_as(c, decoding, smooth_context(s, size), vector.smooth);
    return new_vector(clamp_i32(y, -MAX_VECTOR, MAX_VECTOR), clamp_i32(x, -MAX_VECTOR, MAX_VECTOR),
                      smooth);
}

/* Code an intra mode: that of the guide, left or above, or one of all by a binary tree. */
INLINE i32 code_mode(Slice *s, RangeCoder *c, const int decoding, const Neighbours *n, i32 size) {
    const Unit *order[3] = {n->guide, n->left, n->above};
    i32 mode = s->decision.mode, tried[3], count = 0;
    for (i32 k = 0; k < 3; k++) {
        if (!is_kind(order[k], INTRA)) continue;
        i32 near = order[k]->mode;
        if ((count > 0 && near == tried[0]) || (count > 1 && near == tried[1])) continue;
        if (code_bit_as(c, decoding, AT_MODE_SAME + s->chroma * 3 + k, mode == near)) return near;
        tried[count++] = near;
    }
    i32 models = AT_MODE_TREE + (s->chroma * SIZES + size) * MODE_LEAVES, node = 1;
    for (i32 i = MODE_BITS - 1; i >= 0; i--)
        node = node << 1 | code_bit_as(c, decoding, models + node, mode >> i & 1);
    /* 64 leaves, 35 modes: a hostile stream may name one that does not exist. */
    return min_i32(node - MODE_LEAVES, INTRA_MODES - 1);
}

/* Enter a patch into the map. */
INLINE void note_square(Unit *to, i64 stride, const i32 units, Unit unit) {
    for (i32 i = 0; i < units; i++, to += stride)
        for (i32 j = 0; j < units; j++) to[j] = unit;
}

INLINE void note(Slice *s, i32 uy, i32 ux, Unit unit) {
    Unit *to = s->units + (i64)uy * s->units_x + ux;
    if (unit.size == SIZE_8)
        note_square(to, s->units_x, 1, unit);
    else if (unit.size == SIZE_16)
        note_square(to, s->units_x, 2, unit);
    else
        note_square(to, s->units_x, 4, unit);
}

INLINE Unit new_unit(i32 kind, i32 size, Vector vector) {
    return (Unit){(i16)kind, (i16)size, (i16)vector.y, (i16)vector.x, (i16)vector.smooth, 0};
}

INLINE void code_skipped(Slice *s, RangeCoder *c, const int decoding, i32 uy, i32 ux, i32 size) {
    Vector vector = code_candidate(s, c, decoding);
    i32 y = uy * UNIT, x = ux * UNIT;
    /* Without any, begin_cells has left it as it is. */
    if (vector.y || vector.x || vector.smooth)
        displace(s, y, x, UNIT << size, vector,
                 (Target){s->rebuilt + sample_index(s, y, x), s->width});
    note(s, uy, ux, new_unit(SKIPPED, size, vector));
}

/* Code the contents of a patch that is neither skipped nor split. An encoder has its prediction and
 * its levels already; a decoder predicts into the plane. */
INLINE void code_contents(Slice *s, RangeCoder *c, const int decoding, const Neighbours *n, i32 uy,
                          i32 ux, i32 size) {
    const Decision *decision = &s->decision;
    i32 y = uy * UNIT, x = ux * UNIT, side = UNIT << size;
    u16 *to = s->rebuilt + sample_index(s, y, x);
    int intra = !s->reference ||
                code_bit_as(c, decoding, intra_context(s, n, size), decision->kind == INTRA);
    Unit unit = new_unit(INTRA, size, (Vector){0, 0, 0});
    if (intra) {
        unit.mode = (i16)code_mode(s, c, decoding, n, size);
        if (decoding) {
            gather_edge(s, uy, ux, side);
            predict_intra(s, unit.mode, size, s->prediction);
            copy_prediction(s, side, to);
        }
    } else {
        i32 merged = AT_MERGED + s->chroma * SIZES + size;
        Vector vector = code_bit_as(c, decoding, merged, decision->index >= 0)
                            ? code_candidate(s, c, decoding)
                            : code_vector(s, c, decoding, size);
        unit = new_unit(INTER, size, vector);
        if (decoding) displace(s, y, x, side, vector, (Target){to, s->width});
    }
    if (!decoding) copy_prediction(s, side, to);
    i32 group = group_of(s, intra);
    unit.coded = (i16)code_bit_as(c, decoding, coded_context(n, group, size), decision->coded);
    if (unit.coded) {
        CoreSyntax core = core_syntax(group, size);
        s->coder = *c;
        if (decoding)
            read_core(s, &core);
        else
            write_core(s, &core);
        *c = s->coder;
        add_residual_in_place(s, size, to);
        clear_core(s);
    }
    note(s, uy, ux, unit);
}

INLINE int code_patch_with(Slice *s, RangeCoder *c, const int decoding, i32 uy, i32 ux, i32 size) {
    Neighbours n = neighbours_of(s, uy, ux);
    i32 kind = s->decision.kind;
    if (s->reference) {
        list_candidates(s, &n);
        if (code_bit_as(c, decoding, skip_context(s, &n, size), kind == SKIPPED)) {
            code_skipped(s, c, decoding, uy, ux, size);
            return 1;
        }
    }
    if (size > SIZE_8 && code_bit_as(c, decoding, split_context(s, &n, size), kind == SPLIT))
        return 0;
    code_contents(s, c, decoding, &n, uy, ux, size);
    return 1;
}

/* Code a patch, or that it is split; return 0 then, and its quarters are still to be coded. */
INLINE int code_patch(Slice *s, const int decoding, i32 uy, i32 ux, i32 size) {
    RangeCoder coder = s->coder; /* a copy, whose registers are locals from flag to flag */
    int is_whole = code_patch_with(s, &coder, decoding, uy, ux, size);
    s->coder = coder;
    return is_whole;
}

/* Whether a patch lies inside the slice; one that does not is split without a flag. */
INLINE int fits(const Slice *s, i32 uy, i32 ux, i32 size) {
    return uy + (1 << size) <= s->bottom && ux + (1 << size) <= s->units_x;
}
INLINE int begins_outside(const Slice *s, i32 uy, i32 ux) {
    return uy >= s->bottom || ux >= s->units_x;
}
