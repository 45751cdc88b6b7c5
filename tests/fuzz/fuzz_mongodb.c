/* SPDX-License-Identifier: Apache-2.0 */
/* Canonical packets of any origin as MongoDB documents: valid BSON, and back
 * byte for byte. Documents of any origin: refused or read, never more. */
#include <stdlib.h>

#include "base/must.h"
#include "sink/mongodb/decode.h"
#include "sink/mongodb/encode.h"
#include "vehicle/canonical.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct packet_scratch *scratch;
static struct encoder *encoder;
static struct decoder *decoder;
static struct buf out;

static void check_back(const struct sink_row *row)
{
    struct sink_row found;
    struct error err;
    bson_t document;
    size_t offset;
    must(bson_init_static(&document, (const uint8_t *)out.ptr, out.len));
    must(bson_validate(&document, BSON_VALIDATE_UTF8 | BSON_VALIDATE_UTF8_ALLOW_NULL, &offset));
    must(decoder_row(decoder, &document, &found, &err) == 0);
    must(bytes_equal(found.canonical, row->canonical));
    must(memcmp(&found.packet.identity, &row->packet.identity, PACKET_IDENTITY_LEN) == 0);
    must(found.packet.time_ms == row->packet.time_ms);
}

static void check_packet(struct bytes text)
{
    struct sink_row row = {.canonical = text, .source = {BYTES("a.b"), 1, 2}};
    struct reject reject;
    struct bytes category;
    if (!canonical_decode(scratch, text, &row.packet, &reject) ||
        memchr(row.packet.vehicle.ptr, '\0', row.packet.vehicle.len) != NULL)
        return;
    buf_clear(&out);
    must(encoder_put(encoder, &row, &out, &category) == ENCODE_DONE);
    check_back(&row);
}

static void check_document(const uint8_t *data, size_t size)
{
    bson_t document;
    struct sink_row row;
    struct error err;
    if (bson_init_static(&document, data, size))
        decoder_row(decoder, &document, &row, &err);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (scratch == NULL) {
        scratch = packet_scratch_new();
        encoder = encoder_new();
        decoder = decoder_new();
        must(scratch != NULL && encoder != NULL && decoder != NULL);
    }
    char *copy = malloc(size + 1);
    must(copy != NULL);
    memcpy(copy, data, size);
    check_packet(bytes_of(copy, size));
    check_document((const uint8_t *)copy, size);
    free(copy);
    return 0;
}
