/* What every file of the core starts from: short names of types, and checked indices. */
#ifndef RK_BASE_H
#define RK_BASE_H

#include <stddef.h>

#include "../rankcast_core.h"

typedef uint8_t u8;
typedef uint16_t u16;
typedef uint32_t u32;
typedef uint64_t u64;
typedef int8_t i8;
typedef int16_t i16;
typedef int32_t i32;
typedef int64_t i64;
typedef float f32;
typedef double f64;

#define INLINE static inline __attribute__((always_inline))
#define OUTLINE static __attribute__((noinline))
#define LIKELY(condition) __builtin_expect(!!(condition), 1)
#define UNLIKELY(condition) __builtin_expect(!!(condition), 0)
#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

INLINE i64 min_i64(i64 a, i64 b) { return a < b ? a : b; }
INLINE i64 max_i64(i64 a, i64 b) { return a > b ? a : b; }
INLINE i64 clamp_i64(i64 value, i64 low, i64 high) { return min_i64(max_i64(value, low), high); }
INLINE i64 abs_i64(i64 value) { return value < 0 ? -value : value; }
INLINE i32 min_i32(i32 a, i32 b) { return a < b ? a : b; }
INLINE i32 max_i32(i32 a, i32 b) { return a > b ? a : b; }
INLINE i32 clamp_i32(i32 value, i32 low, i32 high) { return min_i32(max_i32(value, low), high); }
INLINE i32 abs_i32(i32 value) { return value < 0 ? -value : value; }

/* Compilers turn these into calls of memset and memcpy, which level.c defines. */
#define CLEAR(to, bytes) __builtin_memset((to), 0, (size_t)(bytes))
#define COPY(to, from, bytes) __builtin_memcpy((to), (from), (size_t)(bytes))

#endif
