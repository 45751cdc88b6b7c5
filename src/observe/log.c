/* SPDX-License-Identifier: Apache-2.0 */
/* Levels: a module's entry is made when it first speaks or is set, and never
 * goes. `floor_level` is the least of all levels, so that a line nobody wants
 * costs one load. Entries are append-only; a change of levels takes the lock, a
 * line does not. */
#include "observe/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "observe/log_line.h"
#include "observe/log_site.h"
#include "observe/metrics.h"

enum { MODULES_MAX = 64, MODULE_NAME_MAX = 32, LEVEL_OF_ALL = -1 };

struct module_level {
    char name[MODULE_NAME_MAX + 1];
    _Atomic int level; /* LEVEL_OF_ALL: not set by itself */
};

static _Atomic int common_level = LOG_INFO;
static _Atomic int configured_level = LOG_INFO;
static _Atomic int floor_level = LOG_INFO;
static _Atomic int chosen_format = LOG_AUTO;
static const char *_Atomic process_role = "";
static _Atomic int64_t limit_burst = 20;
static _Atomic int64_t limit_per_s = 5;

static struct module_level modules[MODULES_MAX];
static _Atomic unsigned module_count;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* of changes */

static const char *const level_names[] = {"debug", "info", "warn", "error"};

/* ---- levels ---- */

int log_level_by_name(struct bytes name, enum log_level *out)
{
    for (unsigned i = 0; i < sizeof level_names / sizeof level_names[0]; i++)
        if (bytes_equal_text(name, level_names[i])) {
            *out = (enum log_level)i;
            return 0;
        }
    return -1;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

static struct module_level *find_module(struct bytes name)
{
    unsigned count = atomic_load_explicit(&module_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++)
        if (bytes_equal_text(name, modules[i].name))
            return &modules[i];
    return NULL;
}

/* With the lock held; NULL when there is no place. */
static struct module_level *add_module(struct bytes name)
{
    unsigned count = atomic_load(&module_count);
    if (count == MODULES_MAX || name.len == 0 || name.len > MODULE_NAME_MAX)
        return NULL;
    struct module_level *module = &modules[count];
    memcpy(module->name, name.ptr, name.len);
    atomic_store(&module->level, LEVEL_OF_ALL);
    atomic_store_explicit(&module_count, count + 1, memory_order_release);
    return module;
}

/* With the lock held. */
static void set_floor(void)
{
    int least = common_level;
    for (unsigned i = 0; i < atomic_load(&module_count); i++) {
        int own = atomic_load(&modules[i].level);
        if (own != LEVEL_OF_ALL && own < least)
            least = own;
    }
    atomic_store(&floor_level, least);
}

/* With the lock held. */
static void set_common(int level)
{
    for (unsigned i = 0; i < atomic_load(&module_count); i++)
        atomic_store(&modules[i].level, LEVEL_OF_ALL);
    atomic_store(&common_level, level);
    set_floor();
}

int log_set_level(struct bytes name, enum log_level level)
{
    int result = 0;
    pthread_mutex_lock(&lock);
    struct module_level *module = NULL;
    if (name.len == 0) {
        set_common((int)level);
    } else {
        module = find_module(name);
        if (module == NULL)
            module = add_module(name);
        result = module == NULL ? -1 : 0;
    }
    if (module != NULL)
        atomic_store(&module->level, (int)level);
    set_floor();
    pthread_mutex_unlock(&lock);
    return result;
}

void log_toggle_debug(void)
{
    pthread_mutex_lock(&lock);
    set_common(atomic_load(&common_level) == LOG_DEBUG ? atomic_load(&configured_level)
                                                       : (int)LOG_DEBUG);
    pthread_mutex_unlock(&lock);
}

void log_configure(enum log_level least, enum log_format format)
{
    pthread_mutex_lock(&lock);
    atomic_store(&configured_level, (int)least);
    set_common((int)least);
    pthread_mutex_unlock(&lock);
    atomic_store(&chosen_format, (int)format);
}

void log_set_role(const char *role)
{
    atomic_store(&process_role, role);
}

void log_set_limit(int64_t burst, int64_t per_s)
{
    atomic_store(&limit_burst, burst);
    atomic_store(&limit_per_s, per_s);
}

/* What is configured as "nothing" has no name. */
static const char *shown_level(int level)
{
    return level > (int)LOG_ERROR ? "none" : level_names[level];
}

void log_print_levels(struct buf *out)
{
    int common = atomic_load(&common_level);
    buf_printf(out, "{\"level\":\"%s\",\"modules\":{", shown_level(common));
    unsigned count = atomic_load_explicit(&module_count, memory_order_acquire);
    for (unsigned i = 0; i < count; i++) {
        int own = atomic_load(&modules[i].level);
        buf_append_text(out, i == 0 ? "" : ",");
        buf_append_json(out, bytes_from_text(modules[i].name));
        buf_printf(out, ":\"%s\"", shown_level(own == LEVEL_OF_ALL ? common : own));
    }
    buf_append_text(out, "}}");
}

/* Has this module this level? Makes its entry when it speaks for the first time. */
static bool is_wanted(enum log_level level, const char *name)
{
    if ((int)level < atomic_load_explicit(&floor_level, memory_order_relaxed))
        return false;
    struct module_level *module = find_module(bytes_from_text(name));
    if (module == NULL) {
        pthread_mutex_lock(&lock);
        module = find_module(bytes_from_text(name));
        if (module == NULL)
            module = add_module(bytes_from_text(name));
        pthread_mutex_unlock(&lock);
    }
    int least = module == NULL ? LEVEL_OF_ALL : atomic_load(&module->level);
    return (int)level >= (least == LEVEL_OF_ALL ? atomic_load(&common_level) : least);
}

/* ---- speaking ---- */

static bool is_json_wanted(void)
{
    int format = chosen_format;
    if (format == LOG_AUTO) {
        format = isatty(STDERR_FILENO) ? LOG_LOGFMT : LOG_JSON;
        /* Once: another configuration may have come meanwhile. */
        int unset = LOG_AUTO;
        atomic_compare_exchange_strong(&chosen_format, &unset, format);
    }
    return format == LOG_JSON;
}

static void write_line(const struct buf *buf)
{
    ssize_t written;
    do
        written = write(STDERR_FILENO, buf->ptr, buf->len);
    while (written < 0 && errno == EINTR);
    if (written != (ssize_t)buf->len)
        metrics_add(METRIC_LOG_DROPPED, 0, 1);
}

/* ---- the latest warnings and errors ---- */

enum { RECENT_MAX = 32, RECENT_BYTES = 480 };

static struct {
    char text[RECENT_BYTES];
    size_t len;
} recent[RECENT_MAX];
static uint64_t recent_count;
static pthread_mutex_t recent_lock = PTHREAD_MUTEX_INITIALIZER;

static void remember(struct bytes line)
{
    pthread_mutex_lock(&recent_lock);
    unsigned place = (unsigned)(recent_count++ % RECENT_MAX);
    recent[place].len = line.len < RECENT_BYTES ? line.len : RECENT_BYTES;
    memcpy(recent[place].text, line.ptr, recent[place].len);
    pthread_mutex_unlock(&recent_lock);
}

void log_recent(void (*fn)(void *context, struct bytes line), void *context)
{
    pthread_mutex_lock(&recent_lock);
    uint64_t first = recent_count > RECENT_MAX ? recent_count - RECENT_MAX : 0;
    for (uint64_t i = first; i < recent_count; i++)
        fn(context, bytes_of(recent[i % RECENT_MAX].text, recent[i % RECENT_MAX].len));
    pthread_mutex_unlock(&recent_lock);
}

static bool may_speak(enum log_level level, const char *module, const char *message, uint64_t *held)
{
    *held = 0;
    if (level == LOG_DEBUG)
        return true;
    if (log_site_take(module, message, clock_monotonic_ns(), atomic_load(&limit_burst),
                      atomic_load(&limit_per_s), held))
        return true;
    metrics_add(METRIC_LOG_HELD_BACK, 0, 1);
    return false;
}

static void make_line(struct log_line *line, const struct log_head *head,
                      const struct log_field *fields, size_t field_count, uint64_t held,
                      bool is_json)
{
    log_line_begin(line, head, is_json);
    for (size_t i = 0; i < field_count; i++)
        log_line_add(line, &fields[i]);
    if (held > 0)
        log_line_add(line, &LOG_I("held_back", held));
    log_line_end(line);
}

void log_write(enum log_level level, const char *module, const char *message,
               const struct log_field *fields, size_t field_count)
{
    int saved_errno = errno;
    uint64_t held;
    if (!is_wanted(level, module) || !may_speak(level, module, message, &held)) {
        errno = saved_errno;
        return;
    }
    const struct log_head head = {
        .level = level, .module = module, .message = message, .role = atomic_load(&process_role)};
    struct log_line line;
    make_line(&line, &head, fields, field_count, held, is_json_wanted());
    write_line(&line.buf);
    if (level >= LOG_WARN) {
        if (line.is_json)
            make_line(&line, &head, fields, field_count, held, false);
        remember(bytes_of(line.buf.ptr, line.buf.len - 1));
    }
    metrics_add(METRIC_LOG_LINES, level, 1);
    errno = saved_errno;
}

void log_error(const char *module, const char *message, const struct error *err)
{
    log_event(LOG_ERROR, module, message, LOG_T("error", err->text));
}
