/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/instance.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/version.h"
#include "broker/broker.h"
#include "broker/config.h"
#include "broker/spool/spool.h"
#include "export/reporter.h"
#include "export/tracer.h"
#include "gateway/role.h"
#include "handler/role.h"
#include "live/role.h"
#include "net/admin.h"
#include "net/certificates.h"
#include "net/loop.h"
#include "net/server.h"
#include "observe/health.h"
#include "observe/log.h"
#include "observe/metrics.h"
#include "sink/config.h"
#include "sink/sink.h"
#include "store/config.h"
#include "store/role.h"
#include "tool/ceilings.h"
#include "tool/certificate_files.h"
#include "tool/dlq_pages.h"
#include "tool/log_pages.h"
#include "tool/modules.h"
#include "tool/notify.h"
#include "tool/rulebook.h"
#include "tool/status.h"
#include "tool/statusz.h"
#include "vehicle/ruleset.h"
#include "vehicle/transform/shape.h"
#include "vehicle/topics.h"

/* A shutdown that hangs is a bug; the supervisor must not wait for ever. */
enum { SHUTDOWN_SECONDS = 60 };

struct instance {
    const struct instance_options *options;
    struct loop *loop; /* this thread's: signals, admin, status */
    struct broker *broker;
    struct broker *spool; /* over it, for the gateway; or NULL */
    struct shape *shape;  /* of the store; NULL: it changes nothing */
    struct rulebook book;
    struct config *reloaded;          /* the newest that was read at a signal, or NULL */
    enum sink_kind kinds[SINK_KINDS]; /* what is written to; the first is read from */
    size_t sink_count;
    struct sink *sinks[SINK_KINDS];
    struct sink *reader; /* the first one again, read only: live's start and history */
    struct gateway *gateway;
    struct handler *handler;
    struct store *stores[SINK_KINDS]; /* one a sink */
    struct live *live;
    struct live_config live_settings;
    struct server *admin;
    struct dlq_pages *dlq_pages;
    struct status *status;
    struct reporter *graphite, *statsd;
    struct tracer *tracer;
    struct statusz statusz;
    struct notify *notify;
    struct loop_timer *ready_timer;
    pthread_mutex_t failure_lock;
    struct error failure; /* why it must end; ERROR_NONE = it was asked to */
};

static const void *settings_of(const struct instance *instance, const struct config_module *module)
{
    return config_get(instance->options->config, module);
}

/* ---- the ground: files, folder ---- */

static void raise_file_limit(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
}

/* mkdir -p; and is it ours to write? */
static int make_data_dir(const char *path, struct error *err)
{
    char part[4096];
    size_t len = strlen(path);
    if (len >= sizeof part)
        return error_set(err, ERROR_CONFIG, "the data folder's name is too long");
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (mkdir(part, 0750) != 0 && errno != EEXIST)
            return error_set_errno(err, ERROR_IO, errno,
                                   "can't make the data folder %s (name another with --data)",
                                   part);
    }
    if (access(path, W_OK | X_OK) != 0)
        return error_set_errno(err, ERROR_IO, errno,
                               "can't write to the data folder %s (mend its owner or rights, or "
                               "name another with --data)",
                               path);
    return 0;
}

/* ---- failures and the end ---- */

/* Any thread: the broker can't go on. */
static void on_broker_failure(void *context, const struct error *err)
{
    struct instance *instance = context;
    pthread_mutex_lock(&instance->failure_lock);
    if (instance->failure.kind == ERROR_NONE)
        instance->failure = *err;
    pthread_mutex_unlock(&instance->failure_lock);
    loop_stop(instance->loop);
}

static void exit_at_once(int number)
{
    (void)number;
    _exit(1);
}

static void on_end_signal(void *context, int number)
{
    struct instance *instance = context;
    log_event(LOG_INFO, instance->options->name, "stopping", LOG_T("signal", strsignal(number)));
    loop_stop(instance->loop);
}

/* ---- reload ---- */

/* Who reads a category's topic must do so before packets can come there. */
static int put_in_force(struct instance *instance, struct rulebook *next, struct error *err)
{
    if (instance->shape != NULL && shape_check_categories(instance->shape, next->ruleset, err) != 0)
        return -1;
    for (size_t i = 0; i < instance->sink_count; i++)
        if (instance->stores[i] != NULL &&
            store_add_topics(instance->stores[i], next->names, next->topics.count, err) != 0)
            return -1;
    if (instance->live != NULL &&
        live_add_topics(instance->live, next->names, next->topics.count, err) != 0)
        return -1;
    if (instance->handler != NULL && handler_reload(instance->handler, next->ruleset, err) != 0)
        return -1;
    return 0;
}

static int reload_rules(struct instance *instance, const struct config *config, struct error *err)
{
    const struct handler_config *settings = config_get(config, &handler_module);
    struct rulebook next;
    if (rulebook_load(&next, &instance->book, settings->rules, err) != 0)
        return -1;
    if (put_in_force(instance, &next, err) != 0) {
        rulebook_refuse(&next);
        return -1;
    }
    rulebook_turn(&instance->book, &next);
    return 0;
}

static void tell_reload(const struct instance *instance, int result, const struct error *err)
{
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx",
             (unsigned long long)ruleset_hash(instance->book.ruleset));
    if (result != 0)
        log_error(instance->options->name, "reload refused, what was in force stays", err);
    else
        log_event(LOG_INFO, instance->options->name, "reloaded", LOG_T("ruleset", hash));
}

static void on_reload_signal(void *context, int number)
{
    (void)number;
    struct instance *instance = context;
    struct error err = {0};
    struct config *config = NULL;
    const struct instance_options *options = instance->options;
    int result = options->reload(options->context, &config, &err);
    if (result == 0)
        result = reload_rules(instance, config, &err);
    tell_reload(instance, result, &err);
    config_unref(result == 0 ? instance->reloaded : config);
    if (result == 0)
        instance->reloaded = config;
}

/* POST /admin/rules/reload: the rules of the settings in force, read again. On the
 * main thread: only an admin address of its own has it. */
static unsigned serve_reload(void *context, const struct http1_request *request, struct buf *out)
{
    (void)request;
    struct instance *instance = context;
    struct error err = {0};
    const struct config *config =
        instance->reloaded != NULL ? instance->reloaded : instance->options->config;
    int result = reload_rules(instance, config, &err);
    tell_reload(instance, result, &err);
    if (result != 0) {
        buf_append_text(out, "{\"error\":\"rules_refused\",\"detail\":");
        buf_append_json(out, bytes_from_text(err.text));
        buf_append_text(out, "}\n");
        return 422;
    }
    const struct ruleset *ruleset = instance->book.ruleset;
    buf_printf(out, "{\"ruleset\":\"%016llx\",\"categories\":%zu,\"rules\":%zu}\n",
               (unsigned long long)ruleset_hash(ruleset), ruleset_category_count(ruleset),
               ruleset_rule_count(ruleset));
    return 200;
}

static void add_reload_page(struct instance *instance)
{
    const struct admin_config *settings = settings_of(instance, &admin_module);
    if (settings->listen[0] == '\0')
        return;
    admin_add(&(struct admin_page){.path = "/admin/rules/reload",
                                   .content_type = "application/json",
                                   .is_change = true,
                                   .serve = serve_reload,
                                   .context = instance});
}

static void on_debug_signal(void *context, int number)
{
    (void)context, (void)number;
    log_toggle_debug();
}

/* ---- starting, part by part ---- */

static int open_loop(struct instance *instance, struct error *err)
{
    instance->loop = loop_new("main", err);
    if (instance->loop == NULL)
        return -1;
    static const int ends[] = {SIGINT, SIGTERM};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (loop_on_signal(instance->loop, ends[i], on_end_signal, instance, err) != 0)
            return -1;
    if (loop_on_signal(instance->loop, SIGUSR1, on_debug_signal, instance, err) != 0)
        return -1;
    return loop_on_signal(instance->loop, SIGHUP, on_reload_signal, instance, err);
}

static int open_broker(struct instance *instance, struct error *err)
{
    const struct broker_config settings = broker_settings(instance->options->config);
    bool is_without_source = (instance->options->roles & ROLE_GATEWAY) == 0;
    if (settings.kind == BROKER_JOURNAL && is_without_source)
        return error_set(err, ERROR_CONFIG,
                         "the embedded journal has one process: run all roles in it with "
                         "\"motorcade run\", or set broker.kind to a broker that several "
                         "processes share (kafka)");
    if (broker_open(&instance->broker, &settings, err) != 0)
        return -1;
    broker_on_failure(instance->broker, on_broker_failure, instance);
    instance->statusz.broker = instance->broker;
    statusz_add(&instance->statusz);
    return 0;
}

/* For the gateway alone: who consumes has nothing to do while the broker is away. */
static int open_spool(struct instance *instance, struct error *err)
{
    const struct spool_config *spool = settings_of(instance, &spool_module);
    struct broker_config settings = broker_settings(instance->options->config);
    bool is_wanted = spool->is_enabled && settings.kind == BROKER_KAFKA &&
                     (instance->options->roles & ROLE_GATEWAY) != 0;
    if (!is_wanted)
        return 0;
    settings.data_dir = instance->options->data_dir;
    if (spool_open(&instance->spool, instance->broker, &settings, spool, err) != 0)
        return -1;
    broker_on_failure(instance->spool, on_broker_failure, instance);
    return 0;
}

static int load_shape(struct instance *instance, struct error *err)
{
    const struct store_settings *settings = settings_of(instance, &store_module);
    if ((instance->options->roles & ROLE_STORE) == 0 || settings->transform[0] == '\0')
        return 0;
    if (shape_load(&instance->shape, settings->transform, err) != 0)
        return -1;
    return shape_check_categories(instance->shape, instance->book.ruleset, err);
}

static int open_rules(struct instance *instance, struct error *err)
{
    if (rulebook_open(&instance->book, instance->options->config, err) != 0)
        return -1;
    add_reload_page(instance);
    return load_shape(instance, err);
}

/* Of the sink number i. */
static struct sink_config sink_settings(const struct instance *instance, size_t i)
{
    struct sink_config settings = *(const struct sink_config *)settings_of(instance, &sink_module);
    settings.data_dir = instance->options->data_dir;
    if (i < instance->sink_count)
        settings.kind = (int)instance->kinds[i];
    return settings;
}

static int open_sinks(struct instance *instance, struct error *err)
{
    struct sink_config settings = sink_settings(instance, 0);
    instance->sink_count = sink_kinds(&settings, instance->kinds);
    for (size_t i = 0; i < instance->sink_count; i++) {
        const struct sink_config one = sink_settings(instance, i);
        if ((instance->options->roles & ROLE_STORE) != 0 &&
            sink_open(&instance->sinks[i], &one, false, err) != 0)
            return -1;
    }
    if (!(instance->options->roles & ROLE_LIVE) || settings.kind == SINK_MEMORY)
        return 0;
    struct error cause;
    if (sink_open(&instance->reader, &settings, true, &cause) == 0 ||
        cause.kind == ERROR_NOT_FOUND) /* live can do without */
        return 0;
    *err = cause;
    return -1;
}

static bool is_over_kafka(const struct instance *instance)
{
    const struct broker_config *settings = settings_of(instance, &broker_module);
    return settings->kind == BROKER_KAFKA;
}

static int start_handler(struct instance *instance, struct error *err)
{
    struct handler_config settings =
        *(const struct handler_config *)settings_of(instance, &handler_module);
    settings.topics = (struct setting_list){instance->book.ingest, instance->book.ingest_count};
    if (settings.group[0] == '\0' && is_over_kafka(instance))
        settings.group = HANDLER_GROUP_KAFKA;
    settings.state_dir = instance->options->data_dir;
    return handler_start(&instance->handler, &settings, instance->broker, instance->book.ruleset,
                         err);
}

/* Each sink has a store of its own. The first, which sink.kind names, has the
 * group's plain name: a sink that is added later does not move its position. */
static int start_stores(struct instance *instance, struct error *err)
{
    const struct store_settings *store = settings_of(instance, &store_module);
    for (size_t i = 0; i < instance->sink_count; i++) {
        static const char *const names[SINK_KINDS] = {"store-sqlite", "store-memory",
                                                      "store-mongodb"};
        char group[256];
        struct store_config settings = {
            .sink = sink_settings(instance, i),
            .group = store->group,
            .shape = instance->shape,
            .transform_vehicles = store->transform_vehicles,
            .state_dir = instance->options->data_dir,
        };
        if (i > 0) {
            snprintf(group, sizeof group, "%s-%s", store->group,
                     sink_kind_name(instance->kinds[i]));
            settings.group = group;
            settings.name = names[instance->kinds[i]];
        }
        if (store_start(&instance->stores[i], &settings, instance->broker, instance->sinks[i],
                        instance->book.names, instance->book.topics.count, err) != 0)
            return -1;
    }
    return 0;
}

static int start_live(struct instance *instance, struct error *err)
{
    const struct store_settings *store = settings_of(instance, &store_module);
    instance->live_settings = *(const struct live_config *)settings_of(instance, &live_module);
    instance->live_settings.store_group = store->group;
    return live_start(&instance->live, &instance->live_settings, instance->broker,
                      instance->reader != NULL ? instance->reader : instance->sinks[0],
                      instance->book.names, instance->book.topics.count, err);
}

static int start_gateway(struct instance *instance, struct error *err)
{
    const struct admin_config *admin = settings_of(instance, &admin_module);
    bool serves_admin = admin->listen[0] == '\0';
    return gateway_start(&instance->gateway, settings_of(instance, &gateway_module),
                         settings_of(instance, &topics_module),
                         instance->spool != NULL ? instance->spool : instance->broker, serves_admin,
                         err);
}

/* What is fed starts before what feeds it. */
static int start_roles(struct instance *instance, struct error *err)
{
    static const struct {
        enum instance_role role;
        int (*start)(struct instance *instance, struct error *err);
    } starts[] = {
        {ROLE_STORE, start_stores},
        {ROLE_LIVE, start_live},
        {ROLE_HANDLER, start_handler},
        {ROLE_GATEWAY, start_gateway},
    };
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        if ((instance->options->roles & starts[i].role) != 0 && starts[i].start(instance, err) != 0)
            return -1;
    return 0;
}

static int open_admin(struct instance *instance, struct error *err)
{
    const struct admin_config *settings = settings_of(instance, &admin_module);
    if (settings->listen[0] == '\0')
        return 0;
    return admin_open(&instance->admin, instance->loop, settings->listen, err);
}

static int start_reports(struct instance *instance, struct error *err)
{
    const char *role = instance->options->name;
    if (reporter_start_graphite(&instance->graphite, settings_of(instance, &graphite_module), role,
                                err) != 0)
        return -1;
    const char *system = is_over_kafka(instance) ? "kafka" : "motorcade";
    if (tracer_start(&instance->tracer, settings_of(instance, &tracing_module), role, system,
                     err) != 0)
        return -1;
    return reporter_start_statsd(&instance->statsd, settings_of(instance, &statsd_module), role,
                                 err);
}

/* Says "ready" once, when every part is. */
static void look_ready(void *context)
{
    struct instance *instance = context;
    struct buf text;
    buf_init(&text, 1 << 16);
    bool is_ready = health_print(&text);
    buf_deinit(&text);
    if (!is_ready)
        return;
    loop_timer_stop(instance->ready_timer);
    notify_ready(instance->notify);
    log_event(LOG_INFO, instance->options->name, "ready",
              LOG_T("data", instance->options->data_dir));
}

static void watch_certificate(void *context, const char *use, const char *path)
{
    (void)context;
    struct error err;
    if (certificates_add(use, path, &err) != 0)
        log_error("net", "a certificate is not watched", &err);
}

static void watch_certificates(struct instance *instance)
{
    bool has_sink = (instance->options->roles & (ROLE_STORE | ROLE_LIVE)) != 0;
    certificate_files(instance->options->config, has_sink, watch_certificate, NULL);
}

/* Only the process that writes a journal can replay its dead letters. */
static int add_dlq_pages(struct instance *instance, struct error *err)
{
    const struct broker_config *settings = settings_of(instance, &broker_module);
    if (settings->kind != BROKER_JOURNAL)
        return 0;
    return dlq_pages_add(&instance->dlq_pages, instance->broker, instance->options->config, err);
}

static int start(struct instance *instance, struct error *err)
{
    raise_file_limit();
    log_pages_add();
    ceilings_add(instance->options->data_dir);
    instance->statusz = (struct statusz){.role = instance->options->name,
                                         .data_dir = instance->options->data_dir,
                                         .config = instance->options->config,
                                         .started_ns = clock_monotonic_ns()};
    if (make_data_dir(instance->options->data_dir, err) != 0 || open_loop(instance, err) != 0 ||
        open_rules(instance, err) != 0 || open_broker(instance, err) != 0 ||
        add_dlq_pages(instance, err) != 0 || open_spool(instance, err) != 0 ||
        open_sinks(instance, err) != 0 || start_roles(instance, err) != 0 ||
        open_admin(instance, err) != 0 || start_reports(instance, err) != 0)
        return -1;
    /* No earlier: a start that fails tells its reason, and only that. */
    watch_certificates(instance);
    instance->status =
        status_start(instance->loop, instance->options->name, settings_of(instance, &run_module));
    instance->notify = notify_start(instance->loop);
    instance->ready_timer = loop_timer_new(instance->loop, look_ready, instance);
    if (instance->status == NULL || instance->ready_timer == NULL)
        return error_set(err, ERROR_MEMORY, "no memory");
    loop_timer_start(instance->ready_timer, 0, 10 * NS_PER_MS);
    return 0;
}

/* ---- the end: what feeds stops before what is fed ---- */

static void stop(struct instance *instance)
{
    notify_stopping(instance->notify);
    status_stop(instance->status);
    if (instance->ready_timer != NULL)
        loop_timer_free(instance->ready_timer);
    dlq_pages_remove(instance->dlq_pages);
    if (instance->gateway != NULL && instance->failure.kind == ERROR_NONE)
        gateway_drain(instance->gateway);
    gateway_stop(instance->gateway);
    handler_stop(instance->handler);
    for (size_t i = 0; i < instance->sink_count; i++)
        store_stop(instance->stores[i]);
    live_stop(instance->live);
    if (instance->admin != NULL)
        server_close(instance->admin);
    sink_close(instance->reader);
    for (size_t i = 0; i < instance->sink_count; i++)
        sink_close(instance->sinks[i]);
    statusz_remove();
    ceilings_remove(instance->options->data_dir);
    certificates_stop();
    notify_stop(instance->notify);
    reporter_stop(instance->graphite); /* the broker's figures are still there */
    reporter_stop(instance->statsd);
    tracer_stop(instance->tracer);
    if (instance->spool != NULL)
        broker_close(instance->spool);
    if (instance->broker != NULL)
        broker_close(instance->broker);
    shape_free(instance->shape);
    admin_remove("/admin/rules/reload");
    config_unref(instance->reloaded);
    rulebook_close(&instance->book);
    loop_free(instance->loop);
    pthread_mutex_destroy(&instance->failure_lock);
}

static void be_impatient(void)
{
    struct sigaction action = {.sa_handler = exit_at_once};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGALRM, &action, NULL);
    alarm(SHUTDOWN_SECONDS);
}

int instance_run(const struct instance_options *options)
{
    struct instance instance = {.options = options};
    struct error err = {0};
    pthread_mutex_init(&instance.failure_lock, NULL);
    log_set_role(options->name);
    log_event(LOG_INFO, options->name, "starting", LOG_T("version", version_text()),
              LOG_T("data", options->data_dir));
    if (start(&instance, &err) == 0)
        loop_run(instance.loop);
    else
        log_error(options->name, "can't start", &err);
    be_impatient();
    stop(&instance);
    if (instance.failure.kind != ERROR_NONE) {
        log_error(options->name, "stopped by a failure", &instance.failure);
        return 1;
    }
    if (err.kind == ERROR_NONE)
        log_write(LOG_INFO, options->name, "stopped", NULL, 0);
    return error_exit_code(&err);
}
