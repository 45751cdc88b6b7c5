/* SPDX-License-Identifier: Apache-2.0 */
/* Messages from a template into a broker: what `motorcade produce` does. */
#pragma once

#include "broker/config.h"
#include "simulate/publisher.h"
#include "vehicle/topics.h"

/* The template when none is given: an envelope of one of 500 cars. */
extern const char produce_template[];

struct produce_options {
    struct bytes template;
    const char *topic;   /* NULL: the ingest topic of the packet's dialect */
    const char *key;     /* path of the field; NULL: the packet's vehicle */
    double rate;         /* messages a second; 0: as fast as the broker takes them */
    int64_t duration_ns; /* 0: no end by time */
    uint64_t count;      /* 0: no end by number */
    uint32_t batch;      /* messages handed over together at most */
    struct publisher_options publisher;
    const char *dead_letters; /* path */
    int64_t grace_ns;         /* for reports at the end */
    uint64_t seed;
    const char *admin; /* address of /metrics, or NULL */
    bool is_json;
    bool is_quiet;
    const struct broker_config *broker;
    const struct topics_config *topics;
};

/* 28 messages a second (100,000 an hour), by 100, 100,000 in flight, 8 attempts
 * from 100 ms to 10 s, 30 s of grace. template, broker and topics: none. */
void produce_options_defaults(struct produce_options *options);

/* Blocks until its end; SIGINT and SIGTERM end it in order, a second one at once.
 * -1: it could not begin, or not every message became durable (ERROR_REMOTE): those
 * are in the dead-letter file. */
int produce_run(const struct produce_options *options, struct error *err);
