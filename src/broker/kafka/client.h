/* SPDX-License-Identifier: Apache-2.0 */
/* A connection to the cluster: an rd_kafka_t made from the settings, and what
 * was heard of it. librdkafka's log goes to ours; what it reports of connections
 * (log lines by the dozen) is kept instead, so that a failure is told once, in
 * one line that names the fix.
 *
 * One owner thread; librdkafka has its own threads behind. */
#pragma once

#include <librdkafka/rdkafka.h>

#include "base/error.h"
#include "broker/kafka/config.h"

enum { KAFKA_NAME_MAX = 249, KAFKA_TROUBLE_MAX = 384 };

/* name == NULL ends a list. */
struct kafka_property {
    const char *name;
    const char *value;
};

struct kafka_client {
    rd_kafka_t *rk;
    rd_kafka_queue_t *main_queue;      /* reports, errors, statistics */
    const struct kafka_config *config; /* borrowed: outlives the client */
    /* The most telling of what went wrong since kafka_client_forget_trouble. */
    rd_kafka_resp_err_t trouble;
    char trouble_text[KAFKA_TROUBLE_MAX];
    bool is_down; /* no broker can be reached, and that is logged */
};

/* ---- configuration ---- */

/* From the settings, then `own` (may be NULL), then kafka.properties, of which the
 * first bad one ends it: ERROR_CONFIG with librdkafka's words. The caller owns
 * *out until rd_kafka_new takes it. */
int kafka_conf_new(rd_kafka_conf_t **out, const struct kafka_config *config,
                   const struct kafka_property *own, struct error *err);
/* One "name=value" as in kafka.properties: would librdkafka take it? */
int kafka_conf_check(const char *property, struct error *err);

/* ---- the connection ---- */

/* Never talks to the network: wrong addresses show with the first question. Takes
 * `conf` in any case. `conf`'s opaque is the caller's. */
int kafka_client_open(struct kafka_client *client, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                      const struct kafka_config *config, struct error *err);
/* For questions and administration: a connection without topics or groups of its
 * own. */
int kafka_client_open_plain(struct kafka_client *client, const struct kafka_config *config,
                            struct error *err);
/* Waits for librdkafka's threads. A client that was not opened is fine. */
void kafka_client_close(struct kafka_client *client);

/* How long a question may take, in ms: kafka.start_timeout. */
int kafka_client_timeout_ms(const struct kafka_client *client);

/* The cluster's name of a topic or group: kafka.prefix and the name. */
void kafka_full_name(const struct kafka_config *config, const char *name,
                     char out[KAFKA_NAME_MAX + 1]);

/* ---- failures ---- */

/* Remember an error event, unless a more telling one is known. */
void kafka_client_hear(struct kafka_client *client, rd_kafka_resp_err_t code, const char *text);
/* Take in the error events that wait in the main queue; others are dropped: for
 * clients that only ask questions. */
void kafka_client_hear_all(struct kafka_client *client);
void kafka_client_forget_trouble(struct kafka_client *client);
/* For clients that work on: an error event is remembered, and one line logged when
 * no broker can be reached any more; and one when it is over. */
void kafka_client_on_error(struct kafka_client *client, rd_kafka_resp_err_t code, const char *text);
void kafka_client_on_success(struct kafka_client *client);

/* Fill err for a call that failed with `code`: "<what>: <reason>; <fix>". Where
 * `code` only says that nobody answered, the reason is what was heard of the
 * connections. -1. */
int kafka_client_fail(struct kafka_client *client, rd_kafka_resp_err_t code, struct error *err,
                      const char *what, ...) __attribute__((format(printf, 4, 5)));
/* The same without a connection's history. `config` may be NULL. */
int kafka_fail(const struct kafka_config *config, rd_kafka_resp_err_t code, const char *reason,
               struct error *err);
