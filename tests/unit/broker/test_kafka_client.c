/* SPDX-License-Identifier: Apache-2.0 */
/* Settings into librdkafka's, and its troubles into one line with the fix. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/clock.h"
#include "broker/kafka/client.h"
#include "config/config.h"

static struct config *load(const char *const *overrides, size_t count, struct error *err)
{
    static const struct config_module *const modules[] = {&kafka_module, NULL};
    const struct config_source source = {.overrides = overrides, .override_count = count};
    struct config *config = NULL;
    return config_load(&config, modules, &source, err) == 0 ? config : NULL;
}

static const struct kafka_config *settings(struct config *config)
{
    return config_get(config, &kafka_module);
}

static void expect_refusal(const char *override, const char *text)
{
    struct error err = {0};
    assert_null(load(&override, 1, &err));
    assert_int_equal(err.kind, ERROR_CONFIG);
    if (strstr(err.text, text) == NULL)
        fail_msg("\"%s\" lacks \"%s\"", err.text, text);
}

static void bad_settings_are_refused(void **state)
{
    (void)state;
    expect_refusal("kafka.properties=linger", "name=value");
    expect_refusal("kafka.properties=no.such.thing=1", "no.such.thing");
    expect_refusal("kafka.properties=linger.ms=many", "linger.ms");
    expect_refusal("kafka.properties=acks=1", "acks");
    expect_refusal("kafka.properties=sasl.password=x", "kafka.sasl.password");
    expect_refusal("kafka.sasl.mechanism=plain", "sasl.username");
    expect_refusal("kafka.tls.ca=/x", "tls.enabled");
    expect_refusal("kafka.brokers=", "brokers");
}

static void expect_property(const rd_kafka_conf_t *conf, const char *name, const char *value)
{
    char text[256];
    size_t size = sizeof text;
    assert_int_equal(rd_kafka_conf_get(conf, name, text, &size), RD_KAFKA_CONF_OK);
    assert_string_equal(text, value);
}

static void settings_become_properties(void **state)
{
    (void)state;
    static const char *const overrides[] = {
        "kafka.brokers=a:1, b:2",
        "kafka.sasl.mechanism=scram-sha-512",
        "kafka.sasl.username=u",
        "kafka.sasl.password=p",
        "kafka.tls.enabled=true",
        "kafka.tls.verify=false",
        "kafka.properties=linger.ms=7, socket.keepalive.enable=true"};
    struct error err = {0};
    struct config *config = load(overrides, sizeof overrides / sizeof overrides[0], &err);
    assert_non_null(config);
    const struct kafka_property own[] = {{"linger.ms", "5"}, {"acks", "all"}, {NULL, NULL}};
    rd_kafka_conf_t *conf;
    assert_int_equal(kafka_conf_new(&conf, settings(config), own, &err), 0);
    expect_property(conf, "bootstrap.servers", "a:1,b:2");
    expect_property(conf, "security.protocol", "sasl_ssl");
    expect_property(conf, "sasl.mechanism", "SCRAM-SHA-512");
    expect_property(conf, "sasl.password", "p");
    expect_property(conf, "enable.ssl.certificate.verification", "false");
    expect_property(conf, "linger.ms", "7"); /* kafka.properties wins */
    expect_property(conf, "socket.keepalive.enable", "true");
    expect_property(conf, "allow.auto.create.topics", "false");
    rd_kafka_conf_destroy(conf);
    config_unref(config);
}

/* Nobody listens on port 1: the question ends by its deadline, and the error says
 * what was tried and what to look at. */
static void nobody_there_is_one_line(void **state)
{
    (void)state;
    static const char *const overrides[] = {"kafka.brokers=127.0.0.1:1",
                                            "kafka.start_timeout=500ms"};
    struct error err = {0};
    struct config *config = load(overrides, 2, &err);
    struct kafka_client client;
    assert_int_equal(kafka_client_open_plain(&client, settings(config), &err), 0);
    const struct rd_kafka_metadata *metadata;
    rd_kafka_resp_err_t code =
        rd_kafka_metadata(client.rk, 0, NULL, &metadata, kafka_client_timeout_ms(&client));
    assert_int_not_equal(code, RD_KAFKA_RESP_ERR_NO_ERROR);
    assert_int_equal(kafka_client_fail(&client, code, &err, "topic \"%s\"", "t"), -1);
    assert_true(err.is_transient);
    assert_non_null(strstr(err.text, "topic \"t\": "));
    assert_non_null(strstr(err.text, "127.0.0.1:1"));
    assert_non_null(strstr(err.text, "kafka.brokers"));
    assert_null(strchr(err.text, '\n'));
    kafka_client_close(&client);
    config_unref(config);
}

static void a_missing_ca_file_is_named(void **state)
{
    (void)state;
    static const char *const overrides[] = {"kafka.tls.enabled=true", "kafka.tls.ca=/none/ca.pem"};
    struct error err = {0};
    struct config *config = load(overrides, 2, &err);
    struct kafka_client client;
    assert_int_equal(kafka_client_open_plain(&client, settings(config), &err), -1);
    assert_int_equal(err.kind, ERROR_CONFIG);
    assert_non_null(strstr(err.text, "kafka.tls.ca: can't read /none/ca.pem"));
    kafka_client_close(&client);
    config_unref(config);
}

static void the_most_telling_trouble_is_kept(void **state)
{
    (void)state;
    struct kafka_client client = {0};
    kafka_client_hear(&client, RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN, "all down");
    kafka_client_hear(&client, RD_KAFKA_RESP_ERR__AUTHENTICATION, "wrong password");
    kafka_client_hear(&client, RD_KAFKA_RESP_ERR__TRANSPORT, "refused");
    assert_int_equal(client.trouble, RD_KAFKA_RESP_ERR__AUTHENTICATION);
    assert_string_equal(client.trouble_text, "wrong password");
    kafka_client_forget_trouble(&client);
    kafka_client_hear(&client, RD_KAFKA_RESP_ERR__TRANSPORT, "refused");
    assert_string_equal(client.trouble_text, "refused");
}

static void failures_name_the_fix(void **state)
{
    (void)state;
    struct error err = {0};
    kafka_fail(NULL, RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART, "none", &err);
    assert_int_equal(err.kind, ERROR_NOT_FOUND);
    assert_non_null(strstr(err.text, "motorcade topics create"));
    kafka_fail(NULL, RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED, "refused", &err);
    assert_non_null(strstr(err.text, "ACL"));
    kafka_fail(NULL, RD_KAFKA_RESP_ERR__AUTHENTICATION, "refused", &err);
    assert_non_null(strstr(err.text, "kafka.sasl.password"));
    const struct kafka_config scram = {.sasl = {.mechanism = KAFKA_MECHANISM_SCRAM_SHA_512}};
    kafka_fail(&scram, RD_KAFKA_RESP_ERR__AUTHENTICATION, "refused", &err);
    assert_non_null(strstr(err.text, "kafka.sasl.password"));
    if (rd_kafka_version() < 0x020601ff)
        assert_non_null(strstr(err.text, "librdkafka 2.6.1"));
    kafka_fail(NULL, RD_KAFKA_RESP_ERR__SSL, "refused", &err);
    assert_non_null(strstr(err.text, "kafka.tls"));
    assert_false(err.is_transient);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_settings_are_refused),
        cmocka_unit_test(settings_become_properties),
        cmocka_unit_test(nobody_there_is_one_line),
        cmocka_unit_test(a_missing_ca_file_is_named),
        cmocka_unit_test(the_most_telling_trouble_is_kept),
        cmocka_unit_test(failures_name_the_fix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
