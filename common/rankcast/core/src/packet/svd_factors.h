/* The factors of an svd packet: what the header promises, its limits, and where they are read to. */
#ifndef RK_SVD_FACTORS_H
#define RK_SVD_FACTORS_H

#include "../rans.h"
#include "header.h"

enum { CODED, FLOAT16, FLOAT32, FLOAT64, FORMS };
enum { COLOUR_PLANES = 3 };
/* Of the scratch memory that rk_svd_decode takes for columns of a length. */
enum { CODED_BLOCK = 64, CODED_BLOCK_ROW = 68 };

/* Limits of docs/wire.md: multiplications of a picture, what is free of any size, and of a sample. */
#define MOST_PRODUCTS (1ll << 38)
#define FREE_PRODUCTS (1ll << 31)
#define MOST_PRODUCTS_A_SAMPLE 3072
/* Entries of orthonormal columns are at most 1, quantised at most 2. */
#define MOST_ENTRY 4.0

typedef struct {
    i64 height, width, rank;
    i64 us, vt; /* index of the first number in the arrays of all planes */
} PlaneFactors;

typedef struct {
    i64 form, half_chroma;
    i64 peak;
    i64 sample_bytes;
    i64 real_bytes; /* of the arithmetic: 4, or 8 where 24 bits are too few */
    i64 plane_count;
    PlaneFactors planes[MOST_CHANNELS];
} Factors;

typedef struct {
    void *us, *vt;  /* of all planes; rows of U diag(s), columns of V */
    void *columns;  /* of U of one plane */
    f64 *singular;  /* of one plane */
    f64 *scales;
    u8 *samples[COLOUR_PLANES]; /* with chroma of half the size */
    /* Of one coded matrix. */
    i32 *values, *contexts;
    i64 *parameters;
    u16 *frequencies;
    u8 *used, *lookup;
    u32 *entries;
} FactorArrays;

static i64 factors_of(const Packet *p, Factors *f) {
    if (p->param_count != 2 || p->params[0] < CODED || p->params[0] >= FORMS || p->params[1] < 0
        || p->params[1] > 1 || (p->params[1] == 1 && p->channels != COLOUR_PLANES))
        return RK_ERROR_STREAM;
    f->form = p->params[0];
    f->half_chroma = p->params[1];
    f->sample_bytes = p->sample_bytes;
    f->peak = (1 << 8 * p->sample_bytes) - 1;
    f->real_bytes = p->sample_bytes == 1 && f->form != FLOAT64 ? 4 : 8;
    f->plane_count = p->channels;
    if (p->rank_count != f->plane_count) return RK_ERROR_STREAM;
    i64 products = 0, samples = 0, us = 0, vt = 0;
    for (i64 i = 0; i < f->plane_count; i++) {
        int is_half = f->half_chroma && i > 0;
        i64 height = is_half ? (p->height + 1) / 2 : p->height;
        i64 width = is_half ? (p->width + 1) / 2 : p->width;
        i64 rank = p->ranks[i];
        if (rank < 0 || rank > min_i64(height, width)) return RK_ERROR_STREAM;
        f->planes[i] = (PlaneFactors){height, width, rank, us, vt};
        us += rank * height;
        vt += rank * width;
        products += height * width * rank;
        samples += height * width;
    }
    i64 allowed = (FREE_PRODUCTS + MOST_PRODUCTS_A_SAMPLE * samples) / (f->real_bytes / 4);
    return products <= min_i64(MOST_PRODUCTS, allowed) ? RK_OK : RK_ERROR_LIMIT;
}

static FactorArrays factor_arrays(const Factors *f, Memory *memory) {
    i64 us = 0, vt = 0, rank = 0, columns = 0, coded = 0, side = 0;
    for (i64 i = 0; i < f->plane_count; i++) {
        const PlaneFactors *plane = &f->planes[i];
        i64 longer = max_i64(plane->height, plane->width);
        us += plane->rank * plane->height;
        vt += plane->rank * plane->width;
        rank = max_i64(rank, plane->rank);
        columns = max_i64(columns, plane->rank * plane->height);
        coded = max_i64(coded, plane->rank * longer);
        side = max_i64(side, longer);
    }
    FactorArrays a = {
        .us = take_bytes(memory, us * f->real_bytes),
        .vt = take_bytes(memory, vt * f->real_bytes),
        .columns = take_bytes(memory, columns * f->real_bytes),
        .singular = TAKE(memory, f64, rank),
        .scales = TAKE(memory, f64, rank),
    };
    for (i64 i = 0; i < COLOUR_PLANES && f->half_chroma; i++)
        a.samples[i] =
            take_bytes(memory, f->planes[i].height * f->planes[i].width * f->sample_bytes);
    if (f->form == CODED) {
        a.values = TAKE(memory, i32, coded);
        a.contexts = TAKE(memory, i32,
                          3 * CODED_BLOCK_ROW * ((side + CODED_BLOCK - 1) / CODED_BLOCK + 2));
        a.parameters = TAKE(memory, i64, CLASSES * 4);
        a.frequencies = TAKE(memory, u16, CLASSES * SYMBOLS);
        a.used = TAKE(memory, u8, CLASSES);
        a.lookup = TAKE(memory, u8, CLASSES * SLOTS);
        a.entries = TAKE(memory, u32, CLASSES * SYMBOLS);
    }
    return a;
}

#endif
