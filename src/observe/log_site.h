/* SPDX-License-Identifier: Apache-2.0 */
/* How often each call site may speak: a bucket of `burst` lines that fills with
 * `per_s` lines a second. What is held back is counted, and told by the next
 * line of the site that gets through. A site is known by its message's address
 * and its module's: messages are constant texts. Any thread, no lock; bounded:
 * a site that finds no place (more than LOG_SITES_MAX) is not limited. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

enum { LOG_SITES_MAX = 512 };

/* May it speak now (monotonic ns)? *held = lines held back since it last did. */
bool log_site_take(const char *module, const char *message, int64_t now_ns, int64_t burst,
                   int64_t per_s, uint64_t *held);
