/* The product for one type of numbers: product.c includes this once with REAL f32 and EIGHT f32x8,
 * once with f64 and f64x8.
 */

enum {
    OF(PARTS) = 8 / sizeof(REAL), /* of eight columns: a panel is 64 bytes wide */
    OF(COLUMNS) = 8 * OF(PARTS),
};

/* Some rows of vt, of as many columns as a block has, side by side. */
typedef struct {
    EIGHT rows[SLICE][OF(PARTS)];
} OF(Panel);

/* Sums of some rows and columns of a plane. */
typedef struct {
    EIGHT sums[BLOCK_ROWS][OF(PARTS)];
} OF(Block);

static void OF(fill_panel)(OF(Panel) *panel, const REAL *vt, i64 rows, i64 stride, i64 columns) {
    for (i64 k = 0; k < rows; k++, vt += stride) {
        if (LIKELY(columns == OF(COLUMNS)))
            COPY(panel->rows[k], vt, sizeof(panel->rows[k]));
        else
            for (i64 j = 0; j < columns; j++) panel->rows[k][j / 8][j % 8] = vt[j];
    }
}

/* Add the products with a panel to the sums of TILE_ROWS rows. */
INLINE void OF(add_products)(const REAL *const us[TILE_ROWS], const OF(Panel) *panel, i64 count,
                             EIGHT sums[TILE_ROWS][OF(PARTS)]) {
    EIGHT s[TILE_ROWS][OF(PARTS)];
    for (int row = 0; row < TILE_ROWS; row++)
        for (int part = 0; part < OF(PARTS); part++) s[row][part] = sums[row][part];
    for (i64 k = 0; k < count; k++)
        for (int row = 0; row < TILE_ROWS; row++)
            for (int part = 0; part < OF(PARTS); part++)
                s[row][part] += us[row][k] * panel->rows[k][part];
    for (int row = 0; row < TILE_ROWS; row++)
        for (int part = 0; part < OF(PARTS); part++) sums[row][part] = s[row][part];
}

static void OF(sum_block)(const REAL *us, const REAL *vt, i64 rank, Area area, i64 stride,
                          OF(Block) *block) {
    CLEAR(block, sizeof(*block));
    OF(Panel) panel;
    if (area.columns < OF(COLUMNS)) CLEAR(&panel, sizeof(panel));
    for (i64 start = 0; start < rank; start += SLICE) {
        i64 count = min_i64(SLICE, rank - start);
        OF(fill_panel)(&panel, vt + start * stride + area.left, count, stride, area.columns);
        for (i64 row = 0; row < area.rows; row += TILE_ROWS) {
            const REAL *of_row[TILE_ROWS];
            /* Behind the last row it is repeated. */
            for (int r = 0; r < TILE_ROWS; r++)
                of_row[r] = us + (area.top + min_i64(row + r, area.rows - 1)) * rank + start;
            OF(add_products)(of_row, &panel, count, block->sums + row);
        }
    }
}

INLINE void OF(store_channel)(const OF(Block) *block, Area area, void *pixels, i64 width,
                              i64 channels, i64 channel, const int bytes) {
    for (i64 row = 0; row < area.rows; row++) {
        i64 first = (area.top + row) * width + area.left;
        for (i64 j = 0; j < area.columns; j += 8) {
            i32x8 samples = OF(rounded)(block->sums[row][j / 8], PEAK(bytes));
            i64 left = min_i64(8, area.columns - j);
            if (channels == 1 && left == 8) {
                store_samples(pixels, first + j, samples, bytes);
                continue;
            }
            for (int lane = 0; lane < left; lane++)
                set_sample(pixels, (first + j + lane) * channels + channel, samples[lane], bytes);
        }
    }
}

INLINE void OF(store_colours)(const OF(Block) blocks[COLOURS], Area area, void *pixels, i64 width,
                              const int bytes) {
    for (i64 row = 0; row < area.rows; row++) {
        u8 *to = (u8 *)pixels + ((area.top + row) * width + area.left) * COLOURS * bytes;
        for (int part = 0; part < OF(PARTS); part++, to += 8 * COLOURS * bytes) {
            Pixels8 p;
            for (int c = 0; c < COLOURS; c++)
                p.channel[c] = OF(rounded)(blocks[c].sums[row][part], PEAK(bytes));
            store_pixels(to, p, bytes);
        }
    }
}

INLINE void OF(rebuild)(const REAL *us, const REAL *vt, Planes planes, i64 first, i64 last,
                        void *pixels, const int bytes) {
    OF(Block) blocks[COLOURS];
    for (i64 top = first; top < last; top += BLOCK_ROWS) {
        for (i64 left = 0; left < planes.width; left += OF(COLUMNS)) {
            Area area = {top, left, min_i64(BLOCK_ROWS, last - top),
                         min_i64(OF(COLUMNS), planes.width - left)};
            int is_whole = planes.channels == COLOURS && area.columns == OF(COLUMNS);
            const REAL *us_of = us, *vt_of = vt;
            for (i64 c = 0; c < planes.channels; c++) {
                i64 rank = planes.ranks[c];
                OF(Block) *block = &blocks[is_whole ? c : 0];
                OF(sum_block)(us_of, vt_of, rank, area, planes.width, block);
                if (!is_whole)
                    OF(store_channel)(block, area, pixels, planes.width, planes.channels, c, bytes);
                us_of += rank * planes.height;
                vt_of += rank * planes.width;
            }
            if (is_whole) OF(store_colours)(blocks, area, pixels, planes.width, bytes);
        }
    }
}

INLINE void OF(multiply)(const REAL *us, const REAL *vt, i64 rows, i64 rank, i64 columns,
                         REAL *out) {
    OF(Block) block;
    for (i64 top = 0; top < rows; top += BLOCK_ROWS) {
        for (i64 left = 0; left < columns; left += OF(COLUMNS)) {
            Area area = {top, left, min_i64(BLOCK_ROWS, rows - top),
                         min_i64(OF(COLUMNS), columns - left)};
            OF(sum_block)(us, vt, rank, area, columns, &block);
            for (i64 row = 0; row < area.rows; row++) {
                REAL *to = out + (top + row) * columns + left;
                if (area.columns == OF(COLUMNS))
                    COPY(to, block.sums[row], sizeof(block.sums[row]));
                else
                    for (i64 j = 0; j < area.columns; j++) to[j] = block.sums[row][j / 8][j % 8];
            }
        }
    }
}
