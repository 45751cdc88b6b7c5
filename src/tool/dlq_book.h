/* SPDX-License-Identifier: Apache-2.0 */
/* The dead letters of a broker, one entry per identity, from one reading of their
 * topics up to where they ended when it began. Values are not kept: who wants
 * them reads a second time (dlq_book_visit).
 *
 * Topics repeat: a crash, or a replay that fails again, leaves several letters of
 * one packet. An entry is the newest of them; a mark (vehicle/mc.h) tells that it
 * was replayed. */
#pragma once

#include "base/table.h"
#include "broker/broker.h"
#include "tool/dlq_filter.h"
#include "tool/to_end.h"

enum { DLQ_LETTERS_MAX = 1000000, DLQ_TOPICS_MAX = 64 };

struct dlq_letter {
    struct packet_identity id; /* made up from the place where the packet has none */
    int topic;                 /* the broker's number */
    int partition;
    int64_t offset;
    enum reason reason;
    enum packet_dialect dialect;
    uint8_t replays;     /* times it had been replayed when it failed */
    uint8_t marked;      /* times it has been replayed */
    int64_t replayed_ns; /* the last time */
    int64_t received_ns, first_seen_ns;
    int32_t source_partition;
    int64_t source_offset;
    uint32_t seen; /* letters of it in the topics; 0: only marks */
    size_t bytes;  /* of its value */
    bool is_identified;
    char *text; /* what the following borrow from */
    struct bytes key, source_topic, detail;
};

struct dlq_book {
    struct broker *broker;
    int topics[DLQ_TOPICS_MAX];
    size_t topic_count;
    struct table by_id;
    struct dlq_letter **letters; /* those the filter takes, oldest first */
    size_t count;
    uint64_t records; /* read */
};

static inline enum dlq_state dlq_state_of(const struct dlq_letter *letter)
{
    if (letter->marked > letter->replays)
        return DLQ_REPLAYED;
    return letter->replays > 0 ? DLQ_AGAIN : DLQ_OPEN;
}

/* Topics that don't exist are left out. ERROR_FULL: more than DLQ_LETTERS_MAX. */
int dlq_book_read(struct dlq_book *book, struct broker *broker, const char *const *topics,
                  size_t topic_count, const struct dlq_filter *filter, struct error *err);
void dlq_book_deinit(struct dlq_book *book);

/* Read again: fn for each letter of the book with its record, in no order. fn
 * returns -1 to end it. */
typedef int (*dlq_visit_fn)(void *context, struct dlq_letter *letter, const struct consumed *record,
                            struct error *err);
int dlq_book_visit(struct dlq_book *book, dlq_visit_fn fn, void *context, struct error *err);

/* Every record of those topics up to where they end now; see to_end.h. */
int dlq_read_topics(struct broker *broker, const int *topics, size_t topic_count, to_end_fn fn,
                    void *context, struct error *err);
