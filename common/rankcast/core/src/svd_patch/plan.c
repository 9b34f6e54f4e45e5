/* How a cell is cut into patches, and in which of them nothing has changed: from estimates of what
 * its parts cost, before anything is coded. */
#include "encoder.h"

/* Bits of a patch besides its levels: flags, and a mode or a vector. */
static const f64 KEY_HEAD_BITS = 7.0, PREDICTED_HEAD_BITS = 4.0;
/* Squared steps a sample below which a quarter of a cell is one patch at once. */
static const f64 FLAT = 0.03;
/* Mean absolute difference in steps above which a displacement is looked for. */
static const f64 WORTH_SEARCHING = 0.25;
/* Cost of its parts from which on a cell is never tried as one patch. */
static const f64 WHOLE_LIMIT = 250.0;
/* Units of a cell that stand still, from which on it is never one patch. */
enum { MANY_STILL = 8 };

/* A cell while it is planned. */
typedef struct {
    i32 uy, ux, units_y, units_x; /* beyond the last row of the slice another slice plans */
    i32 still;                    /* number of units that stand still */
    i32 merged;                   /* quarters that are one patch each */
    Vector moved;                 /* displacement of the first quarter, in samples */
    int as_one;                   /* whether the others moved like it */
    f64 head;                     /* what every patch costs besides its levels */
    f64 cost;
} CellPlan;

INLINE int is_whole(const CellPlan *cell) {
    return cell->units_y == CELL_UNITS && cell->units_x == CELL_UNITS;
}

INLINE void set_plan(Encoder *e, i32 first_y, i32 first_x, i32 count, Planned planned) {
    for (i32 i = first_y; i < first_y + count; i++)
        for (i32 j = first_x; j < first_x + count; j++) e->plan[i][j] = planned;
}

INLINE i32 count_still(const Encoder *e, i32 y, i32 x, i32 units_y, i32 units_x) {
    i32 count = 0;
    for (i32 i = y; i < y + units_y; i++)
        for (i32 j = x; j < x + units_x; j++) count += e->still[i][j];
    return count;
}

/* All stands still: patches as large as fit. */
static void plan_still_cell(Encoder *e, const CellPlan *cell) {
    for (i32 i = 0; i < cell->units_y; i++)
        for (i32 j = 0; j < cell->units_x; j++) {
            int quarter_fits = (i & ~1) + 2 <= cell->units_y && (j & ~1) + 2 <= cell->units_x;
            i32 size = is_whole(cell) ? SIZE_32 : quarter_fits ? SIZE_16 : SIZE_8;
            e->plan[i][j] = (Planned){(i8)size, 1};
        }
}

/* Sum of absolute differences of a cell that moved by whole samples; WORST if one of its quarters
 * differs by more than noise. */
static f64 moved_difference(const Encoder *e, i32 y, i32 x, Vector by) {
    const f64 limit = QUARTER * QUARTER * NOISE_DIFFERENCE * e->step;
    f64 total = 0.0;
    for (i32 quarter = 0; quarter < 4; quarter++) {
        i32 y_part = y + QUARTER * (quarter >> 1), x_part = x + QUARTER * (quarter & 1);
        i64 part = absolute_difference(e, y_part, x_part, QUARTER, y_part + by.y, x_part + by.x);
        if ((f64)part > limit) return WORST;
        total += (f64)part;
    }
    return total;
}

/* Whether one displacement that neighbours suggest explains all of a cell but its noise. */
static int moved_whole(Encoder *e, i32 uy, i32 ux) {
    const Slice *s = &e->slice;
    Neighbours n = neighbours_of(s, uy, ux);
    Vector starts[4] = {sharp_vector(0, 0)}, best = sharp_vector(0, 0);
    i32 count = 1;
    if (n.guide) {
        starts[count++] = guide_vector(s, n.guide);
    } else {
        starts[count++] = e->found;
        if (n.left) starts[count++] = sharp_vector(n.left->vector_y, n.left->vector_x);
        if (n.above) starts[count++] = sharp_vector(n.above->vector_y, n.above->vector_x);
    }
    f64 least = WORST;
    for (i32 k = 0; k < count; k++) {
        Vector whole = whole_samples(starts[k]);
        int known = 0;
        for (i32 m = 0; m < k; m++)
            known |= starts[m].y >> 2 == whole.y && starts[m].x >> 2 == whole.x;
        if (known) continue;
        f64 total = moved_difference(e, uy * UNIT, ux * UNIT, whole);
        if (total < least) {
            least = total;
            best = quarter_samples(whole);
        }
    }
    if (least == WORST) return 0;
    e->found = best;
    return 1;
}

/* Look for the displacement of a quarter of the first plane that differs by `zero` in place. */
static Vector search_quarter(Encoder *e, i32 y, i32 x, const Unit *left, i64 zero) {
    /* The neighbour's displacement, or that of the quarter before. */
    Vector near = left ? sharp_vector(left->vector_y, left->vector_x) : e->found;
    i64 difference =
        absolute_difference(e, y, x, QUARTER, y + (near.y >> 2), x + (near.x >> 2));
    Search find = {
        .y = y,
        .x = x,
        .side = QUARTER,
        /* Beside a part that moved, the same movement is at most a little off. */
        .reach = difference >= zero ? 8 : 2,
        .good = QUARTER * QUARTER * NOISE_DIFFERENCE * e->step,
    };
    Vector starts[2] = {sharp_vector(0, 0), near};
    search_whole(e, &find, starts, COUNT_OF(starts));
    return sharp_vector(e->found.y >> 2, e->found.x >> 2);
}

/* Displacement, in samples, of the quarter at unit (a, b) of a cell. */
static Vector quarter_displacement(Encoder *e, const CellPlan *cell, i32 a, i32 b) {
    const Slice *s = &e->slice;
    i32 uy = cell->uy + a, ux = cell->ux + b, y = uy * UNIT, x = ux * UNIT;
    const Vector none = sharp_vector(0, 0);
    i64 zero = absolute_difference(e, y, x, QUARTER, y, x);
    if (s->guide) {
        Vector v = guide_vector(s, neighbours_of(s, uy, ux).guide);
        v = sharp_vector(v.y >> 2, v.x >> 2);
        return absolute_difference(e, y, x, QUARTER, y + v.y, x + v.x) < zero ? v : none;
    }
    if (!((f64)zero > QUARTER * QUARTER * WORTH_SEARCHING * e->step)) {
        e->found = none;
        return none;
    }
    return search_quarter(e, y, x, b == 0 && ux > 0 ? unit_at(s, uy, ux - 1) : NULL, zero);
}

/* Subtract the reference, displaced by whole samples, from the part of the cell in e->samples that
 * begins at unit (a, b). */
static void subtract(Encoder *e, const CellPlan *cell, i32 a, i32 b, i32 high, i32 wide,
                     Vector by) {
    const Slice *s = &e->slice;
    i32 y = (cell->uy + a) * UNIT + by.y, x = (cell->ux + b) * UNIT + by.x, width = wide * UNIT;
    int inside = x >= 0 && x + width <= s->width;
    for (i32 i = 0; i < high * UNIT; i++) {
        const u16 *row = s->reference + sample_index(s, clamp_i32(y + i, 0, s->height - 1), 0);
        f32 *to = &e->samples[a * UNIT + i][b * UNIT];
        if (inside)
            for (i32 j = 0; j < width; j += 8)
                store_f32x8(to + j,
                            load_f32x8(to + j) - real_samples(row + x + j) * e->inverse_step);
        else
            for (i32 j = 0; j < width; j++)
                to[j] -= (f32)row[clamp_i32(x + j, 0, s->width - 1)] * e->inverse_step;
    }
}

/* Estimated cost of a part of the cell in e->samples. In a key frame any sample near the mean,
 * taken off, keeps 32 bits exact enough; the mean itself is predicted from the neighbours and must
 * not count. */
INLINE f64 part_cost_of(Encoder *e, i32 y, i32 x, const i32 size) {
    int skip_mean = !e->slice.reference;
    f32 offset = skip_mean ? e->samples[y][x] : 0.0f;
    f32x8 squares = splat_f32x8(0);
    for (i32 i = 0; i < UNIT << size; i++)
        for (i32 g = 0; g < 1 << size; g++) {
            f32x8 value = load_f32x8(&e->samples[y + i][x + 8 * g]) - offset;
            store_f32x8(e->residual[g][i], value);
            squares += value * value;
        }
    f32 energy = add_lanes(0, squares);
    f64 saving = residual_saving(e, size);
    if (!skip_mean) return (f64)energy - saving;
    f32 mean = e->core[0], saved = saved_by(mean);
    return (f64)(energy - mean * mean) - saving + (f64)(saved > 0 ? saved : 0);
}

static f64 part_cost(Encoder *e, i32 y, i32 x, i32 size) {
    return size == SIZE_8    ? part_cost_of(e, y, x, SIZE_8)
           : size == SIZE_16 ? part_cost_of(e, y, x, SIZE_16)
                             : part_cost_of(e, y, x, SIZE_32);
}

/* Energy of a quarter of the cell in e->samples; in a key frame, of what its mean leaves. */
static f64 spread(const Encoder *e, i32 y, i32 x) {
    int skip_mean = !e->slice.reference;
    f32 offset = skip_mean ? e->samples[y][x] : 0.0f;
    f32x8 sums[2] = {{0}}, squares[2] = {{0}};
    for (i32 i = 0; i < QUARTER; i++)
        for (i32 g = 0; g < 2; g++) {
            f32x8 value = load_f32x8(&e->samples[y + i][x + 8 * g]) - offset;
            sums[g] += value;
            squares[g] += value * value;
        }
    f64 total = sum_tiles(sums, 2), energy = sum_tiles(squares, 2);
    return skip_mean ? energy - total * total / (QUARTER * QUARTER) : energy;
}

/* Plan a quarter as patches of 8; return their cost. */
static f64 plan_units(Encoder *e, const CellPlan *cell, i32 a, i32 b, i32 high, i32 wide) {
    f64 cost = 0.0;
    for (i32 i = a; i < a + high; i++)
        for (i32 j = b; j < b + wide; j++) {
            u8 still = e->still[i][j];
            e->plan[i][j] = (Planned){SIZE_8, still};
            cost += still ? e->bit_price
                          : cell->head + part_cost(e, UNIT * i, UNIT * j, SIZE_8);
        }
    return cost;
}

/* Plan the quarter at unit (a, b) of a cell: one patch, or one a unit. */
static void plan_quarter(Encoder *e, CellPlan *cell, i32 a, i32 b) {
    i32 high = min_i32(QUARTER_UNITS, cell->units_y - a);
    i32 wide = min_i32(QUARTER_UNITS, cell->units_x - b);
    int complete = high == QUARTER_UNITS && wide == QUARTER_UNITS;
    i32 still = count_still(e, a, b, high, wide);
    if (e->slice.reference) {
        Vector by = sharp_vector(0, 0);
        if (complete && still < high * wide) by = quarter_displacement(e, cell, a, b);
        subtract(e, cell, a, b, high, wide, by);
        if (a == 0 && b == 0) cell->moved = by;
        cell->as_one = cell->as_one && same_vector(by, cell->moved);
    }
    if (complete && still == QUARTER_UNITS * QUARTER_UNITS) {
        set_plan(e, a, b, QUARTER_UNITS, (Planned){SIZE_16, 1});
        cell->cost += e->bit_price;
        return;
    }
    if (complete && still == 0) {
        f64 energy = spread(e, UNIT * a, UNIT * b);
        if (energy < QUARTER * QUARTER * FLAT) {
            /* Hardly a level either way: one patch, without trials. */
            cell->cost += cell->head + energy;
            cell->merged++;
            set_plan(e, a, b, QUARTER_UNITS, (Planned){SIZE_16, 0});
            return;
        }
    }
    f64 cost = plan_units(e, cell, a, b, high, wide);
    if (complete && still < QUARTER_UNITS * QUARTER_UNITS - 1) {
        f64 single = cell->head + part_cost(e, UNIT * a, UNIT * b, SIZE_16);
        if (single <= cost) {
            cost = single;
            cell->merged++;
            set_plan(e, a, b, QUARTER_UNITS, (Planned){SIZE_16, 0});
        }
    }
    cell->cost += cost;
}

/* The source of a cell in steps, into e->samples. */
static void scale_source(Encoder *e, const CellPlan *cell) {
    for (i32 i = 0; i < UNIT * cell->units_y; i++) {
        const u16 *row =
            e->source + sample_index(&e->slice, cell->uy * UNIT + i, cell->ux * UNIT);
        for (i32 j = 0; j < UNIT * cell->units_x; j += 8)
            store_f32x8(&e->samples[i][j], real_samples(row + j) * e->inverse_step);
    }
}

/* Leave it to the decision whether patches are skipped: beside a change, what looks still is often
 * better coded. */
static void decide_later(Encoder *e, const CellPlan *cell) {
    for (i32 i = 0; i < cell->units_y; i++)
        for (i32 j = 0; j < cell->units_x; j++) e->plan[i][j].skip = 0;
}

/* Choose the sizes of the patches of the cell at (uy, ux), into e->plan. */
static void plan_cell(Encoder *e, i32 uy, i32 ux) {
    const Slice *s = &e->slice;
    CellPlan cell = {
        .uy = uy,
        .ux = ux,
        .units_y = min_i32(CELL_UNITS, s->bottom - uy),
        .units_x = min_i32(CELL_UNITS, s->units_x - ux),
        .as_one = 1,
        .head = e->bit_price * (s->reference ? PREDICTED_HEAD_BITS : KEY_HEAD_BITS),
    };
    int few_still = 1;
    if (s->reference) {
        for (i32 i = 0; i < cell.units_y; i++)
            for (i32 j = 0; j < cell.units_x; j++)
                e->still[i][j] = (u8)is_still(e, uy + i, ux + j);
        cell.still = count_still(e, 0, 0, cell.units_y, cell.units_x);
        few_still = cell.still < MANY_STILL;
        if (cell.still == cell.units_y * cell.units_x) {
            plan_still_cell(e, &cell);
            return;
        }
        if (is_whole(&cell) && few_still && moved_whole(e, uy, ux)) {
            set_plan(e, 0, 0, CELL_UNITS, (Planned){SIZE_32, 0});
            return;
        }
    }
    scale_source(e, &cell);
    for (i32 a = 0; a < cell.units_y; a += QUARTER_UNITS)
        for (i32 b = 0; b < cell.units_x; b += QUARTER_UNITS) plan_quarter(e, &cell, a, b);
    if (e->effort > FAST) decide_later(e, &cell);
    /* A whole cell is one patch only where it is smooth: most of its quarters are. One patch has
     * one displacement: parts that moved differently stay apart. */
    if (!is_whole(&cell) || !cell.as_one || cell.merged < 3 || !few_still ||
        !(cell.cost < WHOLE_LIMIT))
        return;
    if (cell.head + part_cost(e, 0, 0, SIZE_32) <= cell.cost)
        set_plan(e, 0, 0, CELL_UNITS, (Planned){SIZE_32, 0});
}
