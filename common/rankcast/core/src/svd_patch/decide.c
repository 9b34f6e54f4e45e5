/* How a patch is coded: its prediction and its levels, by rate and distortion. A decision leaves
 * s->prediction and s->levels as code_patch needs them. */
#include "encoder.h"

/* Energy a sample, in squared steps, below which no better prediction is looked for: quantisation
 * leaves as much. */
static const f64 NOISE_ENERGY = 0.16;
/* Mean absolute difference in steps above which fractions of a sample are tried. */
static const f64 FINE_SEARCH = 0.3;
/* Bits that another kind of prediction would save at most, beyond its own flags: below that it is
 * not tried. */
static const f64 BITS_OF_LEVELS = 16.0, BITS_OF_CORE = 4.0;
/* The same for a search that takes its time, and the energy a sample beside it. */
static const f64 SEARCH_BITS = 8.0, SEARCH_ENERGY = 0.04;
/* Ratio of a candidate's error to the cost from which on a search pays. Above it `fast` searches
 * before it chooses levels. */
static const f64 SURE_SEARCH = 1.5;
/* Length of an intra mode, in bits, for the choice between intra and inter. */
static const f64 MODE_COST_BITS = 3.5;
/* Difference of an intra prediction over that of an inter one, from which on it is not tried. */
static const f64 WORSE_INTRA = 1.2;

INLINE void swap_blocks(u16 (**a)[CELL], u16 (**b)[CELL]) {
    u16(*kept)[CELL] = *a;
    *a = *b;
    *b = kept;
}

INLINE void swap_levels(Encoder *e) {
    i32 *kept = e->kept_levels;
    e->kept_levels = e->slice.levels;
    e->slice.levels = kept;
}

/* Put prediction and levels aside, for a trial or because a trial was better. */
INLINE void swap_kept(Encoder *e) {
    swap_blocks(&e->slice.prediction, &e->kept_prediction);
    swap_levels(e);
}

INLINE void clear_levels(Encoder *e) { CLEAR(e->slice.levels, LEVELS * sizeof(i32)); }

/* Choose the levels of the core, whose residual has `energy`; return the cost with the coded flag.
 * Sets the decision's `coded`, and the distortion in the cost. */
static f64 levels_cost(Encoder *e, f64 energy, const Neighbours *n, int intra, i32 size) {
    Slice *s = &e->slice;
    f64 price = e->bit_price, least = price * (s->reference ? STILL_BITS : LEAST_KEY_BITS);
    i32 group = group_of(s, intra), context = coded_context(n, group, size);
    i32 kept = kept_side(e, size);
    f64 cost = energy + price * bit_cost(&s->coder, context, 0);
    s->decision.coded = 0;
    e->distortion = energy;
    if (estimated_saving(e->core, kept) < least) return cost;
    CoreSyntax core = core_syntax(group, size);
    Choice choice = choose_levels(e, &core, kept);
    if (!choice.any) return cost;
    /* What lies outside the kept core is lost either way. */
    f64 rest = energy - choice.uncoded;
    f64 distortion = (rest > 0.0 ? rest : 0.0) + choice.distortion;
    f64 with_levels = distortion + price * (choice.bits + bit_cost(&s->coder, context, 1));
    if (with_levels < cost) {
        s->decision.coded = 1;
        e->distortion = distortion;
        return with_levels;
    }
    clear_levels(e);
    return cost;
}

/* A patch, and what its flags cost. */
typedef struct {
    i32 uy, ux, y, x, size, side;
    Neighbours near;
    f32 skip_bits, inter_bits, intra_bits; /* of the flags up to the kind of prediction */
} Patch;

static Patch new_patch(const Slice *s, i32 uy, i32 ux, i32 size) {
    Patch p = {uy, ux, uy * UNIT, ux * UNIT, size, UNIT << size, neighbours_of(s, uy, ux), 0, 0, 0};
    if (s->reference) {
        i32 skip = skip_context(s, &p.near, size), intra = intra_context(s, &p.near, size);
        f32 not_skipped = bit_cost(&s->coder, skip, 0);
        p.skip_bits = bit_cost(&s->coder, skip, 1);
        p.inter_bits = not_skipped + bit_cost(&s->coder, intra, 0);
        p.intra_bits = not_skipped + bit_cost(&s->coder, intra, 1);
    }
    return p;
}

/* Energy of a patch of noise. */
INLINE f64 noise_energy(const Patch *p) { return NOISE_ENERGY * p->side * p->side; }

/* An inter prediction: its vector, and what it costs. */
typedef struct {
    Vector vector;
    i32 index;  /* of the candidate; below zero for any other vector */
    f64 error;  /* squared error, in squared steps */
    f64 bits;   /* of flags and vector */
    f64 cost;   /* of all, with its levels */
} Inter;

/* Predict from every candidate; keep the best in s->prediction. */
static Inter best_candidate(Encoder *e, const Patch *p) {
    Slice *s = &e->slice;
    Inter best = {.error = WORST};
    for (i32 k = 0; k < s->candidate_count; k++) {
        predict_inter(s, p->y, p->x, p->side, s->candidates[k], e->trial);
        f64 error = squared_error(e, e->trial, p->y, p->x, p->size) + e->bit_price * k;
        if (error >= best.error) continue;
        best = (Inter){.vector = s->candidates[k], .index = k, .error = error};
        swap_blocks(&s->prediction, &e->trial);
    }
    best.bits = p->inter_bits + 1.0 + best.index;
    return best;
}

/* Bits of the flags and of a vector; sets the index of the candidate that it is. */
static void count_vector(const Encoder *e, const Patch *p, Inter *inter) {
    const Slice *s = &e->slice;
    inter->index = -1;
    for (i32 k = 0; k < s->candidate_count; k++)
        if (same_vector(s->candidates[k], inter->vector)) inter->index = k;
    inter->bits = p->inter_bits;
    if (inter->index >= 0)
        inter->bits += 1.0 + inter->index;
    else
        inter->bits += vector_bits(inter->vector, s->candidates[0]) +
                       bit_cost(&s->coder, smooth_context(s, p->size), inter->vector.smooth);
}

/* Predict by a vector as it is and smoothed; keep the better one in e->trial. */
static Inter sharp_or_smooth(Encoder *e, const Patch *p, Vector vector) {
    Slice *s = &e->slice;
    Inter sharp = {.vector = {vector.y, vector.x, 0}}, smooth = {.vector = {vector.y, vector.x, 1}};
    count_vector(e, p, &sharp);
    count_vector(e, p, &smooth);
    predict_inter(s, p->y, p->x, p->side, sharp.vector, e->trial);
    predict_inter(s, p->y, p->x, p->side, smooth.vector, e->smooth_trial);
    sharp.error = squared_error(e, e->trial, p->y, p->x, p->size);
    smooth.error = squared_error(e, e->smooth_trial, p->y, p->x, p->size);
    if (sharp.error + e->bit_price * sharp.bits <= smooth.error + e->bit_price * smooth.bits)
        return sharp;
    swap_blocks(&e->trial, &e->smooth_trial);
    return smooth;
}

/* Look for a vector that may be better than that of the best candidate; keep its prediction in
 * e->trial. */
static Inter search_vector(Encoder *e, const Patch *p) {
    Slice *s = &e->slice;
    Vector starts[MAX_CANDIDATES + 1];
    for (i32 k = 0; k < s->candidate_count; k++) starts[k] = s->candidates[k];
    /* The plan looked for whole displacements already: its find is a start. */
    starts[s->candidate_count] = e->found;
    Search find = {
        .y = p->y,
        .x = p->x,
        .side = p->side,
        .centre = s->candidates[0],
        .reach = 1,
    };
    f64 whole_cost = search_whole(e, &find, starts, s->candidate_count + 1);
    if (e->effort > FAST)
        search_fractions(e, &find);
    /* Where the whole displacement fits already, fractions only follow the noise. */
    else if (whole_cost >= FINE_SEARCH * e->step * p->side * p->side)
        search_mixed(e, &find, whole_cost);
    return sharp_or_smooth(e, p, e->found);
}

INLINE int costs_less(const Encoder *e, const Inter *a, const Inter *b) {
    return a->error + e->bit_price * a->bits < b->error + e->bit_price * b->bits;
}

/* Take a better vector than that of the best candidate, before any levels are chosen. */
static void replace_vector(Encoder *e, const Patch *p, Inter *best) {
    Inter other = search_vector(e, p);
    if (same_vector(other.vector, best->vector) || !costs_less(e, &other, best)) return;
    swap_blocks(&e->slice.prediction, &e->trial);
    *best = other;
}

/* The same where the levels of the best candidate are chosen. */
static void improve_vector(Encoder *e, const Patch *p, Inter *best) {
    Slice *s = &e->slice;
    Inter other = search_vector(e, p);
    if (same_vector(other.vector, best->vector) || !costs_less(e, &other, best)) return;
    i32 coded = s->decision.coded;
    f64 distortion = e->distortion;
    swap_kept(e);
    swap_blocks(&s->prediction, &e->trial);
    clear_levels(e);
    f64 energy = transform(e, p->y, p->x, p->size);
    other.cost = levels_cost(e, energy, &p->near, 0, p->size) + e->bit_price * other.bits;
    if (other.cost < best->cost) {
        *best = other;
    } else {
        swap_kept(e);
        s->decision.coded = coded;
        e->distortion = distortion;
    }
}

/* Cost of a candidate above which another vector may be better. */
INLINE f64 worth_searching(const Encoder *e, const Patch *p) {
    if (e->effort == FAST)
        return e->bit_price * (p->inter_bits + BITS_OF_LEVELS) + noise_energy(p);
    return e->bit_price * (p->inter_bits + SEARCH_BITS) + SEARCH_ENERGY * p->side * p->side;
}

/* Choose between skipping and displaced prediction; return the cost. */
static f64 decide_inter(Encoder *e, const Patch *p) {
    Slice *s = &e->slice;
    f64 price = e->bit_price;
    Inter best = best_candidate(e, p);
    f64 skip_cost = best.error + price * p->skip_bits;
    s->decision.kind = SKIPPED;
    s->decision.index = best.index;
    s->decision.coded = 0;
    if (best.error < price * (p->inter_bits + BITS_OF_CORE)) return skip_cost;
    f64 worth = s->guide ? WORST : worth_searching(e, p);
    int searched = e->effort == FAST && best.error > SURE_SEARCH * worth;
    if (searched) replace_vector(e, p, &best);
    f64 energy = transform(e, p->y, p->x, p->size);
    best.cost = levels_cost(e, energy, &p->near, 0, p->size) + price * best.bits;
    if (!searched && best.cost > worth) improve_vector(e, p, &best);
    if (skip_cost <= best.cost) {
        if (s->decision.coded) clear_levels(e);
        s->decision.coded = 0;
        return skip_cost;
    }
    s->decision.kind = INTER;
    s->decision.index = best.index;
    s->decision.vector = best.vector;
    return best.cost;
}

/* Take an intra prediction where that is cheaper than `inter_cost`; return the lower cost. */
static f64 try_intra(Encoder *e, const Patch *p, f64 inter_cost) {
    Slice *s = &e->slice;
    f64 difference = choose_mode(e, p->uy, p->ux, p->size);
    if (s->reference && difference > WORSE_INTRA * prediction_difference(e, p->y, p->x, p->size))
        return inter_cost;
    i32 inter_coded = s->decision.coded;
    f64 inter_distortion = e->distortion;
    swap_kept(e);
    clear_levels(e);
    predict_intra(s, s->decision.mode, p->size, s->prediction);
    f64 energy = transform(e, p->y, p->x, p->size);
    f64 cost = levels_cost(e, energy, &p->near, 1, p->size);
    cost += e->bit_price * (p->intra_bits + MODE_COST_BITS);
    if (cost < inter_cost) {
        s->decision.kind = INTRA;
        return cost;
    }
    swap_kept(e);
    s->decision.coded = inter_coded;
    e->distortion = inter_distortion;
    return inter_cost;
}

INLINE void decide_to_skip(Slice *s) {
    s->decision.kind = SKIPPED;
    for (i32 k = 0; k < s->candidate_count; k++)
        if (same_vector(s->candidates[k], (Vector){0, 0, 0})) s->decision.index = k;
}

/* Choose how to code one patch; return the cost, which a planned skip does not know. */
static f64 decide_patch(Encoder *e, i32 uy, i32 ux, i32 size, int skip) {
    Slice *s = &e->slice;
    Patch p = new_patch(s, uy, ux, size);
    f64 inter_cost = WORST;
    if (s->reference) {
        list_candidates(s, &p.near);
        if (skip) {
            decide_to_skip(s);
            return 0.0;
        }
        inter_cost = decide_inter(e, &p);
        /* An intra patch costs its mode and most often more levels. */
        f64 enough = e->bit_price * (p.intra_bits + BITS_OF_LEVELS) + noise_energy(&p);
        if (s->decision.kind == SKIPPED || inter_cost < enough) return inter_cost;
    }
    return try_intra(e, &p, inter_cost);
}
