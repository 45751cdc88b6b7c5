/* SPDX-License-Identifier: Apache-2.0 */
/* Idea: the keys of all open objects lie on one stack, those of the innermost on
 * top; its end takes them off. Few keys are compared one by one. An object that
 * grows past FEW gets a serial number and all its keys go into a hash table
 * shared by all objects, under that number.
 * Nothing is taken out of the table: the serial number of a closed object never
 * comes again, so what it left behind matches nothing. When half of the slots
 * are used, the table is wiped and the keys of open objects go in again; they
 * are at most an eighth of the slots, so this costs a constant a key.
 * The hash is seeded: a stranger can't choose keys that collide. */
#include "codec/json_keys.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/must.h"

enum { FEW = 12, OBJECTS_MAX = 64 };

struct key {
    struct bytes text;
};

struct open_object {
    size_t first;    /* its first key on the stack */
    uint32_t serial; /* 0: few keys, not in the table */
};

struct slot {
    uint32_t serial; /* 0: free */
    uint32_t hash;
    uint32_t key; /* on the stack */
};

struct json_keys {
    struct key *stack;
    size_t count;
    size_t max;
    struct open_object objects[OBJECTS_MAX];
    size_t object_count;
    struct slot *slots;
    size_t mask;
    size_t used;
    uint32_t last_serial;
};

struct json_keys *json_keys_new(size_t max)
{
    struct json_keys *keys = calloc(1, sizeof *keys);
    if (keys == NULL)
        return NULL;
    size_t slots = 64;
    while (slots < max * 8)
        slots *= 2;
    keys->max = max;
    keys->mask = slots - 1;
    keys->stack = calloc(max, sizeof *keys->stack);
    keys->slots = calloc(slots, sizeof *keys->slots);
    if (keys->stack == NULL || keys->slots == NULL) {
        json_keys_free(keys);
        return NULL;
    }
    return keys;
}

void json_keys_free(struct json_keys *keys)
{
    if (keys == NULL)
        return;
    free(keys->stack);
    free(keys->slots);
    free(keys);
}

void json_keys_reset(struct json_keys *keys)
{
    keys->count = 0;
    keys->object_count = 0;
}

void json_keys_open(struct json_keys *keys)
{
    must(keys->object_count < OBJECTS_MAX);
    keys->objects[keys->object_count++] = (struct open_object){.first = keys->count};
}

void json_keys_close(struct json_keys *keys)
{
    must(keys->object_count > 0);
    keys->count = keys->objects[--keys->object_count].first;
}

/* Where the key is, or the free slot where it would be. */
static struct slot *find_slot(const struct json_keys *keys, uint32_t serial, uint32_t hash,
                              struct bytes text)
{
    for (size_t i = (hash ^ serial * 0x9E3779B9u) & keys->mask;; i = (i + 1) & keys->mask) {
        struct slot *slot = &keys->slots[i];
        if (slot->serial == 0)
            return slot;
        if (slot->serial == serial && slot->hash == hash &&
            bytes_equal(keys->stack[slot->key].text, text))
            return slot;
    }
}

/* False when the key is in the table already. */
static bool put(struct json_keys *keys, uint32_t serial, size_t key)
{
    uint32_t hash = (uint32_t)hash64_local(keys->stack[key].text);
    struct slot *slot = find_slot(keys, serial, hash, keys->stack[key].text);
    if (slot->serial != 0)
        return false;
    *slot = (struct slot){serial, hash, (uint32_t)key};
    keys->used++;
    return true;
}

static void put_object(struct json_keys *keys, size_t object, size_t end)
{
    for (size_t key = keys->objects[object].first; key < end; key++)
        put(keys, keys->objects[object].serial, key);
}

static void wipe(struct json_keys *keys)
{
    memset(keys->slots, 0, (keys->mask + 1) * sizeof *keys->slots);
    keys->used = 0;
    keys->last_serial = 0;
    for (size_t i = 0; i < keys->object_count; i++) {
        struct open_object *object = &keys->objects[i];
        bool is_last = i + 1 == keys->object_count;
        if (object->serial == 0)
            continue;
        object->serial = ++keys->last_serial;
        put_object(keys, i, is_last ? keys->count : keys->objects[i + 1].first);
    }
}

static enum json_keys_result add_to_many(struct json_keys *keys, struct open_object *object)
{
    if (keys->used >= (keys->mask + 1) / 2 || keys->last_serial == UINT32_MAX)
        wipe(keys);
    if (object->serial == 0) {
        object->serial = ++keys->last_serial;
        put_object(keys, keys->object_count - 1, keys->count);
    }
    if (!put(keys, object->serial, keys->count))
        return JSON_KEYS_TWICE;
    keys->count++;
    return JSON_KEYS_NEW;
}

enum json_keys_result json_keys_add(struct json_keys *keys, struct bytes text)
{
    if (keys->count == keys->max)
        return JSON_KEYS_FULL;
    struct open_object *object = &keys->objects[keys->object_count - 1];
    keys->stack[keys->count].text = text;
    if (keys->count - object->first >= FEW)
        return add_to_many(keys, object);
    for (size_t i = object->first; i < keys->count; i++)
        if (bytes_equal(keys->stack[i].text, text))
            return JSON_KEYS_TWICE;
    keys->count++;
    return JSON_KEYS_NEW;
}
