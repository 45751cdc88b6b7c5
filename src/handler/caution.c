/* SPDX-License-Identifier: Apache-2.0 */
#include "handler/caution.h"

#include <stdlib.h>

#include "observe/log.h"

int caution_init(struct caution *caution, struct broker *broker, struct attempts *attempts,
                 unsigned slot, struct error *err)
{
    *caution = (struct caution){.broker = broker, .attempts = attempts, .slot = slot};
    caution->marks = calloc(ATTEMPTS_RANGES_MAX, sizeof *caution->marks);
    return caution->marks == NULL ? error_set(err, ERROR_MEMORY, "no memory for the handler") : 0;
}

void caution_deinit(struct caution *caution)
{
    free(caution->marks);
    caution->marks = NULL;
}

/* A range per partition, as long as there is room for ranges. */
void caution_begin(struct caution *caution, const struct consumed_batch *batch)
{
    caution->mark_count = 0;
    struct attempts_range *mark = NULL;
    int topic = -1;
    for (size_t i = 0; i < batch->count; i++) {
        const struct consumed *in = &batch->records[i];
        if (mark == NULL || in->topic != topic || in->partition != mark->partition) {
            if (caution->mark_count == ATTEMPTS_RANGES_MAX)
                break;
            topic = in->topic;
            mark = &caution->marks[caution->mark_count++];
            *mark = (struct attempts_range){broker_topic_name(caution->broker, topic),
                                            in->partition, in->offset, in->offset};
        }
        mark->next = in->offset + 1;
    }
    caution_resume(caution);
}

void caution_end(struct caution *caution)
{
    caution_pause(caution);
    caution->mark_count = 0;
}

void caution_pause(struct caution *caution)
{
    attempts_end(caution->attempts, caution->slot);
}

void caution_resume(struct caution *caution)
{
    attempts_begin(caution->attempts, caution->slot, caution->marks, caution->mark_count);
}

bool caution_work_slowly(struct caution *caution, const struct consumed *in, const char *topic,
                         void (*work)(void *context), void *context)
{
    switch (attempts_look(caution->attempts, topic, in->partition, in->offset)) {
    case ATTEMPT_NORMAL:
        work(context);
        return true;
    case ATTEMPT_ALONE: {
        struct attempts_range alone = {topic, in->partition, in->offset, in->offset + 1};
        attempts_begin(caution->attempts, caution->slot, &alone, 1);
        work(context);
        caution_resume(caution);
        return true;
    }
    case ATTEMPT_DIVERT:
        log_event(LOG_ERROR, "handler", "a record crashed the process three times: passed by",
                  LOG_T("topic", topic), LOG_I("partition", in->partition),
                  LOG_I("offset", in->offset));
        return false;
    }
    return false;
}
