/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/dlq_book.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/random.h"
#include "broker/driver.h"

int dlq_read_topics(struct broker *broker, const int *topics, size_t topic_count, to_end_fn fn,
                    void *context, struct error *err)
{
    const struct consumer_options options = {
        .topics = topics, .topic_count = topic_count, .start = CONSUMER_FROM_EARLIEST};
    return to_end_read(broker, &options, fn, context, err);
}

/* ---- the book ---- */

struct filling {
    struct dlq_book *book;
    const struct dlq_filter *filter;
};

static bool has_id(const void *item, const void *key)
{
    return memcmp(&((const struct dlq_letter *)item)->id, key, PACKET_IDENTITY_LEN) == 0;
}

static uint64_t hash_id(const struct packet_identity *id)
{
    return hash64_local(bytes_of((const char *)id->bytes, PACKET_IDENTITY_LEN));
}

static void put_u64(uint8_t *out, uint64_t value)
{
    for (int i = 7; i >= 0; i--, value >>= 8)
        out[i] = (uint8_t)value;
}

/* What nobody could decode has no identity: its place tells it from others. */
static struct packet_identity id_of(const struct dlq_book *book, const struct consumed *record,
                                    const struct mc *mc)
{
    struct packet_identity id = mc->identity;
    if (mc_is_identified(mc))
        return id;
    const char *topic = broker_topic_name(book->broker, record->topic);
    put_u64(id.bytes, hash64(bytes_from_text(topic)));
    put_u64(id.bytes + 8, (uint64_t)record->partition);
    put_u64(id.bytes + 16, (uint64_t)record->offset);
    return id;
}

static struct dlq_letter *find_or_add(struct dlq_book *book, const struct packet_identity *id,
                                      struct error *err)
{
    uint64_t hash = hash_id(id);
    struct dlq_letter *letter = table_find(&book->by_id, hash, has_id, id);
    if (letter != NULL)
        return letter;
    if (book->by_id.count == DLQ_LETTERS_MAX) {
        error_set(err, ERROR_FULL,
                  "more than %d dead letters: narrow them down (--since, --reason, --vehicle)",
                  DLQ_LETTERS_MAX);
        return NULL;
    }
    letter = calloc(1, sizeof *letter);
    if (letter == NULL || table_put(&book->by_id, hash, letter) != 0) {
        free(letter);
        error_set(err, ERROR_MEMORY, "no memory for the dead letters");
        return NULL;
    }
    letter->id = *id;
    return letter;
}

static struct bytes keep(char **at, struct bytes from)
{
    struct bytes kept = bytes_of(*at, from.len);
    if (from.len > 0)
        memcpy(*at, from.ptr, from.len);
    *at += from.len;
    return kept;
}

static int keep_texts(struct dlq_letter *letter, struct bytes key, const struct mc *mc,
                      struct error *err)
{
    char *text = malloc(key.len + mc->source_topic.len + mc->detail.len + 1);
    if (text == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the dead letters");
    free(letter->text);
    letter->text = text;
    letter->key = keep(&text, key);
    letter->source_topic = keep(&text, mc->source_topic);
    letter->detail = keep(&text, mc->detail);
    return 0;
}

static bool is_newer(const struct dlq_letter *letter, const struct mc *mc)
{
    return letter->seen == 0 || mc->replays >= letter->replays;
}

static int take_letter(struct dlq_letter *letter, const struct consumed *record,
                       const struct mc *mc, struct error *err)
{
    bool must_replace = is_newer(letter, mc);
    letter->seen++;
    if (!must_replace)
        return 0;
    letter->topic = record->topic;
    letter->partition = record->partition;
    letter->offset = record->offset;
    letter->reason = mc->reason;
    letter->dialect = mc->dialect;
    letter->replays = mc->replays;
    letter->received_ns = mc->received_ns;
    letter->first_seen_ns = mc->first_seen_ns;
    letter->source_partition = mc->source_partition;
    letter->source_offset = mc->source_offset;
    letter->bytes = record->record.value.len;
    letter->is_identified = mc_is_identified(mc);
    return keep_texts(letter, record->record.key, mc, err);
}

static void take_mark(struct dlq_letter *letter, const struct mc *mc)
{
    if (mc->replays < letter->marked)
        return;
    letter->marked = mc->replays;
    letter->replayed_ns = mc->replayed_ns;
}

static int on_record(void *context, const struct consumed *record, struct error *err)
{
    struct filling *filling = context;
    struct dlq_book *book = filling->book;
    struct mc mc;
    book->records++;
    if (!mc_decode(record->record.mc, &mc) || !mc.is_dead_letter)
        mc = (struct mc){.received_ns = record->record.timestamp_ns,
                         .reason = REASON_UNDECODABLE,
                         .source_partition = -1,
                         .source_offset = -1,
                         .source_topic = BYTES(""),
                         .detail = BYTES("a record without a dead letter's header")};
    struct packet_identity id = id_of(book, record, &mc);
    if (!dlq_filter_takes_id(filling->filter, &id))
        return 0;
    const char *topic = broker_topic_name(book->broker, record->topic);
    if (!mc.is_mark && !dlq_filter_takes(filling->filter, topic, record->record.key, &mc))
        return 0;
    struct dlq_letter *letter = find_or_add(book, &id, err);
    if (letter == NULL)
        return -1;
    if (!mc.is_mark)
        return take_letter(letter, record, &mc, err);
    take_mark(letter, &mc);
    return 0;
}

static int compare_times(const void *a, const void *b)
{
    const struct dlq_letter *left = *(const struct dlq_letter *const *)a;
    const struct dlq_letter *right = *(const struct dlq_letter *const *)b;
    if (left->received_ns != right->received_ns)
        return left->received_ns < right->received_ns ? -1 : 1;
    return memcmp(&left->id, &right->id, sizeof left->id);
}

static int select_letters(struct dlq_book *book, enum dlq_state state, struct error *err)
{
    struct dlq_letter *letter;
    book->letters = calloc(book->by_id.count + 1, sizeof(struct dlq_letter *));
    if (book->letters == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the dead letters");
    for (size_t i = 0; (letter = table_next(&book->by_id, &i)) != NULL;)
        if (letter->seen > 0 && (state == DLQ_ANY || dlq_state_of(letter) == state))
            book->letters[book->count++] = letter;
    qsort(book->letters, book->count, sizeof(struct dlq_letter *), compare_times);
    return 0;
}

/* Those that are there: a topic that nobody has written yet is no error. */
static int find_topics(struct dlq_book *book, const char *const *topics, size_t topic_count,
                       struct error *err)
{
    for (size_t i = 0; i < topic_count && book->topic_count < DLQ_TOPICS_MAX; i++) {
        struct error cause = {0};
        int topic = book->broker->config.kind == BROKER_KAFKA
                        ? broker_topic(book->broker, topics[i], 0, &cause)
                        : broker_find_topic(book->broker, topics[i]);
        if (topic >= 0) {
            book->topics[book->topic_count++] = topic;
        } else if (cause.kind != ERROR_NONE && cause.kind != ERROR_NOT_FOUND) {
            *err = cause;
            return -1;
        }
    }
    return 0;
}

int dlq_book_read(struct dlq_book *book, struct broker *broker, const char *const *topics,
                  size_t topic_count, const struct dlq_filter *filter, struct error *err)
{
    struct filling filling = {book, filter};
    *book = (struct dlq_book){.broker = broker};
    table_init(&book->by_id);
    if (find_topics(book, topics, topic_count, err) != 0 ||
        dlq_read_topics(broker, book->topics, book->topic_count, on_record, &filling, err) != 0)
        return -1;
    return select_letters(book, filter->state, err);
}

void dlq_book_deinit(struct dlq_book *book)
{
    struct dlq_letter *letter;
    for (size_t i = 0; (letter = table_next(&book->by_id, &i)) != NULL;) {
        free(letter->text);
        free(letter);
    }
    table_deinit(&book->by_id);
    free(book->letters);
    *book = (struct dlq_book){0};
}

/* ---- a second reading ---- */

struct visit {
    struct dlq_book *book;
    dlq_visit_fn fn;
    void *context;
    struct table selected; /* by where they lie */
};

struct place {
    int topic, partition;
    int64_t offset;
};

static uint64_t hash_place(struct place place)
{
    return random_mix(((uint64_t)place.topic << 48) ^ ((uint64_t)place.partition << 40) ^
                      (uint64_t)place.offset);
}

static bool lies_at(const void *item, const void *key)
{
    const struct dlq_letter *letter = item;
    const struct place *place = key;
    return letter->topic == place->topic && letter->partition == place->partition &&
           letter->offset == place->offset;
}

static int on_second_reading(void *context, const struct consumed *record, struct error *err)
{
    struct visit *visit = context;
    struct place place = {record->topic, record->partition, record->offset};
    struct dlq_letter *letter = table_find(&visit->selected, hash_place(place), lies_at, &place);
    return letter == NULL ? 0 : visit->fn(visit->context, letter, record, err);
}

int dlq_book_visit(struct dlq_book *book, dlq_visit_fn fn, void *context, struct error *err)
{
    struct visit visit = {book, fn, context, {0}};
    int result = 0;
    table_init(&visit.selected);
    for (size_t i = 0; i < book->count && result == 0; i++) {
        struct dlq_letter *letter = book->letters[i];
        struct place place = {letter->topic, letter->partition, letter->offset};
        if (table_put(&visit.selected, hash_place(place), letter) != 0)
            result = error_set(err, ERROR_MEMORY, "no memory for the dead letters");
    }
    if (result == 0 && book->count > 0)
        result = dlq_read_topics(book->broker, book->topics, book->topic_count, on_second_reading,
                                 &visit, err);
    table_deinit(&visit.selected);
    return result;
}
