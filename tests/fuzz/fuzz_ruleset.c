/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a ruleset: refused with words, or a ruleset that decides on
 * packets, twice the same. */
#include <stdint.h>
#include <stdlib.h>

#include "base/must.h"
#include "vehicle/dialect.h"
#include "vehicle/ruleset.h"

static const char *const packets[] = {
    "{\"obuid\":1,\"lat\":91,\"lon\":2,\"speed\":-1,\"time\":1211266860,\"a\":{\"b\":[1,"
    "\"\\u0041\"]}}",
    "{\"obuid\":\"x\",\"lat\":1e308,\"soc\":5,\"on\":true,\"none\":null,\"empty\":{}}",
    "{\"id\":\"1\",\"timestamp\":\"2026-05-20T12:00:00Z\",\"source\":\"v\",\"type\":\"t\","
    "\"payload\":{"
    "\"x\":\"y\"}}",
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_packet(const struct ruleset *ruleset, struct packet_scratch *scratch,
                         const char *json)
{
    struct packet packet;
    struct reject reject;
    must(dialect_decode(scratch, bytes_from_text(json), &packet, &reject));
    packet_identify(&packet, INT64_C(1779278400000000000), 1);
    struct rule_context context = {.received_ns = packet.received_ns};
    struct decision first, second;
    enum verdict verdict = ruleset_apply(ruleset, &packet, &context, &first);
    must(verdict == ruleset_apply(ruleset, &packet, &context, &second));
    must(first.category == second.category && first.category < ruleset_category_count(ruleset));
    must((verdict == VERDICT_PASS) == (first.failed_count == 0));
    must(verdict != VERDICT_DEAD_LETTER || first.detail[0] != '\0');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ruleset *ruleset;
    struct error err = {0};
    if (ruleset_load_bytes(&ruleset, "fuzz", bytes_of((const char *)data, size), &err) != 0) {
        must(err.text[0] != '\0');
        return 0;
    }
    struct packet_scratch *scratch = packet_scratch_new();
    must(scratch != NULL);
    for (size_t i = 0; i < sizeof packets / sizeof packets[0]; i++)
        check_packet(ruleset, scratch, packets[i]);
    packet_scratch_free(scratch);
    ruleset_unref(ruleset);
    return 0;
}
