/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/http_ask.h"

#include "net/client.h"
#include "net/loop.h"

struct ask {
    struct loop *loop;
    unsigned status; /* 0: no answer yet */
    struct buf *body;
    struct error why;
};

static void on_open(void *context, struct client *client)
{
    (void)context;
    client_post(client, "application/json", BYTES(""));
}

static void on_message(void *context, struct client *client, struct bytes message)
{
    (void)context, (void)client, (void)message;
}

static void on_response(void *context, struct client *client, const struct http1_response *response,
                        struct bytes body)
{
    struct ask *ask = context;
    ask->status = response->status;
    buf_append_bytes(ask->body, body);
    client_close(client);
}

static void on_writable(void *context, struct client *client)
{
    (void)context, (void)client;
}

static void on_close(void *context, struct client *client, const struct error *why)
{
    struct ask *ask = context;
    (void)client;
    if (why != NULL)
        ask->why = *why;
    loop_stop(ask->loop);
}

static int run(struct ask *ask, const struct client_target *target, struct error *err)
{
    const struct client_handler handler = {.on_open = on_open,
                                           .on_message = on_message,
                                           .on_response = on_response,
                                           .on_writable = on_writable,
                                           .on_close = on_close};
    struct client_pool *pool;
    struct client_options options;
    client_options_defaults(&options);
    if (client_pool_new(&pool, ask->loop, &handler, ask, &options, err) != 0)
        return -1;
    int result = client_open(pool, target, NULL, err) == NULL ? -1 : 0;
    if (result == 0)
        loop_run(ask->loop);
    client_pool_free(pool);
    return result;
}

int http_ask(const char *url, unsigned *status, struct buf *body, struct error *err)
{
    struct client_target target;
    struct ask ask = {.body = body};
    if (client_target_resolve(&target, url, err) != 0)
        return -1;
    ask.loop = loop_new("ask", err);
    if (ask.loop == NULL)
        return -1;
    int result = run(&ask, &target, err);
    loop_free(ask.loop);
    if (result != 0)
        return -1;
    if (ask.status == 0)
        return error_set(err, ERROR_REMOTE, "%s does not answer: %s", url,
                         ask.why.text[0] != '\0' ? ask.why.text : "the connection was closed");
    *status = ask.status;
    return 0;
}
