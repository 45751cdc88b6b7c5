/* SPDX-License-Identifier: Apache-2.0 */
/* What a script may call. Lua counts instructions, not what a C function does
 * within one, so each function here must be cheap by itself: linear in texts,
 * which are SCRIPT_STRING_MAX long at most, or in the memory that it takes anew.
 * Left out or written again here for that:
 *
 *   string.find, match, gmatch, gsub   patterns go back: exponential in time.
 *                                      find() here is plain; matches() takes a
 *                                      regular expression that never goes back
 *   string.rep                         ("").rep(1 << 60) loops without memory
 *   table.insert, remove, move, sort   loop to #t, which a few elements can make huge
 *   table.unpack                       fills the stack with nils up to the index given
 *
 * And for what they reach: io, os, package, debug, coroutine, load, dofile,
 * require, print, collectgarbage, setmetatable, rawset (what is protected stays
 * so), pcall (a bound that was reached ends the call), math.random (a second run
 * must decide the same), and what shows addresses: %p, tostring of tables. */
#include <stdlib.h>

#include "vehicle/schema/regex.h"
#include "vehicle/script/script_private.h"

static struct bytes text_at(lua_State *lua, int at)
{
    size_t len;
    const char *text = luaL_checklstring(lua, at, &len);
    return bytes_of(text, len);
}

/* find(text, part [, from]): where it begins and ends; nil when it is not there. */
static int string_find(lua_State *lua)
{
    struct bytes text = text_at(lua, 1), part = text_at(lua, 2);
    lua_Integer from = luaL_optinteger(lua, 3, 1);
    if (from < 0)
        from = (lua_Integer)text.len + from + 1;
    size_t skip = from < 1 ? 0 : (size_t)from - 1;
    if (skip > text.len)
        return 0;
    const char *found = memmem(text.ptr + skip, text.len - skip, part.ptr, part.len);
    if (found == NULL)
        return 0;
    lua_pushinteger(lua, found - text.ptr + 1);
    lua_pushinteger(lua, found - text.ptr + (lua_Integer)part.len);
    return 2;
}

static int string_rep(lua_State *lua)
{
    struct bytes text = text_at(lua, 1), separator = {"", 0};
    lua_Integer count = luaL_checkinteger(lua, 2);
    if (!lua_isnoneornil(lua, 3))
        separator = text_at(lua, 3);
    size_t each = text.len + separator.len;
    if (count < 1 || each == 0) {
        lua_pushliteral(lua, "");
        return 1;
    }
    if ((size_t)count > SCRIPT_STRING_MAX / each + 1)
        return luaL_error(lua, "a text of more than %d bytes", (int)SCRIPT_STRING_MAX);
    luaL_Buffer buffer;
    luaL_buffinit(lua, &buffer);
    for (lua_Integer i = 0; i < count; i++) {
        luaL_addlstring(&buffer, text.ptr, text.len);
        if (i + 1 < count)
            luaL_addlstring(&buffer, separator.ptr, separator.len);
    }
    luaL_pushresult(&buffer);
    return 1;
}

/* Lua's own, but for what would print an address. */
static int string_format(lua_State *lua)
{
    struct bytes format = text_at(lua, 1);
    for (size_t i = 0; i + 1 < format.len; i++) {
        if (format.ptr[i] != '%')
            continue;
        i++;
        while (i < format.len && strchr("-+ #0123456789.", format.ptr[i]) != NULL &&
               format.ptr[i] != '\0')
            i++;
        if (i < format.len && format.ptr[i] == 'p')
            return luaL_error(lua, "format does not know %%p");
    }
    for (int i = 2; i <= lua_gettop(lua); i++)
        if (lua_type(lua, i) > LUA_TSTRING || lua_type(lua, i) == LUA_TLIGHTUSERDATA)
            return luaL_error(lua, "format takes numbers, texts, booleans and nil");
    lua_pushvalue(lua, lua_upvalueindex(1));
    lua_insert(lua, 1);
    lua_call(lua, lua_gettop(lua) - 1, 1);
    return 1;
}

static int to_text(lua_State *lua)
{
    luaL_checkany(lua, 1);
    if (lua_type(lua, 1) > LUA_TSTRING || lua_type(lua, 1) == LUA_TLIGHTUSERDATA)
        lua_pushstring(lua, luaL_typename(lua, 1));
    else
        luaL_tolstring(lua, 1, NULL);
    return 1;
}

static const struct regex *expression(lua_State *lua, struct script_machine *machine,
                                      struct bytes text)
{
    for (size_t i = 0; i < machine->expression_count; i++)
        if (bytes_equal(bytes_of(machine->expressions[i].text, machine->expressions[i].len), text))
            return machine->expressions[i].regex;
    if (machine->expression_count == SCRIPT_EXPRESSIONS) {
        luaL_error(lua, "more than %d different regular expressions", (int)SCRIPT_EXPRESSIONS);
        return NULL;
    }
    struct script_expression new = {bytes_dup_text(text), text.len, NULL};
    struct error err;
    if (new.text == NULL || regex_new(&new.regex, text, &err) != 0) {
        bool has_memory = new.text != NULL;
        free(new.text);
        luaL_error(lua, "the expression can't be used: %s", has_memory ? err.text : "no memory");
        return NULL;
    }
    machine->expressions[machine->expression_count++] = new;
    return new.regex;
}

/* matches(text, expression) */
static int string_matches(lua_State *lua)
{
    struct script_machine *machine = script_machine_of(lua);
    struct bytes text = text_at(lua, 1), wanted = text_at(lua, 2);
    machine->work += (text.len + 1) * (wanted.len + 1) + 1000;
    if (machine->work > SCRIPT_WORK_MAX)
        return luaL_error(lua, "more work in regular expressions than it may take");
    const struct regex *regex = expression(lua, machine, wanted);
    struct json_chars chars = {text.ptr, text.ptr + text.len, false};
    lua_pushboolean(lua, regex_finds(regex, chars));
    return 1;
}

/* add(list, value): at its end. */
static int table_add(lua_State *lua)
{
    luaL_checktype(lua, 1, LUA_TTABLE);
    luaL_checkany(lua, 2);
    lua_settop(lua, 2);
    lua_rawseti(lua, 1, (lua_Integer)lua_rawlen(lua, 1) + 1);
    return 0;
}

/* ---- tables of functions ---- */

static const char *const base_names[] = {"assert", "error", "ipairs",   "next", "pairs",
                                         "select", "type",  "tonumber", NULL};
static const char *const math_names[] = {
    "abs",       "acos", "asin", "atan", "ceil", "cos",        "deg",        "exp",  "floor",
    "fmod",      "log",  "max",  "min",  "modf", "rad",        "sin",        "sqrt", "tan",
    "tointeger", "type", "ult",  "huge", "pi",   "maxinteger", "mininteger", NULL};
static const char *const string_names[] = {"byte",  "char",    "len", "lower",
                                           "upper", "reverse", "sub", NULL};
static const char *const table_names[] = {"concat", NULL};

/* From the library's table on top of the stack into the one below; pops it. */
static void copy(lua_State *lua, const char *const *names)
{
    for (; *names != NULL; names++) {
        lua_getfield(lua, -1, *names);
        lua_setfield(lua, -3, *names);
    }
    lua_pop(lua, 1);
}

/* The library's own table, which no script sees. */
static void push_original(lua_State *lua, lua_CFunction open)
{
    lua_pushcfunction(lua, open);
    lua_call(lua, 0, 1);
}

static void push_strings(lua_State *lua)
{
    lua_newtable(lua);
    push_original(lua, luaopen_string);
    lua_getfield(lua, -1, "format");
    lua_pushcclosure(lua, string_format, 1);
    lua_setfield(lua, -3, "format");
    copy(lua, string_names);
    lua_pushcfunction(lua, string_find);
    lua_setfield(lua, -2, "find");
    lua_pushcfunction(lua, string_rep);
    lua_setfield(lua, -2, "rep");
    lua_pushcfunction(lua, string_matches);
    lua_setfield(lua, -2, "matches");
    /* text:sub(1, 2); and arithmetic on texts, which luaopen_string adds, is gone. */
    lua_pushliteral(lua, "");
    lua_newtable(lua);
    lua_pushvalue(lua, -3);
    lua_setfield(lua, -2, "__index");
    lua_setmetatable(lua, -2);
    lua_pop(lua, 1);
}

void script_push_library(lua_State *lua)
{
    lua_newtable(lua);
    /* luaopen_base fills the state's own globals, which no script sees either. */
    push_original(lua, luaopen_base);
    copy(lua, base_names);
    lua_pushcfunction(lua, to_text);
    lua_setfield(lua, -2, "tostring");
    lua_newtable(lua);
    push_original(lua, luaopen_math);
    copy(lua, math_names);
    lua_setfield(lua, -2, "math");
    lua_newtable(lua);
    push_original(lua, luaopen_table);
    copy(lua, table_names);
    lua_pushcfunction(lua, table_add);
    lua_setfield(lua, -2, "add");
    lua_setfield(lua, -2, "table");
    push_strings(lua);
    lua_setfield(lua, -2, "string");
}
