/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/mongodb/nest.h"

#include <stdlib.h>

#include "base/hash.h"
#include "base/text.h"

int nest_init(struct nest *nest)
{
    nest->names = calloc(NEST_SLOTS, sizeof *nest->names);
    nest->stamps = calloc(NEST_SLOTS, sizeof *nest->stamps);
    return nest->names != NULL && nest->stamps != NULL ? 0 : -1;
}

void nest_deinit(struct nest *nest)
{
    free(nest->names);
    free(nest->stamps);
}

void nest_begin(struct nest *nest)
{
    nest->depth = 0;
    nest->name_count = 0;
    if (++nest->stamp != 0)
        return;
    memset(nest->stamps, 0, NEST_SLOTS * sizeof *nest->stamps);
    nest->stamp = 1;
}

/* Two paths of one hash are taken for one: that costs the nesting, no more. */
static bool take_name(struct nest *nest, struct bytes holder, struct bytes path)
{
    uint64_t hash = hash64_local(path) ^ (holder.len != 0 ? UINT64_C(0x9E3779B97F4A7C15) : 0);
    size_t i = hash & (NEST_SLOTS - 1);
    if (nest->name_count++ == NEST_NAMES_MAX)
        return false;
    for (; nest->stamps[i] == nest->stamp; i = (i + 1) & (NEST_SLOTS - 1))
        if (nest->names[i] == hash)
            return false;
    nest->stamps[i] = nest->stamp;
    nest->names[i] = hash;
    return true;
}

/* MongoDB's rules for field names; a backslash says that a dot is in the key. */
static bool is_good_name(struct bytes name)
{
    return name.len > 0 && name.ptr[0] != '$' && memchr(name.ptr, '\0', name.len) == NULL &&
           memchr(name.ptr, '\\', name.len) == NULL;
}

static void note_child(struct nest *nest, struct bytes name)
{
    char digits[TEXT_U64_MAX];
    if (nest->depth == 0)
        return;
    struct nest_level *level = &nest->levels[nest->depth - 1];
    if (!level->is_array)
        return;
    size_t len = text_from_u64(digits, level->children);
    level->is_array = bytes_equal(name, bytes_of(digits, len));
    level->children++;
}

static char *open_level(struct nest *nest, char *p, struct bytes name, bool may_be_array)
{
    note_child(nest, name);
    nest->levels[nest->depth++] = (struct nest_level){
        .name = name, .kind = p, .start = p + 1 + name.len + 1, .is_array = may_be_array};
    return put_name(p, KIND_DOCUMENT, name) + 4;
}

static char *close_level(struct nest *nest, char *p)
{
    const struct nest_level *level = &nest->levels[--nest->depth];
    if (level->is_array)
        *level->kind = KIND_ARRAY;
    return put_end(p, level->start);
}

static char *close_down_to(struct nest *nest, char *p, size_t depth)
{
    while (nest->depth > depth)
        p = close_level(nest, p);
    return p;
}

/* The name at the front of a path. */
static struct bytes first_name(struct bytes path)
{
    const char *dot = path.len == 0 ? NULL : memchr(path.ptr, '.', path.len);
    return bytes_of(path.ptr, dot != NULL ? (size_t)(dot - path.ptr) : path.len);
}

/* The level `depth` is the container of that name: opened when it isn't there. */
static char *enter(struct nest *nest, char *p, size_t depth, struct bytes holder, struct bytes name,
                   struct bytes path)
{
    if (depth < nest->depth && bytes_equal(nest->levels[depth].name, name))
        return p;
    if (depth == NEST_DEPTH_MAX || !is_good_name(name) || !take_name(nest, holder, path))
        return NULL;
    return open_level(nest, close_down_to(nest, p, depth), name, path.len > 0);
}

char *nest_put(struct nest *nest, char *p, struct bytes holder, struct bytes path,
               enum bson_kind kind)
{
    struct bytes rest = path, name;
    size_t depth = 0;
    if (holder.len > 0) {
        p = enter(nest, p, depth++, holder, holder, bytes_of(path.ptr, 0));
        if (p == NULL)
            return NULL;
    }
    for (name = first_name(rest); name.len < rest.len; name = first_name(rest)) {
        size_t so_far = (size_t)(name.ptr + name.len - path.ptr);
        p = enter(nest, p, depth++, holder, name, bytes_of(path.ptr, so_far));
        if (p == NULL)
            return NULL;
        rest = bytes_of(rest.ptr + name.len + 1, rest.len - name.len - 1);
    }
    if (!is_good_name(name) || !take_name(nest, holder, path))
        return NULL;
    p = close_down_to(nest, p, depth);
    note_child(nest, name);
    return put_name(p, kind, name);
}

char *nest_end(struct nest *nest, char *p)
{
    return close_down_to(nest, p, 0);
}
