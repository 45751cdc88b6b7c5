/* SPDX-License-Identifier: Apache-2.0 */
/* A broker for sources (the gateway) that goes on when the real one, the
 * upstream, is away: what was published goes to a journal on this host, the
 * spool, is acked from there, and is sent on when the upstream is back. To its
 * producers it is a broker like another; consumers are the upstream's.
 *
 * Promises. DURABLE is said when the upstream or the spool's disk has it. What
 * the spool has acked leaves it only when the upstream said DURABLE (or refused
 * it for ever: then it stays here as a dead letter). A vehicle's packets keep
 * their order: while some are in the spool the later ones go through it, too.
 * At the cap publish answers FULL.
 *
 * A record in the spool has no offset yet: its delivery says -1. */
#pragma once

#include "broker/broker.h"
#include "broker/spool/config.h"

/* Opens the journal in config->folder, or broker_config->data_dir/spool. Its
 * journal is made with broker_config's settings; a backlog of an earlier run is
 * sent on. `upstream` is borrowed and is closed after the spool.
 *
 * broker_topic: asks the upstream; when that is not to be reached (a transient
 * error) a topic known from an earlier run will do. broker_on_failure: the
 * spool's disk failed; the process should exit 1 and start again. */
int spool_open(struct broker **out, struct broker *upstream,
               const struct broker_config *broker_config, const struct spool_config *config,
               struct error *err);

enum spool_mode {
    SPOOL_PASSING,  /* nothing is in it: records go to the upstream */
    SPOOL_AWAY,     /* the upstream is away: records go into it */
    SPOOL_DRAINING, /* sent on; records of vehicles that are in it go through it */
    SPOOL_HANDOVER, /* nearly empty: records of those vehicles wait a moment */
};

/* What is in it, for tests and status. Any thread. */
struct spool_status {
    enum spool_mode mode;
    uint64_t records; /* not yet sent on; those of an earlier run estimated */
    uint64_t bytes;
    uint64_t drained;   /* since it was opened */
    int64_t oldest_ns;  /* received time of the oldest, 0 = none known */
    int64_t room_bytes; /* what may still be spooled */
};
void spool_status(struct broker *spool, struct spool_status *out);
