/* SPDX-License-Identifier: Apache-2.0 */
/* One GET, whole, by libcurl. Blocks: for tools and threads of their own. */
#pragma once

#include "base/buf.h"
#include "base/error.h"

/* Appends the body; more than out->limit is an error, as is any status but 200.
 * http:// is put before a url that names no scheme. */
int fetch_text(const char *url, int64_t timeout_ns, struct buf *out, struct error *err);
