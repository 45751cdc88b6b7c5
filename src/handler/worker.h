/* SPDX-License-Identifier: Apache-2.0 */
/* One thread of the handler. */
#pragma once

#include <pthread.h>
#include <stdatomic.h>

#include "base/bell.h"
#include "broker/attempts.h"
#include "handler/caution.h"
#include "handler/config.h"
#include "handler/flights.h"
#include "handler/judge.h"
#include "handler/plan.h"
#include "handler/recall.h"
#include "handler/tally.h"

/* What the role's threads share. */
struct shared {
    struct broker *broker;
    struct attempts *attempts;
    struct handler_config config;
    const int *ingest; /* topics' numbers */
    size_t ingest_count;
    atomic_bool is_stopping;
    atomic_int_fast64_t stop_deadline_ns; /* monotonic; valid once stopping */
    atomic_uint ready_count;
    pthread_mutex_t lock; /* of plan */
    struct plan *plan;
    atomic_uint generation; /* of plan */
};

struct worker {
    struct shared *shared;
    unsigned number; /* and slot of attempts */
    pthread_t thread;
    struct bell bell;
    struct plan *plan;
    unsigned generation;
    struct judge judge;
    struct producer *producer;
    struct consumer *consumer;
    bool has_failed; /* an output was not made durable: go back to the committed position */
    bool is_ready;
    struct flights flights;
    struct caution caution;
    struct recall recall;
    struct tally tally;
    struct metric_series *vehicles; /* gauge of this thread */
    struct state_counts state_told; /* to the metrics */
};

int worker_start(struct worker *worker, struct shared *shared, unsigned number, struct error *err);
/* Wait until it has ended; shared->is_stopping was set before. */
void worker_join(struct worker *worker);
