/* SPDX-License-Identifier: Apache-2.0 */
/* The role over a memory broker, asked over real sockets. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "config/config.h"
#include "live/role.h"
#include "observe/health.h"
#include "observe/metrics.h"
#include "vehicle/canonical.h"
#include "vehicle/dialect.h"
#include "vehicle/mc.h"

static const char *const topics[] = {"gpscoords.position", "data-topic.other"};

struct world {
    char folder[64];
    struct config *settings;
    struct live_config config;
    struct broker *broker;
    struct producer *producer;
    struct live *live;
    struct packet_scratch *scratch;
    int topic;
};

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)context, (void)tag, (void)offset;
    assert_int_equal(delivery, DELIVERY_DURABLE);
}

static void start_live(struct world *w)
{
    struct error err = {0};
    if (live_start(&w->live, &w->config, w->broker, NULL, topics, 2, &err) != 0)
        fail_msg("%s", err.text);
}

static void open_broker(struct world *w)
{
    struct error err = {0};
    struct broker_config config =
        *(const struct broker_config *)config_get(w->settings, &broker_module);
    config.kind = BROKER_MEMORY;
    assert_int_equal(broker_open(&w->broker, &config, &err), 0);
    static const struct producer_handler handler = {.on_delivery = on_delivery};
    assert_int_equal(producer_open(&w->producer, w->broker, &handler, &err), 0);
    w->topic = broker_topic(w->broker, topics[0], 0, &err);
    assert_true(w->topic >= 0);
}

static int setup(void **state)
{
    static const struct config_module *const modules[] = {&broker_module, &live_module, NULL};
    struct world *w = calloc(1, sizeof *w);
    struct error err = {0};
    snprintf(w->folder, sizeof w->folder, "/tmp/test_live.XXXXXX");
    assert_non_null(mkdtemp(w->folder));
    if (config_load(&w->settings, modules, &(struct config_source){0}, &err) != 0)
        fail_msg("%s", err.text);
    w->config = *(const struct live_config *)config_get(w->settings, &live_module);
    w->config.listen = "127.0.0.1:0";
    w->config.data_dir = w->folder;
    w->scratch = packet_scratch_new();
    open_broker(w);
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    char command[128];
    live_stop(w->live);
    producer_close(w->producer, NS_PER_S);
    broker_close(w->broker);
    config_unref(w->settings);
    packet_scratch_free(w->scratch);
    snprintf(command, sizeof command, "rm -rf '%s'", w->folder);
    int result = system(command);
    free(w);
    return result;
}

/* As gateway and handler would: decode, identify, canonical. */
static void publish(struct world *w, const char *obu, int64_t received_ns)
{
    struct packet packet;
    struct reject reject;
    struct buf value;
    uint8_t mc[MC_MAX];
    assert_true(dialect_decode(w->scratch, bytes_from_text(obu), &packet, &reject));
    packet_identify(&packet, received_ns, (uint64_t)received_ns);
    packet.category = BYTES("position");
    buf_init(&value, 0);
    assert_int_equal(canonical_encode(&packet, &value), 0);
    struct record record = {
        .key = packet.vehicle, .value = buf_bytes(&value), .timestamp_ns = received_ns};
    record.mc = bytes_of(
        (const char *)mc,
        mc_encode(&(struct mc){.received_ns = received_ns, .identity = packet.identity}, mc));
    assert_int_equal(producer_publish(w->producer, w->topic, &record, 1), PUBLISH_ACCEPTED);
    producer_flush(w->producer);
    while (producer_pending(w->producer) > 0)
        producer_wait(w->producer, 10 * NS_PER_MS);
    buf_deinit(&value);
}

/* ---- a client ---- */

static int dial(const struct world *w)
{
    const char *port = strrchr(live_address(w->live), ':') + 1;
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(port))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct timeval patience = {.tv_sec = 20};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    return fd;
}

/* Ask, read to the end of the connection. */
static char *ask(const struct world *w, const char *request_line)
{
    static char answer[1 << 20];
    char request[2048];
    int fd = dial(w);
    int len = snprintf(request, sizeof request,
                       "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", request_line);
    assert_int_equal(write(fd, request, (size_t)len), len);
    size_t got = 0;
    for (ssize_t n; (n = read(fd, answer + got, sizeof answer - 1 - got)) > 0;)
        got += (size_t)n;
    answer[got] = '\0';
    close(fd);
    return answer;
}

static void assert_answer(const struct world *w, const char *request_line, const char *status,
                          const char *part)
{
    const char *answer = ask(w, request_line);
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, 3) != 0 ||
        strstr(answer, part) == NULL)
        fail_msg("%s: wanted %s and %s, got: %s", request_line, status, part, answer);
}

static void await(const struct world *w, const char *request_line, const char *part)
{
    int64_t deadline_ns = clock_monotonic_ns() + 20 * NS_PER_S;
    while (strstr(ask(w, request_line), part) == NULL) {
        assert_true(clock_monotonic_ns() < deadline_ns);
        clock_sleep_ns(2 * NS_PER_MS);
    }
}

static void await_ready(const struct world *w)
{
    await(w, "GET /readyz", "\"ready\":true");
}

/* ---- tests ---- */

static void test_newest_position_is_answered(void **state)
{
    struct world *w = *state;
    int64_t now_ns = clock_wall_ns();
    publish(w, "{\"obuid\":7,\"lat\":50.5,\"lon\":10.5,\"time\":1700000000}", now_ns);
    publish(w, "{\"obuid\":7,\"lat\":50.7,\"lon\":10.5,\"time\":1700000002,\"fare\":2.50}", now_ns);
    publish(w, "{\"obuid\":7,\"lat\":50.6,\"lon\":10.5,\"time\":1700000001}", now_ns + 1);
    start_live(w);
    await_ready(w);
    assert_answer(w, "GET /vehicles/7", "200", "\"lat\":50.7,");
    assert_answer(w, "GET /vehicles/7", "200", "\"signals\":{\"fare\":2.50}");
    assert_answer(w, "GET /vehicles/%37", "200", "\"lat\":50.7,");
    assert_answer(w, "GET /vehicles/7", "200", "Access-Control-Allow-Origin: *");
    publish(w, "{\"obuid\":7,\"lat\":51,\"lon\":10.5,\"time\":1700000003}", now_ns);
    await(w, "GET /vehicles/7", "\"lat\":51,");
}

static void test_mistakes_get_an_answer_that_names_the_fix(void **state)
{
    struct world *w = *state;
    start_live(w);
    await_ready(w);
    assert_answer(w, "GET /vehicles/8", "404", "unknown_vehicle");
    assert_answer(w, "GET /nothing", "404", "/vehicles");
    assert_answer(w, "GET /vehicles/8/9", "404", "%2F");
    assert_answer(w, "GET /vehicles/%zz", "400", "percent");
    assert_answer(w, "POST /vehicles", "405", "Allow: GET");
    assert_answer(w, "GET /vehicles/8?x=1", "400", "unknown parameter");
    assert_answer(w, "GET /vehicles?bbox=1,2,3", "400", "four numbers");
    assert_answer(w, "GET /vehicles?bbox=nan,1,2,3", "400", "no number");
    assert_answer(w, "GET /vehicles?bbox=0,9,1,2", "400", "south above");
    assert_answer(w, "GET /vehicles?limit=0", "400", "from 1 to 10000");
    assert_answer(w, "GET /vehicles?limit=10001", "400", "from 1 to 10000");
    assert_answer(w, "GET /vehicles?cursor=x", "400", "cursor");
    assert_answer(w, "GET /vehicles?bbox=0,0,1,1&cursor=18446744073709551615", "400", "cursor");
    assert_answer(w, "GET /vehicles?limt=1", "400", "known here: bbox, limit, cursor");
    assert_answer(w, "GET /vehicles/8/track", "404", "no_history");
    assert_answer(w, "GET /live", "400", "follow what?");
    assert_answer(w, "GET /live?bbox=1", "400", "four numbers");
    assert_answer(w, "GET /live?vehicles=", "400", "1 to 64 bytes");
}

static void test_lists_by_box_and_by_page(void **state)
{
    struct world *w = *state;
    char packet[128];
    for (int i = 0; i < 20; i++) {
        snprintf(packet, sizeof packet, "{\"obuid\":\"c%d\",\"lat\":%g,\"lon\":%g}", i,
                 i < 10 ? 50.1 : -50.1, i % 2 ? 179.9 : -179.9);
        publish(w, packet, clock_wall_ns());
    }
    start_live(w);
    await_ready(w);
    for (int by_box = 0; by_box < 2; by_box++) {
        char request[128], cursor[32] = "0";
        bool is_seen[20] = {false};
        int pages = 0, seen = 0;
        for (; cursor[0] != '\0'; pages++) {
            snprintf(request, sizeof request, "GET /vehicles?limit=3&cursor=%s%s", cursor,
                     by_box ? "&bbox=179,50,-179,51" : "");
            char *answer = ask(w, request);
            assert_non_null(strstr(answer, " 200 "));
            for (char *at = answer; (at = strstr(at, "\"vehicle\":\"c")) != NULL; at++) {
                int i = atoi(at + strlen("\"vehicle\":\"c"));
                assert_false(is_seen[i]);
                is_seen[i] = true;
                seen++;
            }
            char *next = strstr(answer, "\"next\":\"");
            cursor[0] = '\0';
            if (next != NULL)
                sscanf(next, "\"next\":\"%31[0-9]", cursor);
        }
        assert_int_equal(seen, by_box ? 10 : 20);
        assert_in_range(pages, by_box ? 4 : 7, 8);
    }
}

static void test_server_sent_events_follow_a_box(void **state)
{
    struct world *w = *state;
    publish(w, "{\"obuid\":\"a\",\"lat\":50.5,\"lon\":10.5}", clock_wall_ns());
    start_live(w);
    await_ready(w);
    int fd = dial(w);
    static const char request[] = "GET /live?bbox=10,50,11,51 HTTP/1.1\r\nHost: x\r\n"
                                  "Accept: text/event-stream\r\n\r\n";
    assert_int_equal(write(fd, request, sizeof request - 1), sizeof request - 1);
    char text[8192] = "";
    size_t got = 0;
    static const char *const wanted[] = {
        "text/event-stream", "data: {\"snapshot\":[{", "\"begin\":true,\"end\":true}\n\n",
        "data: {\"positions\":[{\"vehicle\":\"b\"", "data: {\"left\":[\"a\"]}\n\n"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) {
        if (i == 3)
            publish(w, "{\"obuid\":\"b\",\"lat\":50.6,\"lon\":10.5}", clock_wall_ns());
        if (i == 4)
            publish(w, "{\"obuid\":\"a\",\"lat\":52,\"lon\":10.5}", clock_wall_ns());
        while (strstr(text, wanted[i]) == NULL) {
            ssize_t n = read(fd, text + got, sizeof text - 1 - got);
            if (n <= 0)
                fail_msg("waited for %s, got %s", wanted[i], text);
            text[got += (size_t)n] = '\0';
        }
    }
    close(fd);
    int64_t deadline_ns = clock_monotonic_ns() + 20 * NS_PER_S;
    while (metrics_value(METRIC_LIVE_RIDERS, 1) != 0) {
        assert_true(clock_monotonic_ns() < deadline_ns);
        clock_sleep_ns(NS_PER_MS);
    }
}

static void test_positions_are_back_after_a_restart(void **state)
{
    struct world *w = *state;
    publish(w, "{\"obuid\":\"a\",\"lat\":50.5,\"lon\":10.5}", clock_wall_ns());
    start_live(w);
    await_ready(w);
    live_stop(w->live);
    w->live = NULL;
    publish(w, "{\"obuid\":\"b\",\"lat\":1,\"lon\":1}", clock_wall_ns());
    int64_t before = metrics_value(METRIC_LIVE_UPDATES, 0);
    start_live(w);
    await_ready(w);
    assert_answer(w, "GET /vehicles/a", "200", "\"lat\":50.5,");
    assert_answer(w, "GET /vehicles/b", "200", "\"lat\":1,");
    /* a from the snapshot, b from the topic: a was not read a second time */
    assert_int_equal(metrics_value(METRIC_LIVE_UPDATES, 0) - before, 2);
}

static void test_broken_snapshot_is_ignored(void **state)
{
    struct world *w = *state;
    char path[128];
    publish(w, "{\"obuid\":\"a\",\"lat\":50.5,\"lon\":10.5}", clock_wall_ns());
    start_live(w);
    await_ready(w);
    live_stop(w->live);
    w->live = NULL;
    snprintf(path, sizeof path, "%s/live/snapshot", w->folder);
    assert_int_equal(truncate(path, 30), 0);
    start_live(w);
    await_ready(w);
    assert_answer(w, "GET /vehicles/a", "200", "\"lat\":50.5,");
}

/* The journal was thrown away, the snapshot not: its offsets are beyond the end. */
static void test_offsets_that_are_not_there_fall_back_to_the_earliest(void **state)
{
    struct world *w = *state;
    char packet[64];
    for (int i = 0; i < 50; i++) {
        snprintf(packet, sizeof packet, "{\"obuid\":\"a\",\"lat\":%d,\"lon\":10.5}", i);
        publish(w, packet, clock_wall_ns());
    }
    start_live(w);
    await_ready(w);
    live_stop(w->live);
    w->live = NULL;
    producer_close(w->producer, NS_PER_S);
    broker_close(w->broker);
    open_broker(w);
    publish(w, "{\"obuid\":\"a\",\"lat\":77,\"lon\":10.5}", clock_wall_ns());
    start_live(w);
    await_ready(w);
    assert_answer(w, "GET /vehicles/a", "200", "\"lat\":77,");
}

static void test_long_packet_is_shown_without_its_signals(void **state)
{
    struct world *w = *state;
    char packet[4096];
    snprintf(packet, sizeof packet, "{\"obuid\":\"a\",\"lat\":5,\"lon\":6,\"note\":\"%03000d\"}",
             7);
    publish(w, packet, clock_wall_ns());
    start_live(w);
    await_ready(w);
    assert_answer(w, "GET /vehicles/a", "200", "\"lat\":5,");
    assert_null(strstr(ask(w, "GET /vehicles/a"), "signals"));
}

static void test_packets_without_a_place_are_counted_and_left(void **state)
{
    struct world *w = *state;
    int64_t before = metrics_value(METRIC_LIVE_IGNORED, 1);
    publish(w,
            "{\"id\":\"1\",\"timestamp\":1700000000,\"source\":\"s\",\"type\":\"t\","
            "\"payload\":{\"x\":1}}",
            clock_wall_ns());
    publish(w, "{\"obuid\":\"bad\",\"lat\":95,\"lon\":6}", clock_wall_ns());
    publish(w, "{\"obuid\":\"good\",\"lat\":9,\"lon\":6}", clock_wall_ns());
    start_live(w);
    await_ready(w);
    assert_answer(w, "GET /vehicles/good", "200", "\"lat\":9,");
    assert_answer(w, "GET /vehicles/bad", "404", "unknown_vehicle");
    assert_int_equal(metrics_value(METRIC_LIVE_IGNORED, 1) - before, 2);
}

static void test_the_map_is_one_page_of_its_own(void **state)
{
    struct world *w = *state;
    start_live(w);
    assert_answer(w, "GET /", "200", "Content-Security-Policy: default-src 'none'");
    assert_answer(w, "GET /", "200", "</html>");
    assert_null(strstr(ask(w, "GET /"), "src=\"http"));
}

static void test_several_threads_share_the_port(void **state)
{
    struct world *w = *state;
    w->config.threads = 3;
    publish(w, "{\"obuid\":\"a\",\"lat\":50.5,\"lon\":10.5}", clock_wall_ns());
    start_live(w);
    await_ready(w);
    for (int i = 0; i < 20; i++)
        assert_answer(w, "GET /vehicles/a", "200", "\"lat\":50.5,");
    assert_int_equal(metrics_value(METRIC_LIVE_VEHICLES, 0), 1);
    live_stop(w->live);
    w->live = NULL;
    assert_int_equal(metrics_value(METRIC_LIVE_VEHICLES, 0), 0);
}

static void test_port_in_use_is_an_error_and_leaves_nothing(void **state)
{
    struct world *w = *state;
    struct error err = {0};
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof at;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
    assert_int_equal(listen(fd, 1), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    char address[64];
    snprintf(address, sizeof address, "127.0.0.1:%d", ntohs(at.sin_port));
    w->config.listen = address;
    assert_int_equal(live_start(&w->live, &w->config, w->broker, NULL, topics, 2, &err), -1);
    assert_int_equal(err.kind, ERROR_BUSY);
    assert_non_null(strstr(err.text, address));
    w->live = NULL;
    close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_newest_position_is_answered),
        TEST(test_mistakes_get_an_answer_that_names_the_fix),
        TEST(test_lists_by_box_and_by_page),
        TEST(test_server_sent_events_follow_a_box),
        TEST(test_positions_are_back_after_a_restart),
        TEST(test_broken_snapshot_is_ignored),
        TEST(test_offsets_that_are_not_there_fall_back_to_the_earliest),
        TEST(test_long_packet_is_shown_without_its_signals),
        TEST(test_packets_without_a_place_are_counted_and_left),
        TEST(test_the_map_is_one_page_of_its_own),
        TEST(test_several_threads_share_the_port),
        TEST(test_port_in_use_is_an_error_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
