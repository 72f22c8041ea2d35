/*
 * main() where there is no libFuzzer: runs the target once on each file named.
 */
#include <stdio.h>
#include <stdlib.h>

#include "fuzz.h"

/* A block of exactly the file's size; fseek would lie for a device, but these are seeds. */
static uint8_t *read_all(const char *path, size_t *psize)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = NULL;
    long size;

    if (!f) {
        return NULL;
    }
    if (fseek(f, 0, SEEK_END) == 0 && (size = ftell(f)) >= 0 && fseek(f, 0, SEEK_SET) == 0) {
        *psize = (size_t)size;
        data = malloc(*psize);
        if (data && fread(data, 1, *psize, f) != *psize) {
            free(data);
            data = NULL;
        }
    }
    fclose(f);
    return data;
}

int main(int argc, char **argv)
{
    size_t size;
    uint8_t *data;
    int i;

    for (i = 1; i < argc; i++) {
        fprintf(stderr, "Running: %s\n", argv[i]); /* the last one named is the one that failed */
        data = read_all(argv[i], &size);
        if (!data) {
            perror(argv[i]);
            return 1;
        }
        LLVMFuzzerTestOneInput(data, size);
        free(data);
        fprintf(stderr, "Executed %s\n", argv[i]);
    }
    return 0;
}
