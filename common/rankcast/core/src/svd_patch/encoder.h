/* What only an encoder has: the source, its prices, and scratch memory for trials. Costs are in
 * squared steps of the quantiser; a bit is worth `bit_price` of them. */
#ifndef RK_SVD_PATCH_ENCODER_H
#define RK_SVD_PATCH_ENCODER_H

#include "slice.h"

enum { QUARTER_UNITS = 2, QUARTER = QUARTER_UNITS * UNIT }; /* of a cell, each way */

/* How much time the encoder takes to decide. */
enum { FAST, USUAL, BEST };

/* How a unit of a cell is to be coded: the size of its patch, and whether nothing changed there. */
typedef struct {
    i8 size;
    u8 skip;
} Planned;

/* The reference around a patch at whole and half samples, in lanes of one width; fractions.c fills
 * it. The sample that lies i rows below the corner of the patch is in row i + 1. */
enum { GRID_ROWS = CELL + 2, GRID_COLUMNS = CELL + 16, GRID_WINDOW = CELL + 9 };
#define DEFINE_GRID_OF(LANE, name)                                                            \
    typedef struct {                                                                          \
        LANE whole[GRID_ROWS][GRID_COLUMNS];                                                  \
        LANE right[GRID_WINDOW][GRID_COLUMNS]; /* half a sample to the right; 3 rows more above */ \
        LANE below[GRID_ROWS][GRID_COLUMNS];                                                  \
        LANE both[GRID_ROWS][GRID_COLUMNS];                                                   \
    } name;
DEFINE_GRID_OF(i16, narrow_Grid)
DEFINE_GRID_OF(i32, wide_Grid)

/* A part of what is rebuilt and of its map, to go back to after a trial. */
typedef struct {
    u16 samples[CELL][CELL];
    Unit units[CELL_UNITS][CELL_UNITS];
    Vector found;
} Snapshot;

typedef struct {
    Slice slice; /* first, so that both ends find it at the same place */
    const u16 *source;
    const f32 *left_t_real, *right_real;
    f64 bit_price;
    f64 bit_difference; /* absolute difference that a bit of a vector or mode is worth */
    f64 step;           /* in levels of the plane */
    f32 inverse_step;
    i32 rank;           /* rows and columns of a core of 8 that may be coded */
    i32 effort;
    Vector found;       /* where the last search for a displacement ended */
    f64 distortion;     /* in the cost of the decided patch; undefined if that is skipped */

    u8 still[CELL_UNITS][CELL_UNITS];
    Planned plan[CELL_UNITS][CELL_UNITS];
    u16 (*trial)[CELL], (*smooth_trial)[CELL], (*kept_prediction)[CELL];
    i32 *kept_levels;
    _Alignas(64) f32 samples[CELL][CELL], turned[CELL][CELL]; /* of the source, and transposed */
    f32 residual[TILES][CELL][8]; /* in steps; element (i, j) lies at [j / 8][i][j % 8] */
    f32 middle[TILES][CODED_SIDE][8];
    f32 core[LEVELS];
    u8 places_8[UNIT][CODED_SIDE], places_16[CODED_SIDE][CODED_SIDE]; /* in the scan, by position */
    f32 top_line[EDGE], left_line[EDGE];
    union {
        narrow_Grid narrow_grid;
        wide_Grid wide_grid;
    };
    u16 grid_window[GRID_WINDOW][CELL + 24]; /* of the reference, where the plane ends nearby */
    Snapshot before_cell, before_quarter, single_quarter;
} Encoder;

/* A coefficient of x steps costs about min(x^2, a + b |x|): zeroed, or coded with its position,
 * sign and level. Measured on the coder at 1 bit a sample. */
static const f32 COST_CONSTANT = 0.75f, COST_SLOPE = 0.13f;
/* Bits that a patch must save at least before it is more than skipped; and in a key frame, where
 * what is not coded now stays for long. */
static const f64 STILL_BITS = 5.0, LEAST_KEY_BITS = 2.0;
/* Mean absolute difference in steps below which most of a residual falls into the dead zone. */
static const f64 NOISE_DIFFERENCE = 0.3;
static const f64 WORST = 1e30;

INLINE f32x8 real_samples(const u16 *from) { return to_f32x8(load_u16x8(from)); }

#endif
