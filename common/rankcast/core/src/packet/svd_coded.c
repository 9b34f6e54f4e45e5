/* Coded factors: a step, singular values, and two matrices of cosine coefficients. */
#include "svd_bands.h"

enum { STEP_BYTES = 8, SINGULAR_BYTES = 4, SIZE_BYTES = 4, MATRIX_BYTES = 16, CLASS_BYTES = 5 };

static const f64 LARGEST_F32 = 0x1.fffffep127;

/* A matrix as it lies in the bands: its tables, and the words of each band. */
typedef struct {
    Bytes tables;
    Bytes words[MOST_BANDS];
    i64 length; /* of a column */
} CodedMatrix;

/* Cut the tables of a matrix off: the classes in use tell how long they are. */
static i64 cut_tables(Bytes *from, Bytes *tables) {
    if (bytes_left(from) < MATRIX_BYTES) return RK_ERROR_STREAM;
    i64 size = MATRIX_BYTES + CLASS_BYTES * __builtin_popcountll(read_number(from->at, 8));
    if (bytes_left(from) < size) return RK_ERROR_STREAM;
    *tables = cut_bytes(from, size);
    return RK_OK;
}

/* Read classes in use, states, and the parameters of each class. */
static i64 read_tables(const FactorArrays *a, Bytes from, i64 states[2]) {
    u64 classes = read_number(cut_bytes(&from, 8).at, 8);
    for (int i = 0; i < 2; i++) {
        states[i] = (i64)read_number(cut_bytes(&from, 4).at, 4);
        if (states[i] >> STATE_BITS) return RK_ERROR_STREAM;
    }
    CLEAR(a->parameters, CLASSES * sizeof(ClassParameters));
    for (int c = 0; c < CLASSES; c++) {
        a->used[c] = classes >> c & 1;
        if (!a->used[c]) continue;
        const u8 *at = cut_bytes(&from, CLASS_BYTES).at;
        i64 *of_class = a->parameters + 4 * c;
        of_class[0] = (i64)read_number(at, 2);
        for (int i = 1; i < 4; i++) of_class[i] = at[1 + i];
    }
    i64 result = rk_rans_frequencies(a->parameters, a->used, a->frequencies);
    if (result < 0) return result;
    return rk_rans_build_decoder(a->parameters, a->frequencies, a->lookup, a->entries);
}

/* Read the columns of a plane, band after band, and turn their coefficients back. */
static i64 read_matrix(const Factors *f, const FactorArrays *a, const Bands *bands, i64 plane,
                       const CodedMatrix *matrix, void *out) {
    i64 states[2], rank = f->planes[plane].rank;
    i64 result = read_tables(a, matrix->tables, states);
    for (i64 b = 0; result >= 0 && b < bands->count; b++) {
        i64 first = bands->ranks[b][plane], last = bands->ranks[b + 1][plane];
        Bytes words = matrix->words[b];
        if (first == last) continue;
        result = rk_svd_decode(words.at, 0, bytes_left(&words), states, a->parameters, a->lookup,
                               a->entries, first, last, matrix->length, a->contexts, a->values);
    }
    if (result < 0) return result;
    if (!bands->is_cut && (states[0] != STATE_LOW || states[1] != STATE_LOW))
        return RK_ERROR_STREAM;
    if (f->real_bytes == 4)
        return rk_svd_inverse_transform_f32(a->values, a->scales, rank, matrix->length, out);
    return rk_svd_inverse_transform_f64(a->values, a->scales, rank, matrix->length, out);
}

/* Read the singular values that a band adds to a plane, and part the words of U and V. */
static i64 cut_band(const FactorArrays *a, f64 step, i64 first, i64 last, Bytes *from, Bytes *u,
                    Bytes *v) {
    if (bytes_left(from) < SINGULAR_BYTES * (last - first) + 2 * SIZE_BYTES)
        return RK_ERROR_STREAM;
    for (i64 k = first; k < last; k++) {
        f64 singular = read_f32(cut_bytes(from, SINGULAR_BYTES).at);
        if (!(singular > 0 && singular <= LARGEST_F32)) return RK_ERROR_STREAM;
        a->singular[k] = singular;
        a->scales[k] = step / singular;
    }
    i64 u_bytes = (i64)read_number(cut_bytes(from, SIZE_BYTES).at, SIZE_BYTES);
    i64 v_bytes = (i64)read_number(cut_bytes(from, SIZE_BYTES).at, SIZE_BYTES);
    if (u_bytes % 2 || v_bytes % 2 || u_bytes + v_bytes > bytes_left(from)) return RK_ERROR_STREAM;
    *u = cut_bytes(from, u_bytes);
    *v = cut_bytes(from, v_bytes);
    return RK_OK;
}

static i64 read_coded_plane(const Factors *f, const FactorArrays *a, Bands *bands, i64 index) {
    const PlaneFactors *plane = &f->planes[index];
    if (plane->rank == 0) return RK_OK;
    Bytes *start = &bands->left[0];
    if (bytes_left(start) < STEP_BYTES) return RK_ERROR_STREAM;
    f64 step = read_f64(cut_bytes(start, STEP_BYTES).at);
    if (!(step > 0 && step <= LARGEST_F32)) return RK_ERROR_STREAM;
    CodedMatrix u = {.length = plane->height}, v = {.length = plane->width};
    i64 result = cut_tables(start, &u.tables);
    if (result >= 0) result = cut_tables(start, &v.tables);
    for (i64 b = 0; result >= 0 && b < bands->count; b++) {
        i64 first = bands->ranks[b][index], last = bands->ranks[b + 1][index];
        if (first < last)
            result = cut_band(a, step, first, last, &bands->left[b], &u.words[b], &v.words[b]);
    }
    if (result >= 0) result = read_matrix(f, a, bands, index, &u, a->columns);
    if (result < 0) return result;
    return read_matrix(f, a, bands, index, &v, (u8 *)a->vt + plane->vt * f->real_bytes);
}
