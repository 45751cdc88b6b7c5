/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/generator.h"

#include <stdlib.h>

#include "codec/json.h"
#include "vehicle/dialect.h"
#include "vehicle/mc.h"

enum { KEY_BYTES_MAX = 1024, READER_KEYS_MAX = 65536 };

struct generator {
    struct template *template;
    struct random_source random;
    const char *key;
    struct json_reader *reader; /* for the key; NULL without */
    struct packet_scratch *scratch;
    struct packet packet;
    struct buf text;
    uint64_t order; /* of packets that have neither number nor time */
    uint8_t mc[MC_MAX];
    char key_text[KEY_BYTES_MAX];
};

int generator_new(struct generator **out, const struct generator_options *options,
                  struct error *err)
{
    struct generator *generator = calloc(1, sizeof *generator);
    if (generator == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to make messages");
    generator->random.state = options->seed;
    generator->key = options->key;
    buf_init(&generator->text, options->message_bytes);
    generator->scratch = packet_scratch_new();
    if (options->key != NULL)
        generator->reader = json_reader_new(READER_KEYS_MAX, options->message_bytes);
    if (generator->scratch == NULL || (options->key != NULL && generator->reader == NULL)) {
        generator_free(generator);
        return error_set(err, ERROR_MEMORY, "no memory to make messages");
    }
    if (template_new(&generator->template, options->text, err) != 0) {
        generator_free(generator);
        return -1;
    }
    *out = generator;
    return 0;
}

void generator_free(struct generator *generator)
{
    if (generator == NULL)
        return;
    template_free(generator->template);
    json_reader_free(generator->reader);
    packet_scratch_free(generator->scratch);
    buf_deinit(&generator->text);
    free(generator);
}

/* ---- the key ---- */

/* The n-th of the names between dots, from 0; false when there are fewer. */
static bool nth_name(const char *path, size_t n, struct bytes *out)
{
    for (;;) {
        size_t len = strcspn(path, ".");
        *out = bytes_of(path, len);
        if (n-- == 0)
            return true;
        if (path[len] == '\0')
            return false;
        path += len + 1;
    }
}

/* The raw value at the path; false when there is none, or no JSON. `matched` is
 * how many names of the path lead to where the reader stands. */
static bool find_value(struct json_reader *reader, struct bytes text, const char *path,
                       struct json_token *value, enum json_event *event)
{
    size_t depth = 0, matched = 0;
    struct bytes name;
    json_reader_start(reader, text);
    for (;;) {
        switch (*event = json_reader_next(reader, value)) {
        case JSON_END:
        case JSON_FAULT:
            return false;
        case JSON_OBJECT:
        case JSON_ARRAY:
            depth++;
            break;
        case JSON_OBJECT_END:
        case JSON_ARRAY_END:
            depth--;
            break;
        case JSON_KEY:
            if (matched >= depth)
                matched = depth - 1;
            if (matched != depth - 1 || !nth_name(path, matched, &name) ||
                !bytes_equal(name, value->text))
                break;
            if (nth_name(path, ++matched, &name))
                break;
            *event = json_reader_next(reader, value);
            return true;
        case JSON_STRING:
        case JSON_NUMBER:
        case JSON_TRUE:
        case JSON_FALSE:
        case JSON_NULL:
            break;
        }
    }
}

static bool read_key(struct generator *generator, struct bytes text, struct bytes *key)
{
    struct json_token token;
    enum json_event event;
    if (!find_value(generator->reader, text, generator->key, &token, &event) ||
        (event != JSON_STRING && event != JSON_NUMBER) || token.raw.len > KEY_BYTES_MAX)
        return false;
    *key = token.raw;
    if (event == JSON_STRING)
        *key = bytes_of(generator->key_text, json_unescape(token.raw, generator->key_text));
    return key->len > 0;
}

/* ---- messages ---- */

static void dress(struct generator *generator, int64_t wall_ns, struct generated *out)
{
    struct packet *packet = &generator->packet;
    if (!dialect_decode(generator->scratch, out->record.value, packet, &out->reject))
        return;
    packet_identify(packet, wall_ns, ((uint64_t)wall_ns << 8) + generator->order++);
    struct mc mc = mc_of_packet(packet);
    out->dialect = packet->dialect;
    out->record.key = packet->vehicle;
    out->record.mc = bytes_of((const char *)generator->mc, mc_encode(&mc, generator->mc));
}

int generator_next(struct generator *generator, int64_t wall_ns, struct generated *out,
                   struct error *err)
{
    buf_clear(&generator->text);
    if (template_expand(generator->template, &generator->random, wall_ns, &generator->text, err) !=
        0)
        return -1;
    *out = (struct generated){
        .record = {.key = BYTES(""),
                   .value = buf_bytes(&generator->text),
                   .mc = BYTES(""),
                   .traceparent = BYTES(""),
                   .timestamp_ns = wall_ns},
        .dialect = DIALECT_NONE,
    };
    dress(generator, wall_ns, out);
    if (generator->key != NULL)
        out->lacks_key = !read_key(generator, out->record.value, &out->record.key);
    return 0;
}
