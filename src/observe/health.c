/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/health.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/must.h"
#include "observe/metrics.h"

enum { CHECKS_MAX = 32, PULSES_MAX = 128, TEXT_MAX = 128 };

struct health_check {
    char name[TEXT_MAX];
    char reason[TEXT_MAX]; /* "" = ready */
    bool is_retired;
    struct metric_series *series;
};

static struct health_check checks[CHECKS_MAX];
static unsigned check_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

static void set(struct health_check *check, const char *reason)
{
    pthread_mutex_lock(&lock);
    snprintf(check->reason, sizeof check->reason, "%s", reason);
    check->is_retired = false;
    metric_series_set(check->series, reason[0] == '\0');
    pthread_mutex_unlock(&lock);
}

static struct health_check *find_or_add(const char *name)
{
    for (unsigned i = 0; i < check_count; i++)
        if (strcmp(checks[i].name, name) == 0)
            return &checks[i];
    must(check_count < CHECKS_MAX);
    struct health_check *check = &checks[check_count++];
    snprintf(check->name, sizeof check->name, "%s", name);
    snprintf(check->reason, sizeof check->reason, "starting");
    char labels[TEXT_MAX + 16];
    snprintf(labels, sizeof labels, "check=\"%.127s\"", check->name);
    check->series = metrics_series(METRIC_READY, labels);
    return check;
}

struct health_check *health_check(const char *name)
{
    pthread_mutex_lock(&lock);
    struct health_check *check = find_or_add(name);
    pthread_mutex_unlock(&lock);
    return check;
}

void health_set_ready(struct health_check *check)
{
    set(check, "");
}

void health_set_unready(struct health_check *check, const char *reason)
{
    set(check, reason[0] == '\0' ? "not ready" : reason);
}

void health_retire(struct health_check *check)
{
    pthread_mutex_lock(&lock);
    check->is_retired = true;
    metric_series_set(check->series, 0);
    pthread_mutex_unlock(&lock);
}

static void print_checks(struct buf *out)
{
    const char *separator = "";
    for (unsigned i = 0; i < check_count; i++) {
        if (checks[i].is_retired)
            continue;
        buf_append_text(out, separator);
        buf_append_json(out, bytes_from_text(checks[i].name));
        buf_append_char(out, ':');
        buf_append_json(out,
                        bytes_from_text(checks[i].reason[0] == '\0' ? "ok" : checks[i].reason));
        separator = ",";
    }
}

bool health_print(struct buf *out)
{
    pthread_mutex_lock(&lock);
    bool is_ready = true;
    for (unsigned i = 0; i < check_count; i++)
        is_ready = is_ready && (checks[i].is_retired || checks[i].reason[0] == '\0');
    buf_printf(out, "{\"ready\":%s,\"checks\":{", is_ready ? "true" : "false");
    print_checks(out);
    buf_append_text(out, "}}");
    pthread_mutex_unlock(&lock);
    return is_ready;
}

/* ---- pulses ---- */

struct health_pulse {
    char name[16];
    bool is_used;
    _Atomic int64_t beat_ns;
};

static struct health_pulse pulses[PULSES_MAX];

struct health_pulse *health_pulse_new(const char *name)
{
    struct health_pulse *pulse = NULL;
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < PULSES_MAX && pulse == NULL; i++)
        if (!pulses[i].is_used)
            pulse = &pulses[i];
    if (pulse != NULL) {
        pulse->is_used = true;
        snprintf(pulse->name, sizeof pulse->name, "%s", name);
        atomic_store(&pulse->beat_ns, clock_monotonic_ns());
    }
    pthread_mutex_unlock(&lock);
    return pulse;
}

void health_pulse_free(struct health_pulse *pulse)
{
    if (pulse == NULL)
        return;
    pthread_mutex_lock(&lock);
    pulse->is_used = false;
    pthread_mutex_unlock(&lock);
}

void health_beat(struct health_pulse *pulse, int64_t now_ns)
{
    if (pulse != NULL)
        atomic_store_explicit(&pulse->beat_ns, now_ns, memory_order_relaxed);
}

bool health_print_alive(struct buf *out, int64_t now_ns)
{
    bool is_alive = true;
    struct buf loops;
    buf_init(&loops, 0);
    pthread_mutex_lock(&lock);
    for (unsigned i = 0; i < PULSES_MAX; i++) {
        if (!pulses[i].is_used)
            continue;
        int64_t age_ns = now_ns - atomic_load_explicit(&pulses[i].beat_ns, memory_order_relaxed);
        is_alive = is_alive && age_ns < HEALTH_DEAD_NS;
        buf_append_text(&loops, loops.len == 0 ? "" : ",");
        buf_append_json(&loops, bytes_from_text(pulses[i].name));
        buf_printf(&loops, ":%.1f", (double)(age_ns < 0 ? 0 : age_ns) / (double)NS_PER_S);
    }
    pthread_mutex_unlock(&lock);
    buf_printf(out, "{\"alive\":%s,\"loops\":{", is_alive ? "true" : "false");
    buf_append_bytes(out, buf_bytes(&loops));
    buf_append_text(out, "}}");
    buf_deinit(&loops);
    return is_alive;
}
