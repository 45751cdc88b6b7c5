/* SPDX-License-Identifier: Apache-2.0 */
/* <journal>/meta: the version of the format, and the topics. Text:
 *
 *     motorcade-journal 1
 *     topic <number> <partitions> <name>
 *     …
 *     crc32c <8 hex digits of all lines before>
 *
 * Written anew for each new topic, as a whole: file, sync, rename, sync of the
 * folder. When it is damaged, the topics come from a checkpoint. */
#pragma once

#include "base/bytes.h"
#include "base/error.h"
#include "broker/journal/io.h"
#include "broker/topics.h"

#define META_VERSION 1

/* Puts the topics into the table, which is empty or has some of them. *is_found
 * is false when there is no file, or a damaged one (which is logged).
 * ERROR_CONFIG: of a newer version. */
int meta_read(const struct journal_io *io, const char *dir, struct topics *topics, bool *is_found,
              struct error *err);
/* The first `count` entries of the table. */
int meta_write(const struct journal_io *io, const char *dir, const struct topics *topics, int count,
               struct error *err);
/* One topic from meta or a checkpoint; false: impossible (not the next number,
 * or a bad name). What is there already is passed over. */
bool meta_add_topic(struct topics *topics, uint64_t number, uint64_t partitions, struct bytes name);
