/* What the decoder of an svd-patch stream holds between packets, in memory of the caller. */
#ifndef RK_SVD_PATCH_STREAM_H
#define RK_SVD_PATCH_STREAM_H

#include "../cosines.h"
#include "../whole_stream.h"
#include "svd_patch_geometry.h"

enum { SIZES = 3, CELL = 32, BASIS_ENTRIES = SIZES * CELL * CELL, FACTORS = 2 * UNIT * UNIT };
enum { BASIS_BITS_8 = 10, BASIS_BITS_16 = 15 };

/* All zero before the first packet. */
typedef struct {
    i64 begun;
    i64 layout, deep, height, width, channels; /* of all pictures that are held */
    i64 has_reference;
    i64 reference; /* which of the two pictures it is */
    i64 sequence;  /* of the reference */
} StreamState;

/* A rebuilt picture with all that a later one is predicted from. */
typedef struct {
    u16 *planes[MOST_CHANNELS];
    i64 *coders[MOST_PARTS];
    i32 *factors; /* [plane][L, R][8][8] */
    u8 *own;      /* whether a plane has factors of its own */
} HeldPicture;

/* L, and R^T in tiles of eight columns, of patches of 8, 16 and 32. */
typedef struct {
    i32 *left, *right_t;
} BasisArrays;

typedef struct {
    StreamState *state;
    HeldPicture pictures[2];
    BasisArrays table, own;
    i16 *units[MOST_CHANNELS];
    i64 *basis_coder;
    i64 *lossless; /* rows of a plane of a reference */
    u8 *scratch;
} Stream;

static Stream stream_arrays(const Geometry *g, Memory *memory) {
    Stream s;
    s.state = TAKE(memory, StreamState, 1);
    for (int i = 0; i < 2; i++) {
        HeldPicture *picture = &s.pictures[i];
        for (i64 plane = 0; plane < g->plane_count; plane++)
            picture->planes[plane] = TAKE(memory, u16, padded_samples(&g->planes[plane]));
        for (i64 slice = 0; slice < g->slices; slice++)
            picture->coders[slice] = TAKE(memory, i64, ADAPTIVE_STATE(rk_svd_patch_models()));
        picture->factors = TAKE(memory, i32, g->plane_count * FACTORS);
        picture->own = TAKE(memory, u8, g->plane_count);
    }
    s.table = (BasisArrays){TAKE(memory, i32, BASIS_ENTRIES), TAKE(memory, i32, BASIS_ENTRIES)};
    s.own = (BasisArrays){TAKE(memory, i32, BASIS_ENTRIES), TAKE(memory, i32, BASIS_ENTRIES)};
    for (i64 plane = 0; plane < g->plane_count; plane++) {
        const PlaneSize *size = &g->planes[plane];
        s.units[plane] = TAKE(memory, i16, size->units_y * size->units_x * UNIT_FIELDS);
    }
    s.basis_coder = TAKE(memory, i64, ADAPTIVE_STATE(rk_svd_patch_basis_models()));
    i64 lossless_bytes = 0;
    for (i64 plane = 0; plane < g->plane_count; plane++) {
        i64 bytes = rk_lossless_decoder_bytes(g->planes[plane].units_x * UNIT, 1);
        lossless_bytes = max_i64(lossless_bytes, bytes);
    }
    s.lossless = (i64 *)TAKE(memory, u8, lossless_bytes);
    s.scratch = TAKE(memory, u8, rk_svd_patch_scratch_bytes());
    return s;
}

static int is_stream_of(const StreamState *state, const Packet *p, const Geometry *g) {
    return state->begun && state->layout == g->layout && state->deep == g->deep
        && state->height == p->height && state->width == p->width && state->channels == p->channels;
}

/* Enter an element of L or of R, which has its tiles transposed. */
INLINE void set_left(BasisArrays basis, i64 size, i64 n, i64 k, i32 entry) {
    basis.left[(size * CELL + n) * CELL + k] = entry;
}
INLINE void set_right(BasisArrays basis, i64 size, i64 n, i64 k, i32 entry) {
    basis.right_t[((size * CELL / 8 + n / 8) * CELL + k) * 8 + n % 8] = entry;
}

/* The integer DCT: rounded to nearest. */
static void fill_table(BasisArrays table, i64 deep) {
    const f64 whole = 0x1.8p52, one = (f64)(1 << (deep ? BASIS_BITS_16 : BASIS_BITS_8));
    CLEAR(table.left, BASIS_ENTRIES * sizeof(i32));
    CLEAR(table.right_t, BASIS_ENTRIES * sizeof(i32));
    for (i64 size = 0; size < SIZES; size++) {
        QuarterWave wave;
        i64 side = UNIT << size;
        fill_quarter_wave(&wave, side);
        for (i64 n = 0; n < side; n++)
            for (i64 k = 0; k < side; k++) {
                i32 entry = (i32)((cosine_entry(&wave, n, k) * one + whole) - whole);
                set_left(table, size, n, k, entry);
                set_right(table, size, n, k, entry);
            }
    }
}

/* The table with factors of a plane's own for patches of 8. */
static void fill_own(const Stream *s, const i32 *factors) {
    COPY(s->own.left, s->table.left, BASIS_ENTRIES * sizeof(i32));
    COPY(s->own.right_t, s->table.right_t, BASIS_ENTRIES * sizeof(i32));
    for (i64 n = 0; n < UNIT; n++)
        for (i64 k = 0; k < UNIT; k++) {
            set_left(s->own, 0, n, k, factors[n * UNIT + k]);
            set_right(s->own, 0, n, k, factors[(UNIT + n) * UNIT + k]);
        }
}

/* Begin a stream of another geometry, which forgets the pictures of the one before. */
static void begin_stream(const Stream *s, const Packet *p, const Geometry *g) {
    *s->state = (StreamState){
        .begun = 1,
        .layout = g->layout,
        .deep = g->deep,
        .height = p->height,
        .width = p->width,
        .channels = p->channels,
    };
    fill_table(s->table, g->deep);
}

/* Read which planes have factors of their own, and these. */
static i64 read_bases(const Stream *s, const Geometry *g, Bytes from, HeldPicture *picture) {
    i64 largest = (1 << (g->deep ? BASIS_BITS_16 : BASIS_BITS_8)) - 1;
    i32 table[UNIT * UNIT];
    for (i64 i = 0; i < UNIT * UNIT; i++)
        table[i] = s->table.left[i / UNIT * CELL + i % UNIT];
    begin_models(s->basis_coder, rk_svd_patch_basis_models());
    rk_range_start_decoder(s->basis_coder, from.at, 0, bytes_left(&from));
    for (i64 plane = 0; plane < g->plane_count; plane++) {
        i32 *factors = picture->factors + plane * FACTORS;
        COPY(factors, table, sizeof(table));
        COPY(factors + UNIT * UNIT, table, sizeof(table));
        picture->own[plane] = (u8)rk_svd_patch_code_basis(s->basis_coder, (u8 *)from.at, 0, table,
                                                          factors, largest);
    }
    return s->basis_coder[REGISTER_OVERRUN] ? RK_ERROR_STREAM : RK_OK;
}

#endif
