/* SPDX-License-Identifier: Apache-2.0 */
/* What a server answers a client: read tolerantly, within its bytes. */
#include "base/must.h"
#include "simulate/reply.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void on_reject(void *context, const struct reply *reply)
{
    uint64_t *count = context;
    must(reply->reason != 0 && reply->reason < REPLY_REASONS_MAX);
    ++*count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct reply_reader *reader = reply_reader_new();
    must(reader != NULL);
    struct bytes text = bytes_of((const char *)data, size);
    struct reply reply;
    if (reply_read_message(reader, text, &reply) == REPLY_REJECT) {
        must(reply.reason != 0 && reply.reason < REPLY_REASONS_MAX);
        must(reply.detail.len == 0 ||
             (reply.detail.ptr > text.ptr && reply.detail.ptr < text.ptr + size));
    }
    struct reply_totals totals;
    uint64_t count = 0;
    if (reply_read_body(reader, text, &totals, on_reject, &count))
        must(totals.rejected >= count);
    reply_reader_free(reader);
    return 0;
}
