/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/certificate_files.h"

#include "broker/config.h"
#include "broker/kafka/config.h"
#include "sink/config.h"

typedef void use_fn(void *context, const char *use, const char *path);

static void give(const char *use, const char *path, use_fn *fn, void *context)
{
    if (path[0] != '\0')
        fn(context, use, path);
}

static void give_kafka(const struct config *config, use_fn *fn, void *context)
{
    const struct broker_config *broker = config_get(config, &broker_module);
    const struct kafka_config *kafka = config_get(config, &kafka_module);
    if (broker->kind != BROKER_KAFKA || !kafka->tls.is_on)
        return;
    give("kafka ca", kafka->tls.ca, fn, context);
    give("kafka client", kafka->tls.cert, fn, context);
}

static void give_sinks(const struct config *config, use_fn *fn, void *context)
{
    const struct sink_config *sink = config_get(config, &sink_module);
    enum sink_kind kinds[SINK_KINDS];
    size_t count = sink_kinds(sink, kinds);
    for (size_t i = 0; i < count; i++)
        if (kinds[i] == SINK_MONGODB)
            mongodb_config_files(&sink->mongodb, fn, context);
}

void certificate_files(const struct config *config, bool is_of_sink, use_fn *fn, void *context)
{
    give_kafka(config, fn, context);
    if (is_of_sink)
        give_sinks(config, fn, context);
}
