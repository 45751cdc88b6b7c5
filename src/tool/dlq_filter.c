/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/dlq_filter.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"

const char *const dlq_filter_names[DLQ_NAMES_MAX + 1] = {
    "reason", "since", "until", "vehicle", "detail", "topic", "state", "id", NULL,
};

const char *const dlq_state_names[] = {"all", "open", "again", "replayed", NULL};

void dlq_filter_init(struct dlq_filter *filter)
{
    *filter = (struct dlq_filter){
        .reason = REASON_COUNT, .since_ns = INT64_MIN, .until_ns = INT64_MAX, .state = DLQ_ANY};
}

static int set_text(char *out, size_t size, const char *name, const char *value, struct error *err)
{
    size_t len = strlen(value);
    if (len >= size)
        return error_set(err, ERROR_USAGE, "--%s: longer than %zu bytes", name, size - 1);
    memcpy(out, value, len + 1);
    return 0;
}

static int set_reason(struct dlq_filter *filter, const char *value, struct error *err)
{
    filter->reason = reason_from_code(bytes_from_text(value));
    if (filter->reason == REASON_COUNT)
        return error_set(err, ERROR_USAGE,
                         "--reason %.40s: no such reason (docs/reference/packet.md lists them)",
                         value);
    return 0;
}

static int set_time(int64_t *out, const char *name, const char *value, int64_t now_ns,
                    struct error *err)
{
    int64_t number;
    struct bytes text = bytes_from_text(value);
    if (text_to_time_ns(text, out))
        return 0;
    if (!text_to_duration_ns(text, &number) || number < 0)
        return error_set(err, ERROR_USAGE,
                         "--%s %.40s: expected a time like 2026-05-20T07:00:00Z or an age like 10m",
                         name, value);
    *out = now_ns - number;
    return 0;
}

static int set_state(struct dlq_filter *filter, const char *value, struct error *err)
{
    for (int i = 0; dlq_state_names[i] != NULL; i++)
        if (strcmp(value, dlq_state_names[i]) == 0) {
            filter->state = (enum dlq_state)i;
            return 0;
        }
    return error_set(err, ERROR_USAGE, "--state %.40s: expected all, open, again or replayed",
                     value);
}

static int set_id(struct dlq_filter *filter, const char *value, struct error *err)
{
    if (strspn(value, "0123456789abcdef") != strlen(value) || value[0] == '\0')
        return error_set(err, ERROR_USAGE, "--id %.60s: expected hex digits, as list shows them",
                         value);
    return set_text(filter->id, sizeof filter->id, "id", value, err);
}

int dlq_filter_set(struct dlq_filter *filter, const char *name, const char *value, int64_t now_ns,
                   struct error *err)
{
    if (strcmp(name, "reason") == 0)
        return set_reason(filter, value, err);
    if (strcmp(name, "since") == 0)
        return set_time(&filter->since_ns, name, value, now_ns, err);
    if (strcmp(name, "until") == 0)
        return set_time(&filter->until_ns, name, value, now_ns, err);
    if (strcmp(name, "vehicle") == 0)
        return set_text(filter->vehicle, sizeof filter->vehicle, name, value, err);
    if (strcmp(name, "detail") == 0)
        return set_text(filter->detail, sizeof filter->detail, name, value, err);
    if (strcmp(name, "topic") == 0)
        return set_text(filter->topic, sizeof filter->topic, name, value, err);
    if (strcmp(name, "state") == 0)
        return set_state(filter, value, err);
    if (strcmp(name, "id") == 0)
        return set_id(filter, value, err);
    return error_set(err, ERROR_USAGE, "no filter \"%.40s\"", name);
}

static bool contains(struct bytes text, const char *part)
{
    return part[0] == '\0' || memmem(text.ptr, text.len, part, strlen(part)) != NULL;
}

bool dlq_filter_takes(const struct dlq_filter *filter, const char *topic, struct bytes key,
                      const struct mc *mc)
{
    if (filter->reason != REASON_COUNT && mc->reason != filter->reason)
        return false;
    if (mc->received_ns < filter->since_ns || mc->received_ns >= filter->until_ns)
        return false;
    if (filter->vehicle[0] != '\0' && !bytes_equal_text(key, filter->vehicle))
        return false;
    if (filter->topic[0] != '\0' && strcmp(topic, filter->topic) != 0 &&
        !bytes_equal_text(mc->source_topic, filter->topic))
        return false;
    return contains(mc->detail, filter->detail);
}

bool dlq_filter_takes_id(const struct dlq_filter *filter, const struct packet_identity *id)
{
    char text[2 * PACKET_IDENTITY_LEN];
    text_from_hex(text, id->bytes, PACKET_IDENTITY_LEN);
    return memcmp(text, filter->id, strlen(filter->id)) == 0;
}
