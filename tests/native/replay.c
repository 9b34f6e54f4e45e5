/* A fuzz target without libFuzzer: runs files through it and prints what became of each.
 *
 *     replay FILE ...
 *
 * A line is "FILE result digest"; the result is that of the last call that failed, or 0.
 *
 * Any compiler builds it, so that finds stay mended where clang is absent, and other processors
 * can be compared bit by bit.
 */
#include <stdio.h>
#include <string.h>

#include "harness.h"

static const uint8_t *read_file(const char *name, size_t *size) {
    FILE *file = fopen(name, "rb");
    if (!file) return NULL;
    fseek(file, 0, SEEK_END);
    *size = (size_t)ftell(file);
    rewind(file);
    uint8_t *data = malloc(*size + 1);
    size_t done = data ? fread(data, 1, *size, file) : 0;
    fclose(file);
    return done == *size ? data : NULL;
}

int main(int count, char **arguments) {
    for (int i = 1; i < count; i++) {
        size_t size = 0;
        const uint8_t *data = read_file(arguments[i], &size);
        if (!data) {
            fprintf(stderr, "%s cannot be read\n", arguments[i]);
            return 1;
        }
        LLVMFuzzerTestOneInput(data, size);
        printf("%s %lld %016llx\n", arguments[i], (long long)run_result,
               (unsigned long long)run_digest);
        fflush(stdout);
        free((void *)data);
    }
    return 0;
}
