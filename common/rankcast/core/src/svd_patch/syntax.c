/* The syntax of a patch. One function is both the writer and the reader: compiled with `decoding`
 * as a constant, it takes what to write from s->decision, or does without it.
 *
 *   patch: [skipped, candidate] [split] [intra] (mode | merged, candidate or vector) [coded, core]
 */
#include "contexts.h"

INLINE int code_flag(Slice *s, const int decoding, i32 context, int flag) {
    return code_bit_as(&s->coder, decoding, context, flag);
}

/* Code the index of a candidate; return the candidate. */
INLINE Vector code_candidate(Slice *s, const int decoding) {
    i32 models = AT_CANDIDATE + s->chroma * MAX_CANDIDATES, index = 0;
    while (index < s->candidate_count - 1 &&
           code_flag(s, decoding, models + index, index < s->decision.index))
        index++;
    return s->candidates[index];
}

/* Code one component of a vector: zero, sign, then Exponential Golomb: the number of bits below the
 * leading one in unary, and these bits. */
INLINE i32 code_component(Slice *s, const int decoding, i32 axis, i32 value) {
    i32 models = AT_VECTOR + axis * VECTOR_MODELS, width_models = models + 2;
    if (!code_flag(s, decoding, models, value != 0)) return 0;
    int negative = code_flag(s, decoding, models + 1, value < 0);
    i32 size = abs_i32(value), width = 0;
    i32 target = decoding ? 0 : 31 - __builtin_clz((u32)size);
    while (width < VECTOR_BINS && code_flag(s, decoding, width_models + width, width < target))
        width++;
    size = 1 << width | (i32)code_bits_as(&s->coder, decoding, width, size);
    return negative ? -size : size;
}

INLINE Vector code_vector(Slice *s, const int decoding, i32 size) {
    Vector near = s->candidates[0], vector = s->decision.vector;
    vector.y = near.y + code_component(s, decoding, 0, vector.y - near.y);
    vector.x = near.x + code_component(s, decoding, 1, vector.x - near.x);
    vector.smooth = code_flag(s, decoding, smooth_context(s, size), vector.smooth);
    return (Vector){clamp_i32(vector.y, -MAX_VECTOR, MAX_VECTOR),
                    clamp_i32(vector.x, -MAX_VECTOR, MAX_VECTOR), vector.smooth};
}

/* Code an intra mode: that of the guide, left or above, or one of all by a binary tree. */
INLINE i32 code_mode(Slice *s, const int decoding, const Neighbours *n, i32 size) {
    const Unit *order[3] = {n->guide, n->left, n->above};
    i32 mode = s->decision.mode, tried[3], count = 0;
    for (i32 k = 0; k < 3; k++) {
        if (!is_kind(order[k], INTRA)) continue;
        i32 near = order[k]->mode;
        if ((count > 0 && near == tried[0]) || (count > 1 && near == tried[1])) continue;
        if (code_flag(s, decoding, AT_MODE_SAME + s->chroma * 3 + k, mode == near)) return near;
        tried[count++] = near;
    }
    i32 models = AT_MODE_TREE + (s->chroma * SIZES + size) * MODE_LEAVES, node = 1;
    for (i32 i = MODE_BITS - 1; i >= 0; i--)
        node = node << 1 | code_flag(s, decoding, models + node, mode >> i & 1);
    /* 64 leaves, 35 modes: a hostile stream may name one that does not exist. */
    return min_i32(node - MODE_LEAVES, INTRA_MODES - 1);
}

INLINE void copy_prediction(const Slice *s, i32 side, u16 *to) {
    for (i32 i = 0; i < side; i++, to += s->width)
        for (i32 j = 0; j < side; j += 8) store_u16x8(to + j, load_i32x8(&s->prediction[i][j]));
}

/* Enter a patch into the map. */
INLINE void note(Slice *s, i32 uy, i32 ux, Unit unit) {
    Unit *to = s->units + (i64)uy * s->units_x + ux;
    for (i32 i = 0; i < 1 << unit.size; i++, to += s->units_x)
        for (i32 j = 0; j < 1 << unit.size; j++) to[j] = unit;
}

INLINE Unit new_unit(i32 kind, i32 size, Vector vector) {
    return (Unit){(i16)kind, (i16)size, (i16)vector.y, (i16)vector.x, (i16)vector.smooth, 0};
}

INLINE void code_skipped(Slice *s, const int decoding, i32 uy, i32 ux, i32 size) {
    Vector vector = code_candidate(s, decoding);
    /* The plane starts as a copy of the reference: nothing to do where nothing moves. */
    if (vector.y || vector.x || vector.smooth) {
        i32 y = uy * UNIT, x = ux * UNIT, side = UNIT << size;
        /* A decision may have left another displacement behind, tried and dropped. */
        predict_inter(s, y, x, side, vector, s->prediction);
        copy_prediction(s, side, s->rebuilt + sample_index(s, y, x));
    }
    note(s, uy, ux, new_unit(SKIPPED, size, vector));
}

/* Code the contents of a patch that is neither skipped nor split. An encoder has its prediction and
 * its levels already. */
INLINE void code_contents(Slice *s, const int decoding, const Neighbours *n, i32 uy, i32 ux,
                          i32 size) {
    const Decision *decision = &s->decision;
    i32 y = uy * UNIT, x = ux * UNIT, side = UNIT << size;
    int intra = !s->reference ||
                code_flag(s, decoding, intra_context(s, n, size), decision->kind == INTRA);
    Unit unit = new_unit(INTRA, size, (Vector){0, 0, 0});
    if (intra) {
        unit.mode = (i16)code_mode(s, decoding, n, size);
        if (decoding) {
            gather_edge(s, uy, ux, side);
            predict_intra(s, unit.mode, size, s->prediction);
        }
    } else {
        i32 merged = AT_MERGED + s->chroma * SIZES + size;
        Vector vector = code_flag(s, decoding, merged, decision->index >= 0)
                            ? code_candidate(s, decoding)
                            : code_vector(s, decoding, size);
        unit = new_unit(INTER, size, vector);
        if (decoding) predict_inter(s, y, x, side, vector, s->prediction);
    }
    i32 group = group_of(s, intra);
    u16 *to = s->rebuilt + sample_index(s, y, x);
    unit.coded = (i16)code_flag(s, decoding, coded_context(n, group, size), decision->coded);
    if (unit.coded) {
        CoreSyntax core = core_syntax(group, size);
        if (decoding)
            read_core(s, &core);
        else
            write_core(s, &core);
        add_residual(s, size, to);
        clear_core(s);
    } else {
        copy_prediction(s, side, to);
    }
    note(s, uy, ux, unit);
}

/* Code a patch, or that it is split; return 0 then, and its quarters are still to be coded. */
INLINE int code_patch(Slice *s, const int decoding, i32 uy, i32 ux, i32 size) {
    Neighbours n = neighbours_of(s, uy, ux);
    i32 kind = s->decision.kind;
    if (s->reference) {
        list_candidates(s, &n);
        if (code_flag(s, decoding, skip_context(s, &n, size), kind == SKIPPED)) {
            code_skipped(s, decoding, uy, ux, size);
            return 1;
        }
    }
    if (size > SIZE_8 && code_flag(s, decoding, split_context(s, &n, size), kind == SPLIT))
        return 0;
    code_contents(s, decoding, &n, uy, ux, size);
    return 1;
}

/* Whether a patch lies inside the slice; one that does not is split without a flag. */
INLINE int fits(const Slice *s, i32 uy, i32 ux, i32 size) {
    return uy + (1 << size) <= s->bottom && ux + (1 << size) <= s->units_x;
}
INLINE int begins_outside(const Slice *s, i32 uy, i32 ux) {
    return uy >= s->bottom || ux >= s->units_x;
}
