/* Factors as plain floats: s, U by columns, V by columns. */
#include "svd_factors.h"

/* A number of 16 bits. What is infinite or none there is finite here and beyond what entries may
 * be. */
INLINE f32 read_f16(const u8 *at) {
    const u32 least_normal = 1 << 10;
    u32 bits = (u32)read_number(at, 2), magnitude = bits & 0x7FFF;
    union {
        u32 bits;
        f32 value;
    } wide = {(magnitude << 13) + (112u << 23)};
    f32 value = magnitude < least_normal ? (f32)magnitude * 0x1p-24f : wide.value;
    return bits >> 15 ? -value : value;
}

INLINE f64 read_float(const u8 *at, i64 bytes) {
    return bytes == 2 ? read_f16(at) : bytes == 4 ? read_f32(at) : read_f64(at);
}

static void read_floats(Bytes from, i64 bytes, i64 real_bytes, void *out) {
    for (i64 i = 0; from.at < from.end; i++) {
        f64 value = read_float(cut_bytes(&from, bytes).at, bytes);
        if (real_bytes == 4)
            ((f32 *)out)[i] = (f32)value;
        else
            ((f64 *)out)[i] = value;
    }
}

static i64 read_float_plane(const Factors *f, const FactorArrays *a, const PlaneFactors *plane,
                            Bytes *body) {
    i64 bytes = f->form == FLOAT16 ? 2 : f->form == FLOAT32 ? 4 : 8;
    i64 singular_bytes = f->form == FLOAT64 ? 8 : 4;
    i64 u_bytes = plane->rank * plane->height * bytes, v_bytes = plane->rank * plane->width * bytes;
    if (bytes_left(body) < plane->rank * singular_bytes + u_bytes + v_bytes) return RK_ERROR_STREAM;
    read_floats(cut_bytes(body, plane->rank * singular_bytes), singular_bytes, 8, a->singular);
    read_floats(cut_bytes(body, u_bytes), bytes, f->real_bytes, a->columns);
    read_floats(cut_bytes(body, v_bytes), bytes, f->real_bytes,
                (u8 *)a->vt + plane->vt * f->real_bytes);
    return RK_OK;
}
