/* SPDX-License-Identifier: Apache-2.0 */
/* A document of encode.h as a packet again: its canonical bytes from `canonical`
 * where that is there, else from the fields. The database is not trusted: what
 * has another form is ERROR_CORRUPT. */
#pragma once

#include <mongoc/mongoc.h>

#include "sink/key.h"

struct decoder;

struct decoder *decoder_new(void); /* one thread each; NULL without memory */
void decoder_free(struct decoder *decoder);
/* The row is valid until the next call. */
int decoder_row(struct decoder *decoder, const bson_t *document, struct sink_row *row,
                struct error *err);
/* Only where it stands in the order of results. */
int decoder_key(const bson_t *document, struct row_key *key, struct error *err);
