/* What the core needs once, whatever the level: the choice of the level, and the calls that compilers
 * insert. `__builtin_cpu_supports` answers "no" under zig without a word: cpuid is asked itself. */
#include "base.h"

#if defined(__x86_64__)

typedef struct {
    u32 a, b, c, d;
} Registers;

static Registers cpuid(u32 leaf, u32 subleaf) {
    Registers r;
    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "a"(leaf), "c"(subleaf));
    return r;
}

/* Which registers the operating system saves: the low half of XCR0. */
static u32 saved_registers(void) {
    u32 low, high;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int has(u32 bits, u32 wanted) { return (bits & wanted) == wanted; }

int64_t rk_level(void) {
    /* Bits as in the System V ABI for x86-64, table 3.1: CX16, LAHF, POPCNT, SSE3, SSSE3, SSE4.2; */
    const u32 second_c = 1u << 0 | 1u << 9 | 1u << 13 | 1u << 19 | 1u << 20 | 1u << 23;
    /* FMA, MOVBE, OSXSAVE, AVX, F16C; BMI1, AVX2, BMI2; LZCNT; */
    const u32 third_c = 1u << 12 | 1u << 22 | 1u << 27 | 1u << 28 | 1u << 29;
    const u32 third_b = 1u << 3 | 1u << 5 | 1u << 8;
    /* AVX512 F, DQ, CD, BW, VL. */
    const u32 fourth_b = 1u << 16 | 1u << 17 | 1u << 28 | 1u << 30 | 1u << 31;
    const u32 avx_state = 0x06, avx512_state = 0xE6;
    u32 last_leaf = cpuid(0, 0).a;
    Registers one = cpuid(1, 0), extended = cpuid(0x80000001u, 0), seven = {0, 0, 0, 0};
    if (last_leaf >= 7) seven = cpuid(7, 0);
    if (!has(one.c, second_c)) return 1;
    if (!has(one.c, third_c) || !has(saved_registers(), avx_state)) return 2;
    if (!has(seven.b, third_b) || !has(extended.c, 1u << 5)) return 2;
    return has(seven.b, fourth_b) && has(saved_registers(), avx512_state) ? 4 : 3;
}

#else

int64_t rk_level(void) { return 2; }

#endif

/* Without these the core would need the libc of its build machine. They are compiled with
 * -fno-builtin: their loops must not become calls of themselves. */
#if !defined(_WIN32) && !defined(__APPLE__)

#define HIDDEN __attribute__((visibility("hidden")))
typedef u64 any_u64 __attribute__((aligned(1), may_alias));

HIDDEN void *memset(void *to, int value, size_t bytes) {
#if defined(__x86_64__)
    void *at = to;
    __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(value) : "memory");
#else
    u8 *at = to;
    u64 eight = 0x0101010101010101u * (u8)value;
    for (; bytes >= 8; bytes -= 8, at += 8) *(any_u64 *)at = eight;
    while (bytes--) *at++ = (u8)value;
#endif
    return to;
}

HIDDEN void *memcpy(void *restrict to, const void *restrict from, size_t bytes) {
#if defined(__x86_64__)
    void *at = to;
    __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes) : : "memory");
#else
    u8 *at = to;
    const u8 *next = from;
    for (; bytes >= 8; bytes -= 8, at += 8, next += 8) *(any_u64 *)at = *(const any_u64 *)next;
    while (bytes--) *at++ = *next++;
#endif
    return to;
}

HIDDEN void *memmove(void *to, const void *from, size_t bytes) {
    u8 *at = to;
    const u8 *next = from;
    if (at <= next) {
        while (bytes--) *at++ = *next++;
    } else {
        while (bytes--) at[bytes] = next[bytes];
    }
    return to;
}

#endif
