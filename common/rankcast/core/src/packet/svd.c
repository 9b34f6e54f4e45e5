/* Packets of svd: the factors of each plane, checked before anything is multiplied, then their
 * product.
 */
#include "header.h"

#include "svd_factors.h"

#include "svd_coded.c"
#include "svd_floats.c"

/* Refuse numbers that no picture has; comparisons are such that NaN fails them. */
static int are_singular_values(const FactorArrays *a, const PlaneFactors *plane, i64 peak) {
    f64 area = (f64)(plane->height * plane->width);
    f64 most = (f64)peak * __builtin_sqrt(area) * (1.0 + 1.0 / 256);
    for (i64 k = 0; k < plane->rank; k++)
        if (!(a->singular[k] > 0 && a->singular[k] <= most)) return 0;
    return 1;
}

static int are_entries(const void *entries, i64 count, i64 real_bytes) {
    for (i64 i = 0; i < count; i++) {
        f64 entry = real_bytes == 4 ? ((const f32 *)entries)[i] : ((const f64 *)entries)[i];
        if (!(entry >= -MOST_ENTRY && entry <= MOST_ENTRY)) return 0;
    }
    return 1;
}

/* U by columns, times the singular values, to rows. */
static void scale_rows(const FactorArrays *a, const PlaneFactors *plane, i64 real_bytes) {
    for (i64 k = 0; k < plane->rank; k++)
        for (i64 i = 0; i < plane->height; i++) {
            i64 from = k * plane->height + i, to = plane->us + i * plane->rank + k;
            if (real_bytes == 4)
                ((f32 *)a->us)[to] = ((const f32 *)a->columns)[from] * (f32)a->singular[k];
            else
                ((f64 *)a->us)[to] = ((const f64 *)a->columns)[from] * a->singular[k];
        }
}

static i64 read_plane(const Factors *f, const FactorArrays *a, i64 index, Bytes *body) {
    const PlaneFactors *plane = &f->planes[index];
    i64 result = f->form == CODED ? read_coded_plane(f, a, plane, body)
                                  : read_float_plane(f, a, plane, body);
    if (result < 0 || plane->rank == 0) return result;
    const void *vt = (const u8 *)a->vt + plane->vt * f->real_bytes;
    if (!are_singular_values(a, plane, f->peak)
        || !are_entries(a->columns, plane->rank * plane->height, f->real_bytes)
        || !are_entries(vt, plane->rank * plane->width, f->real_bytes))
        return RK_ERROR_STREAM;
    scale_rows(a, plane, f->real_bytes);
    return RK_OK;
}

/* Planes of one size, from the one at `first` on, to interleaved samples. */
static void multiply(const Packet *p, const Factors *f, const FactorArrays *a, i64 first, i64 count,
                     void *samples) {
    const PlaneFactors *plane = &f->planes[first];
    i64 ranks[MOST_CHANNELS], height = plane->height, width = plane->width;
    for (i64 i = 0; i < count; i++) ranks[i] = f->planes[first + i].rank;
    const u8 *us = (const u8 *)a->us + plane->us * f->real_bytes;
    const u8 *vt = (const u8 *)a->vt + plane->vt * f->real_bytes;
    if (f->real_bytes == 4)
        rk_svd_rebuild_f32_u8((const f32 *)us, (const f32 *)vt, ranks, count, height, width, 0,
                              height, samples);
    else if (p->sample_bytes == 1)
        rk_svd_rebuild_f64_u8((const f64 *)us, (const f64 *)vt, ranks, count, height, width, 0,
                              height, samples);
    else
        rk_svd_rebuild_f64_u16((const f64 *)us, (const f64 *)vt, ranks, count, height, width, 0,
                               height, samples);
}

static i64 svd_memory_bytes(const Packet *p) {
    Factors f;
    i64 result = factors_of(p, &f);
    if (result < 0) return result;
    Memory memory = new_memory(NULL);
    factor_arrays(&f, &memory);
    return memory_for(&memory);
}

static i64 decode_svd(const Packet *p, Bytes body, u8 *from, u8 *pixels) {
    Factors f;
    i64 result = factors_of(p, &f);
    Memory memory = new_memory(from);
    if (result < 0) return result;
    FactorArrays a = factor_arrays(&f, &memory);
    for (i64 plane = 0; plane < f.plane_count; plane++) {
        result = read_plane(&f, &a, plane, &body);
        if (result < 0) return result;
    }
    if (bytes_left(&body) > 0) return RK_ERROR_STREAM;
    if (!f.half_chroma) {
        multiply(p, &f, &a, 0, f.plane_count, pixels);
        return RK_OK;
    }
    for (i64 plane = 0; plane < COLOUR_PLANES; plane++)
        multiply(p, &f, &a, plane, 1, a.samples[plane]);
    if (p->sample_bytes == 1)
        return rk_planes_merge_limited_420_u8(a.samples[0], a.samples[1], a.samples[2], p->height,
                                              p->width, pixels);
    return rk_planes_merge_420((const u16 *)a.samples[0], (const u16 *)a.samples[1],
                               (const u16 *)a.samples[2], p->height, p->width, (u16 *)pixels);
}
