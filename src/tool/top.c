/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "export/fetch.h"
#include "tool/options.h"
#include "tool/output.h"
#include "tool/top_page.h"

enum { PAGE_BYTES_MAX = 8 << 20, ADDRESSES_MAX = OPTIONS_ARGUMENTS_MAX };
static const int64_t timeout_ns = 5 * NS_PER_S;

static const char *interval_text;
static bool is_once;

static const struct option top_options[] = {
    {.name = "interval",
     .letter = 'i',
     .argument = "DURATION",
     .help = "time between two looks, as in 500ms or 5s (1s)",
     .text = &interval_text},
    {.name = "once", .help = "print one page, after one interval, and end", .flag = &is_once},
};

static const struct command command = {
    .name = "top",
    .arguments = "[ADDRESS…]",
    .help = "Shows what a running system does: packets a second by stage, latencies, lag,\n"
            "rejects and dead letters by reason; refreshed in place, q or Ctrl-C ends it.\n"
            "ADDRESS is where a process serves /metrics (127.0.0.1:30000 when none is given);\n"
            "several are added up: motorcade top gw1:30000 gw2:30000 handler1:9100.",
    .options = top_options,
    .option_count = sizeof top_options / sizeof top_options[0],
    .arguments_max = ADDRESSES_MAX,
};

struct top {
    const char *const *addresses;
    size_t count;
    int64_t interval_ns;
    bool is_terminal;
    struct termios terminal_before;
    struct scrape scrapes[2];
    char where[128];
    char ready[256];
};

static volatile sig_atomic_t is_ending;

static void on_signal(int number)
{
    (void)number;
    is_ending = 1;
}

/* ---- looking ---- */

static int fetch(const char *address, const char *path, struct buf *out, struct error *err)
{
    char url[512];
    const char *scheme = strstr(address, "://") == NULL ? "http://" : "";
    int len = snprintf(url, sizeof url, "%s%s%s", scheme, address, path);
    if (len < 0 || (size_t)len >= sizeof url)
        return error_set(err, ERROR_USAGE, "%.40s…: too long for an address", address);
    return fetch_text(url, timeout_ns, out, err);
}

/* /readyz answers 503 with its reasons; to a client that wants 200 that is an
 * error whose text serves as well. */
static void look_ready(struct top *top)
{
    struct buf body;
    struct error err;
    buf_init(&body, PAGE_BYTES_MAX);
    if (fetch(top->addresses[0], "/readyz", &body, &err) == 0)
        snprintf(top->ready, sizeof top->ready, "ready");
    else
        snprintf(top->ready, sizeof top->ready, "NOT READY %.*s",
                 (int)(body.len < 200 ? body.len : 200), body.len > 0 ? body.ptr : "");
    for (char *c = top->ready; *c != '\0'; c++)
        if ((unsigned char)*c < ' ')
            *c = ' ';
    buf_deinit(&body);
}

static int look(struct top *top, struct scrape *scrape, struct error *err)
{
    struct buf body;
    buf_init(&body, PAGE_BYTES_MAX);
    buf_clear(&scrape->text);
    int result = 0;
    for (size_t i = 0; i < top->count && result == 0; i++) {
        buf_clear(&body);
        result = fetch(top->addresses[i], "/metrics", &body, err);
        if (result == 0)
            result = scrape_add(scrape, buf_bytes(&body), err);
    }
    buf_deinit(&body);
    if (result == 0)
        scrape_finish(scrape, clock_monotonic_ns());
    return result;
}

/* ---- the terminal ---- */

static void open_terminal(struct top *top)
{
    top->is_terminal = !is_once && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO) &&
                       tcgetattr(STDIN_FILENO, &top->terminal_before) == 0;
    if (!top->is_terminal)
        return;
    struct termios raw = top->terminal_before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    tcsetattr(STDIN_FILENO, TCSANOW, &raw);
    fputs("\x1b[?1049h\x1b[?25l", stdout); /* the other screen, no cursor */
}

static void close_terminal(const struct top *top)
{
    if (!top->is_terminal)
        return;
    fputs("\x1b[?25h\x1b[?1049l", stdout);
    fflush(stdout);
    tcsetattr(STDIN_FILENO, TCSANOW, &top->terminal_before);
}

static void find_size(const struct top *top, size_t *width, size_t *height)
{
    struct winsize size;
    *width = 160;
    *height = 1000;
    if (!top->is_terminal || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_row < 2)
        return;
    *width = size.ws_col;
    *height = (size_t)size.ws_row - 1;
}

/* In place: each line replaces the one that stood there, nothing flickers. */
static void show(const struct top *top, struct bytes text)
{
    if (!top->is_terminal) {
        fwrite(text.ptr, 1, text.len, stdout);
        fflush(stdout);
        return;
    }
    fputs("\x1b[H", stdout);
    for (size_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == '\n')
            fputs("\x1b[K\r", stdout);
        putchar(text.ptr[i]);
    }
    fputs("\x1b[J", stdout);
    fflush(stdout);
}

/* Until the time has come, or a key or signal ends it. */
static void wait_for_next(const struct top *top, int64_t until_ns)
{
    while (!is_ending) {
        int64_t left_ns = until_ns - clock_monotonic_ns();
        if (left_ns <= 0)
            return;
        struct pollfd input = {.fd = top->is_terminal ? STDIN_FILENO : -1, .events = POLLIN};
        char key = 0;
        if (poll(&input, 1, (int)(left_ns / NS_PER_MS) + 1) > 0 &&
            (read(STDIN_FILENO, &key, 1) <= 0 || key == 'q' || key == 'Q' || key == 3))
            is_ending = 1;
    }
}

static void print(struct top *top, const struct scrape *now, const struct scrape *before)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    struct top_page page = {.now = now,
                            .before = before,
                            .where = top->where,
                            .ready = top->ready,
                            .is_styled = top->is_terminal};
    find_size(top, &page.width, &page.height);
    top_page_print(&page, &text);
    show(top, buf_bytes(&text));
    buf_deinit(&text);
}

/* A process that goes away while it is watched is shown as away; one that is not
 * there at the start is an error. */
static int watch(struct top *top, struct error *err)
{
    unsigned turn = 0;
    if (look(top, &top->scrapes[turn], err) != 0)
        return -1;
    open_terminal(top);
    while (!is_ending) {
        wait_for_next(top, clock_monotonic_ns() + top->interval_ns);
        if (is_ending)
            break;
        struct error away;
        look_ready(top);
        if (look(top, &top->scrapes[1 - turn], &away) != 0) {
            if (is_once) {
                *err = away;
                break;
            }
            snprintf(top->ready, sizeof top->ready, "AWAY %.200s", away.text);
            print(top, &top->scrapes[turn], &top->scrapes[turn]);
            continue;
        }
        print(top, &top->scrapes[1 - turn], &top->scrapes[turn]);
        turn = 1 - turn;
        if (is_once)
            break;
    }
    close_terminal(top);
    return err->kind == ERROR_NONE ? 0 : -1;
}

static int prepare(struct top *top, const struct options *options, struct error *err)
{
    static const char *const here[] = {"127.0.0.1:30000"};
    top->addresses = options->argument_count > 0 ? options->arguments : here;
    top->count = options->argument_count > 0 ? options->argument_count : 1;
    top->interval_ns = NS_PER_S;
    if (interval_text != NULL &&
        (!text_to_duration_ns(bytes_from_text(interval_text), &top->interval_ns) ||
         top->interval_ns < 10 * NS_PER_MS))
        return error_set(err, ERROR_USAGE, "--interval %.40s: wants a duration of at least 10ms",
                         interval_text);
    if (top->count == 1)
        snprintf(top->where, sizeof top->where, "%s", top->addresses[0]);
    else
        snprintf(top->where, sizeof top->where, "%zu processes", top->count);
    return 0;
}

int top_tool(int argc, char **argv)
{
    struct options options;
    int code;
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    static struct top top;
    struct error err = {0};
    struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    scrape_init(&top.scrapes[0]);
    scrape_init(&top.scrapes[1]);
    code = 0;
    if (prepare(&top, &options, &err) != 0 || watch(&top, &err) != 0)
        code = output_error(command.name, &err);
    scrape_deinit(&top.scrapes[0]);
    scrape_deinit(&top.scrapes[1]);
    options_deinit(&options);
    return code;
}
