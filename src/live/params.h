/* SPDX-License-Identifier: Apache-2.0 */
/* A request's query, strictly: a misspelt parameter is an error, never ignored. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/bytes.h"

/* Every name is one of `known` (NULL-terminated), none comes twice, and each
 * value can be decoded. Else false, and `problem` says which and why. */
bool params_check(struct bytes query, const char *const *known, char *problem, size_t size);
/* A whole number from least to most; the fallback when it is absent. false:
 * `problem` says why. */
bool params_number(struct bytes query, const char *name, uint64_t least, uint64_t most,
                   uint64_t fallback, uint64_t *out, char *problem, size_t size);
/* Is it there? */
bool params_has(struct bytes query, const char *name);
