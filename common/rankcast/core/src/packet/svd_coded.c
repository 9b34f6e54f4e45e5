/* Coded factors: for each plane a length, a step, singular values, and two matrices of cosine
 * coefficients.
 */
#include "svd_factors.h"

enum { STEP_BYTES = 8, SINGULAR_BYTES = 4, SIZE_BYTES = 4, MATRIX_BYTES = 16, CLASS_BYTES = 5 };

static const f64 LARGEST_F32 = 0x1.fffffep127;

/* Read the head of a matrix: classes in use, states, and the parameters of each class. */
static i64 read_tables(const FactorArrays *a, Bytes *from, i64 states[2]) {
    if (bytes_left(from) < MATRIX_BYTES) return RK_ERROR_STREAM;
    Bytes head = cut_bytes(from, MATRIX_BYTES);
    u64 classes = read_number(head.at, 8);
    CLEAR(a->parameters, CLASSES * sizeof(ClassParameters));
    for (int c = 0; c < CLASSES; c++) {
        a->used[c] = classes >> c & 1;
        if (!a->used[c]) continue;
        if (bytes_left(from) < CLASS_BYTES) return RK_ERROR_STREAM;
        const u8 *at = cut_bytes(from, CLASS_BYTES).at;
        i64 *of_class = a->parameters + 4 * c;
        of_class[0] = (i64)read_number(at, 2);
        for (int i = 1; i < 4; i++) of_class[i] = at[1 + i];
    }
    for (int i = 0; i < 2; i++) {
        states[i] = (i64)read_number(head.at + 8 + 4 * i, 4);
        if (states[i] >> STATE_BITS) return RK_ERROR_STREAM;
    }
    if (bytes_left(from) % 2) return RK_ERROR_STREAM;
    i64 result = rk_rans_frequencies(a->parameters, a->used, a->frequencies);
    if (result < 0) return result;
    return rk_rans_build_decoder(a->parameters, a->frequencies, a->lookup, a->entries);
}

/* Read a matrix of `rank` columns and turn its coefficients back. */
static i64 read_matrix(const Factors *f, const FactorArrays *a, Bytes from, i64 rank, i64 length,
                       void *out) {
    i64 states[2];
    i64 result = read_tables(a, &from, states);
    if (result < 0) return result;
    result = rk_svd_decode(from.at, 0, bytes_left(&from), states, a->parameters, a->lookup,
                           a->entries, rank, length, a->contexts, a->values);
    if (result < 0) return result;
    if (f->real_bytes == 4)
        return rk_svd_inverse_transform_f32(a->values, a->scales, rank, length, out);
    return rk_svd_inverse_transform_f64(a->values, a->scales, rank, length, out);
}

static i64 read_coded_plane(const Factors *f, const FactorArrays *a, const PlaneFactors *plane,
                            Bytes *body) {
    if (bytes_left(body) < SIZE_BYTES) return RK_ERROR_STREAM;
    i64 size = (i64)read_number(cut_bytes(body, SIZE_BYTES).at, SIZE_BYTES), rank = plane->rank;
    if (size > bytes_left(body)) return RK_ERROR_STREAM;
    Bytes from = cut_bytes(body, size);
    if (rank == 0) return size == 0 ? RK_OK : RK_ERROR_STREAM;
    if (size < STEP_BYTES + SINGULAR_BYTES * rank + SIZE_BYTES) return RK_ERROR_STREAM;
    f64 step = read_f64(cut_bytes(&from, STEP_BYTES).at);
    if (!(step > 0 && step <= LARGEST_F32)) return RK_ERROR_STREAM;
    for (i64 k = 0; k < rank; k++) {
        f64 singular = read_f32(cut_bytes(&from, SINGULAR_BYTES).at);
        if (!(singular > 0 && singular <= LARGEST_F32)) return RK_ERROR_STREAM;
        a->singular[k] = singular;
        a->scales[k] = step / singular;
    }
    i64 u_bytes = (i64)read_number(cut_bytes(&from, SIZE_BYTES).at, SIZE_BYTES);
    if (u_bytes > bytes_left(&from)) return RK_ERROR_STREAM;
    Bytes u = cut_bytes(&from, u_bytes);
    i64 result = read_matrix(f, a, u, rank, plane->height, a->columns);
    if (result < 0) return result;
    return read_matrix(f, a, from, rank, plane->width, (u8 *)a->vt + plane->vt * f->real_bytes);
}
