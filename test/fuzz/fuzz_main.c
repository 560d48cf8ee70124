/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without libFuzzer, as a test: over the files, or the directories of files,
 * named on the command line, and over inputs of a small generator, the same ones every time. With
 * files only (no directory), for one that crashed, the generator is left out.
 */
#include <dirent.h>
#include <limits.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define INPUT_MAX 65536
#ifndef ROUNDS
#define ROUNDS 200000 /* targets that do much per input have less: meson.build */
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint8_t input[INPUT_MAX];

static int file_run(const char *name)
{
    FILE *file = fopen(name, "rb");
    if (file == NULL) {
        perror(name);
        return 1;
    }
    size_t len = fread(input, 1, sizeof(input), file);
    fclose(file);
    return LLVMFuzzerTestOneInput(input, len);
}

static int directory_run(DIR *directory, const char *name)
{
    char path[PATH_MAX];
    int status = 0;
    for (const struct dirent *entry; status == 0 && (entry = readdir(directory)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        (void)snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
        status = file_run(path);
    }
    (void)closedir(directory);
    return status;
}

static uint64_t next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

int main(int argc, char **argv)
{
    uint64_t state = 0x9e3779b97f4a7c15u;
    bool generate = argc == 1;
    for (int i = 1; i < argc; i++) {
        DIR *directory = opendir(argv[i]);
        generate |= directory != NULL;
        if ((directory != NULL ? directory_run(directory, argv[i]) : file_run(argv[i])) != 0)
            return 1;
    }
    for (int round = 0; generate && round < ROUNDS; round++) {
        size_t len = next(&state) % (round % 16 == 0 ? 2048 : 128);
        /* few values, so that lengths and types are often small */
        for (size_t i = 0; i < len; i++)
            input[i] = (uint8_t)(next(&state) >> (next(&state) % 3 == 0 ? 0 : 60));
        (void)LLVMFuzzerTestOneInput(input, len);
    }
    return 0;
}
