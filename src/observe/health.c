/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/health.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "base/must.h"
#include "observe/metrics.h"

enum { CHECKS_MAX = 32, TEXT_MAX = 128 };

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
