/* SPDX-License-Identifier: Apache-2.0 */
#include "store/letters.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "vehicle/mc.h"

static const int64_t wait_ns = 20 * NS_PER_MS;

static void on_delivery(void *context, uint64_t tag, enum delivery delivery, int64_t offset)
{
    (void)tag;
    (void)offset;
    struct letters *letters = context;
    if (delivery == DELIVERY_FAILED)
        letters->has_failed = true;
}

static void on_room(void *context)
{
    (void)context; /* letters_put tries again after every wait */
}

int letters_open(struct letters *letters, struct broker *broker, const char *fixed_topic,
                 struct error *err)
{
    *letters = (struct letters){.broker = broker, .fixed_topic = fixed_topic};
    const struct producer_handler handler = {
        .on_delivery = on_delivery, .on_room = on_room, .context = letters, .uses_reserve = true};
    return producer_open(&letters->producer, broker, &handler, err);
}

void letters_close(struct letters *letters)
{
    if (letters->producer != NULL)
        producer_close(letters->producer, 0);
    letters->producer = NULL;
}

int letters_topic_name(const char *topic, char *out, size_t size)
{
    const char *dot = strrchr(topic, '.');
    int len = dot != NULL ? (int)(dot - topic) : (int)strlen(topic);
    int written = snprintf(out, size, "%.*s.dead-letters", len, topic);
    return written > 0 && (size_t)written < size ? 0 : -1;
}

static int topic_of(struct letters *letters, const char *topic, struct error *err)
{
    char name[256];
    if (letters->fixed_topic != NULL)
        return broker_topic(letters->broker, letters->fixed_topic, 0, err);
    if (letters_topic_name(topic, name, sizeof name) != 0)
        return error_set(err, ERROR_CONFIG, "the name of topic %s is too long", topic);
    return broker_topic(letters->broker, name, 0, err);
}

int letters_prepare(struct letters *letters, const char *topic, struct error *err)
{
    return topic_of(letters, topic, err) < 0 ? -1 : 0;
}

static size_t encode_mc(const struct consumed *in, const char *topic, enum reason reason,
                        const char *detail, uint8_t out[MC_MAX])
{
    struct mc mc = {0};
    if (!mc_decode(in->record.mc, &mc))
        mc = (struct mc){.received_ns = in->record.timestamp_ns};
    mc.is_dead_letter = true;
    mc.reason = reason;
    mc.source_topic = bytes_from_text(topic);
    mc.source_partition = in->partition;
    mc.source_offset = in->offset;
    mc.first_seen_ns = clock_wall_ns();
    mc.detail = bytes_from_text(detail);
    return mc_encode(&mc, out);
}

static bool publish(struct letters *letters, int topic, const struct record *record,
                    bool (*must_stop)(void *context), void *context, bool *is_refused)
{
    for (;;) {
        switch (producer_publish(letters->producer, topic, record, 0)) {
        case PUBLISH_ACCEPTED:
            return true;
        case PUBLISH_REFUSED:
            *is_refused = true;
            return true;
        case PUBLISH_FULL:
            break;
        }
        if (letters->has_failed || must_stop(context))
            return false;
        producer_wait(letters->producer, wait_ns);
    }
}

bool letters_put(struct letters *letters, const struct consumed *in, enum reason reason,
                 const char *detail, bool (*must_stop)(void *context), void *context)
{
    uint8_t mc[MC_MAX];
    struct error err;
    const char *name = broker_topic_name(letters->broker, in->topic);
    int topic = topic_of(letters, name, &err);
    if (topic < 0) {
        log_error("store", "a dead letter has no topic", &err);
        letters->has_failed = true;
        return false;
    }
    struct record record = in->record;
    record.mc = bytes_of((const char *)mc, encode_mc(in, name, reason, detail, mc));
    bool is_refused = false;
    if (!publish(letters, topic, &record, must_stop, context, &is_refused))
        return false;
    if (is_refused) {
        /* The header made it too large: keep what says where the record lies. */
        log_event(LOG_ERROR, "store", "a dead letter is kept without its value: too large",
                  LOG_T("topic", name), LOG_I("partition", in->partition),
                  LOG_I("offset", in->offset));
        record.value = bytes_of("", 0);
        if (!publish(letters, topic, &record, must_stop, context, &is_refused))
            return false;
    }
    metrics_add(METRIC_STORE_DEAD_LETTERS, reason, 1);
    return true;
}

bool letters_settle(struct letters *letters, bool (*must_stop)(void *context), void *context)
{
    while (producer_pending(letters->producer) > 0 && !letters->has_failed) {
        if (must_stop(context))
            return false;
        producer_wait(letters->producer, wait_ns);
    }
    return !letters->has_failed;
}
