/* SPDX-License-Identifier: Apache-2.0 */
/* Counting. Each thread adds to its own shard, which no other thread writes, so
 * that an addition is a plain load and store (atomic, relaxed, for the reader's
 * sake). When a thread ends its shard is folded into `base`; a reader sums base
 * and the living shards under the lock, so nothing is counted twice or missed. */
#include "observe/metrics.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/list.h"
#include "base/must.h"
#include "base/text.h"
#include "observe/metrics_cells.h"

enum { LABELS_MAX = 64, REFRESHERS_MAX = 32 };
/* Larger observations count as this (13 days in ns), so that one absurd value
 * can't overflow the sum. */
static const int64_t OBSERVED_MAX = INT64_C(1) << 50;

const struct metric_info metric_infos[] = {
#define METRIC(id, type, name, help, label, values) [id] = {type, name, help, label, values},
#include "observe/metrics.def"
#undef METRIC
};

/* 1 µs … 67 s, and 1 … 2^30. */
static const struct metric_buckets durations = {NS_PER_US, 26, 1, 1e9};
static const struct metric_buckets gaps = {NS_PER_MS, 26, 1, 1e9}; /* to 18 hours */
static const struct metric_buckets amounts = {1, 30, 2, 1};

struct place {
    size_t first; /* cell */
    unsigned stride;
    unsigned labels; /* 0 = series made at run time */
    const struct metric_buckets *buckets;
};

struct shard {
    struct list node;
    int64_t cells[];
};

static struct place places[METRIC_COUNT];
static size_t cell_count;
static const char *const *given_values[METRIC_COUNT]; /* of "@" metrics */
static _Atomic unsigned given_count[METRIC_COUNT];

static pthread_once_t layout_once = PTHREAD_ONCE_INIT;
static pthread_key_t shard_key;
static pthread_mutex_t shards_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list shards = {&shards, &shards};
static int64_t *base;
static _Thread_local struct shard *own_shard;

/* ---- layout ---- */

static bool has_values(enum metric id, const char *values)
{
    return metric_infos[id].values != NULL && strcmp(metric_infos[id].values, values) == 0;
}

bool metric_is_series(enum metric id)
{
    return metric_infos[id].label != NULL && strcmp(metric_infos[id].label, "*") == 0;
}

static unsigned count_words(const char *text)
{
    unsigned count = 1;
    for (; *text != '\0'; text++)
        count += *text == ' ';
    return count;
}

static unsigned labels_of(enum metric id)
{
    if (metric_infos[id].label == NULL)
        return 1;
    if (metric_is_series(id))
        return 0;
    return has_values(id, "@") ? LABELS_MAX : count_words(metric_infos[id].values);
}

static bool ends_in(const char *name, const char *suffix)
{
    size_t len = strlen(name), suffix_len = strlen(suffix);
    return len > suffix_len && strcmp(name + len - suffix_len, suffix) == 0;
}

static const struct metric_buckets *buckets_of(const char *name)
{
    if (ends_in(name, "_gap_seconds"))
        return &gaps;
    return ends_in(name, "_seconds") ? &durations : &amounts;
}

unsigned metric_bucket_count(enum metric id)
{
    return 1 + METRIC_PARTS * places[id].buckets->octaves;
}

static void fold_shard(void *argument)
{
    struct shard *shard = argument;
    own_shard = NULL;
    pthread_mutex_lock(&shards_lock);
    for (size_t i = 0; i < cell_count; i++)
        __atomic_fetch_add(&base[i], shard->cells[i], __ATOMIC_RELAXED);
    list_remove(&shard->node);
    pthread_mutex_unlock(&shards_lock);
    free(shard);
}

static void make_layout(void)
{
    for (enum metric id = 0; id < METRIC_COUNT; id++) {
        struct place *place = &places[id];
        place->first = cell_count;
        place->labels = labels_of(id);
        place->buckets = buckets_of(metric_infos[id].name);
        place->stride = metric_infos[id].type == METRIC_HISTOGRAM ? metric_bucket_count(id) + 2 : 1;
        cell_count += (size_t)place->labels * place->stride;
    }
    base = calloc(cell_count, sizeof *base);
    must(base != NULL);
    must(pthread_key_create(&shard_key, fold_shard) == 0);
}

static void need_layout(void)
{
    pthread_once(&layout_once, make_layout);
}

void metrics_label_values(enum metric id, const char *const *values, unsigned count)
{
    must(has_values(id, "@") && count <= LABELS_MAX);
    given_values[id] = values;
    atomic_store_explicit(&given_count[id], count, memory_order_release);
}

unsigned metrics_label_count(enum metric id)
{
    need_layout();
    if (has_values(id, "@"))
        return atomic_load_explicit(&given_count[id], memory_order_acquire);
    return places[id].labels;
}

struct bytes metric_label_value(enum metric id, unsigned i)
{
    if (has_values(id, "@"))
        return bytes_from_text(given_values[id][i]);
    const char *word = metric_infos[id].values;
    for (; i > 0; i--)
        word = strchr(word, ' ') + 1;
    return bytes_of(word, strcspn(word, " "));
}

size_t metric_cell(enum metric id, unsigned label)
{
    need_layout();
    must(label < places[id].labels);
    return places[id].first + (size_t)label * places[id].stride;
}

/* ---- adding ---- */

static struct shard *shard_new(void)
{
    need_layout();
    struct shard *shard = calloc(1, sizeof *shard + cell_count * sizeof shard->cells[0]);
    if (shard == NULL || pthread_setspecific(shard_key, shard) != 0) {
        free(shard);
        return NULL;
    }
    pthread_mutex_lock(&shards_lock);
    list_append(&shards, &shard->node);
    pthread_mutex_unlock(&shards_lock);
    return shard;
}

static void add_to_cell(size_t cell, int64_t amount)
{
    if (own_shard == NULL)
        own_shard = shard_new();
    if (own_shard == NULL) { /* no memory: count, if dearly */
        __atomic_fetch_add(&base[cell], amount, __ATOMIC_RELAXED);
        return;
    }
    int64_t *own = &own_shard->cells[cell];
    __atomic_store_n(own, __atomic_load_n(own, __ATOMIC_RELAXED) + amount, __ATOMIC_RELAXED);
}

void metrics_add(enum metric id, unsigned label, int64_t amount)
{
    if (own_shard == NULL)
        need_layout();
    must(label < places[id].labels && metric_infos[id].type != METRIC_HISTOGRAM);
    add_to_cell(places[id].first + label, amount);
}

const struct metric_buckets *metric_buckets(enum metric id)
{
    return places[id].buckets;
}

static unsigned bucket_of(const struct metric_buckets *buckets, int64_t value)
{
    if (value <= buckets->unit)
        return 0;
    uint64_t units = ((uint64_t)value + (uint64_t)buckets->unit - 1) / (uint64_t)buckets->unit;
    unsigned octave = 63 - (unsigned)__builtin_clzll(units - 1);
    if (octave >= buckets->octaves)
        return 1 + METRIC_PARTS * buckets->octaves;
    uint64_t above = (uint64_t)value - ((uint64_t)buckets->unit << octave) - 1;
    return 1 + METRIC_PARTS * octave +
           (unsigned)((above * METRIC_PARTS >> octave) / (uint64_t)buckets->unit);
}

int64_t metric_bucket_bound(enum metric id, unsigned bucket)
{
    const struct metric_buckets *buckets = places[id].buckets;
    if (bucket == 0)
        return buckets->unit;
    unsigned octave = (bucket - 1) / METRIC_PARTS;
    int64_t part = (bucket - 1) % METRIC_PARTS + 1;
    int64_t floor = buckets->unit << octave;
    return floor + (floor * part + METRIC_PARTS - 1) / METRIC_PARTS;
}

void metrics_observe_many(enum metric id, unsigned label, int64_t value, uint64_t times)
{
    if (own_shard == NULL)
        need_layout();
    must(label < places[id].labels && metric_infos[id].type == METRIC_HISTOGRAM);
    value = value < 0 ? 0 : value > OBSERVED_MAX ? OBSERVED_MAX : value;
    size_t first = places[id].first + (size_t)label * places[id].stride;
    add_to_cell(first + bucket_of(places[id].buckets, value), (int64_t)times);
    add_to_cell(first + places[id].stride - 1, value * (int64_t)times);
}

void metrics_observe(enum metric id, unsigned label, int64_t value)
{
    metrics_observe_many(id, label, value, 1);
}

/* ---- reading ---- */

size_t metrics_cell_count(void)
{
    need_layout();
    return cell_count;
}

int64_t *metrics_snapshot(void)
{
    need_layout();
    int64_t *sum = malloc(cell_count * sizeof *sum);
    if (sum == NULL)
        return NULL;
    pthread_mutex_lock(&shards_lock);
    for (size_t i = 0; i < cell_count; i++)
        sum[i] = __atomic_load_n(&base[i], __ATOMIC_RELAXED);
    for (struct list *node = shards.next; node != &shards; node = node->next) {
        const struct shard *shard = list_item(node, struct shard, node);
        for (size_t i = 0; i < cell_count; i++)
            sum[i] += __atomic_load_n(&shard->cells[i], __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&shards_lock);
    return sum;
}

static int64_t sum_cell(size_t cell)
{
    pthread_mutex_lock(&shards_lock);
    int64_t sum = __atomic_load_n(&base[cell], __ATOMIC_RELAXED);
    for (struct list *node = shards.next; node != &shards; node = node->next) {
        const struct shard *shard = list_item(node, struct shard, node);
        sum += __atomic_load_n(&shard->cells[cell], __ATOMIC_RELAXED);
    }
    pthread_mutex_unlock(&shards_lock);
    return sum;
}

static int64_t sum_series(enum metric id)
{
    int64_t sum = 0;
    for (const struct metric_series *s = metric_series_first(); s != NULL; s = s->next)
        if (s->id == id && s->value != METRIC_ABSENT)
            sum += s->value;
    return sum;
}

/* A histogram's value is the number of its observations. */
int64_t metrics_value(enum metric id, unsigned label)
{
    need_layout();
    if (metric_is_series(id))
        return sum_series(id);
    size_t first = metric_cell(id, label);
    if (metric_infos[id].type != METRIC_HISTOGRAM)
        return sum_cell(first);
    int64_t count = 0;
    for (unsigned i = 0; i <= metric_bucket_count(id); i++)
        count += sum_cell(first + i);
    return count;
}

int64_t metric_quantile_of(enum metric id, const int64_t *cells, double rank)
{
    unsigned bounded = metric_bucket_count(id);
    int64_t low = 0;
    double below = 0;
    for (unsigned i = 0; i < bounded; i++) {
        int64_t high = metric_bucket_bound(id, i);
        if (cells[i] > 0 && below + (double)cells[i] >= rank)
            return low + (int64_t)((double)(high - low) * (rank - below) / (double)cells[i]);
        below += (double)cells[i];
        low = high;
    }
    return low; /* beyond the last bound: at least that */
}

int64_t metrics_quantile(enum metric id, unsigned label, double q)
{
    must(metric_infos[id].type == METRIC_HISTOGRAM && q >= 0 && q <= 1);
    int64_t *cells = metrics_snapshot();
    if (cells == NULL)
        return 0;
    const int64_t *own = cells + metric_cell(id, label);
    int64_t count = 0;
    for (unsigned i = 0; i <= metric_bucket_count(id); i++)
        count += own[i];
    int64_t value = count == 0 ? 0 : metric_quantile_of(id, own, q * (double)count);
    free(cells);
    return value;
}

/* ---- series made at run time ---- */

static struct metric_series *_Atomic first_series;
static pthread_mutex_t series_lock = PTHREAD_MUTEX_INITIALIZER;
/* What callers get when there is no memory: it takes values and is not shown. */
static struct metric_series lost_series;

const struct metric_series *metric_series_first(void)
{
    return first_series;
}

static struct metric_series *series_find(enum metric id, const char *labels)
{
    for (struct metric_series *s = first_series; s != NULL; s = s->next)
        if (s->id == id && strcmp(s->labels, labels) == 0)
            return s;
    return NULL;
}

static struct metric_series *series_new(enum metric id, const char *labels)
{
    size_t size = strlen(labels) + 1;
    struct metric_series *series = calloc(1, sizeof *series + size);
    if (series == NULL)
        return &lost_series;
    series->id = id;
    series->ordinal = first_series == NULL ? 0 : first_series->ordinal + 1;
    memcpy(series->labels, labels, size);
    series->next = first_series;
    first_series = series; /* last: a reader without the lock sees it whole */
    return series;
}

struct metric_series *metrics_series(enum metric id, const char *labels)
{
    must(metric_is_series(id) && metric_infos[id].type != METRIC_HISTOGRAM);
    pthread_mutex_lock(&series_lock);
    struct metric_series *series = series_find(id, labels);
    if (series == NULL)
        series = series_new(id, labels);
    pthread_mutex_unlock(&series_lock);
    return series;
}

bool metrics_has_series(enum metric id, const char *labels)
{
    return series_find(id, labels) != NULL;
}

void metric_series_set(struct metric_series *series, int64_t value)
{
    atomic_store_explicit(&series->value, value, memory_order_relaxed);
}

void metric_series_add(struct metric_series *series, int64_t amount)
{
    atomic_fetch_add_explicit(&series->value, amount, memory_order_relaxed);
}

/* ---- refreshers ---- */

static struct refresher {
    void (*refresh)(void *context);
    void *context;
} refreshers[REFRESHERS_MAX];
static unsigned refresher_count;
/* Held during the calls: after metrics_off_scrape() none is under way. */
static pthread_mutex_t refreshers_lock = PTHREAD_MUTEX_INITIALIZER;

void metrics_on_scrape(void (*refresh)(void *context), void *context)
{
    pthread_mutex_lock(&refreshers_lock);
    must(refresher_count < REFRESHERS_MAX);
    refreshers[refresher_count++] = (struct refresher){refresh, context};
    pthread_mutex_unlock(&refreshers_lock);
}

void metrics_off_scrape(void (*refresh)(void *context), void *context)
{
    pthread_mutex_lock(&refreshers_lock);
    for (unsigned i = 0; i < refresher_count; i++) {
        if (refreshers[i].refresh != refresh || refreshers[i].context != context)
            continue;
        refreshers[i] = refreshers[--refresher_count];
        break;
    }
    pthread_mutex_unlock(&refreshers_lock);
}

void metrics_refresh(void)
{
    pthread_mutex_lock(&refreshers_lock);
    for (unsigned i = 0; i < refresher_count; i++)
        refreshers[i].refresh(refreshers[i].context);
    pthread_mutex_unlock(&refreshers_lock);
}

/* ---- exemplars ---- */

/* More histograms than have traced observations; one too many is not shown. */
enum { EXEMPLARS_MAX = 16 };
static struct metric_exemplar exemplars[EXEMPLARS_MAX];
static unsigned exemplar_count;
static pthread_mutex_t exemplars_lock = PTHREAD_MUTEX_INITIALIZER;

/* With the lock held. */
static struct metric_exemplar *find_exemplar(enum metric id, unsigned label)
{
    for (unsigned i = 0; i < exemplar_count; i++)
        if (exemplars[i].id == id && exemplars[i].label == label)
            return &exemplars[i];
    return NULL;
}

void metrics_exemplar(enum metric id, unsigned label, int64_t value, const uint8_t *trace_id)
{
    must(metric_infos[id].type == METRIC_HISTOGRAM);
    pthread_mutex_lock(&exemplars_lock);
    struct metric_exemplar *exemplar = find_exemplar(id, label);
    if (exemplar == NULL && exemplar_count < EXEMPLARS_MAX)
        exemplar = &exemplars[exemplar_count++];
    if (exemplar != NULL) {
        *exemplar = (struct metric_exemplar){
            .id = id, .label = label, .value = value < 0 ? 0 : value, .at_ns = clock_wall_ns()};
        text_from_hex(exemplar->trace_id, trace_id, 16);
    }
    pthread_mutex_unlock(&exemplars_lock);
}

bool metric_exemplar_get(enum metric id, unsigned label, struct metric_exemplar *out)
{
    pthread_mutex_lock(&exemplars_lock);
    const struct metric_exemplar *exemplar = find_exemplar(id, label);
    if (exemplar != NULL)
        *out = *exemplar;
    pthread_mutex_unlock(&exemplars_lock);
    return exemplar != NULL;
}
