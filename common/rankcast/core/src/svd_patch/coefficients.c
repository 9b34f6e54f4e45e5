/* Coding of one core: the last position, then significance, levels and signs from there down to the
 * lowest frequency. The levels to the right of and below a position, already known, choose its
 * models. */
#include "contexts.h"
#include "scan_tables.h"

enum {
    UNARY_LEVELS = 4, /* levels minus one below this are unary; then classes of doubling width */
    MAX_CLASS = 26,
    SCAN_8_LENGTH = UNIT * UNIT,
    SCAN_16_LENGTH = CODED_SIDE * CODED_SIDE,
    LAST_GROUPS = 8,
    LAST_GROUPS_8 = 6, /* of patches of 8: positions below 8 */
};

/* Last position, by axis: group of an index, first index of a group, and its plain bits. */
static const u8 LAST_GROUP[CODED_SIDE] = {0, 1, 2, 3, 4, 4, 5, 5, 6, 6, 6, 6, 7, 7, 7, 7};
static const u8 LAST_FIRST[LAST_GROUPS] = {0, 1, 2, 3, 4, 6, 8, 12};
static const u8 LAST_EXTRA[LAST_GROUPS] = {0, 0, 0, 0, 1, 1, 2, 2};

/* How a core is coded: its scan, lowest frequency first, and where its models begin. */
typedef struct {
    const ScanPlace *scan;
    i32 length, side;
    i32 last, significant, level; /* first model of each element */
    i32 last_groups;
} CoreSyntax;

INLINE CoreSyntax core_syntax(i32 group, i32 size) {
    i32 statistics = group * SIZES + size;
    return (CoreSyntax){
        .scan = size == SIZE_8 ? SCAN_8 : SCAN_16,
        .length = size == SIZE_8 ? SCAN_8_LENGTH : SCAN_16_LENGTH,
        .side = size == SIZE_8 ? UNIT : CODED_SIDE,
        .last = AT_LAST + statistics * LAST_AXES * LAST_BINS,
        .significant = AT_SIGNIFICANT + statistics * POSITION_CLASSES * MAGNITUDE_CLASSES,
        .level = AT_LEVEL + group * LEVEL_POSITION_CLASSES * MAGNITUDE_CLASSES * LEVEL_BINS,
        .last_groups = size == SIZE_8 ? LAST_GROUPS_8 : LAST_GROUPS,
    };
}

/* Class of the summed levels at the five places to the right of and below a position. */
INLINE i32 magnitude_class(const i32 *near, i32 index) {
    return MAGNITUDE_CLASS[min_i32(near[BEFORE + index], MAX_MAGNITUDE)];
}

/* Add a level to the sums of those that have it in their template: most levels are zero. */
INLINE void tell_near(i32 *near, i32 index, i32 level) {
    i32 *at = near + BEFORE + index;
    at[-1] += level;
    at[-2] += level;
    at[-STRIDE] += level;
    at[-2 * STRIDE] += level;
    at[-STRIDE - 1] += level;
}

INLINE void clear_near(i32 *near, i32 rows) {
    for (i32 i = 0; i < BEFORE + rows * STRIDE; i++) near[i] = 0;
}

INLINE i32 significant_context(const CoreSyntax *core, ScanPlace place, i32 magnitude) {
    return core->significant + place.position_class * MAGNITUDE_CLASSES + magnitude;
}

INLINE i32 level_context(const CoreSyntax *core, ScanPlace place, i32 magnitude) {
    return core->level + (place.level_class * MAGNITUDE_CLASSES + magnitude) * LEVEL_BINS;
}

INLINE i32 level_bin(i32 context, i32 index) { return context + min_i32(index, LEVEL_BINS - 1); }

/* Of the axes of a last position: its row, and its column by the group of the row. */
INLINE i32 last_row_context(const CoreSyntax *core) { return core->last; }
INLINE i32 last_column_context(const CoreSyntax *core, i32 row) {
    return core->last + (1 + LAST_GROUP[row]) * LAST_BINS;
}

/* The class of a level minus one: itself, or UNARY_LEVELS plus the number of doublings. */
INLINE i32 level_class(i64 value) {
    if (value < UNARY_LEVELS) return (i32)value;
    /* Class UNARY_LEVELS + c starts at UNARY_LEVELS + 2^(c + 1) - 2, as wide as that power. */
    return UNARY_LEVELS + 62 - __builtin_clzll((u64)(value - UNARY_LEVELS + 2));
}
INLINE i64 class_first(i32 class) {
    return UNARY_LEVELS + (1ll << (class - UNARY_LEVELS + 1)) - 2;
}
INLINE i32 class_bits(i32 class) { return class - UNARY_LEVELS + 1; }

/* Code a level minus one. */
INLINE i64 code_level(RangeCoder *c, const int decoding, i32 context, i64 value) {
    i32 target = decoding ? 0 : level_class(value), class = 0;
    while (class < MAX_CLASS &&
           code_bit_as(c, decoding, level_bin(context, class), class < target))
        class++;
    if (class < UNARY_LEVELS) return class;
    i64 first = class_first(class);
    return first + code_bits_as(c, decoding, class_bits(class), value - first);
}

INLINE i32 code_last_axis(RangeCoder *c, const int decoding, i32 context, i32 groups, i32 value) {
    i32 target = LAST_GROUP[value], group = 0;
    while (group < groups - 1 && code_bit_as(c, decoding, context + group, group < target)) group++;
    i32 first = LAST_FIRST[group];
    return first + (i32)code_bits_as(c, decoding, LAST_EXTRA[group], value - first);
}

/* Where the scan of a square has a position: odd diagonals run down, even ones up. */
INLINE i32 scan_position(i32 side, i32 y, i32 x) {
    i32 diagonal = y + x, past = max_i32(diagonal - side + 1, 0); /* rows that end before it */
    i32 before = diagonal * (diagonal + 1) / 2 - past * (past - 1);
    return before + (diagonal & 1 ? y : x) - past;
}

/* Code where in the scan the last level lies. */
INLINE i32 code_last(RangeCoder *c, const int decoding, const CoreSyntax *core, i32 last) {
    ScanPlace place = core->scan[last];
    i32 y = code_last_axis(c, decoding, last_row_context(core), core->last_groups, place.y);
    i32 x = code_last_axis(c, decoding, last_column_context(core, y), core->last_groups, place.x);
    /* Both lie below the side by construction of the groups. */
    return decoding ? scan_position(core->side, y, x) : last;
}

/* See write_core and read_core. */
INLINE void code_core(Slice *s, const int decoding, const CoreSyntax *core) {
    RangeCoder coder = s->coder; /* a copy, whose registers are locals of the loop */
    i32 *levels = s->levels, *near = s->near;
    i32 last = core->length - 1;
    if (!decoding)
        while (levels[core->scan[last].index] == 0) last--;
    last = code_last(&coder, decoding, core, last);
    u32 rows = 0, columns = 0; /* a bit each, of those that have levels */
    for (i32 n = last; n >= 0; n--) {
        ScanPlace place = core->scan[n];
        i32 magnitude = magnitude_class(near, place.index);
        i64 level = levels[place.index], amount = abs_i64(level);
        if (n != last) {
            i32 context = significant_context(core, place, magnitude);
            if (!code_bit_as(&coder, decoding, context, amount != 0)) continue;
        }
        i32 context = level_context(core, place, magnitude);
        amount = 1 + code_level(&coder, decoding, context, amount - 1);
        i64 negative = code_bits_as(&coder, decoding, 1, level < 0);
        tell_near(near, place.index, (i32)amount);
        if (decoding) levels[place.index] = (i32)(negative ? -amount : amount);
        rows |= 1u << place.y;
        columns |= 1u << place.x;
    }
    s->rows = 32 - __builtin_clz(rows);
    s->columns = 32 - __builtin_clz(columns);
    clear_near(near, s->rows);
    s->coder = coder;
}

/* Write the levels of one patch, which are not all zero. Sets s->rows and s->columns. */
OUTLINE void write_core(Slice *s, const CoreSyntax *core) { code_core(s, 0, core); }
/* Read them into s->levels, which is all zero before. */
OUTLINE void read_core(Slice *s, const CoreSyntax *core) { code_core(s, 1, core); }

INLINE void clear_core(Slice *s) {
    for (i32 i = 0; i < s->rows; i++)
        for (i32 j = 0; j < s->columns; j += 8)
            store_i32x8(s->levels + i * STRIDE + j, splat_i32x8(0));
}
