/* SPDX-License-Identifier: Apache-2.0 */
/* A bug, not a failure: conditions that only wrong code can break. On in
 * release builds too: stopping is better than acking what is not so. */
#pragma once

_Noreturn void must_failed(const char *condition, const char *file, int line);

#define must(condition) ((condition) ? (void)0 : must_failed(#condition, __FILE__, __LINE__))
