/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of a machine, for script*.c. */
#pragma once

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "vehicle/rule/field.h"
#include "vehicle/script/script.h"

enum {
    SCRIPT_KEYS = 64,         /* keys of the packet that are looked up fast */
    SCRIPT_EXPRESSIONS = 32,  /* regular expressions of one script */
    SCRIPT_WORK_MAX = 200000, /* of one call: characters times positions, in regular expressions */
};

/* A key that a script used, and what it means. */
struct script_key {
    const char *key; /* the interpreter's own text, kept alive; NULL: free */
    struct field field;
    enum script_special { KEY_FIELD, KEY_RECEIVED, KEY_CATEGORY } special;
};

struct regex;
struct script_expression {
    char *text;
    size_t len;
    struct regex *regex;
};

struct script_machine {
    lua_State *lua;
    const struct script *script;
    /* What the allocator counts. */
    size_t used, taken; /* now; anew in this call */
    unsigned refused;   /* in this call */
    bool is_free;       /* while the interpreter is made: no bounds yet */
    /* This call. */
    const struct packet *packet;
    struct script_value *kept;
    uint64_t work;
    bool counts; /* loops are possible: instructions are counted */
    uint64_t breaks;
    struct script_key keys[SCRIPT_KEYS];
    struct script_expression expressions[SCRIPT_EXPRESSIONS];
    size_t expression_count;
};

/* Whose interpreter this is: kept in the space that Lua leaves to us. */
static inline struct script_machine *script_machine_of(lua_State *lua)
{
    return *(struct script_machine **)lua_getextraspace(lua);
}

/* script_library.c: the functions that a script may call, as a table on the stack. */
void script_push_library(lua_State *lua);
/* script_proxy.c: packet and vehicle, as two values on the stack. */
void script_push_proxies(struct script_machine *machine);
