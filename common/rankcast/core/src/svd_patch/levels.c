/* Choice of the levels of a core by rate and distortion, highest frequency first. */
#include "encoder.h"

/* Levels above a position up to which ending the patch there is weighed. */
enum { END_SEARCH = 2 };

/* A level of one for x steps saves 2 x - 1 squared steps. The highest one costs its position too:
 * 4.8 bits at least on clips, half of which stand here. */
static const f32 LEAST_LAST = 0.5f, LEAST_LAST_BITS = 2.4f;

/* What a choice of levels came to. */
typedef struct {
    int any;        /* whether any level is not zero */
    f32 distortion; /* in squared steps */
    f32 bits;       /* without the coded flag */
    f32 uncoded;    /* the distortion if nothing is coded */
} Choice;

/* The leading ones of levels in unary: a higher level has those of a lower one, and more. */
typedef struct {
    i32 count;
    f32 cost;
} Ones;

/* Cost in bits of a level minus one. `ones` starts empty and serves levels that do not fall. */
INLINE f32 level_cost(const RangeCoder *c, i32 context, i64 value, Ones *ones) {
    i32 class = level_class(value);
    if (class < UNARY_LEVELS) {
        for (; ones->count < class; ones->count++)
            ones->cost += bit_cost(c, context + ones->count, 1);
        return ones->cost + bit_cost(c, context + class, 0);
    }
    f32 cost = (f32)class_bits(class);
    for (i32 i = 0; i < class; i++) cost += bit_cost(c, level_bin(context, i), 1);
    if (class < MAX_CLASS) cost += bit_cost(c, level_bin(context, class), 0);
    return cost;
}

INLINE f32 last_axis_cost(const RangeCoder *c, f32 cost, i32 context, i32 groups, i32 target) {
    for (i32 i = 0; i < target; i++) cost += bit_cost(c, context + i, 1);
    return target < groups - 1 ? cost + bit_cost(c, context + target, 0) : cost;
}

/* Cost in bits of a last position. */
INLINE f32 last_cost(const RangeCoder *c, const CoreSyntax *core, ScanPlace place) {
    i32 group_y = LAST_GROUP[place.y], group_x = LAST_GROUP[place.x], groups = core->last_groups;
    f32 cost = (f32)(LAST_EXTRA[group_y] + LAST_EXTRA[group_x]);
    cost = last_axis_cost(c, cost, last_row_context(core), groups, group_y);
    return last_axis_cost(c, cost, last_column_context(core, place.y), groups, group_x);
}

/* One path through the scan: the levels chosen so far, and what they cost. */
typedef struct {
    int started;
    i32 last;     /* where it starts: all levels above are zero */
    i32 non_zero; /* levels on it */
    f32 cost, bits;
    f32 above;    /* cost of having no levels down to here */
} Path;

/* One coefficient, in steps, that is not nearest to zero. */
typedef struct {
    ScanPlace place;
    f32 value, amount;   /* amount: without its sign */
    i64 lowest, nearest; /* levels worth a look, apart from zero */
} Coefficient;

INLINE Coefficient coefficient(ScanPlace place, f32 value) {
    f32 amount = __builtin_fabsf(value);
    i64 nearest = (i64)(amount + 0.5f);
    return (Coefficient){place, value, amount, max_i64(nearest - 1, 1), nearest};
}

/* Go on with a level of zero. */
INLINE void extend_with_zero(const Slice *s, Path *path, const CoreSyntax *core, ScanPlace place,
                             f32 loss, f32 price) {
    i32 magnitude = magnitude_class(s->near, place.index);
    f32 bits = bit_cost(&s->coder, significant_context(core, place, magnitude), 0);
    path->cost += loss + price * bits;
    path->bits += bits;
}

/* Bits of the two levels worth a look, lower one first, beside those of what goes before. They are
 * priced together: most models are theirs both. */
INLINE void price_levels(const RangeCoder *c, i32 context, const Coefficient *x, f32 before,
                         f32 *bits) {
    if (UNLIKELY(x->nearest > UNARY_LEVELS)) {
        Ones ones = {0, 0};
        bits[0] = before + level_cost(c, context, x->lowest - 1, &ones);
        bits[1] = before + level_cost(c, context, x->nearest - 1, &ones);
        return;
    }
    i32 last = context + (i32)x->lowest - 1;
    f32 ones = 0;
    for (i32 model = context; model < last; model++) ones += bit_cost(c, model, 1);
    bits[0] = before + (ones + bit_cost(c, last, 0));
    bits[1] = before + (ones + bit_cost(c, last, 1) + bit_cost(c, last + 1, 0));
    if (x->nearest == x->lowest) bits[1] = bits[0];
}

INLINE f32 squared(f32 value) { return value * value; }

/* Go on with the cheapest of zero and the two nearest levels; return the level. No jump depends on
 * which it is: half of them are close calls. */
INLINE i64 extend(const Slice *s, Path *path, const CoreSyntax *core, const Coefficient *x,
                  f32 price) {
    const RangeCoder *c = &s->coder;
    i32 magnitude = magnitude_class(s->near, x->place.index);
    i32 significant = significant_context(core, x->place, magnitude);
    f32 bits = bit_cost(c, significant, 0), best = x->value * x->value + price * bits, level[2];
    price_levels(c, level_context(core, x->place, magnitude), x, bit_cost(c, significant, 1) + 1.0f,
                 level);
    f32 lower = squared(x->amount - (f32)x->lowest) + price * level[0];
    f32 upper = squared(x->amount - (f32)x->nearest) + price * level[1];
    i64 chosen = lower < best ? x->lowest : 0;
    bits = lower < best ? level[0] : bits;
    best = lower < best ? lower : best;
    chosen = upper < best ? x->nearest : chosen;
    bits = upper < best ? level[1] : bits;
    best = upper < best ? upper : best;
    path->cost += best;
    path->bits += bits;
    return chosen;
}

INLINE void forget_path(Slice *s, const CoreSyntax *core, i32 from, i32 last) {
    for (i32 n = from; n <= last; n++) s->levels[core->scan[n].index] = 0;
    clear_near(s->near, core->side);
}

/* Start a new path at the n-th place where that is cheaper than the path so far; return the level. */
INLINE i64 restart(Slice *s, Path *path, const CoreSyntax *core, const Coefficient *x, i32 n,
                   f32 price, i64 chosen) {
    const RangeCoder *c = &s->coder;
    /* The sign alone costs a bit: where even that is too much, nothing else need be priced. */
    if (path->above + price >= path->cost) return chosen;
    i64 levels[2] = {x->lowest, x->nearest};
    f32 bits[2];
    price_levels(c, level_context(core, x->place, 0), x, 1.0f + last_cost(c, core, x->place), bits);
    for (i32 k = 0; k < 2; k++) {
        f32 cost = path->above + squared(x->amount - (f32)levels[k]) + price * bits[k];
        if (cost >= path->cost) continue;
        if (path->non_zero > 0) forget_path(s, core, n + 1, path->last);
        *path = (Path){1, n, 0, cost, bits[k], path->above};
        chosen = levels[k];
    }
    return chosen;
}

/* What lies above the first coefficient of the scan that may be the last one coded. */
typedef struct {
    i32 last;     /* its place, below zero where there is none */
    f32 squares;  /* of all above it, within the kept part */
} Top;

/* Find the highest place whose value exceeds `least`: two passes over vectors, since most of a core
 * lies above it. */
INLINE Top find_top_of(const Encoder *e, i32 kept, f32 least, const i32 side,
                       const u8 (*places)[CODED_SIDE]) {
    i32x8 last = splat_i32x8(-1);
    for (i32 i = 0; i < kept; i++)
        for (i32 g = 0; 8 * g < side; g++) {
            i32x8 place = load_u8x8(places[i] + 8 * g);
            i32x8 seen = (abs_f32x8(load_f32x8(e->core + i * STRIDE + 8 * g)) > least) &
                         (ramp_from(8 * g) < kept);
            last = max_i32x8(last, select_i32x8(seen, place, last));
        }
    i32 top = -1;
    for (i32 lane = 0; lane < 8; lane++) top = max_i32(top, last[lane]);
    f32x8 squares = splat_f32x8(0);
    for (i32 i = 0; i < kept; i++)
        for (i32 g = 0; 8 * g < side; g++) {
            f32x8 value = load_f32x8(e->core + i * STRIDE + 8 * g);
            i32x8 above = (load_u8x8(places[i] + 8 * g) > top) & (ramp_from(8 * g) < kept);
            squares += (f32x8)((i32x8)(value * value) & above);
        }
    return (Top){top, fold_f32x8(squares)};
}

static Top find_top(const Encoder *e, const CoreSyntax *core, i32 kept, f32 least) {
    return core->side == UNIT ? find_top_of(e, kept, least, UNIT, e->places_8)
                              : find_top_of(e, kept, least, CODED_SIDE, e->places_16);
}

/* Choose the levels of the coefficients in e->core, of which `kept` rows and columns may be coded.
 * Every coefficient takes the cheapest of its two nearest levels and zero, at the price of the
 * models as they stand; at each that is not zero the patch may also end there. One path is kept,
 * not a full trellis. */
OUTLINE Choice choose_levels(Encoder *e, const CoreSyntax *core, i32 kept) {
    Slice *s = &e->slice;
    f32 price = (f32)e->bit_price, zero = 0.5f + 0.5f * price;
    Top top = find_top(e, core, kept, LEAST_LAST + LEAST_LAST_BITS * price);
    Path path = {.last = -1, .cost = 1e30f, .above = top.squares};
    for (i32 n = top.last; n >= 0; n--) {
        ScanPlace place = core->scan[n];
        if (place.y >= kept || place.x >= kept) continue;
        f32 value = e->core[place.index], loss = value * value;
        if (__builtin_fabsf(value) < zero) {
            /* Most of them: zero, and no place to end. */
            if (path.started) extend_with_zero(s, &path, core, place, loss, price);
            path.above += loss;
            continue;
        }
        Coefficient x = coefficient(place, value);
        i64 chosen = path.started ? extend(s, &path, core, &x, price) : 0;
        /* Ending here zeroes everything above: worth a look while that is little. */
        if (path.non_zero <= END_SEARCH) chosen = restart(s, &path, core, &x, n, price, chosen);
        path.above += loss;
        if (chosen == 0) continue;
        path.non_zero++;
        tell_near(s->near, place.index, (i32)chosen);
        s->levels[place.index] = (i32)(value < 0 ? -chosen : chosen);
    }
    if (!path.started) return (Choice){0, path.above, 0, path.above};
    clear_near(s->near, core->side);
    return (Choice){1, path.cost - price * path.bits, path.bits, path.above};
}
