/* SPDX-License-Identifier: Apache-2.0 */
/* What riders can ask (docs/reference/live-api.md): the paths, their parameters
 * and answers. On the loop's thread; nothing here waits. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "codec/json.h"
#include "live/config.h"
#include "live/rider.h"
#include "live/roster.h"
#include "live/subscription.h"
#include "net/server.h"

struct history;

struct api {
    const struct live_config *config;
    struct loop *loop;
    struct roster *roster;
    struct riders *riders;
    struct history *history; /* NULL: there is no database to look into */
    bool is_ready;           /* until then, questions are answered 503 */
    /* A rider has room again, or something to be told: riders_push() soon. */
    void (*want_push)(void *context);
    void *context;
    struct list tracks; /* questions to the history */
    struct buf page;    /* scratch */
    struct json_reader *reader;
    struct subscription wish; /* scratch */
};

/* The fields above `tracks` are the caller's. -1 without memory. */
int api_init(struct api *api);
void api_deinit(struct api *api);

/* An error {"error","detail"}, counted; a page that was asked for. */
void api_refuse(struct conn *conn, unsigned status, const char *error, const char *detail);
void api_answer_json(struct conn *conn, struct bytes body);

/* For server_open, with a struct api as context. */
extern const struct server_handler api_handler;
