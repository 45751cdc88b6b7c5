/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a fuzz target over every file of its corpus: `replay_x DIRECTORY`. Fails
 * when there is none, so that a moved corpus is noticed. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* An allocation of exactly the input's size: a sanitizer sees one byte too far. */
static int run_file(const char *path)
{
    struct stat st;
    FILE *file = fopen(path, "rb");
    if (file == NULL || fstat(fileno(file), &st) != 0) {
        perror(path);
        if (file != NULL)
            fclose(file);
        return -1;
    }
    size_t size = (size_t)st.st_size;
    uint8_t *data = malloc(size > 0 ? size : 1);
    int rc = data != NULL && fread(data, 1, size, file) == size ? 0 : -1;
    if (rc == 0)
        LLVMFuzzerTestOneInput(data, size);
    else
        perror(path);
    free(data);
    fclose(file);
    return rc;
}

int main(int argc, char **argv)
{
    DIR *directory = argc == 2 ? opendir(argv[1]) : NULL;
    if (directory == NULL) {
        fprintf(stderr, "usage: %s CORPUS_DIRECTORY\n", argv[0]);
        return 2;
    }
    unsigned count = 0;
    int rc = 0;
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        fprintf(stderr, "%s\n", path);
        rc |= run_file(path);
        count++;
    }
    closedir(directory);
    printf("%u inputs replayed\n", count);
    return rc != 0 || count == 0;
}
