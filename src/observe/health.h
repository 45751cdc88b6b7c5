/* SPDX-License-Identifier: Apache-2.0 */
/* Is this process alive, and can it do its job? Each part of the program owns a
 * named check and sets it from any thread; /readyz is the conjunction. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"

struct health_check;

/* A check starts as not ready with the reason "starting". At most 32; the
 * pointer lives until the end of the process. Same name, same check. */
struct health_check *health_check(const char *name);
void health_set_ready(struct health_check *check);
/* The reason is copied (cut at 127 bytes). */
void health_set_unready(struct health_check *check, const char *reason);
/* The part is gone (its role stopped): no longer counted. */
void health_retire(struct health_check *check);

/* All checks ready? Appends {"ready":…,"checks":{"name":"ok"|"reason",…}}. */
bool health_print(struct buf *out);
