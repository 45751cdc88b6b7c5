/* SPDX-License-Identifier: Apache-2.0 */
#include "net/listener.h"

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fixture.h"
#include "net/loop.h"
#include "observe/metrics.h"

enum { FILLERS_MAX = 256 };

struct full_house {
    struct loop *loop;
    struct listener *listener;
    int fillers[FILLERS_MAX], filler_count;
    int64_t refused_before;
    unsigned turns;
    bool is_closing, was_accepted;
};

static int64_t refused(void)
{
    return metrics_value(METRIC_CONNECTIONS_REFUSED, 2);
}

static void fill(struct full_house *house)
{
    int fd;
    while (house->filler_count < FILLERS_MAX && (fd = dup(STDERR_FILENO)) >= 0)
        house->fillers[house->filler_count++] = fd;
    assert_true(house->filler_count < FILLERS_MAX);
}

static void free_one(struct full_house *house)
{
    if (house->filler_count > 0)
        close(house->fillers[--house->filler_count]);
}

static void on_closed(void *context)
{
    struct full_house *house = context;
    loop_stop(house->loop);
}

static void on_accept(void *context, int fd, const struct sockaddr *peer)
{
    struct full_house *house = context;
    (void)peer;
    close(fd);
    house->was_accepted = true;
}

/* Called before each turn's wait: at the second, the client was found, and no descriptor for it,
 * nor one in reserve. */
static void on_turn_end(void *context)
{
    struct full_house *house = context;
    if (++house->turns == 2)
        free_one(house);
    if (house->is_closing || (!house->was_accepted && refused() == house->refused_before))
        return;
    house->is_closing = true;
    listener_close(house->listener, on_closed, house);
}

static int connect_to(const struct listener *listener, int client)
{
    char text[64];
    struct listener_address address;
    listener_address(listener, text);
    assert_int_equal(listener_parse(text, &address, NULL), 0);
    return connect(client, (const struct sockaddr *)&address.storage, address.len);
}

/* The reserve is lost: the first descriptor that is free is held in reserve again, and the client
 * that waits is told by it. */
static void test_a_lost_reserve_is_taken_again(void **state)
{
    (void)state;
    struct full_house house = {.loop = loop_new("unit", NULL)};
    struct listener_address address;
    assert_non_null(house.loop);
    assert_int_equal(listener_parse("127.0.0.1:0", &address, NULL), 0);
    int client = socket(AF_INET, SOCK_STREAM, 0);
    struct rlimit before, low;
    getrlimit(RLIMIT_NOFILE, &before);
    low = before;
    low.rlim_cur = FILLERS_MAX;
    setrlimit(RLIMIT_NOFILE, &low);
    fill(&house);
    free_one(&house); /* for the listener, which finds none for its reserve */
    assert_int_equal(
        listener_open(&house.listener, house.loop, &address, true, on_accept, &house, NULL), 0);
    assert_int_equal(dup(client), -1);
    house.refused_before = refused();
    loop_on_turn_end(house.loop, on_turn_end, &house);
    assert_int_equal(connect_to(house.listener, client), 0);
    loop_run(house.loop);
    setrlimit(RLIMIT_NOFILE, &before);
    while (house.filler_count > 0)
        free_one(&house);
    assert_false(house.was_accepted);
    assert_int_equal(refused(), house.refused_before + 1);
    char byte;
    assert_true(recv(client, &byte, 1, 0) <= 0);
    close(client);
    loop_free(house.loop);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_lost_reserve_is_taken_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
