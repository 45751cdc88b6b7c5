/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/data_dir.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int print_path(char *out, size_t size, const char *start, size_t start_len, const char *end,
                      struct error *err)
{
    int len = snprintf(out, size, "%.*s%s", (int)start_len, start, end);
    if (len < 0 || (size_t)len >= size)
        return error_set(err, ERROR_CONFIG, "the data folder's path is too long");
    return 0;
}

int data_dir_default(char *out, size_t size, struct error *err)
{
    const char *state = getenv("STATE_DIRECTORY");
    if (state != NULL && state[0] != '\0')
        return print_path(out, size, state, strcspn(state, ":"), "", err);
    const char *home = getenv("HOME");
    if (home == NULL || home[0] == '\0')
        return error_set(
            err, ERROR_CONFIG,
            "no data folder: give --data DIR (neither STATE_DIRECTORY nor HOME is set)");
    return print_path(out, size, home, strlen(home), "/.local/state/motorcade", err);
}
