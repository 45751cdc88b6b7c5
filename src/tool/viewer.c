/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/viewer.h"

#include <stdio.h>
#include <string.h>

#include "broker/driver.h"
#include "broker/readonly.h"
#include "tool/modules.h"

int viewer_open(struct broker **out, const struct config *config, struct error *err)
{
    struct broker_config settings = broker_settings(config);
    switch ((enum broker_kind)settings.kind) {
    case BROKER_JOURNAL:
        return broker_open_readonly(out, settings.data_dir, err);
    case BROKER_KAFKA:
        return broker_open(out, &settings, err);
    case BROKER_MEMORY:
        break;
    }
    return error_set(err, ERROR_CONFIG,
                     "broker.kind: memory ends with its process: there is nothing to look at");
}

static int list_topics(struct broker *broker, const char *name, struct error *err)
{
    char names[256] = "";
    for (int t = 0; t < broker_topic_count(broker); t++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", t == 0 ? "" : ", ",
                 broker_topic_name(broker, t));
    }
    return error_set(err, ERROR_NOT_FOUND, "there is no topic \"%s\" (there are: %s)", name,
                     names[0] == 0 ? "none" : names);
}

int viewer_topic(struct broker *broker, const char *name, struct error *err)
{
    int topic = broker_find_topic(broker, name);
    if (topic >= 0)
        return topic;
    if (!broker->is_readonly)
        return broker_topic(broker, name, 0, err); /* the cluster knows */
    return list_topics(broker, name, err);
}
