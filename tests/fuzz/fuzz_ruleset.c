/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a ruleset: refused with words, or a ruleset that decides on
 * packets, two threads of it the same. */
#include <stdint.h>
#include <stdlib.h>

#include "base/must.h"
#include "vehicle/canonical.h"
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

enum { PACKETS = sizeof packets / sizeof packets[0] };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct rule_thread *thread_of(struct ruleset *ruleset)
{
    const struct state_limits limits = {.vehicles = 100, .bytes = 1 << 20};
    struct rule_thread *thread;
    return ruleset_thread_new(&thread, ruleset, &limits, NULL, NULL) == 0 ? thread : NULL;
}

/* On a copy: transforms change it. */
static enum verdict decide(const struct ruleset *ruleset, struct packet packet,
                           struct rule_thread *thread, struct decision *out)
{
    struct rule_context context = {.received_ns = packet.received_ns, .thread = thread};
    enum verdict verdict = ruleset_apply(ruleset, &packet, &context, out);
    struct buf canonical;
    buf_init(&canonical, 0);
    must(canonical_encode(&packet, &canonical) == 0);
    buf_deinit(&canonical);
    return verdict;
}

static void check_packet(const struct ruleset *ruleset, struct packet_scratch *scratch,
                         struct rule_thread *threads[2], size_t i)
{
    struct packet packet;
    struct reject reject;
    must(dialect_decode(scratch, bytes_from_text(packets[i % PACKETS]), &packet, &reject));
    packet_identify(&packet, INT64_C(1779278400000000000) + (int64_t)i * 1000000000, i);
    struct decision first, second;
    enum verdict verdict = decide(ruleset, packet, threads[0], &first);
    must(verdict == decide(ruleset, packet, threads[1], &second));
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
    struct rule_thread *threads[2] = {thread_of(ruleset), thread_of(ruleset)};
    must(scratch != NULL && threads[0] != NULL && threads[1] != NULL);
    for (size_t i = 0; i < 4 * PACKETS; i++)
        check_packet(ruleset, scratch, threads, i);
    packet_scratch_free(scratch);
    ruleset_thread_free(threads[0]);
    ruleset_thread_free(threads[1]);
    ruleset_unref(ruleset);
    return 0;
}
