/* SPDX-License-Identifier: Apache-2.0 */
/* Names for systems that give some characters a meaning. Pure. */
#pragma once

#include "base/buf.h"
#include "base/bytes.h"

/* Letters and digits as they are, those of `also` too; all else is '_'. An empty
 * text becomes one '_', so that no part of a path is missing. */
void name_append_safe(struct buf *out, struct bytes text, const char *also);

/* A prefix from its setting: {host} and {role} are replaced, made safe ('.' in
 * them as well), the rest kept. */
void name_expand(struct buf *out, const char *pattern, const char *host, const char *role);
