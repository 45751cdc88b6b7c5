/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/sqlite/directory.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "observe/log.h"

/* ---- names ---- */

void span_name(char out[SPAN_NAME_MAX], int64_t start_ns)
{
    time_t second = start_ns / NS_PER_S;
    struct tm tm;
    gmtime_r(&second, &tm);
    strftime(out, SPAN_NAME_MAX, "%Y%m%dT%H%M%SZ.db", &tm);
}

bool span_start(const char *name, int64_t *start_ns)
{
    struct tm tm = {0};
    const char *end = strptime(name, "%Y%m%dT%H%M%SZ", &tm);
    if (end == NULL || strcmp(end, ".db") != 0)
        return false;
    char again[SPAN_NAME_MAX];
    *start_ns = (int64_t)timegm(&tm) * NS_PER_S;
    span_name(again, *start_ns);
    return strcmp(again, name) == 0;
}

/* ---- spans ---- */

int span_reserve_run(struct span *span)
{
    if (span->run_count < span->run_cap)
        return 0;
    size_t cap = span->run_cap == 0 ? 16 : 2 * span->run_cap;
    struct span_run *runs = realloc(span->runs, cap * sizeof *runs);
    if (runs == NULL)
        return -1;
    span->runs = runs;
    span->run_cap = cap;
    return 0;
}

int span_add_run(struct span *span, const struct run *run)
{
    if (span_reserve_run(span) != 0)
        return -1;
    size_t at = span->run_count++;
    for (; at > 0 && span->runs[at - 1].run.id > run->id; at--)
        span->runs[at] = span->runs[at - 1];
    span->runs[at] = (struct span_run){.run = *run};
    if (run->tier == 0 && span->chunk_since_ns == 0)
        span->chunk_since_ns = clock_monotonic_ns();
    return 0;
}

void span_remove_run(struct span *span, int64_t run)
{
    size_t kept = 0;
    bool has_chunks = false;
    for (size_t i = 0; i < span->run_count; i++) {
        if (span->runs[i].run.id == run)
            continue;
        has_chunks |= span->runs[i].run.tier == 0;
        span->runs[kept++] = span->runs[i];
    }
    span->run_count = kept;
    span->chunk_since_ns = has_chunks ? clock_monotonic_ns() : 0;
}

size_t span_chunks(const struct span *span, int64_t *rows)
{
    size_t count = 0;
    *rows = 0;
    for (size_t i = 0; i < span->run_count; i++) {
        if (span->runs[i].run.tier != 0 || span->runs[i].is_stuck)
            continue;
        count++;
        *rows += span->runs[i].run.rows;
    }
    return count;
}

void span_close(struct span *span)
{
    db_close(span->db);
    span->db = NULL;
}

static void span_free(struct span *span)
{
    span_close(span);
    free(span->runs);
    free(span);
}

static struct span *span_new(const struct directory *directory, int64_t start_ns)
{
    char name[SPAN_NAME_MAX];
    size_t len = strlen(directory->path) + 1 + SPAN_NAME_MAX;
    struct span *span = calloc(1, sizeof *span + len);
    if (span == NULL)
        return NULL;
    span_name(name, start_ns);
    snprintf(span->path, len, "%s/%s", directory->path, name);
    span->start_ns = start_ns;
    span->end_ns = start_ns + directory->span_ns;
    return span;
}

/* What the file holds, into the span. */
static int load_runs(struct span *span, struct db *db, struct error *err)
{
    struct run *runs;
    size_t count;
    int64_t orphan;
    if (db_next_numbers(db, &span->next_run, &span->next_page, err) != 0 ||
        db_find_orphan(db, 0, &orphan, err) != 0 || db_runs(db, &runs, &count, err) != 0)
        return -1;
    span->has_orphans = orphan != 0;
    span->run_count = 0;
    int rc = 0;
    for (size_t i = 0; i < count && rc == 0; i++)
        if (span_add_run(span, &runs[i]) != 0)
            rc = error_set(err, ERROR_MEMORY, "no memory for the runs of %s", span->path);
    free(runs);
    return rc;
}

/* The file covers this span, whatever the setting says later. */
static int load_span(struct span *span, struct db *db, int64_t span_ns, struct error *err)
{
    int64_t known_ns;
    if (db_get_meta(db, "span", &known_ns, err) != 0)
        return -1;
    if (known_ns < span_ns && (db_set_meta(db, "span_start", span->start_ns, err) != 0 ||
                               db_set_meta(db, "span", span_ns, err) != 0))
        return -1;
    span->end_ns = span->start_ns + (known_ns > span_ns ? known_ns : span_ns);
    return 0;
}

/* A log left behind without its file must not be taken for a new file's. */
static void remove_stale_log(const char *path)
{
    char log[4300];
    if (access(path, F_OK) == 0)
        return;
    snprintf(log, sizeof log, "%s-wal", path);
    unlink(log);
    snprintf(log, sizeof log, "%s-shm", path);
    unlink(log);
}

static int span_open(struct directory *directory, struct span *span, struct error *err)
{
    remove_stale_log(span->path);
    if (db_open(&span->db, span->path, DB_WRITE, true, err) != 0)
        return -1;
    if (load_span(span, span->db, directory->span_ns, err) == 0 &&
        load_runs(span, span->db, err) == 0)
        return 0;
    span_close(span);
    return -1;
}

/* ---- the folder ---- */

static int insert_span(struct directory *directory, struct span *span)
{
    if (directory->count == directory->cap) {
        size_t cap = directory->cap == 0 ? 64 : 2 * directory->cap;
        struct span **spans = realloc(directory->spans, cap * sizeof(struct span *));
        if (spans == NULL)
            return -1;
        directory->spans = spans;
        directory->cap = cap;
    }
    size_t at = directory->count++;
    for (; at > 0 && directory->spans[at - 1]->start_ns > span->start_ns; at--)
        directory->spans[at] = directory->spans[at - 1];
    directory->spans[at] = span;
    return 0;
}

static void forget_span(struct directory *directory, struct span *span)
{
    size_t kept = 0;
    for (size_t i = 0; i < directory->count; i++)
        if (directory->spans[i] != span)
            directory->spans[kept++] = directory->spans[i];
    directory->count = kept;
    span_free(span);
}

/* Rename a file and its log out of the way; nothing is deleted. */
static void set_aside(const char *path)
{
    static const char *const parts[] = {"", "-wal", "-shm"};
    char from[4200], to[4300];
    long long now = (long long)(clock_wall_ns() / NS_PER_S);
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        snprintf(from, sizeof from, "%s%s", path, parts[i]);
        snprintf(to, sizeof to, "%s.%lld.corrupt%s", path, now, parts[i]);
        if (rename(from, to) == 0)
            log_event(LOG_ERROR, "sink", "set aside a file that is damaged", LOG_T("file", to));
    }
}

static struct span *add_span(struct directory *directory, int64_t start_ns, struct error *err)
{
    struct span *span = span_new(directory, start_ns);
    if (span == NULL) {
        error_set(err, ERROR_MEMORY, "no memory for a file of the store");
        return NULL;
    }
    struct error cause;
    int rc = span_open(directory, span, &cause);
    if (rc != 0 && cause.kind == ERROR_CORRUPT) {
        log_error("sink", "a file of the store can't be read", &cause);
        set_aside(span->path);
        rc = span_open(directory, span, &cause);
    }
    if (rc == 0 && insert_span(directory, span) != 0)
        rc = error_set(&cause, ERROR_MEMORY, "no memory for a file of the store");
    if (rc == 0)
        return span;
    if (err != NULL)
        *err = cause;
    span_free(span);
    return NULL;
}

static int make_folder(const char *path, struct error *err)
{
    char part[4096];
    if (strlen(path) > 3900)
        return error_set(err, ERROR_CONFIG, "the data folder's path is too long");
    snprintf(part, sizeof part, "%s", path);
    for (char *p = part + 1;; p++) {
        if (*p != '/' && *p != '\0')
            continue;
        char end = *p;
        *p = '\0';
        if (mkdir(part, 0750) != 0 && errno != EEXIST)
            return error_set_errno(err, ERROR_IO, errno, "can't make the folder %s", part);
        *p = end;
        if (end == '\0')
            return 0;
    }
}

int directory_scan(struct directory *directory, struct error *err)
{
    DIR *dir = opendir(directory->path);
    if (dir == NULL)
        return error_set_errno(err, ERROR_IO, errno, "can't read %s", directory->path);
    int rc = 0;
    struct dirent *entry;
    while (rc == 0 && (entry = readdir(dir)) != NULL) {
        int64_t start_ns;
        if (!span_start(entry->d_name, &start_ns))
            continue;
        struct span *span = add_span(directory, start_ns, err);
        if (span == NULL)
            rc = -1;
        else
            span_close(span);
    }
    closedir(dir);
    return rc;
}

int directory_open(struct directory *directory, const char *path, int64_t span_ns,
                   struct error *err)
{
    *directory = (struct directory){.span_ns = span_ns, .path = strdup(path)};
    if (directory->path == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the store");
    if (make_folder(path, err) == 0)
        return 0;
    directory_close(directory);
    return -1;
}

void directory_close(struct directory *directory)
{
    for (size_t i = 0; i < directory->count; i++)
        span_free(directory->spans[i]);
    free(directory->spans);
    free(directory->path);
    *directory = (struct directory){0};
}

static void close_least_used(struct directory *directory, const struct span *but)
{
    size_t open = 0;
    struct span *least = NULL;
    for (size_t i = 0; i < directory->count; i++) {
        struct span *span = directory->spans[i];
        if (span->db == NULL || span == but)
            continue;
        open++;
        if (least == NULL || span->last_use < least->last_use)
            least = span;
    }
    if (open >= DIRECTORY_OPEN_MAX)
        span_close(least);
}

struct span *directory_span(struct directory *directory, int64_t received_ns, struct error *err)
{
    int64_t number = received_ns / directory->span_ns - (received_ns % directory->span_ns < 0);
    int64_t start_ns = number * directory->span_ns;
    struct span *found = NULL;
    for (size_t i = directory->count; i > 0 && found == NULL; i--)
        if (directory->spans[i - 1]->start_ns == start_ns)
            found = directory->spans[i - 1];
    if (found == NULL)
        found = add_span(directory, start_ns, err);
    if (found == NULL)
        return NULL;
    found->last_use = ++directory->uses;
    close_least_used(directory, found);
    return found;
}

struct db *directory_db(struct directory *directory, struct span *span, struct error *err)
{
    span->last_use = ++directory->uses;
    if (span->db == NULL) {
        close_least_used(directory, span);
        db_open(&span->db, span->path, DB_WRITE, false, err);
    }
    return span->db;
}

void directory_set_aside(struct directory *directory, struct span *span)
{
    span_close(span);
    set_aside(span->path);
    forget_span(directory, span);
}

void directory_delete(struct directory *directory, struct span *span)
{
    char path[4200];
    span_close(span);
    log_event(LOG_INFO, "sink", "retention deletes a file", LOG_T("file", span->path));
    snprintf(path, sizeof path, "%s", span->path);
    if (unlink(path) == 0)
        remove_stale_log(path);
    forget_span(directory, span);
}
