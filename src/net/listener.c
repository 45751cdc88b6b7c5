/* SPDX-License-Identifier: Apache-2.0 */
/* Accepts by poll and accept4() rather than uv_listen(), for what that hides:
 * the peer's address comes without another call, the work of one turn is
 * bounded, and at EMFILE we can do the right thing. Which is: one descriptor is
 * held in reserve; it is given up to accept and at once close what waits (else
 * the clients hang, and the poll, level-triggered, spins), then the listener
 * rests for a moment. A reserve that somebody else got meanwhile is taken again
 * before anybody is let in. */
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/text.h"
#include "net/loop_uv.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum { BACKLOG = 4096, ACCEPTS_A_TURN = 64 };
static const int64_t REST_NS = 100 * NS_PER_MS;
static const int64_t LOG_AGAIN_NS = 60 * NS_PER_S;

struct listener {
    uv_poll_t poll;
    struct loop *loop;
    struct loop_timer *rest;
    int fd;
    int reserve_fd;
    bool is_closed;
    int64_t logged_ns;
    void (*on_accept)(void *context, int fd, const struct sockaddr *peer);
    void *context;
    void (*on_closed)(void *context);
    void *closed_context;
};

static void any_address(struct listener_address *out, uint16_t port)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};
    int fd = socket(AF_INET6, SOCK_STREAM, 0);
    *out = (struct listener_address){.len = fd >= 0 ? sizeof in6 : sizeof in};
    memcpy(&out->storage, fd >= 0 ? (const void *)&in6 : (const void *)&in, out->len);
    if (fd >= 0)
        close(fd);
}

static int resolve(const char *host, const char *port, struct listener_address *out,
                   struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    int rc = getaddrinfo(host, port, &hints, &found);
    if (rc != 0)
        return error_set(err, ERROR_CONFIG, "listen address %s:%s: %s", host, port,
                         gai_strerror(rc));
    *out = (struct listener_address){.len = found->ai_addrlen};
    memcpy(&out->storage, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    return 0;
}

int listener_parse(const char *text, struct listener_address *out, struct error *err)
{
    const char *colon = strrchr(text, ':');
    uint64_t port;
    if (colon == NULL || !text_to_u64(bytes_from_text(colon + 1), &port) || port > 65535)
        return error_set(err, ERROR_CONFIG,
                         "listen address \"%s\": wanted ADDRESS:PORT, [IPV6]:PORT or :PORT", text);
    size_t len = (size_t)(colon - text);
    if (len == 0) {
        any_address(out, (uint16_t)port);
        return 0;
    }
    bool is_bracketed = text[0] == '[' && len > 2 && text[len - 1] == ']';
    struct bytes host = is_bracketed ? bytes_of(text + 1, len - 2) : bytes_of(text, len);
    bool has_colon = memchr(host.ptr, ':', host.len) != NULL;
    char host_text[256];
    if (host.len >= sizeof host_text || has_colon != is_bracketed)
        return error_set(err, ERROR_CONFIG,
                         "listen address \"%s\": an IPv6 address stands in brackets, [::1]:%u",
                         text, (unsigned)port);
    memcpy(host_text, host.ptr, host.len);
    host_text[host.len] = '\0';
    return resolve(host_text, colon + 1, out, err);
}

void listener_print(const struct sockaddr *address, char out[64])
{
    char host[INET6_ADDRSTRLEN] = "?";
    if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)address;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        if (is_mapped)
            inet_ntop(AF_INET, in6->sin6_addr.s6_addr + 12, host, sizeof host);
        else
            inet_ntop(AF_INET6, &in6->sin6_addr, host, sizeof host);
        snprintf(out, 64, is_mapped ? "%s:%u" : "[%s]:%u", host, ntohs(in6->sin6_port));
        return;
    }
    if (address->sa_family != AF_INET) {
        snprintf(out, 64, "unknown");
        return;
    }
    const struct sockaddr_in *in = (const void *)address;
    inet_ntop(AF_INET, &in->sin_addr, host, sizeof host);
    snprintf(out, 64, "%s:%u", host, ntohs(in->sin_port));
}

static void set_on(int fd, int level, int option)
{
    int on = 1;
    (void)setsockopt(fd, level, option, &on, sizeof on);
}

static int open_socket(const struct listener_address *address, bool shares_port)
{
    int fd = socket(address->storage.ss_family, SOCK_STREAM, 0);
    if (fd < 0)
        return -1;
    int off = 0;
    set_on(fd, SOL_SOCKET, SO_REUSEADDR);
    if (shares_port)
        set_on(fd, SOL_SOCKET, SO_REUSEPORT);
    if (address->storage.ss_family == AF_INET6)
        (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
    (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    if (bind(fd, (const struct sockaddr *)&address->storage, address->len) == 0 &&
        (!shares_port || listen(fd, BACKLOG) == 0))
        return fd;
    int number = errno;
    close(fd);
    errno = number;
    return -1;
}

static int refuse_bind(const struct listener_address *address, int number, struct error *err)
{
    char text[64];
    listener_print((const struct sockaddr *)&address->storage, text);
    if (number == EADDRINUSE)
        return error_set(err, ERROR_BUSY,
                         "%s is in use by another process; stop it (ss -ltnp shows which), or "
                         "choose another port with --listen",
                         text);
    return error_set_errno(err, ERROR_IO, number, "listening on %s", text);
}

/* With SO_REUSEPORT a second process of the same user would silently get half of
 * the connections. A bind without it tells. */
static int check_alone(const struct listener_address *address, struct error *err)
{
    int fd = open_socket(address, false);
    if (fd < 0)
        return refuse_bind(address, errno, err);
    close(fd);
    return 0;
}

static int accept_one(struct listener *listener, struct sockaddr_storage *peer)
{
    socklen_t len = sizeof *peer;
#ifdef __linux__
    return accept4(listener->fd, (struct sockaddr *)peer, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
#else
    int fd = accept(listener->fd, (struct sockaddr *)peer, &len);
    if (fd >= 0) {
        (void)fcntl(fd, F_SETFD, FD_CLOEXEC);
        (void)fcntl(fd, F_SETFL, O_NONBLOCK);
    }
    return fd;
#endif
}

static void log_exhausted(struct listener *listener, int number)
{
    int64_t now = loop_now_ns(listener->loop);
    if (listener->logged_ns != 0 && now - listener->logged_ns < LOG_AGAIN_NS)
        return;
    listener->logged_ns = now;
    log_event(LOG_ERROR, "net", "out of file descriptors, connections are refused",
              LOG_T("reason", strerror(number)), LOG_T("hint", "raise LimitNOFILE or ulimit -n"));
}

/* Given up for a moment it may be lost to any open() of the process. */
static void hold_reserve(struct listener *listener)
{
    if (listener->reserve_fd < 0)
        listener->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* Tell those who wait that there is no place, instead of letting them hang. */
static void shed(struct listener *listener)
{
    if (listener->reserve_fd < 0)
        return;
    close(listener->reserve_fd);
    listener->reserve_fd = -1;
    struct sockaddr_storage peer;
    for (int i = 0; i < ACCEPTS_A_TURN; i++) {
        int fd = accept_one(listener, &peer);
        if (fd < 0)
            break;
        close(fd);
        metrics_add(METRIC_CONNECTIONS_REFUSED, 2, 1);
    }
    hold_reserve(listener);
}

static void rest(struct listener *listener)
{
    uv_poll_stop(&listener->poll);
    loop_timer_start(listener->rest, REST_NS, 0);
}

static void on_accept_error(struct listener *listener, int number)
{
    switch (number) {
    case EAGAIN:
    case EINTR:
    case ECONNABORTED: /* gone before we came */
    case EPROTO:
        return;
    case EMFILE:
    case ENFILE:
        log_exhausted(listener, number);
        shed(listener);
        rest(listener);
        return;
    default: /* ENOBUFS, ENOMEM, EPERM from a firewall: the kernel's trouble */
        log_exhausted(listener, number);
        rest(listener);
        return;
    }
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct listener *listener = poll->data;
    for (int i = 0; i < ACCEPTS_A_TURN && !listener->is_closed; i++) {
        struct sockaddr_storage peer;
        int fd = accept_one(listener, &peer);
        if (fd < 0) {
            on_accept_error(listener, errno);
            return;
        }
        set_on(fd, IPPROTO_TCP, TCP_NODELAY);
        listener->on_accept(listener->context, fd, (const struct sockaddr *)&peer);
    }
}

static void on_rest_over(void *context)
{
    struct listener *listener = context;
    hold_reserve(listener); /* before a client gets the descriptor */
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
}

static struct listener *listener_new(struct loop *loop, int fd)
{
    struct listener *listener = calloc(1, sizeof *listener);
    if (listener == NULL)
        return NULL;
    listener->loop = loop;
    listener->fd = fd;
    if (uv_poll_init(loop_uv(loop), &listener->poll, fd) != 0) {
        free(listener);
        return NULL;
    }
    listener->poll.data = listener;
    listener->reserve_fd = -1;
    hold_reserve(listener);
    listener->rest = loop_timer_new(loop, on_rest_over, listener);
    uv_poll_start(&listener->poll, UV_READABLE, on_readable);
    return listener;
}

int listener_open(struct listener **out, struct loop *loop, const struct listener_address *address,
                  bool shares_port,
                  void (*on_accept)(void *context, int fd, const struct sockaddr *peer),
                  void *context, struct error *err)
{
    if (!shares_port && check_alone(address, err) != 0)
        return -1;
    int fd = open_socket(address, true);
    if (fd < 0)
        return refuse_bind(address, errno, err);
    struct listener *listener = listener_new(loop, fd);
    if (listener == NULL) {
        close(fd);
        return error_set(err, ERROR_MEMORY, "no memory for a listener");
    }
    listener->on_accept = on_accept;
    listener->context = context;
    *out = listener;
    return 0;
}

void listener_address(const struct listener *listener, char out[64])
{
    struct sockaddr_storage address = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof address;
    (void)getsockname(listener->fd, (struct sockaddr *)&address, &len);
    listener_print((const struct sockaddr *)&address, out);
}

static void on_poll_closed(uv_handle_t *handle)
{
    struct listener *listener = handle->data;
    if (listener->on_closed != NULL)
        listener->on_closed(listener->closed_context);
    free(listener);
}

void listener_close(struct listener *listener, void (*on_closed)(void *context), void *context)
{
    listener->is_closed = true;
    listener->on_closed = on_closed;
    listener->closed_context = context;
    loop_timer_free(listener->rest);
    uv_close((uv_handle_t *)&listener->poll, on_poll_closed);
    close(listener->fd);
    if (listener->reserve_fd >= 0)
        close(listener->reserve_fd);
}
