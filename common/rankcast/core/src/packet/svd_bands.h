/* Bands of an svd packet: ranks that rise from band to band, and the bytes of each.
 *
 * A band holds the planes in order, so that whoever takes planes one by one reads each band once,
 * from its start to its end.
 */
#ifndef RK_SVD_BANDS_H
#define RK_SVD_BANDS_H

#include "svd_factors.h"

enum { MOST_BANDS = 8, RANK_BYTES = 2, BAND_SIZE_BYTES = 4, ERROR_BYTES = 8, ENERGY_BYTES = 4 };
enum { MOST_ENERGY_PPB = 1000000000 };

typedef struct {
    i64 count;
    i64 is_cut;                              /* bands behind the last one were dropped */
    u16 ranks[MOST_BANDS + 1][MOST_CHANNELS]; /* before each band, and behind the last one */
    Bytes left[MOST_BANDS];                  /* what of each band was not read yet */
} Bands;

/* Ranks must not fall, and a plane that has any has one in the first band. */
static int do_ranks_rise(const Bands *bands, const Factors *f) {
    for (i64 b = 0; b < bands->count; b++) {
        i64 risen = 0;
        for (i64 i = 0; i < f->plane_count; i++) {
            i64 rank = bands->ranks[b + 1][i], before = bands->ranks[b][i];
            if (rank < before || (b > 0 && before == 0 && rank > 0)) return 0;
            risen += rank - before;
        }
        if (b > 0 && risen == 0) return 0;
    }
    return 1;
}

static i64 read_bands(const Factors *f, Bytes body, Bands *bands) {
    if (bytes_left(&body) < 2) return RK_ERROR_STREAM;
    bands->count = cut_bytes(&body, 1).at[0];
    bands->is_cut = cut_bytes(&body, 1).at[0];
    i64 entry_bytes = RANK_BYTES * f->plane_count + BAND_SIZE_BYTES + ERROR_BYTES + ENERGY_BYTES;
    if (bands->count < 1 || bands->count > MOST_BANDS || bands->is_cut > 1
        || bytes_left(&body) < entry_bytes * (bands->count - 1))
        return RK_ERROR_STREAM;
    i64 last = bands->count - 1, sizes[MOST_BANDS];
    CLEAR(bands->ranks, sizeof(bands->ranks));
    for (i64 b = 0; b < last; b++) {
        for (i64 i = 0; i < f->plane_count; i++)
            bands->ranks[b + 1][i] = (u16)read_number(cut_bytes(&body, RANK_BYTES).at, RANK_BYTES);
        sizes[b] = (i64)read_number(cut_bytes(&body, BAND_SIZE_BYTES).at, BAND_SIZE_BYTES);
        cut_bytes(&body, ERROR_BYTES);
        if (read_number(cut_bytes(&body, ENERGY_BYTES).at, ENERGY_BYTES) > MOST_ENERGY_PPB)
            return RK_ERROR_STREAM;
    }
    for (i64 i = 0; i < f->plane_count; i++)
        bands->ranks[last + 1][i] = (u16)f->planes[i].rank;
    for (i64 b = 0; b < last; b++) {
        if (sizes[b] > bytes_left(&body)) return RK_ERROR_STREAM;
        bands->left[b] = cut_bytes(&body, sizes[b]);
    }
    bands->left[last] = body;
    return do_ranks_rise(bands, f) ? RK_OK : RK_ERROR_STREAM;
}

/* Whether every band ended with its last plane. */
static int are_bands_read(const Bands *bands) {
    for (i64 b = 0; b < bands->count; b++)
        if (bytes_left(&bands->left[b]) > 0) return 0;
    return 1;
}

#endif
