/* SPDX-License-Identifier: Apache-2.0 */
#include "net/certificates.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/bell.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/fd.h"
#include "codec/certificate.h"
#include "observe/log.h"
#include "observe/metrics.h"

enum { DAY_S = 86400 };
static const int64_t look_interval_ns = 5 * NS_PER_S;
static const int64_t read_interval_ns = 3600 * NS_PER_S;

/* ---- one file ---- */

static const char *problem_of(enum certificate_result result)
{
    switch (result) {
    case CERTIFICATE_OK:
        return "";
    case CERTIFICATE_NONE:
        return "it holds no certificate";
    case CERTIFICATE_BAD:
        return "a certificate in it is damaged";
    case CERTIFICATE_TOO_MANY:
        return "it holds more than 1024 certificates or 1 MiB";
    case CERTIFICATE_MEMORY:
        return "no memory";
    }
    return "";
}

/* 0 or an error's number. Not a pipe or a device: those would wait. Room once for all,
 * so that a key that stands in the file leaves no copies behind. */
static int read_file(const char *path, struct buf *out)
{
    struct stat file;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return errno;
    int code;
    if (fstat(fd, &file) != 0)
        code = errno;
    else if (!S_ISREG(file.st_mode))
        code = EINVAL;
    else if (file.st_size > CERTIFICATE_PEM_MAX)
        code = EFBIG;
    else if (buf_reserve(out, (size_t)file.st_size + 1) != 0)
        code = ENOMEM;
    else
        code = fd_read_all(fd, (size_t)file.st_size, out) != 0 ? errno : 0;
    close(fd);
    return code;
}

static void set_state(struct certificate_report *report, int64_t now_s)
{
    int64_t left_s = report->end_s - now_s;
    if (left_s <= 0)
        report->state = CERTIFICATE_ENDED;
    else
        report->state = left_s < (int64_t)CERTIFICATE_SOON_DAYS * DAY_S ? CERTIFICATE_ENDS_SOON
                                                                        : CERTIFICATE_GOOD;
}

void certificate_report_file(const char *path, int64_t now_s, struct certificate_report *report)
{
    struct buf pem;
    *report = (struct certificate_report){.state = CERTIFICATE_UNREADABLE};
    buf_init(&pem, 0);
    int code = read_file(path, &pem);
    if (code != 0) {
        snprintf(report->problem, sizeof report->problem, "%s",
                 code == EINVAL ? "it is no plain file" : strerror(code));
    } else {
        enum certificate_result result = certificate_first_end(buf_bytes(&pem), &report->end_s);
        snprintf(report->problem, sizeof report->problem, "%s", problem_of(result));
        if (result == CERTIFICATE_OK)
            set_state(report, now_s);
    }
    if (pem.len > 0)
        explicit_bzero(pem.ptr, pem.len); /* a key may stand beside the certificate */
    buf_deinit(&pem);
}

void certificate_report_text(const struct certificate_report *report, int64_t now_s,
                             char out[CERTIFICATE_TEXT_MAX])
{
    char date[32] = "?";
    struct tm utc;
    time_t end = (time_t)report->end_s;
    if (gmtime_r(&end, &utc) != NULL)
        strftime(date, sizeof date, "%Y-%m-%d %H:%M UTC", &utc);
    switch (report->state) {
    case CERTIFICATE_UNREAD:
        snprintf(out, CERTIFICATE_TEXT_MAX, "not read yet");
        return;
    case CERTIFICATE_UNREADABLE:
        snprintf(out, CERTIFICATE_TEXT_MAX, "can't be read: %s", report->problem);
        return;
    case CERTIFICATE_ENDED:
        snprintf(out, CERTIFICATE_TEXT_MAX, "ended on %s", date);
        return;
    case CERTIFICATE_GOOD:
    case CERTIFICATE_ENDS_SOON:
        snprintf(out, CERTIFICATE_TEXT_MAX, "ends on %s, in %lld days", date,
                 (long long)((report->end_s - now_s) / DAY_S));
    }
}

/* ---- all that are watched ---- */

/* What tells that a file is another one than before. */
struct mark {
    dev_t device;
    ino_t inode;
    off_t size;
    struct timespec changed;
    bool is_there;
};

struct watched {
    char *use, *path; /* fixed once it is counted in */
    struct metric_series *series;
    struct certificate_report report; /* the thread writes, others read: under the lock */
    /* the thread's own */
    struct mark mark;
    int64_t read_at_ns; /* monotonic: the next time, changed or not; 0 = at once */
};

static struct {
    pthread_mutex_t lock;
    struct watched items[CERTIFICATES_WATCHED_MAX];
    size_t count;
    struct bell bell;
    atomic_bool is_stopping;
    bool is_started;
    pthread_t thread;
} all = {.lock = PTHREAD_MUTEX_INITIALIZER};

static struct mark mark_of(const char *path)
{
    struct stat file;
    if (stat(path, &file) != 0)
        return (struct mark){0};
    return (struct mark){.device = file.st_dev,
                         .inode = file.st_ino,
                         .size = file.st_size,
                         .changed = file.st_mtim,
                         .is_there = true};
}

static bool is_same(const struct mark *a, const struct mark *b)
{
    return a->is_there == b->is_there && a->device == b->device && a->inode == b->inode &&
           a->size == b->size && a->changed.tv_sec == b->changed.tv_sec &&
           a->changed.tv_nsec == b->changed.tv_nsec;
}

static void tell(const struct watched *watched, int64_t now_s)
{
    char text[CERTIFICATE_TEXT_MAX];
    bool is_good = watched->report.state == CERTIFICATE_GOOD;
    certificate_report_text(&watched->report, now_s, text);
    log_event(is_good ? LOG_INFO : LOG_WARN, "net",
              is_good ? "a certificate is good" : "a certificate needs care",
              LOG_T("use", watched->use), LOG_T("file", watched->path), LOG_T("reason", text));
}

static void publish(struct watched *watched, const struct certificate_report *report)
{
    pthread_mutex_lock(&all.lock);
    watched->report = *report;
    pthread_mutex_unlock(&all.lock);
    bool is_known = report->state != CERTIFICATE_UNREADABLE;
    metric_series_set(watched->series, is_known ? report->end_s : METRIC_ABSENT);
}

/* Reads without the lock: a disk that hangs holds up nobody who looks. */
static void look_at(struct watched *watched, int64_t now_ns)
{
    struct mark mark = mark_of(watched->path);
    if (is_same(&mark, &watched->mark) && now_ns < watched->read_at_ns)
        return;
    struct certificate_report report;
    enum certificate_state before = watched->report.state;
    int64_t now_s = clock_wall_ns() / NS_PER_S;
    watched->mark = mark;
    watched->read_at_ns = now_ns + read_interval_ns;
    certificate_report_file(watched->path, now_s, &report);
    publish(watched, &report);
    if (report.state != before)
        tell(watched, now_s);
}

static size_t count_watched(void)
{
    pthread_mutex_lock(&all.lock);
    size_t count = all.count;
    pthread_mutex_unlock(&all.lock);
    return count;
}

static void *run(void *context)
{
    (void)context;
    pthread_setname_np(pthread_self(), "certificates");
    while (!atomic_load(&all.is_stopping)) {
        size_t count = count_watched();
        for (size_t i = 0; i < count; i++)
            look_at(&all.items[i], clock_monotonic_ns());
        bell_wait(&all.bell, look_interval_ns);
    }
    return NULL;
}

/* ---- adding ---- */

/* name="value", as Prometheus' text format wants it. */
static void append_label(struct buf *out, const char *name, const char *value)
{
    buf_printf(out, "%s=\"", name);
    for (; *value != '\0'; value++) {
        if (*value == '\n') {
            buf_append_text(out, "\\n");
            continue;
        }
        if (*value == '"' || *value == '\\')
            buf_append_char(out, '\\');
        buf_append_char(out, *value);
    }
    buf_append_char(out, '"');
}

static struct metric_series *series_of(const char *use, const char *path)
{
    struct buf labels;
    buf_init(&labels, 0);
    append_label(&labels, "use", use);
    buf_append_char(&labels, ',');
    append_label(&labels, "file", path);
    buf_append_char(&labels, '\0');
    struct metric_series *series =
        labels.has_failed ? NULL : metrics_series(METRIC_CERTIFICATE_EXPIRES, labels.ptr);
    buf_deinit(&labels);
    return series;
}

static bool is_watched(const char *use, const char *path)
{
    for (size_t i = 0; i < all.count; i++)
        if (strcmp(all.items[i].use, use) == 0 && strcmp(all.items[i].path, path) == 0)
            return true;
    return false;
}

/* With the lock held. */
static int add(const char *use, const char *path, struct error *err)
{
    if (is_watched(use, path))
        return 0;
    if (all.count == CERTIFICATES_WATCHED_MAX)
        return error_set(err, ERROR_FULL, "more than %d certificates", CERTIFICATES_WATCHED_MAX);
    struct watched *watched = &all.items[all.count];
    *watched =
        (struct watched){.use = strdup(use), .path = strdup(path), .series = series_of(use, path)};
    if (watched->use == NULL || watched->path == NULL || watched->series == NULL) {
        free(watched->use);
        free(watched->path);
        return error_set(err, ERROR_MEMORY, "no memory for a certificate");
    }
    metric_series_set(watched->series, METRIC_ABSENT); /* until it is read */
    all.count++;
    return 0;
}

static int start(struct error *err)
{
    if (all.is_started)
        return 0;
    bell_init(&all.bell);
    atomic_store(&all.is_stopping, false);
    if (pthread_create(&all.thread, NULL, run, NULL) != 0) {
        bell_deinit(&all.bell);
        return error_set(err, ERROR_IO, "can't start the watch over certificates");
    }
    all.is_started = true;
    return 0;
}

int certificates_add(const char *use, const char *path, struct error *err)
{
    pthread_mutex_lock(&all.lock);
    int result = add(use, path, err) == 0 ? start(err) : -1;
    pthread_mutex_unlock(&all.lock);
    if (result == 0)
        bell_ring(&all.bell);
    return result;
}

void certificates_each(void (*fn)(void *context, const char *use, const char *path,
                                  const struct certificate_report *report),
                       void *context)
{
    pthread_mutex_lock(&all.lock);
    for (size_t i = 0; i < all.count; i++)
        fn(context, all.items[i].use, all.items[i].path, &all.items[i].report);
    pthread_mutex_unlock(&all.lock);
}

void certificates_stop(void)
{
    if (all.is_started) {
        atomic_store(&all.is_stopping, true);
        bell_ring(&all.bell);
        pthread_join(all.thread, NULL);
        bell_deinit(&all.bell);
        all.is_started = false;
    }
    pthread_mutex_lock(&all.lock);
    for (size_t i = 0; i < all.count; i++) {
        metric_series_set(all.items[i].series, METRIC_ABSENT);
        free(all.items[i].use);
        free(all.items[i].path);
    }
    all.count = 0;
    pthread_mutex_unlock(&all.lock);
}
