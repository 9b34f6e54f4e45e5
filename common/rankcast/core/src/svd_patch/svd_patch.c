/* Codec svd-patch: patches of planes, predicted over time, transformed by a 2D-SVD and range-coded.
 * docs/wire.md has the format. The order of these files is that of what they build on. */

/* The decoder, which needs nothing of the encoder. */
#include "neighbours.c"
#include "coefficients.c"
#include "intra.c"
#include "inverse.c"
#include "motion.c"
#include "syntax.c"
#include "loop_filter.c"
#include "decode.c"

/* The encoder. */
#include "forward.c"
#include "difference.c"
#include "levels.c"
#include "modes.c"
#include "search.c"
#include "fractions.c"
#include "still.c"
#include "plan.c"
#include "decide.c"
#include "partition.c"
#include "encode.c"

/* What surrounds the slices. */
#include "basis.c"
#include "picture.c"
#include "fresh_models.h"

int64_t rk_svd_patch_models(void) { return AT_END - REGISTERS; }

_Static_assert(COUNT_OF(FRESH_MODELS) == AT_END - REGISTERS,
               "other models than the table has: run scripts/train_models.py");

void rk_svd_patch_begin_models(int64_t *models) {
    for (i64 k = 0; k < AT_END - REGISTERS; k++) {
        models[k] = new_model(FRESH_MODELS[k].ones, FRESH_MODELS[k].count);
    }
}
