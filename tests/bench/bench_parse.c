/* SPDX-License-Identifier: Apache-2.0 */
/* G3: nanoseconds of CPU to decode one GPS packet of 148 bytes, against jansson
 * and cJSON, which only build their trees: our figure includes finding the
 * dialect, the vehicle, the position and the time. The programs take turns on
 * the same packets in each round; the table shows medians over the rounds. There
 * are a thousand different packets, so that no branch is learnt by heart.
 * usage: bench_parse [rounds [only those with this in their name]] */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cjson/cJSON.h>
#include <jansson.h>

#include "base/buf.h"
#include "base/text.h"
#include "vehicle/canonical.h"
#include "vehicle/dialect.h"

enum { PACKETS = 1024, ROUNDS_MAX = 5001 };

struct input {
    struct bytes texts[PACKETS];
    struct bytes anywhere[PACKETS]; /* as many digits and signs as the globe has */
    struct bytes mixed[PACKETS];    /* four layouts in turn at random */
    struct bytes envelopes[PACKETS];
    struct bytes canonical[PACKETS];
};

static struct input input;
static struct packet_scratch *scratch;
static double sink; /* keeps results alive */

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

/* splitmix64: the same packets in every run. */
static uint64_t random_next(void)
{
    static uint64_t state = 7;
    uint64_t z = (state += 0x9E3779B97F4A7C15u);
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
}

static double random_between(double low, double high)
{
    return low + (high - low) * (double)(random_next() >> 11) * 0x1p-53;
}

static struct bytes print_obu(unsigned layout, bool is_anywhere)
{
    static const char *const tails[] = {
        ",\"fuel\":%.2f,\"gear\":\"D\"}",
        ",\"fuel\":%.2f,\"occupied\":true}",
        ",\"battery\":{\"soc\":%.2f}}",
        ",\"accuracy\":%.2f}",
    };
    char text[300];
    int len = snprintf(text, sizeof text,
                       "{\"obuid\":%llu,\"lat\":%.6f,\"lon\":%.6f,\"time\":%llu,\"speed\":%.2f,"
                       "\"heading\":%.1f,\"altitude\":%.1f",
                       (unsigned long long)(random_next() | UINT64_C(1) << 62) >> 1,
                       is_anywhere ? random_between(-85, 85) : random_between(37.6, 37.9),
                       is_anywhere ? random_between(-180, 180) : random_between(-122.6, -122.3),
                       1211266800000ULL + random_next() % 86400000, random_between(0, 40),
                       random_between(0, 360), random_between(0, 300));
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    len += snprintf(text + len, sizeof text - (size_t)len, tails[layout], random_between(0, 1));
    return bytes_of(bytes_dup_text(bytes_of(text, (size_t)len)), (size_t)len);
}

static struct bytes print_envelope(unsigned number)
{
    char text[400];
    int len = snprintf(text, sizeof text,
                       "{\"id\":\"msg-%u\",\"timestamp\":\"2008-05-20T07:%02u:%02u.250Z\","
                       "\"source\":\"car-%u\",\"type\":\"telemetry\",\"payload\":{\"lat\":%.6f,"
                       "\"lon\":%.6f,\"engine\":{\"rpm\":%u}},\"metadata\":{\"v\":1}}",
                       number, number % 60, number / 60 % 60, number % 500, random_between(-85, 85),
                       random_between(-180, 180), number % 5000);
    return bytes_of(bytes_dup_text(bytes_of(text, (size_t)len)), (size_t)len);
}

static struct bytes print_canonical(struct bytes text)
{
    struct packet packet;
    struct reject reject;
    struct buf out;
    buf_init(&out, 0);
    if (!dialect_decode(scratch, text, &packet, &reject))
        abort();
    packet_identify(&packet, INT64_C(1211266800123456789), 0);
    packet.category = BYTES("position");
    if (canonical_encode(&packet, &out) != 0)
        abort();
    return buf_bytes(&out);
}

static void make_input(void)
{
    for (unsigned i = 0; i < PACKETS; i++) {
        input.texts[i] = print_obu(0, false);
        input.anywhere[i] = print_obu(0, true);
        input.mixed[i] = print_obu(random_next() % 4, false);
        input.envelopes[i] = print_envelope(i);
        input.canonical[i] = print_canonical(input.texts[i]);
    }
}

static void decode_all(const struct bytes *texts)
{
    struct packet packet;
    struct reject reject;
    for (size_t i = 0; i < PACKETS; i++) {
        if (!dialect_decode(scratch, texts[i], &packet, &reject))
            abort();
        sink += packet.lat + (double)packet.signal_count;
    }
}

static void run_obu(void)
{
    decode_all(input.texts);
}

static void run_anywhere(void)
{
    decode_all(input.anywhere);
}

static void run_mixed(void)
{
    decode_all(input.mixed);
}

static void run_envelope(void)
{
    decode_all(input.envelopes);
}

static void run_identify(void)
{
    struct packet packet;
    struct reject reject;
    for (size_t i = 0; i < PACKETS; i++) {
        if (!dialect_decode(scratch, input.texts[i], &packet, &reject))
            abort();
        packet_identify(&packet, 5, 6);
        sink += packet.identity.bytes[3];
    }
}

static void run_canonical_decode(void)
{
    struct packet packet;
    struct reject reject;
    for (size_t i = 0; i < PACKETS; i++) {
        if (!canonical_decode(scratch, input.canonical[i], &packet, &reject))
            abort();
        sink += packet.lat;
    }
}

static void run_canonical_encode(void)
{
    static struct buf out;
    struct packet packet;
    struct reject reject;
    for (size_t i = 0; i < PACKETS; i++) {
        if (!dialect_decode(scratch, input.texts[i], &packet, &reject))
            abort();
        packet.category = BYTES("position");
        buf_clear(&out);
        canonical_encode(&packet, &out);
        sink += (double)out.len;
    }
}

static void run_jansson(void)
{
    for (size_t i = 0; i < PACKETS; i++) {
        json_t *tree =
            json_loadb(input.texts[i].ptr, input.texts[i].len, JSON_REJECT_DUPLICATES, NULL);
        if (tree == NULL)
            abort();
        sink += json_number_value(json_object_get(tree, "lat"));
        json_decref(tree);
    }
}

static void run_cjson(void)
{
    for (size_t i = 0; i < PACKETS; i++) {
        cJSON *tree = cJSON_ParseWithLength(input.texts[i].ptr, input.texts[i].len);
        if (tree == NULL)
            abort();
        sink += cJSON_GetObjectItemCaseSensitive(tree, "lat")->valuedouble;
        cJSON_Delete(tree);
    }
}

struct contender {
    const char *name;
    void (*run)(void);
    unsigned rounds; /* one in how many rounds it takes part */
    double ns[ROUNDS_MAX];
    size_t count;
};

static struct contender contenders[] = {
    {.name = "dialect_decode, OBU, a city's fleet", .run = run_obu, .rounds = 1},
    {.name = "dialect_decode, OBU, all over the world", .run = run_anywhere, .rounds = 1},
    {.name = "dialect_decode, OBU, four layouts mixed", .run = run_mixed, .rounds = 1},
    {.name = "dialect_decode, envelope", .run = run_envelope, .rounds = 1},
    {.name = "dialect_decode + packet_identify", .run = run_identify, .rounds = 1},
    {.name = "dialect_decode + canonical_encode", .run = run_canonical_encode, .rounds = 1},
    {.name = "canonical_decode", .run = run_canonical_decode, .rounds = 1},
    {.name = "cJSON_ParseWithLength", .run = run_cjson, .rounds = 5},
    {.name = "jansson json_loadb", .run = run_jansson, .rounds = 5},
};
enum { CONTENDERS = sizeof contenders / sizeof contenders[0] };

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(struct contender *contender)
{
    if (contender->count == 0)
        return 1;
    qsort(contender->ns, contender->count, sizeof contender->ns[0], compare);
    return contender->ns[contender->count / 2];
}

int main(int argc, char **argv)
{
    const char *only = argc > 2 ? argv[2] : "";
    unsigned rounds = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 101;
    if (rounds < 5 || rounds > ROUNDS_MAX)
        rounds = 101;
    scratch = packet_scratch_new();
    if (scratch == NULL)
        return 1;
    make_input();
    for (unsigned round = 0; round < rounds; round++) {
        for (size_t c = 0; c < CONTENDERS; c++) {
            if (round % contenders[c].rounds != 0 || strstr(contenders[c].name, only) == NULL)
                continue;
            int64_t start = cpu_ns();
            contenders[c].run();
            contenders[c].ns[contenders[c].count++] = (double)(cpu_ns() - start) / PACKETS;
        }
    }
    double ours = median(&contenders[0]);
    printf("%zu-byte OBU packet: %s\n%zu-byte canonical packet, %zu-byte envelope\n\n",
           input.texts[0].len, input.texts[0].ptr, input.canonical[0].len, input.envelopes[0].len);
    printf("%-44s %10s %8s\n", "", "ns/packet", "x ours");
    for (size_t c = 0; c < CONTENDERS; c++)
        if (contenders[c].count > 0)
            printf("%-44s %10.1f %8.1f\n", contenders[c].name, median(&contenders[c]),
                   median(&contenders[c]) / ours);
    packet_scratch_free(scratch);
    return sink == 0.5;
}
