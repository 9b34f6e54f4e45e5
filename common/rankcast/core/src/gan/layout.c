/* Layout of the code: planes, bands and channels, and where the adaptive models of each lie. */
#include "../whole_stream.h"

enum {
    PLANES = 3,
    BANDS = 5, /* of a plane, by frequency */
    MOST_CHANNELS = PLANES * 64,
    SIZE_CLASSES = 6,
    INSIDE_CLASSES = 5,
    BINS = 12,
};

enum {
    BLOCK_MODELS = REGISTERS,       /* [coded positions among the four around 5] */
    BAND_MODELS = BLOCK_MODELS + 5, /* [plane][band][coded left and up 3][coded before 2] */
    CHANNEL_MODELS = BAND_MODELS + PLANES * BANDS * 3 * 2,
    /* Of each channel: significance [around][inside], then */
    LEVEL_MODELS = SIZE_CLASSES * INSIDE_CLASSES,     /* [around + inside][bin] */
    SIGN_MODELS = LEVEL_MODELS + SIZE_CLASSES * BINS, /* [left 3][up 3] */
    MODELS_A_CHANNEL = SIGN_MODELS + 9,
};

/* Columns of the table of channels. */
enum { TABLE_PLANE, TABLE_BAND, TABLE_SAME, TABLE_COLUMNS };

/* Neighbouring channels whose levels are often all zero. */
typedef struct {
    i64 first, last; /* channels first..last - 1 */
    i64 number;      /* its place among the bands of all planes */
} Band;

typedef struct {
    i32 *levels;      /* (rows, columns, channels) */
    u16 *coded;       /* (rows, columns): a bit for each band that has a level other than 0 */
    const i64 *table; /* (channels, TABLE_COLUMNS) */
    i64 rows, columns, channels;
    i64 band_count;
    Band bands[PLANES * BANDS];
} Code;

INLINE i64 band_number(const Code *code, i64 channel) {
    const i64 *row = code->table + channel * TABLE_COLUMNS;
    return row[TABLE_PLANE] * BANDS + row[TABLE_BAND];
}

static void find_bands(Code *code) {
    i64 count = 0;
    for (i64 first = 0; first < code->channels && count < PLANES * BANDS; count++) {
        i64 last = first + 1, number = band_number(code, first);
        while (last < code->channels && band_number(code, last) == number) last++;
        code->bands[count] = (Band){first, last, number};
        first = last;
    }
    code->band_count = count;
}

/* The bands that have a level other than 0. */
INLINE u16 coded_bands(const Code *code, const i32 *levels) {
    u32 coded = 0;
    for (i64 b = 0; b < code->band_count; b++) {
        const Band *band = &code->bands[b];
        i32 any = 0;
        for (i64 channel = band->first; channel < band->last; channel++) any |= levels[channel];
        coded |= (u32)(any != 0) << band->number;
    }
    return (u16)coded;
}
