/* How a cell is cut into patches, by what they really cost: every size is decided and rebuilt, so
 * that the patches after it see their neighbours as they would be. Then all is put back, and the
 * cheapest cut becomes the plan. */
#include "encoder.h"

/* A patch whose cost is below that of so many bits, and of noise of so much energy a sample, is not
 * tried in parts: their flags alone cost as much. */
static const f64 SINGLE_BITS = 6.0, SINGLE_ENERGY = 0.02;

/* Copy `units` units each way of what is rebuilt and of the map. */
static void keep(const Encoder *e, Snapshot *kept, i32 uy, i32 ux, i32 units) {
    const Slice *s = &e->slice;
    for (i32 i = 0; i < units; i++)
        COPY(kept->units[i], unit_at(s, uy + i, ux), units * sizeof(Unit));
    for (i32 i = 0; i < units * UNIT; i++)
        COPY(kept->samples[i], s->rebuilt + sample_index(s, uy * UNIT + i, ux * UNIT),
             units * UNIT * sizeof(u16));
    kept->found = e->found;
}

static void put_back(Encoder *e, const Snapshot *kept, i32 uy, i32 ux, i32 units) {
    Slice *s = &e->slice;
    for (i32 i = 0; i < units; i++)
        COPY(s->units + (i64)(uy + i) * s->units_x + ux, kept->units[i], units * sizeof(Unit));
    for (i32 i = 0; i < units * UNIT; i++)
        COPY(s->rebuilt + sample_index(s, uy * UNIT + i, ux * UNIT), kept->samples[i],
             units * UNIT * sizeof(u16));
    e->found = kept->found;
}

/* Rows and columns of the core that hold the levels. */
static void measure_core(Slice *s) {
    s->rows = s->columns = 0;
    for (i32 i = 0; i < CODED_SIDE; i++)
        for (i32 j = 0; j < CODED_SIDE; j++)
            if (s->levels[i * STRIDE + j]) {
                s->rows = i + 1;
                s->columns = max_i32(s->columns, j + 1);
            }
}

/* Rebuild a patch as it was decided, and enter it into the map, without writing it. */
static void rebuild_patch(Encoder *e, i32 uy, i32 ux, i32 size) {
    Slice *s = &e->slice;
    const Decision *decision = &s->decision;
    i32 y = uy * UNIT, x = ux * UNIT, side = UNIT << size;
    u16 *to = s->rebuilt + sample_index(s, y, x);
    if (decision->kind == SKIPPED) {
        Vector vector = s->candidates[decision->index];
        predict_inter(s, y, x, side, vector, s->prediction);
        copy_prediction(s, side, to);
        note(s, uy, ux, new_unit(SKIPPED, size, vector));
        return;
    }
    int intra = decision->kind == INTRA;
    Unit unit = new_unit(decision->kind, size, intra ? sharp_vector(0, 0) : decision->vector);
    if (intra) unit.mode = (i16)decision->mode;
    unit.coded = (i16)decision->coded;
    if (unit.coded) {
        measure_core(s);
        add_residual(s, size, to);
        clear_core(s);
    } else {
        copy_prediction(s, side, to);
    }
    note(s, uy, ux, unit);
}

/* Squared error of a patch as it is rebuilt, in squared steps. */
static f64 rebuilt_error(const Encoder *e, i32 uy, i32 ux, i32 size) {
    const Slice *s = &e->slice;
    return squared_error_at(e, s->rebuilt + sample_index(s, uy * UNIT, ux * UNIT), s->width,
                            uy * UNIT, ux * UNIT, size);
}

/* Decide about one patch and rebuild it; return its cost with its flags. */
static f64 try_patch(Encoder *e, i32 uy, i32 ux, i32 size) {
    const Slice *s = &e->slice;
    f64 cost = decide_patch(e, uy, ux, size, 0);
    rebuild_patch(e, uy, ux, size);
    /* What lies outside the kept core is the small difference of large sums, and the factors are
     * orthonormal to 1e-4 only: where the prediction is far off, the estimate says nothing. */
    if (s->decision.kind != SKIPPED) cost += rebuilt_error(e, uy, ux, size) - e->distortion;
    if (size == SIZE_8 || s->decision.kind == SKIPPED) return cost;
    Neighbours n = neighbours_of(s, uy, ux);
    return cost + e->bit_price * bit_cost(&s->coder, split_context(s, &n, size), 0);
}

/* Of the flags that split a patch. */
static f64 split_cost(const Encoder *e, i32 uy, i32 ux, i32 size) {
    const Slice *s = &e->slice;
    Neighbours n = neighbours_of(s, uy, ux);
    f64 bits = bit_cost(&s->coder, split_context(s, &n, size), 1);
    if (s->reference) bits += bit_cost(&s->coder, skip_context(s, &n, size), 0);
    return e->bit_price * bits;
}

/* Whether a patch that was tried is good enough not to be tried in parts. */
INLINE int is_single(const Encoder *e, f64 cost, i32 size) {
    i32 side = UNIT << size;
    return e->slice.decision.kind == SKIPPED ||
           cost < e->bit_price * SINGLE_BITS + SINGLE_ENERGY * side * side;
}

/* Find the cheaper cut of a quarter of the cell, and leave it rebuilt; return its cost. */
static f64 cut_quarter(Encoder *e, i32 uy, i32 ux, i32 *size) {
    Snapshot *before = &e->before_quarter, *single = &e->single_quarter;
    f64 parts = split_cost(e, uy, ux, SIZE_16);
    keep(e, before, uy, ux, QUARTER_UNITS);
    f64 cost = try_patch(e, uy, ux, SIZE_16);
    *size = SIZE_16;
    if (is_single(e, cost, SIZE_16)) return cost;
    keep(e, single, uy, ux, QUARTER_UNITS);
    put_back(e, before, uy, ux, QUARTER_UNITS);
    for (i32 k = 0; k < 4 && parts < cost; k++)
        parts += try_patch(e, uy + (k >> 1), ux + (k & 1), SIZE_8);
    if (parts < cost) {
        *size = SIZE_8;
        return parts;
    }
    put_back(e, single, uy, ux, QUARTER_UNITS);
    return cost;
}

/* Whether the plan found some quarter smooth enough for one patch: else the whole is not. */
INLINE int some_quarter_merged(const Encoder *e) {
    for (i32 k = 0; k < 4; k++)
        if (e->plan[QUARTER_UNITS * (k >> 1)][QUARTER_UNITS * (k & 1)].size > SIZE_8) return 1;
    return 0;
}

/* Choose the sizes of the patches of a whole cell again, into e->plan, by their true cost. */
static void cut_cell(Encoder *e, i32 uy, i32 ux) {
    f64 parts = split_cost(e, uy, ux, SIZE_32), whole = WORST;
    int single = 0;
    keep(e, &e->before_cell, uy, ux, CELL_UNITS);
    if (some_quarter_merged(e)) {
        whole = try_patch(e, uy, ux, SIZE_32);
        single = is_single(e, whole, SIZE_32);
        put_back(e, &e->before_cell, uy, ux, CELL_UNITS);
    }
    for (i32 k = 0; k < 4 && !single; k++) {
        i32 a = QUARTER_UNITS * (k >> 1), b = QUARTER_UNITS * (k & 1), size;
        parts += cut_quarter(e, uy + a, ux + b, &size);
        set_plan(e, a, b, QUARTER_UNITS, (Planned){(i8)size, 0});
    }
    if (single || whole <= parts) set_plan(e, 0, 0, CELL_UNITS, (Planned){SIZE_32, 0});
    put_back(e, &e->before_cell, uy, ux, CELL_UNITS);
}

/* Whether the plan leaves the cell at (uy, ux) as it is in the reference. */
INLINE int all_skipped(const Encoder *e) {
    for (i32 i = 0; i < CELL_UNITS; i++)
        for (i32 j = 0; j < CELL_UNITS; j++)
            if (!e->plan[i][j].skip) return 0;
    return 1;
}
