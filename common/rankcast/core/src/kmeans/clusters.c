/* Steps of Lloyd's algorithm and of its starts, over weighted points. */

int64_t rk_kmeans_approach(const float *points, int64_t count, int64_t channels,
                           const float *centres, int64_t centre_count, const float *before,
                           float *after) {
    Block block;
    for (i64 first = 0; first < count; first += BLOCK_POINTS) {
        i64 size = load_block(&block, points, SAMPLES_FLOAT, first, count, channels);
        for (i64 k = 0; k < centre_count; k++) {
            const f32 *centre = centres + k * channels;
            f32 sums[BLOCK_POINTS] = {0};
            for (i64 c = 0; c < channels; c++) {
                for (i64 p = 0; p < BLOCK_POINTS; p++) {
                    f32 difference = block.samples[c][p] - centre[c];
                    sums[p] += difference * difference;
                }
            }
            f32 *nearer = after + k * count + first;
            for (i64 p = 0; p < size; p++)
                nearer[p] = sums[p] < before[first + p] ? sums[p] : before[first + p];
        }
    }
    return RK_OK;
}

int64_t rk_kmeans_accumulate(const float *points, const float *weights, const uint16_t *labels,
                             int64_t count, int64_t channels, double *sums) {
    for (i64 i = 0; i < count; i++) {
        f64 *sum = sums + labels[i] * (channels + 1);
        f64 weight = weights[i];
        for (i64 c = 0; c < channels; c++) sum[c] += weight * points[i * channels + c];
        sum[channels] += weight;
    }
    return RK_OK;
}
