/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/kafka/config.h"

#include <string.h>

#include "broker/kafka/client.h"

static const char *const mechanisms[] = {"none", "plain", "scram-sha-256", "scram-sha-512", NULL};
static const char *const profiles[] = {"latency", "throughput", NULL};
static const char *const commits[] = {"batch", "interval", "count", NULL};
const char *const kafka_compressions[] = {"none", "lz4", "zstd", "snappy", "gzip", NULL};
const char *const kafka_topic_compressions[] = {"producer", "uncompressed", "lz4", "zstd",
                                                "snappy",   "gzip",         NULL};
const char *const kafka_strategies[] = {"cooperative-sticky", "range", "roundrobin", NULL};

#define AT(field) offsetof(struct kafka_config, field)
#define KIB INT64_C(1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define MS INT64_C(1000000)
#define S (1000 * MS)
#define DAY (86400 * S)

static const struct setting settings[] = {
    {.name = "brokers",
     .type = SETTING_LIST,
     .offset = AT(brokers),
     .default_text = "127.0.0.1:9092",
     .help = "Addresses (host:port) to begin with; one that answers names the others."},
    {.name = "client_id",
     .type = SETTING_STRING,
     .offset = AT(client_id),
     .default_text = "motorcade",
     .help = "How this process calls itself: in the brokers' logs and quotas."},
    {.name = "prefix",
     .type = SETTING_STRING,
     .offset = AT(prefix),
     .default_text = "",
     .help = "Put before the name of every topic and consumer group, so that several systems can "
             "share a cluster; for example staging."},
    {.name = "start_timeout",
     .type = SETTING_DURATION,
     .offset = AT(start_timeout_ns),
     .default_text = "10s",
     .min = 100 * MS,
     .max = 3600 * S,
     .help = "How long a start, or another question to the cluster, waits for the answer."},
    {.name = "properties",
     .type = SETTING_LIST,
     .offset = AT(properties),
     .default_text = "",
     .help = "More of librdkafka's properties, each as name=value (socket.keepalive.enable=true); "
             "they win over the settings here. Those on which the delivery promise stands are "
             "refused."},
    {.name = "profile",
     .type = SETTING_CHOICE,
     .offset = AT(profile),
     .default_text = "latency",
     .choices = profiles,
     .help = "What producer.linger and consumer.fetch_wait are when they are 0: latency 5ms and "
             "20ms, throughput 50ms each."},
    {.name = "tls.enabled",
     .type = SETTING_BOOL,
     .offset = AT(tls.is_on),
     .default_text = "false",
     .help = "Speak TLS with the brokers."},
    {.name = "tls.ca",
     .type = SETTING_STRING,
     .offset = AT(tls.ca),
     .default_text = "",
     .help = "File of the certificate authorities that may sign the brokers' certificates. Empty: "
             "the system's."},
    {.name = "tls.cert",
     .type = SETTING_STRING,
     .offset = AT(tls.cert),
     .default_text = "",
     .help = "File of this client's certificate, for brokers that ask for one."},
    {.name = "tls.key",
     .type = SETTING_STRING,
     .offset = AT(tls.key),
     .default_text = "",
     .help = "File of the key to tls.cert."},
    {.name = "tls.key_password",
     .type = SETTING_STRING,
     .offset = AT(tls.key_password),
     .default_text = "",
     .is_secret = true,
     .help = "Opens the key file."},
    {.name = "tls.verify",
     .type = SETTING_BOOL,
     .offset = AT(tls.verifies),
     .default_text = "true",
     .help = "Check the brokers' certificates and their host names. Without it anybody on the way "
             "can read and write."},
    {.name = "sasl.mechanism",
     .type = SETTING_CHOICE,
     .offset = AT(sasl.mechanism),
     .default_text = "none",
     .choices = mechanisms,
     .help = "How to log in; plain sends the password as it is: only with TLS."},
    {.name = "sasl.username",
     .type = SETTING_STRING,
     .offset = AT(sasl.username),
     .default_text = "",
     .help = "Who logs in."},
    {.name = "sasl.password",
     .type = SETTING_STRING,
     .offset = AT(sasl.password),
     .default_text = "",
     .is_secret = true,
     .help = "The password."},
    {.name = "topic.verify",
     .type = SETTING_BOOL,
     .offset = AT(topic.verifies),
     .default_text = "true",
     .help = "Compare each topic with the settings topic.* when a role starts and log what "
             "differs; needs the right to read the topics' settings (DescribeConfigs)."},
    {.name = "topic.create",
     .type = SETTING_BOOL,
     .offset = AT(topic.may_create),
     .default_text = "false",
     .help = "Create a topic that is missing, as the settings topic.* say. For development: in "
             "production topics are created with motorcade topics create."},
    {.name = "topic.partitions",
     .type = SETTING_INT,
     .offset = AT(topic.partitions),
     .default_text = "6",
     .min = 1,
     .max = 256,
     .unit = "partitions",
     .help = "Partitions of a topic that is created: the most members that a consumer group can "
             "keep busy."},
    {.name = "topic.replication",
     .type = SETTING_INT,
     .offset = AT(topic.replication),
     .default_text = "3",
     .min = 1,
     .max = 16,
     .unit = "copies",
     .help = "Brokers that hold a copy of each record; 1 is for development."},
    {.name = "topic.min_insync_replicas",
     .type = SETTING_INT,
     .offset = AT(topic.min_insync_replicas),
     .default_text = "2",
     .min = 1,
     .max = 16,
     .unit = "copies",
     .help = "Copies that must exist before a record is acked; no more than topic.replication are "
             "asked for."},
    {.name = "topic.retention",
     .type = SETTING_DURATION,
     .offset = AT(topic.retention_ns),
     .default_text = "7d",
     .min = 60 * S,
     .max = 3650 * DAY,
     .help = "How long records are kept, by received time."},
    {.name = "topic.compression",
     .type = SETTING_CHOICE,
     .offset = AT(topic.compression),
     .default_text = "producer",
     .choices = kafka_topic_compressions,
     .help = "How a topic keeps its records; producer: as they came."},
    {.name = "topic.max_message_bytes",
     .type = SETTING_SIZE,
     .offset = AT(topic.max_message_bytes),
     .default_text = "2MiB",
     .min = 4 * KIB,
     .max = GIB,
     .help = "Largest batch that a topic takes; broker.record_bytes_max must fit in."},
    {.name = "producer.linger",
     .type = SETTING_DURATION,
     .offset = AT(producer.linger_ns),
     .default_text = "0",
     .min = 0,
     .max = 60 * S,
     .help = "How long the first record of a batch waits for company; 0 = as the profile says."},
    {.name = "producer.compression",
     .type = SETTING_CHOICE,
     .offset = AT(producer.compression),
     .default_text = "none",
     .choices = kafka_compressions,
     .help = "How batches are compressed; lz4 where the network is the limit."},
    {.name = "producer.batch_records",
     .type = SETTING_INT,
     .offset = AT(producer.batch_records),
     .default_text = "10000",
     .min = 1,
     .max = 1000000,
     .unit = "records",
     .help = "Records in a batch at most."},
    {.name = "producer.batch_bytes",
     .type = SETTING_SIZE,
     .offset = AT(producer.batch_bytes),
     .default_text = "976KiB",
     .min = KIB,
     .max = 512 * MIB,
     .help = "Bytes in a batch at most; the topics' max.message.bytes must be larger."},
    {.name = "producer.timeout",
     .type = SETTING_DURATION,
     .offset = AT(producer.timeout_ns),
     .default_text = "5m",
     .min = S,
     .max = 24 * 3600 * S,
     .help = "How long a record may be under way before it counts as not delivered."},
    {.name = "consumer.strategy",
     .type = SETTING_CHOICE,
     .offset = AT(consumer.strategy),
     .default_text = "range",
     .choices = kafka_strategies,
     .help = "How a group divides its partitions; all members of a group need the same. range and "
             "roundrobin share out each topic evenly, cooperative-sticky only the number of "
             "partitions, but members that keep theirs go on while it changes."},
    {.name = "consumer.group_instance_id",
     .type = SETTING_STRING,
     .offset = AT(consumer.group_instance_id),
     .default_text = "",
     .help = "Static membership: a name of this process that stays over a restart, so that a "
             "restart within consumer.session_timeout moves no partition. Each process needs its "
             "own. Empty: dynamic members."},
    {.name = "consumer.session_timeout",
     .type = SETTING_DURATION,
     .offset = AT(consumer.session_timeout_ns),
     .default_text = "45s",
     .min = S,
     .max = 3600 * S,
     .help = "A member that is silent for so long loses its partitions."},
    {.name = "consumer.poll_interval",
     .type = SETTING_DURATION,
     .offset = AT(consumer.poll_interval_ns),
     .default_text = "5m",
     .min = S,
     .max = 24 * 3600 * S,
     .help = "A member that hangs for so long leaves its group; one that waits for a database "
             "doesn't hang."},
    {.name = "consumer.commit",
     .type = SETTING_CHOICE,
     .offset = AT(consumer.commit),
     .default_text = "batch",
     .choices = commits,
     .help = "When positions go to the cluster: after each batch, every commit_interval, or after "
             "commit_records records. What is not committed at a crash is read again."},
    {.name = "consumer.commit_interval",
     .type = SETTING_DURATION,
     .offset = AT(consumer.commit_interval_ns),
     .default_text = "1s",
     .min = MS,
     .max = 3600 * S,
     .help = "For consumer.commit: interval."},
    {.name = "consumer.commit_records",
     .type = SETTING_INT,
     .offset = AT(consumer.commit_records),
     .default_text = "100000",
     .min = 1,
     .max = INT64_C(1000000000),
     .unit = "records",
     .help = "For consumer.commit: count."},
    {.name = "consumer.fetch_wait",
     .type = SETTING_DURATION,
     .offset = AT(consumer.fetch_wait_ns),
     .default_text = "0",
     .min = 0,
     .max = 10 * S,
     .help =
         "How long a broker lets records gather before it answers a fetch, while there are less "
         "than 512 KiB of them: fewer requests for a later sight of the records. 0 = as the "
         "profile says; the store, which nobody waits for, then takes 50ms."},
    {.name = "consumer.queue_records",
     .type = SETTING_INT,
     .offset = AT(consumer.queue_records),
     .default_text = "1000000",
     .min = 1,
     .max = 10000000,
     .unit = "records",
     .help = "Records that one consumer fetches ahead. librdkafka before 2.2 rests for a second "
             "when this is reached: it should last longer than a second."},
    {.name = "consumer.queue_bytes",
     .type = SETTING_SIZE,
     .offset = AT(consumer.queue_bytes),
     .default_text = "256MiB",
     .min = MIB,
     .max = 2047 * MIB,
     .help = "The same in bytes of keys, values and headers."},
};

/* What the promise stands on, or what this program chooses by itself. */
static const char *const owned_properties[] = {
    "acks",
    "request.required.acks",
    "enable.idempotence",
    "enable.gapless.guarantee",
    "transactional.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "auto.offset.reset",
    "group.id",
    "group.instance.id",
    "partition.assignment.strategy",
    "partitioner",
    "bootstrap.servers",
    "metadata.broker.list",
    "delivery.report.only.error",
    "allow.auto.create.topics",
    NULL,
};

static int check_property(const char *property, struct error *err)
{
    size_t len = strcspn(property, "=");
    if (property[len] != '=' || len == 0)
        return error_set(err, ERROR_CONFIG, "properties wants name=value, got \"%.80s\"", property);
    for (size_t i = 0; owned_properties[i] != NULL; i++)
        if (strlen(owned_properties[i]) == len && strncmp(owned_properties[i], property, len) == 0)
            return error_set(err, ERROR_CONFIG,
                             "properties can't set %s: the program needs its own value (see the "
                             "settings of kafka)",
                             owned_properties[i]);
    if (memmem(property, len, "password", 8) != NULL || memmem(property, len, "secret", 6) != NULL)
        return error_set(err, ERROR_CONFIG,
                         "properties can't set %.*s: secrets belong into kafka.sasl.password or "
                         "kafka.tls.key_password, which are never printed",
                         (int)len, property);
    return kafka_conf_check(property, err) == 0 ? 0
                                                : error_prefix(err, "properties: %.80s", property);
}

static int check(const void *module, struct error *err)
{
    const struct kafka_config *config = module;
    if (config->brokers.count == 0)
        return error_set(err, ERROR_CONFIG, "brokers wants at least one host:port");
    if (config->sasl.mechanism != KAFKA_MECHANISM_NONE && config->sasl.username[0] == '\0')
        return error_set(err, ERROR_CONFIG, "sasl.mechanism wants sasl.username and sasl.password");
    if ((config->tls.cert[0] == '\0') != (config->tls.key[0] == '\0'))
        return error_set(err, ERROR_CONFIG, "tls.cert and tls.key go together");
    if (!config->tls.is_on && (config->tls.ca[0] != '\0' || config->tls.cert[0] != '\0'))
        return error_set(err, ERROR_CONFIG, "tls.ca and tls.cert want tls.enabled: true");
    if (config->consumer.poll_interval_ns < config->consumer.session_timeout_ns)
        return error_set(err, ERROR_CONFIG,
                         "consumer.poll_interval can't be shorter than consumer.session_timeout");
    for (size_t i = 0; i < config->properties.count; i++)
        if (check_property(config->properties.items[i], err) != 0)
            return -1;
    return 0;
}

const struct config_module kafka_module = {
    .name = "kafka",
    .help = "Apache Kafka, where broker.kind is kafka.",
    .settings = settings,
    .setting_count = SETTING_COUNT(settings),
    .size = sizeof(struct kafka_config),
    .check = check,
};
