/* SPDX-License-Identifier: Apache-2.0 */
/* What the client pays for a document, BSON built from the canonical bytes,
 * against libmongoc's insert_many with validation off by a program that has the
 * values at hand and builds the same document with bson_append_*. Both send to
 * a server that keeps nothing (support/mongo_reply.h); rounds are interleaved,
 * medians printed. CPU is this process's, kernel included.
 *
 * Then the parts alone, the size of a document with and without its canonical
 * text, and, where MOTORCADE_TEST_MONGODB_URI names a server, the rate against
 * that.
 *
 *   bench_mongodb [ROWS [ROUNDS]] */
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "sink/config.h"
#include "sink/mongodb/decode.h"
#include "sink/mongodb/encode.h"
#include "sink/sink.h"
#include "support/mongo_reply.h"
#include "support/rows.h"

enum { BATCH = 20000, MESSAGE = 1000, VEHICLES = 5000, ROUNDS_MAX = 31 };

static const char *const indexes[] = {"vehicle+time+_id"};

static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

static void make_rows(struct rows *rows, size_t count, int64_t first)
{
    rows_clear(rows);
    for (size_t i = 0; i < count; i++) {
        int64_t n = first + (int64_t)i, time_ms = INT64_C(1211284800000) + n / VEHICLES * 1000;
        rows_add(rows, time_ms * NS_PER_MS + 123456,
                 "{\"obuid\":%lld,\"lat\":37.%05d,\"lon\":-122.%05d,\"time\":%lld,\"speed\":%d.5,"
                 "\"heading\":%d,\"occupied\":%d,\"fuel\":0.%d}",
                 (long long)(n % VEHICLES + 8674665223082LL), (int)(n * 7919 % 99999),
                 (int)(n * 104729 % 99999), (long long)time_ms, (int)(n % 30), (int)(n % 360),
                 (int)(n & 1), (int)(n % 9) + 1);
    }
}

static struct sink *open_sink(const char *uri, const char *database, int64_t writers)
{
    struct sink *sink;
    struct error err;
    const struct sink_config config = {.kind = SINK_MONGODB,
                                       .vehicles_in_memory = 1000000,
                                       .mongodb = {.uri = uri,
                                                   .database = database,
                                                   .indexes = {indexes, 1},
                                                   .w = "majority",
                                                   .is_journaled = true,
                                                   .message_docs = MESSAGE,
                                                   .writers = writers,
                                                   .selection_timeout_ns = 5 * NS_PER_S,
                                                   .socket_timeout_ns = 60 * NS_PER_S}};
    if (sink_open(&sink, &config, false, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
    return sink;
}

static void write_rows(struct sink *sink, const struct rows *rows)
{
    for (size_t i = 0; i < rows->count; i += BATCH) {
        struct sink_write_result result;
        struct error err;
        size_t count = rows->count - i < BATCH ? rows->count - i : BATCH;
        if (sink_write(sink, rows->items + i, count, &result, &err) != SINK_STORED) {
            fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
    }
}

/* ---- the peer: values at hand, documents by bson_append_* ---- */

struct values {
    char id[49], vehicle[24];
    int64_t time_ms, received_ms, offset, occupied;
    double lat, lon, speed, heading, fuel;
};

static void make_values(struct values *values, const struct sink_row *row, int64_t offset)
{
    memcpy(values->id, strstr(row->canonical.ptr, "\"identity\":\"") + 12, 48);
    values->id[48] = '\0';
    snprintf(values->vehicle, sizeof values->vehicle, "%.*s", (int)row->packet.vehicle.len,
             row->packet.vehicle.ptr);
    values->time_ms = row->packet.time_ms;
    values->received_ms = row->packet.received_ns / NS_PER_MS;
    values->lat = row->packet.lat;
    values->lon = row->packet.lon;
    values->speed = row->packet.speed_ms;
    values->heading = row->packet.heading_deg;
    values->fuel = 0.5;
    values->occupied = offset & 1;
    values->offset = offset;
}

static void append_document(bson_t *document, const struct values *values)
{
    bson_t part, list;
    BSON_APPEND_UTF8(document, "_id", values->id);
    BSON_APPEND_UTF8(document, "vehicle", values->vehicle);
    BSON_APPEND_DATE_TIME(document, "time", values->time_ms);
    BSON_APPEND_DATE_TIME(document, "received", values->received_ms);
    BSON_APPEND_INT32(document, "received_ns", 123456);
    BSON_APPEND_DOCUMENT_BEGIN(document, "location", &part);
    BSON_APPEND_UTF8(&part, "type", "Point");
    BSON_APPEND_ARRAY_BEGIN(&part, "coordinates", &list);
    BSON_APPEND_DOUBLE(&list, "0", values->lon);
    BSON_APPEND_DOUBLE(&list, "1", values->lat);
    bson_append_array_end(&part, &list);
    bson_append_document_end(document, &part);
    BSON_APPEND_DOUBLE(document, "speed", values->speed);
    BSON_APPEND_DOUBLE(document, "heading", values->heading);
    BSON_APPEND_DOCUMENT_BEGIN(document, "signals", &part);
    BSON_APPEND_INT64(&part, "occupied", values->occupied);
    BSON_APPEND_DOUBLE(&part, "fuel", values->fuel);
    bson_append_document_end(document, &part);
    BSON_APPEND_UTF8(document, "category", "position");
    BSON_APPEND_UTF8(document, "dialect", "obu");
    BSON_APPEND_DOCUMENT_BEGIN(document, "source", &part);
    BSON_APPEND_UTF8(&part, "topic", "gpscoords.position");
    BSON_APPEND_INT32(&part, "partition", 3);
    BSON_APPEND_INT64(&part, "offset", values->offset);
    bson_append_document_end(document, &part);
}

struct peer {
    mongoc_client_t *client;
    mongoc_collection_t *collection;
    struct values *values;
    bson_t *documents;
    const bson_t *list[MESSAGE];
    bson_t options;
};

static void peer_init(struct peer *peer, const char *uri, const struct rows *rows)
{
    peer->client = mongoc_client_new(uri);
    peer->collection = mongoc_client_get_collection(peer->client, "bench", "peer");
    peer->values = calloc(rows->count, sizeof *peer->values);
    peer->documents = aligned_alloc(alignof(bson_t), MESSAGE * sizeof *peer->documents);
    must(peer->values != NULL && peer->documents != NULL);
    for (size_t i = 0; i < rows->count; i++)
        make_values(&peer->values[i], &rows->items[i], (int64_t)i);
    for (size_t i = 0; i < MESSAGE; i++) {
        bson_init(&peer->documents[i]);
        peer->list[i] = &peer->documents[i];
    }
    bson_init(&peer->options);
    BSON_APPEND_BOOL(&peer->options, "validate", false);
    BSON_APPEND_BOOL(&peer->options, "ordered", false);
}

/* builds: else the documents of the last time are sent again. */
static void peer_write(struct peer *peer, size_t count, bool builds, bool sends)
{
    for (size_t i = 0; i < count; i += MESSAGE) {
        bson_error_t cause;
        size_t part = count - i < MESSAGE ? count - i : MESSAGE;
        for (size_t k = 0; builds && k < part; k++) {
            bson_reinit(&peer->documents[k]);
            append_document(&peer->documents[k], &peer->values[i + k]);
        }
        if (sends && !mongoc_collection_insert_many(peer->collection, peer->list, part,
                                                    &peer->options, NULL, &cause)) {
            fprintf(stderr, "%s\n", cause.message);
            exit(1);
        }
    }
}

/* ---- figures ---- */

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare_doubles);
    return values[count / 2];
}

static double cost(int64_t start_ns, size_t rows)
{
    return (double)(cpu_ns() - start_ns) / (double)rows;
}

static void compare(const struct rows *rows, size_t rounds, const char *uri)
{
    double ours[ROUNDS_MAX], theirs[ROUNDS_MAX], sending[ROUNDS_MAX], building[ROUNDS_MAX];
    struct sink *sink = open_sink(uri, "bench", 1);
    struct peer peer;
    peer_init(&peer, uri, rows);
    write_rows(sink, rows); /* connects, and warms up */
    peer_write(&peer, rows->count, true, true);
    for (size_t i = 0; i < rounds; i++) {
        int64_t start_ns = cpu_ns();
        write_rows(sink, rows);
        ours[i] = cost(start_ns, rows->count);
        start_ns = cpu_ns();
        peer_write(&peer, rows->count, true, true);
        theirs[i] = cost(start_ns, rows->count);
        start_ns = cpu_ns();
        peer_write(&peer, rows->count, false, true);
        sending[i] = cost(start_ns, rows->count);
        start_ns = cpu_ns();
        peer_write(&peer, rows->count, true, false);
        building[i] = cost(start_ns, rows->count);
    }
    double a = median(ours, rounds), b = median(theirs, rounds);
    printf("%-58s %7.0f ns\n", "sink_write: canonical bytes -> BSON -> insert_many", a);
    printf("%-58s %7.0f ns\n", "libmongoc: values -> bson_append -> insert_many", b);
    printf("%-58s %7.0f ns\n", "  of that insert_many alone (documents made before)",
           median(sending, rounds));
    printf("%-58s %7.0f ns\n", "  of that bson_append alone", median(building, rounds));
    printf("%-58s %7.2f (goal: at most 1.20)\n", "ratio", a / b);
    sink_close(sink);
    for (size_t i = 0; i < MESSAGE; i++)
        bson_destroy(&peer.documents[i]);
    bson_destroy(&peer.options);
    mongoc_collection_destroy(peer.collection);
    mongoc_client_destroy(peer.client);
    free(peer.values);
    free(peer.documents);
}

static void measure_documents(const struct rows *rows, size_t rounds)
{
    double encoding[ROUNDS_MAX], decoding[ROUNDS_MAX];
    struct encoder *encoder = encoder_new();
    struct decoder *decoder = decoder_new();
    struct buf out;
    struct bytes category;
    size_t text = 0, bytes = 0;
    buf_init(&out, 0);
    must(encoder != NULL && decoder != NULL);
    for (size_t r = 0; r < rounds; r++) {
        double read_ns = 0, write_ns = 0;
        bytes = text = 0;
        for (size_t i = 0; i < rows->count; i += MESSAGE) {
            size_t end = i + MESSAGE < rows->count ? i + MESSAGE : rows->count;
            buf_clear(&out);
            int64_t start_ns = cpu_ns();
            for (size_t k = i; k < end; k++)
                must(encoder_put(encoder, &rows->items[k], &out, &category) == ENCODE_DONE);
            write_ns += (double)(cpu_ns() - start_ns);
            bytes += out.len;
            start_ns = cpu_ns();
            for (size_t k = i, place = 0; k < end; k++) {
                bson_t document;
                struct sink_row row;
                uint32_t len;
                memcpy(&len, out.ptr + place, sizeof len);
                must(bson_init_static(&document, (const uint8_t *)out.ptr + place, len));
                must(decoder_row(decoder, &document, &row, NULL) == 0);
                text += row.canonical.len;
                place += len;
            }
            read_ns += (double)(cpu_ns() - start_ns);
        }
        encoding[r] = write_ns / (double)rows->count;
        decoding[r] = read_ns / (double)rows->count;
    }
    printf("%-58s %7.0f ns\n", "canonical bytes -> BSON alone", median(encoding, rounds));
    printf("%-58s %7.0f ns\n", "BSON -> canonical bytes and packet (reading)",
           median(decoding, rounds));
    printf("%-58s %7.0f bytes\n", "a document", (double)bytes / (double)rows->count);
    printf("%-58s %7.0f bytes\n", "a document that kept its canonical text as well",
           (double)(bytes + text) / (double)rows->count + 16);
    encoder_free(encoder);
    decoder_free(decoder);
    buf_deinit(&out);
}

/* Against a real server: new documents, then the same again. */
static void measure_server(const struct rows *rows, const char *uri)
{
    for (int64_t writers = 1; writers <= 4; writers *= 2) {
        char database[64];
        snprintf(database, sizeof database, "bench_%d_%lld", (int)getpid(), (long long)writers);
        struct sink *sink = open_sink(uri, database, writers);
        int64_t start_ns = clock_monotonic_ns(), start_cpu_ns = cpu_ns();
        write_rows(sink, rows);
        double seconds = (double)(clock_monotonic_ns() - start_ns) / NS_PER_S;
        double share = (double)(cpu_ns() - start_cpu_ns) / NS_PER_S / seconds;
        printf("real server, %lld writers: %.0f documents/s, this client busy %.1f %% of a core\n",
               (long long)writers, (double)rows->count / seconds, 100 * share);
        sink_close(sink);
    }
}

int main(int argc, char **argv)
{
    size_t count = argc > 1 ? strtoul(argv[1], NULL, 10) : 100000;
    size_t rounds = argc > 2 ? strtoul(argv[2], NULL, 10) : 7;
    must(rounds > 0 && rounds <= ROUNDS_MAX && count >= MESSAGE);
    struct mongo_reply server;
    struct rows rows;
    char uri[64];
    mongo_reply_start(&server); /* forks: before any thread */
    mongoc_init();
    rows_init(&rows);
    make_rows(&rows, count, 0);
    snprintf(uri, sizeof uri, "mongodb://127.0.0.1:%d", server.port);
    printf("%zu documents, messages of %d, %zu rounds; CPU of the client per document\n", count,
           MESSAGE, rounds);
    compare(&rows, rounds, uri);
    measure_documents(&rows, rounds);
    const char *real = getenv("MOTORCADE_TEST_MONGODB_URI");
    if (real != NULL)
        measure_server(&rows, real);
    rows_deinit(&rows);
    mongo_reply_stop(&server);
    return 0;
}
