/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/kafka/client.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "base/version.h"
#include "observe/log.h"

enum { ERRSTR_MAX = 512, VALUE_MAX = 4096 };

/* ---- configuration ---- */

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct error *err)
{
    char reason[ERRSTR_MAX];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) != RD_KAFKA_CONF_OK)
        return error_set(err, ERROR_CONFIG, "%s", reason);
    return 0;
}

static int set_brokers(rd_kafka_conf_t *conf, const struct kafka_config *config, struct error *err)
{
    char text[VALUE_MAX];
    size_t len = 0;
    for (size_t i = 0; i < config->brokers.count && len < sizeof text; i++)
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i == 0 ? "" : ",",
                                config->brokers.items[i]);
    if (len >= sizeof text)
        return error_set(err, ERROR_CONFIG, "kafka.brokers is longer than %d bytes", VALUE_MAX);
    return set(conf, "bootstrap.servers", text, err);
}

static const char *security_protocol(const struct kafka_config *config)
{
    if (config->sasl.mechanism != KAFKA_MECHANISM_NONE)
        return config->tls.is_on ? "sasl_ssl" : "sasl_plaintext";
    return config->tls.is_on ? "ssl" : "plaintext";
}

static int set_all(rd_kafka_conf_t *conf, const struct kafka_property *properties,
                   struct error *err)
{
    for (; properties->name != NULL; properties++)
        if (properties->value[0] != '\0' &&
            set(conf, properties->name, properties->value, err) != 0)
            return -1;
    return 0;
}

static int set_security(rd_kafka_conf_t *conf, const struct kafka_config *config, struct error *err)
{
    static const char *const mechanisms[] = {"", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
    const struct kafka_property tls[] = {
        {"ssl.ca.location", config->tls.ca},
        {"ssl.certificate.location", config->tls.cert},
        {"ssl.key.location", config->tls.key},
        {"ssl.key.password", config->tls.key_password},
        {"enable.ssl.certificate.verification", config->tls.verifies ? "true" : "false"},
        {"ssl.endpoint.identification.algorithm", config->tls.verifies ? "https" : "none"},
        {NULL, NULL},
    };
    const struct kafka_property sasl[] = {
        {"sasl.mechanism", mechanisms[config->sasl.mechanism]},
        {"sasl.username", config->sasl.username},
        {"sasl.password", config->sasl.password},
        {NULL, NULL},
    };
    if (set(conf, "security.protocol", security_protocol(config), err) != 0 ||
        (config->tls.is_on && set_all(conf, tls, err) != 0) ||
        (config->sasl.mechanism != KAFKA_MECHANISM_NONE && set_all(conf, sasl, err) != 0))
        return -1;
    return 0;
}

static int set_text(rd_kafka_conf_t *conf, const char *property, struct error *err)
{
    char name[128];
    size_t len = strcspn(property, "=");
    if (len == 0 || len >= sizeof name || property[len] != '=')
        return error_set(err, ERROR_CONFIG, "wants name=value, got \"%.80s\"", property);
    memcpy(name, property, len);
    name[len] = '\0';
    return set(conf, name, property + len + 1, err);
}

/* librdkafka's threads call it. Connections are told by error events; what is
 * left is rare, and the log holds back who repeats himself. */
static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    (void)rk;
    static const char *const told_by_events[] = {"FAIL",     "ERROR",    "FATAL",
                                                 "REQTMOUT", "CONFWARN", "SSL"};
    enum log_level ours = level <= 4 ? LOG_WARN : LOG_DEBUG; /* syslog's: 4 is a warning */
    for (size_t i = 0; i < sizeof told_by_events / sizeof told_by_events[0]; i++)
        if (strcmp(facility, told_by_events[i]) == 0)
            ours = LOG_DEBUG;
    log_event(ours, "kafka", "librdkafka says", LOG_T("facility", facility), LOG_T("text", text));
}

static int fill(rd_kafka_conf_t *conf, const struct kafka_config *config,
                const struct kafka_property *own, struct error *err)
{
    const struct kafka_property common[] = {
        {"client.id", config->client_id},
        {"client.software.name", "motorcade"},
        {"client.software.version", version_text()},
        {"reconnect.backoff.max.ms", "2000"},
        {"socket.nagle.disable", "true"},
        {"log.connection.close", "false"},
        {"allow.auto.create.topics", "false"},
        {NULL, NULL},
    };
    if (set_brokers(conf, config, err) != 0 || set_all(conf, common, err) != 0 ||
        set_security(conf, config, err) != 0 || (own != NULL && set_all(conf, own, err) != 0))
        return -1;
    for (size_t i = 0; i < config->properties.count; i++)
        if (set_text(conf, config->properties.items[i], err) != 0)
            return error_prefix(err, "kafka.properties");
    return 0;
}

int kafka_conf_new(rd_kafka_conf_t **out, const struct kafka_config *config,
                   const struct kafka_property *own, struct error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (conf == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for librdkafka");
    rd_kafka_conf_set_log_cb(conf, on_log);
    if (fill(conf, config, own, err) != 0) {
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    *out = conf;
    return 0;
}

int kafka_conf_check(const char *property, struct error *err)
{
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    if (conf == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for librdkafka");
    int result = set_text(conf, property, err);
    rd_kafka_conf_destroy(conf);
    return result;
}

/* ---- the connection ---- */

/* librdkafka would tell it in OpenSSL's words. */
static int check_file(const char *setting, const char *path, struct error *err)
{
    if (path[0] == '\0' || access(path, R_OK) == 0)
        return 0;
    return error_set_errno(err, ERROR_CONFIG, errno, "%s: can't read %s", setting, path);
}

static int check_files(const struct kafka_config *config, struct error *err)
{
    if (!config->tls.is_on)
        return 0;
    if (check_file("kafka.tls.ca", config->tls.ca, err) != 0 ||
        check_file("kafka.tls.cert", config->tls.cert, err) != 0)
        return -1;
    return check_file("kafka.tls.key", config->tls.key, err);
}

int kafka_client_open(struct kafka_client *client, rd_kafka_type_t type, rd_kafka_conf_t *conf,
                      const struct kafka_config *config, struct error *err)
{
    char reason[ERRSTR_MAX];
    *client = (struct kafka_client){.config = config};
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_ERROR | RD_KAFKA_EVENT_DR | RD_KAFKA_EVENT_STATS);
    if (check_files(config, err) != 0) {
        rd_kafka_conf_destroy(conf);
        return -1;
    }
    client->rk = rd_kafka_new(type, conf, reason, sizeof reason);
    if (client->rk == NULL) {
        rd_kafka_conf_destroy(conf);
        return error_set(err, ERROR_CONFIG, "kafka: %s (see the settings kafka.*)", reason);
    }
    client->main_queue = rd_kafka_queue_get_main(client->rk);
    return 0;
}

int kafka_client_open_plain(struct kafka_client *client, const struct kafka_config *config,
                            struct error *err)
{
    rd_kafka_conf_t *conf;
    *client = (struct kafka_client){.config = config};
    if (kafka_conf_new(&conf, config, NULL, err) != 0)
        return -1;
    return kafka_client_open(client, RD_KAFKA_PRODUCER, conf, config, err);
}

void kafka_client_close(struct kafka_client *client)
{
    if (client->main_queue != NULL)
        rd_kafka_queue_destroy(client->main_queue);
    if (client->rk != NULL)
        rd_kafka_destroy(client->rk);
    client->main_queue = NULL;
    client->rk = NULL;
}

int kafka_client_timeout_ms(const struct kafka_client *client)
{
    return (int)(client->config->start_timeout_ns / NS_PER_MS);
}

void kafka_full_name(const struct kafka_config *config, const char *name,
                     char out[KAFKA_NAME_MAX + 1])
{
    snprintf(out, KAFKA_NAME_MAX + 1, "%s%s", config->prefix, name);
}

/* ---- failures ---- */

/* How much an error says about what to mend. */
static int telling(rd_kafka_resp_err_t code)
{
    static const struct {
        rd_kafka_resp_err_t code;
        int rank;
    } ranks[] = {
        {RD_KAFKA_RESP_ERR__AUTHENTICATION, 5},
        {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED, 5},
        {RD_KAFKA_RESP_ERR__SSL, 5},
        {RD_KAFKA_RESP_ERR__RESOLVE, 4},
        {RD_KAFKA_RESP_ERR__TRANSPORT, 3},
        {RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, 1},
        {RD_KAFKA_RESP_ERR__TIMED_OUT, 1},
        {RD_KAFKA_RESP_ERR_NO_ERROR, 0},
    };
    for (size_t i = 0; i < sizeof ranks / sizeof ranks[0]; i++)
        if (ranks[i].code == code)
            return ranks[i].rank;
    return 2;
}

void kafka_client_hear(struct kafka_client *client, rd_kafka_resp_err_t code, const char *text)
{
    if (telling(code) < telling(client->trouble))
        return;
    client->trouble = code;
    snprintf(client->trouble_text, sizeof client->trouble_text, "%s",
             text != NULL ? text : rd_kafka_err2str(code));
}

void kafka_client_forget_trouble(struct kafka_client *client)
{
    client->trouble = RD_KAFKA_RESP_ERR_NO_ERROR;
    client->trouble_text[0] = '\0';
}

void kafka_client_hear_all(struct kafka_client *client)
{
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(client->main_queue, 0)) != NULL) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR)
            kafka_client_hear(client, rd_kafka_event_error(event),
                              rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
    }
}

static bool says_nothing(rd_kafka_resp_err_t code)
{
    return telling(code) == 1 || code == RD_KAFKA_RESP_ERR__TRANSPORT ||
           code == RD_KAFKA_RESP_ERR__WAIT_COORD || code == RD_KAFKA_RESP_ERR__WAIT_CACHE;
}

/* Before 2.6.1 librdkafka repeats its nonce, which Kafka refuses from 4.0 on
 * (RFC 5802, section 5.1; librdkafka's pull request 4895). */
static bool has_old_scram(const struct kafka_config *config)
{
    return config != NULL && config->sasl.mechanism >= KAFKA_MECHANISM_SCRAM_SHA_256 &&
           rd_kafka_version() < 0x020601ff;
}

static bool is_login(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__AUTHENTICATION ||
           code == RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED;
}

static bool is_out_of_reach(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
           code == RD_KAFKA_RESP_ERR__TIMED_OUT;
}

static const char *fix_of(const struct kafka_config *config, rd_kafka_resp_err_t code)
{
    static const struct {
        rd_kafka_resp_err_t code;
        const char *fix;
    } fixes[] = {
        {RD_KAFKA_RESP_ERR__AUTHENTICATION,
         "mend kafka.sasl.mechanism, kafka.sasl.username or kafka.sasl.password"},
        {RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED,
         "mend kafka.sasl.mechanism, kafka.sasl.username or kafka.sasl.password"},
        {RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM, "mend kafka.sasl.mechanism"},
        {RD_KAFKA_RESP_ERR__RESOLVE, "mend kafka.brokers"},
        {RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC, "make it with \"motorcade topics create\""},
        {RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION, "make it with \"motorcade topics create\""},
        {RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "make it with \"motorcade topics create\""},
        {RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
         "let this user (kafka.sasl.username) describe, read and write the topic (ACL)"},
        {RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
         "let this user (kafka.sasl.username) read and describe the group (ACL)"},
        {RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED,
         "let this user (kafka.sasl.username) write to the topics, or do this in the cluster "
         "(ACL)"},
        {RD_KAFKA_RESP_ERR_INVALID_REPLICATION_FACTOR,
         "lower kafka.topic.replication (1 for a single broker), or add brokers"},
        {RD_KAFKA_RESP_ERR_INCONSISTENT_GROUP_PROTOCOL,
         "all members of a group need the same kafka.consumer.strategy"},
        {RD_KAFKA_RESP_ERR_FENCED_INSTANCE_ID,
         "each process needs its own kafka.consumer.group_instance_id"},
    };
    if (is_login(code) && has_old_scram(config))
        return "mend kafka.sasl.username or kafka.sasl.password; or is it Kafka 4, whose SCRAM "
               "wants librdkafka 2.6.1 or newer? (or kafka.sasl.mechanism plain, with TLS)";
    if (is_out_of_reach(code))
        return config == NULL || config->tls.is_on
                   ? "is the cluster up, and its address in kafka.brokers?"
                   : "is the cluster up, its address in kafka.brokers, or does it want "
                     "kafka.tls.enabled?";
    if (code == RD_KAFKA_RESP_ERR__SSL)
        return config != NULL && config->tls.is_on
                   ? "mend kafka.tls.ca (it must hold who signed the brokers' certificates), "
                     "kafka.tls.cert or kafka.tls.key"
                   : "set kafka.tls.enabled";
    for (size_t i = 0; i < sizeof fixes / sizeof fixes[0]; i++)
        if (fixes[i].code == code)
            return fixes[i].fix;
    return NULL;
}

static bool is_transient(rd_kafka_resp_err_t code)
{
    return code == RD_KAFKA_RESP_ERR__RESOLVE || code == RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE ||
           code == RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE ||
           code == RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS || says_nothing(code);
}

int kafka_fail(const struct kafka_config *config, rd_kafka_resp_err_t code, const char *reason,
               struct error *err)
{
    bool is_missing = code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART ||
                      code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
                      code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION;
    const char *fix = fix_of(config, code);
    error_set(err, is_missing ? ERROR_NOT_FOUND : ERROR_REMOTE, "%s%s%s", reason,
              fix != NULL ? "; " : "", fix != NULL ? fix : "");
    if (err != NULL)
        err->is_transient = is_transient(code);
    return -1;
}

int kafka_client_fail(struct kafka_client *client, rd_kafka_resp_err_t code, struct error *err,
                      const char *what, ...)
{
    const char *reason = rd_kafka_err2str(code);
    kafka_client_hear_all(client);
    if (says_nothing(code) && telling(client->trouble) > 1) {
        code = client->trouble;
        reason = client->trouble_text;
    }
    kafka_fail(client->config, code, reason, err);
    char prefix[256];
    va_list arguments;
    va_start(arguments, what);
    vsnprintf(prefix, sizeof prefix, what, arguments);
    va_end(arguments);
    return error_prefix(err, "%s", prefix);
}

void kafka_client_on_error(struct kafka_client *client, rd_kafka_resp_err_t code, const char *text)
{
    struct error err;
    kafka_client_hear(client, code, text);
    if (code != RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN || client->is_down)
        return;
    client->is_down = true;
    kafka_fail(client->config, client->trouble, client->trouble_text, &err);
    log_error("kafka", "no broker can be reached; trying on", &err);
}

void kafka_client_on_success(struct kafka_client *client)
{
    if (client->trouble == RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    kafka_client_forget_trouble(client);
    if (client->is_down)
        log_write(LOG_INFO, "kafka", "the cluster is reached again", NULL, 0);
    client->is_down = false;
}
