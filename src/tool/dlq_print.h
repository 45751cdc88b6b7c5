/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters as text: what `motorcade dlq` prints. */
#pragma once

#include "base/buf.h"
#include "tool/dlq_book.h"

/* Two lines. */
void dlq_put_text(struct buf *out, const struct dlq_book *book, const struct dlq_letter *letter);
/* One line; `value` NULL: without it. A value that is not UTF-8: value_hex. */
void dlq_put_json(struct buf *out, const struct dlq_book *book, const struct dlq_letter *letter,
                  const struct bytes *value);
/* All there is to say, and the value. */
void dlq_put_whole(struct buf *out, const struct dlq_book *book, const struct dlq_letter *letter,
                   struct bytes value);
