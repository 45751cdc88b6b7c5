/* SPDX-License-Identifier: Apache-2.0 */
/* Signals by path ("driver.shift.0") become nested BSON again, in one pass: the
 * containers of the path before stay open as long as the next path goes on in
 * them. That works when the paths come as they were flattened. When they don't
 * (a name twice in one container, a value and a container of one name, a
 * container that was closed before) or a name is none that MongoDB can have,
 * nest_put says no, and the caller starts again in another form.
 *
 * A container whose names are 0, 1, 2 … in order becomes an array. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "sink/mongodb/bson_put.h"
#include "vehicle/packet.h"

enum { NEST_DEPTH_MAX = PACKET_DEPTH_MAX + 2, NEST_SLOTS = 16384, NEST_NAMES_MAX = 8192 };

struct nest_level {
    struct bytes name;
    char *kind;        /* where its kind stands, to be made an array's */
    char *start;       /* where its length stands */
    uint32_t children; /* 0 … n-1 so far, while is_array */
    bool is_array;
};

struct nest {
    struct nest_level levels[NEST_DEPTH_MAX];
    size_t depth;
    /* Paths that were used: what was opened or written must not come again. */
    uint64_t *names;
    uint32_t *stamps; /* a name holds when its stamp is `stamp` */
    uint32_t stamp;
    size_t name_count;
};

int nest_init(struct nest *nest);
void nest_deinit(struct nest *nest);
void nest_begin(struct nest *nest);
/* Open the containers that lead to `path`, and write its last name with `kind`:
 * returns where the value goes, NULL for no. `holder` is a container round all,
 * empty for none. */
char *nest_put(struct nest *nest, char *p, struct bytes holder, struct bytes path,
               enum bson_kind kind);
char *nest_end(struct nest *nest, char *p);
