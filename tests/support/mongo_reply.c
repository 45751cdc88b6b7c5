/* SPDX-License-Identifier: Apache-2.0 */
#include "support/mongo_reply.h"

#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <mongoc/mongoc.h>

#include "base/must.h"

enum { OP_REPLY = 1, OP_QUERY = 2004, OP_MSG = 2013, MESSAGE_MAX = 48 << 20, HEAD = 16 };

static uint32_t load_u32(const uint8_t *p)
{
    uint32_t value;
    memcpy(&value, p, sizeof value);
    return value;
}

static bool read_all(int fd, uint8_t *out, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t n = read(fd, out + done, len - done);
        if (n <= 0)
            return false;
        done += (size_t)n;
    }
    return true;
}

/* Documents in the sections of kind 1 (a sequence). */
static uint32_t count_documents(const uint8_t *p, const uint8_t *end)
{
    uint32_t count = 0;
    while (p < end) {
        if (*p == 0) {
            p += 1 + load_u32(p + 1);
            continue;
        }
        const uint8_t *section_end = p + 1 + load_u32(p + 1);
        for (p += 5 + strlen((const char *)p + 5) + 1; p < section_end; count++)
            p += load_u32(p);
    }
    return count;
}

static void make_reply(bson_t *reply, uint32_t documents)
{
    bson_init(reply);
    BSON_APPEND_BOOL(reply, "ismaster", true);
    BSON_APPEND_BOOL(reply, "isWritablePrimary", true);
    BSON_APPEND_INT32(reply, "maxWireVersion", 17);
    BSON_APPEND_INT32(reply, "minWireVersion", 0);
    BSON_APPEND_INT32(reply, "maxBsonObjectSize", 16 << 20);
    BSON_APPEND_INT32(reply, "maxMessageSizeBytes", MESSAGE_MAX);
    BSON_APPEND_INT32(reply, "maxWriteBatchSize", 100000);
    BSON_APPEND_INT32(reply, "n", (int32_t)documents);
    BSON_APPEND_DOUBLE(reply, "ok", 1);
}

static bool answer(int fd, const uint8_t *head, uint32_t documents)
{
    uint8_t out[1024] = {0};
    bson_t reply;
    make_reply(&reply, documents);
    bool is_query = load_u32(head + 12) == OP_QUERY;
    size_t extra = is_query ? 20 : 5; /* flags, cursor, from, number; flags, kind */
    uint32_t fields[4] = {(uint32_t)(HEAD + extra + reply.len), 1, load_u32(head + 4),
                          is_query ? OP_REPLY : OP_MSG};
    memcpy(out, fields, sizeof fields);
    if (is_query)
        out[HEAD + 16] = 1;
    memcpy(out + HEAD + extra, bson_get_data(&reply), reply.len);
    size_t len = HEAD + extra + reply.len;
    bson_destroy(&reply);
    return write(fd, out, len) == (ssize_t)len;
}

static void *serve(void *context)
{
    int fd = (int)(intptr_t)context;
    uint8_t head[HEAD], *body = malloc(MESSAGE_MAX);
    must(body != NULL);
    while (read_all(fd, head, HEAD)) {
        uint32_t len = load_u32(head) - HEAD;
        if (len > MESSAGE_MAX || !read_all(fd, body, len))
            break;
        bool is_message = load_u32(head + 12) == OP_MSG;
        if (!answer(fd, head, is_message ? count_documents(body + 4, body + len) : 0))
            break;
    }
    free(body);
    close(fd);
    return NULL;
}

static void serve_all(int listener)
{
    for (;;) {
        int fd = accept(listener, NULL, NULL);
        pthread_t thread;
        if (fd >= 0 && pthread_create(&thread, NULL, serve, (void *)(intptr_t)fd) == 0)
            pthread_detach(thread);
    }
}

void mongo_reply_start(struct mongo_reply *server)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    must(listener >= 0 && bind(listener, (struct sockaddr *)&address, size) == 0);
    must(listen(listener, 64) == 0);
    must(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
    server->port = ntohs(address.sin_port);
    server->pid = fork();
    must(server->pid >= 0);
    if (server->pid == 0)
        serve_all(listener);
    close(listener);
}

void mongo_reply_stop(struct mongo_reply *server)
{
    kill(server->pid, SIGKILL);
    waitpid(server->pid, NULL, 0);
}
