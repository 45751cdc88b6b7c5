/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/scrape.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "codec/exposition.h"

enum { TEXT_MAX = 16 << 20 };

void scrape_init(struct scrape *scrape)
{
    *scrape = (struct scrape){0};
    buf_init(&scrape->text, TEXT_MAX);
}

void scrape_deinit(struct scrape *scrape)
{
    buf_deinit(&scrape->text);
    free(scrape->samples);
    *scrape = (struct scrape){0};
}

int scrape_add(struct scrape *scrape, struct bytes page, struct error *err)
{
    if (buf_append_bytes(&scrape->text, page) != 0 || buf_append_char(&scrape->text, '\n') != 0)
        return error_set(err, ERROR_FULL, "a page of metrics of more than %d MiB", TEXT_MAX >> 20);
    return 0;
}

/* ---- sorting and adding up ---- */

static int compare(const void *a, const void *b)
{
    return bytes_compare(((const struct scrape_sample *)a)->key,
                         ((const struct scrape_sample *)b)->key);
}

static bool append(struct scrape *scrape, const struct exposition_sample *sample)
{
    if (scrape->count == scrape->cap) {
        size_t cap = scrape->cap == 0 ? 1024 : 2 * scrape->cap;
        struct scrape_sample *grown = realloc(scrape->samples, cap * sizeof *grown);
        if (grown == NULL)
            return false;
        scrape->samples = grown;
        scrape->cap = cap;
    }
    /* name{labels: the brace in between is in the text, or there are no labels */
    const char *end = sample->labels.len > 0 ? sample->labels.ptr + sample->labels.len
                                             : sample->name.ptr + sample->name.len;
    scrape->samples[scrape->count++] =
        (struct scrape_sample){.key = bytes_of(sample->name.ptr, (size_t)(end - sample->name.ptr)),
                               .name = sample->name,
                               .labels = sample->labels,
                               .value = sample->value};
    return true;
}

static bool is_lag(struct bytes name)
{
    return bytes_equal_text(name, "motorcade_broker_lag_records");
}

static void join(struct scrape_sample *into, const struct scrape_sample *from)
{
    if (!is_lag(into->name))
        into->value += from->value;
    else if (from->value > into->value)
        into->value = from->value;
}

void scrape_finish(struct scrape *scrape, int64_t at_ns)
{
    struct bytes page = buf_bytes(&scrape->text);
    struct exposition_sample sample;
    scrape->at_ns = at_ns;
    scrape->count = 0;
    while (exposition_next(&page, &sample, NULL) && append(scrape, &sample))
        continue;
    if (scrape->count == 0)
        return;
    qsort(scrape->samples, scrape->count, sizeof *scrape->samples, compare);
    size_t last = 0;
    for (size_t i = 1; i < scrape->count; i++) {
        if (bytes_equal(scrape->samples[i].key, scrape->samples[last].key))
            join(&scrape->samples[last], &scrape->samples[i]);
        else
            scrape->samples[++last] = scrape->samples[i];
    }
    scrape->count = last + 1;
}

/* ---- asking ---- */

const struct scrape_sample *scrape_series(const struct scrape *scrape, const char *name,
                                          size_t *count)
{
    struct bytes wanted = bytes_from_text(name);
    size_t low = 0;
    size_t high = scrape->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (bytes_compare(scrape->samples[middle].name, wanted) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    size_t end = low;
    while (end < scrape->count && bytes_equal(scrape->samples[end].name, wanted))
        end++;
    *count = end - low;
    return scrape->samples + low;
}

static bool has_label(const struct scrape_sample *sample, const char *label, const char *value)
{
    struct bytes found;
    return label == NULL ||
           (exposition_label(sample->labels, label, &found) && bytes_equal_text(found, value));
}

double scrape_sum(const struct scrape *scrape, const char *name, const char *label,
                  const char *value)
{
    size_t count = 0;
    double sum = 0;
    const struct scrape_sample *series =
        scrape == NULL ? NULL : scrape_series(scrape, name, &count);
    for (size_t i = 0; i < count; i++)
        if (has_label(&series[i], label, value))
            sum += series[i].value;
    return sum;
}

double scrape_rate(const struct scrape *now, const struct scrape *before, const char *name,
                   const char *label, const char *value)
{
    double elapsed_s = (double)(now->at_ns - before->at_ns) / (double)NS_PER_S;
    double change = scrape_sum(now, name, label, value) - scrape_sum(before, name, label, value);
    return elapsed_s > 0 && change > 0 ? change / elapsed_s : 0;
}

/* ---- quantiles ---- */

enum { BUCKETS_MAX = 128 };

struct bucket {
    double le;
    double count; /* at most le, between the two scrapes */
};

static int compare_buckets(const void *a, const void *b)
{
    double left = ((const struct bucket *)a)->le;
    double right = ((const struct bucket *)b)->le;
    return (left > right) - (left < right);
}

static size_t find_bucket(struct bucket *buckets, size_t *count, double le)
{
    size_t i = 0;
    while (i < *count && buckets[i].le != le)
        i++;
    if (i == *count && *count < BUCKETS_MAX)
        buckets[(*count)++] = (struct bucket){.le = le};
    return i;
}

/* All label values of the histogram together. */
static void add_buckets(const struct scrape *scrape, const char *name, double sign,
                        struct bucket *buckets, size_t *count)
{
    size_t series_count;
    const struct scrape_sample *series = scrape_series(scrape, name, &series_count);
    for (size_t i = 0; i < series_count; i++) {
        struct bytes text;
        double le = INFINITY;
        if (!exposition_label(series[i].labels, "le", &text))
            continue;
        if (!bytes_equal_text(text, "+Inf") && !text_to_double(text, &le))
            continue;
        size_t at = find_bucket(buckets, count, le);
        if (at < BUCKETS_MAX)
            buckets[at].count += sign * series[i].value;
    }
}

/* Within a bucket observations are taken as evenly spread, as Prometheus'
 * histogram_quantile() does. */
static double quantile_of(const struct bucket *buckets, size_t count, double q)
{
    double total = count == 0 ? 0 : buckets[count - 1].count;
    if (total <= 0)
        return NAN;
    double rank = q * total;
    double low = 0;
    double below = 0;
    for (size_t i = 0; i < count; i++) {
        double here = buckets[i].count - below;
        if (buckets[i].count >= rank && here > 0)
            return isinf(buckets[i].le) ? low : low + (buckets[i].le - low) * (rank - below) / here;
        below = buckets[i].count;
        low = buckets[i].le;
    }
    return low;
}

double scrape_quantile(const struct scrape *now, const struct scrape *before, const char *name,
                       double q)
{
    struct bucket buckets[BUCKETS_MAX];
    size_t count = 0;
    char bucket_name[128];
    size_t len = strlen(name);
    if (len + sizeof "_bucket" > sizeof bucket_name)
        return NAN;
    memcpy(bucket_name, name, len);
    memcpy(bucket_name + len, "_bucket", sizeof "_bucket");
    add_buckets(now, bucket_name, 1, buckets, &count);
    add_buckets(before, bucket_name, -1, buckets, &count);
    qsort(buckets, count, sizeof buckets[0], compare_buckets);
    return quantile_of(buckets, count, q);
}
