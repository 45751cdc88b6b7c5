/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/key.h"

#include "vehicle/canonical.h"

void key_to_cursor(const struct row_key *key, struct sink_cursor *cursor)
{
    memset(cursor->bytes, 0, sizeof cursor->bytes);
    cursor->bytes[0] = 1;
    key_store_be64(cursor->bytes + 8, key->hash);
    key_store_be64(cursor->bytes + 16, (uint64_t)key->time_ms);
    key_store_be64(cursor->bytes + 24, key->order);
    key_store_be64(cursor->bytes + 32, key->content);
}

bool key_from_cursor(const struct sink_cursor *cursor, struct row_key *key)
{
    key->hash = key_load_be64(cursor->bytes + 8);
    key->time_ms = (int64_t)key_load_be64(cursor->bytes + 16);
    key->order = key_load_be64(cursor->bytes + 24);
    key->content = key_load_be64(cursor->bytes + 32);
    return cursor->bytes[0] == 1;
}

void key_vehicle_to_cursor(struct bytes vehicle, struct sink_cursor *cursor)
{
    memset(cursor->bytes, 0, sizeof cursor->bytes);
    memcpy(cursor->bytes, vehicle.ptr, vehicle.len);
}

struct bytes key_vehicle_from_cursor(const struct sink_cursor *cursor)
{
    const char *text = (const char *)cursor->bytes;
    return bytes_of(text, strnlen(text, sizeof cursor->bytes));
}

int key_row(struct packet_scratch *scratch, const struct row_key *key, struct bytes canonical,
            struct sink_row *row, struct error *err)
{
    struct reject reject = {0};
    row->canonical = canonical;
    if (!canonical_decode(scratch, canonical, &row->packet, &reject))
        return error_set(err, ERROR_CORRUPT, "a stored packet can't be decoded: %s: %s",
                         reason_code(reject.reason), reject.detail);
    row->packet.identity = key_identity(key);
    row->packet.order = key->order;
    row->packet.time_ms = key->time_ms;
    return 0;
}
