/* SPDX-License-Identifier: Apache-2.0 */
#include "export/push.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "export/statsd.h"

void push_init(struct push *push, const char *address, bool is_datagram, int64_t timeout_ns)
{
    *push = (struct push){
        .address = address, .is_datagram = is_datagram, .timeout_ns = timeout_ns, .fd = -1};
}

void push_deinit(struct push *push)
{
    if (push->fd >= 0)
        close(push->fd);
    push->fd = -1;
}

bool push_split_address(const char *address, char *host, size_t host_size, char *port,
                        size_t port_size)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address || colon[1] == '\0')
        return false;
    struct bytes name = bytes_of(address, (size_t)(colon - address));
    if (name.len >= 2 && name.ptr[0] == '[' && name.ptr[name.len - 1] == ']')
        name = bytes_of(name.ptr + 1, name.len - 2);
    size_t port_len = strlen(colon + 1);
    if (name.len == 0 || name.len >= host_size || port_len >= port_size)
        return false;
    memcpy(host, name.ptr, name.len);
    host[name.len] = '\0';
    memcpy(port, colon + 1, port_len + 1);
    return true;
}

/* ---- opening ---- */

static int wait_writable(const struct push *push, int64_t deadline_ns)
{
    for (;;) {
        int64_t left_ns = deadline_ns - clock_monotonic_ns();
        struct pollfd poll_fd = {.fd = push->fd, .events = POLLOUT};
        int ready = poll(&poll_fd, 1, left_ns > 0 ? (int)(left_ns / NS_PER_MS) : 0);
        if (ready > 0)
            return 0;
        if (ready == 0 || errno != EINTR) {
            errno = ready == 0 ? ETIMEDOUT : errno;
            return -1;
        }
    }
}

static int connect_one(struct push *push, const struct addrinfo *to, int64_t deadline_ns)
{
    push->fd = socket(to->ai_family, to->ai_socktype | SOCK_CLOEXEC, to->ai_protocol);
    if (push->fd < 0)
        return -1;
    fcntl(push->fd, F_SETFL, O_NONBLOCK);
    int failure = 0;
    socklen_t size = sizeof failure;
    if (connect(push->fd, to->ai_addr, to->ai_addrlen) == 0)
        return 0;
    if (errno == EINPROGRESS && wait_writable(push, deadline_ns) == 0 &&
        getsockopt(push->fd, SOL_SOCKET, SO_ERROR, &failure, &size) == 0) {
        errno = failure;
        if (failure == 0)
            return 0;
    }
    int saved_errno = errno;
    push_deinit(push);
    errno = saved_errno;
    return -1;
}

static int open_socket(struct push *push, int64_t deadline_ns, struct error *err)
{
    char host[256];
    char port[16];
    if (!push_split_address(push->address, host, sizeof host, port, sizeof port))
        return error_set(err, ERROR_CONFIG, "\"%s\" is not host:port", push->address);
    struct addrinfo hints = {.ai_family = AF_UNSPEC,
                             .ai_socktype = push->is_datagram ? SOCK_DGRAM : SOCK_STREAM};
    struct addrinfo *found;
    int failure = getaddrinfo(host, port, &hints, &found);
    if (failure != 0)
        return error_set(err, ERROR_IO, "%s: %s", push->address, gai_strerror(failure));
    int result = -1;
    for (const struct addrinfo *to = found; to != NULL && result != 0; to = to->ai_next)
        result = connect_one(push, to, deadline_ns);
    int saved_errno = errno;
    freeaddrinfo(found);
    if (result != 0)
        return error_set_errno(err, ERROR_IO, saved_errno, "can't connect to %s", push->address);
    return 0;
}

/* ---- sending ---- */

static int send_piece(struct push *push, struct bytes piece, int64_t deadline_ns)
{
    while (piece.len > 0) {
        ssize_t sent = send(push->fd, piece.ptr, piece.len, MSG_NOSIGNAL);
        if (sent >= 0) {
            piece = bytes_of(piece.ptr + sent, piece.len - (size_t)sent);
            continue;
        }
        if (errno == EINTR)
            continue;
        if ((errno != EAGAIN && errno != EWOULDBLOCK) || wait_writable(push, deadline_ns) != 0)
            return -1;
    }
    return 0;
}

/* As many whole lines as fit. */
static size_t datagram_len(struct bytes lines)
{
    if (lines.len <= STATSD_PACKET_MAX)
        return lines.len;
    size_t len = STATSD_PACKET_MAX;
    while (len > 0 && lines.ptr[len - 1] != '\n')
        len--;
    return len > 0 ? len : STATSD_PACKET_MAX;
}

/* A server that closed the stream is noticed before lines go into a dead socket. */
static bool is_closed_by_peer(const struct push *push)
{
    char byte;
    return !push->is_datagram && recv(push->fd, &byte, 1, MSG_DONTWAIT | MSG_PEEK) == 0;
}

int push_send(struct push *push, struct bytes lines, struct error *err)
{
    int64_t deadline_ns = clock_monotonic_ns() + push->timeout_ns;
    if (push->fd >= 0 && is_closed_by_peer(push))
        push_deinit(push);
    if (push->fd < 0 && open_socket(push, deadline_ns, err) != 0)
        return -1;
    while (lines.len > 0) {
        size_t len = push->is_datagram ? datagram_len(lines) : lines.len;
        if (send_piece(push, bytes_of(lines.ptr, len), deadline_ns) != 0) {
            int saved_errno = errno;
            push_deinit(push);
            return error_set_errno(err, ERROR_IO, saved_errno, "can't send to %s", push->address);
        }
        lines = bytes_of(lines.ptr + len, lines.len - len);
    }
    return 0;
}
