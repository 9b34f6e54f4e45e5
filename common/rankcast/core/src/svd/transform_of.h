/* The inverse transform for one type of numbers: transform.c includes this once with REAL f32 and
 * EIGHT f32x8, once with f64 and f64x8.
 */

/* A cosine in each row, rising; behind the side of the block zeros. */
typedef struct {
    EIGHT rows[BLOCK][BLOCK / 8];
} OF(Cosines);

static void OF(fill_cosines)(OF(Cosines) *cosines, i64 side) {
    QuarterWave wave;
    fill_quarter_wave(&wave, side);
    CLEAR(cosines, sizeof(*cosines));
    for (i64 k = 0; k < side; k++)
        for (i64 n = 0; n < side; n++)
            cosines->rows[k][n / 8][n % 8] = (REAL)cosine_entry(&wave, n, k);
}

static void OF(turn_block_back)(const OF(Cosines) *cosines, const i32 *values, f64 scale, i64 side,
                                REAL *to) {
    EIGHT sums[BLOCK / 8];
    CLEAR(sums, sizeof(sums));
    for (i64 k = 0; k < side; k++) {
        if (values[k] == 0) continue; /* adding a zero changes no sum that began at zero */
        REAL y = (REAL)(values[k] * scale);
        for (int part = 0; part < BLOCK / 8; part++) sums[part] += y * cosines->rows[k][part];
    }
    if (LIKELY(side == BLOCK))
        COPY(to, sums, sizeof(sums));
    else
        for (i64 n = 0; n < side; n++) to[n] = sums[n / 8][n % 8];
}

static void OF(turn_back)(const i32 *values, const f64 *scales, i64 columns, i64 length, REAL *out) {
    OF(Cosines) cosines;
    i64 whole = length / BLOCK * BLOCK, rest = length - whole;
    if (whole > 0) OF(fill_cosines)(&cosines, BLOCK);
    for (i64 k = 0; k < columns; k++)
        for (i64 at = k * length; at < k * length + whole; at += BLOCK)
            OF(turn_block_back)(&cosines, values + at, scales[k], BLOCK, out + at);
    if (rest > 0) OF(fill_cosines)(&cosines, rest);
    for (i64 k = 0; k < columns && rest > 0; k++) {
        i64 at = k * length + whole;
        OF(turn_block_back)(&cosines, values + at, scales[k], rest, out + at);
    }
}
