/* SPDX-License-Identifier: Apache-2.0 */
/* Machines: an interpreter within bounds.
 *
 * Memory: every byte goes through allocate(). It refuses beyond the cap, refuses
 * long texts, and what one call takes anew; after a few refusals in a call it
 * refuses all, since each makes the interpreter collect its garbage first, which
 * costs time.
 *
 * Instructions: Lua's count hook. It makes each instruction dearer by a
 * nanosecond or two, so it is left off where nothing can repeat: a script without
 * the words of loops, with one function, which is named nowhere but where it is
 * defined, ends after as many instructions as it has. Words in texts and comments
 * count too: the test errs to the safe side only. */
#include "vehicle/script/script_private.h"

#include <stdio.h>
#include <stdlib.h>

#include "vehicle/schema/regex.h"

enum { REFUSALS_MAX = 4, LOAD_FACTOR = 20 };

/* ---- memory ---- */

static bool may_take(struct script_machine *machine, bool is_text, size_t size, size_t more)
{
    if (machine->is_free)
        return true;
    if (machine->refused >= REFUSALS_MAX || (is_text && size > SCRIPT_STRING_MAX + 64) ||
        machine->used + more > machine->script->memory_max ||
        machine->taken + more > machine->script->memory_max) {
        machine->refused++;
        return false;
    }
    return true;
}

/* Shrinking never fails: Lua counts on it. */
static void *allocate(void *context, void *ptr, size_t old_size, size_t size)
{
    struct script_machine *machine = context;
    bool is_text = ptr == NULL && old_size == LUA_TSTRING;
    size_t before = ptr == NULL ? 0 : old_size;
    if (size == 0) {
        machine->used -= before;
        free(ptr);
        return NULL;
    }
    size_t more = size > before ? size - before : 0;
    if (more > 0 && !may_take(machine, is_text, size, more))
        return NULL;
    void *moved = realloc(ptr, size);
    if (moved == NULL)
        return size <= before ? ptr : NULL;
    machine->used += size - before;
    machine->taken += more;
    return moved;
}

/* ---- instructions ---- */

static void on_count(lua_State *lua, lua_Debug *debug)
{
    (void)debug;
    luaL_error(lua, "more instructions than it may take");
}

static bool is_word_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static size_t count_word(struct bytes text, const char *word)
{
    size_t len = strlen(word), count = 0;
    for (size_t i = 0; i + len <= text.len; i++) {
        if (memcmp(text.ptr + i, word, len) != 0 || (i > 0 && is_word_char(text.ptr[i - 1])) ||
            (i + len < text.len && is_word_char(text.ptr[i + len])))
            continue;
        count++;
    }
    return count;
}

static bool can_repeat(struct bytes text)
{
    static const char *const words[] = {"for", "while", "repeat", "goto", "_ENV"};
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (count_word(text, words[i]) > 0)
            return true;
    return count_word(text, "function") != 1 || count_word(text, "check") != 1;
}

static void start_call(struct script_machine *machine, int64_t instructions, bool counts)
{
    machine->taken = 0;
    machine->refused = 0;
    machine->work = 0;
    if (counts)
        lua_sethook(machine->lua, on_count, LUA_MASKCOUNT, (int)instructions);
}

/* ---- making a machine ---- */

static int read_only(lua_State *lua)
{
    return luaL_error(lua,
                      "'%s': globals can't be set while packets are checked; what is to be "
                      "remembered belongs into vehicle",
                      lua_type(lua, 2) == LUA_TSTRING ? lua_tostring(lua, 2) : "?");
}

/* Stack: the loaded chunk, its globals. What the chunk defined stays readable
 * behind an empty table that refuses to be written; all its functions see that. */
static void freeze(lua_State *lua)
{
    lua_newtable(lua);
    lua_newtable(lua);
    lua_pushvalue(lua, 2);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, read_only);
    lua_setfield(lua, -2, "__newindex");
    lua_setmetatable(lua, -2);
    lua_setupvalue(lua, 1, 1);
}

/* Leaves on the stack: check, packet, vehicle. */
static int load(lua_State *lua)
{
    struct script_machine *machine = script_machine_of(lua);
    const struct script *script = machine->script;
    if (luaL_loadbufferx(lua, script->text.ptr, script->text.len, "=script", "t") != LUA_OK)
        return lua_error(lua);
    script_push_library(lua);
    lua_pushvalue(lua, 2);
    lua_setupvalue(lua, 1, 1);
    machine->is_free = false;
    start_call(machine, LOAD_FACTOR * script->instructions_max, true);
    lua_pushvalue(lua, 1);
    lua_call(lua, 0, 0);
    lua_sethook(lua, NULL, 0, 0);
    machine->is_free = true;
    freeze(lua);
    if (lua_getfield(lua, 2, "check") != LUA_TFUNCTION || lua_iscfunction(lua, -1))
        return luaL_error(lua, "it defines no function check(packet, vehicle)");
    script_push_proxies(machine);
    return 3;
}

static void reason_of(lua_State *lua, int at, char *out, size_t size)
{
    size_t len = 0;
    const char *text = lua_type(lua, at) == LUA_TSTRING ? lua_tolstring(lua, at, &len) : NULL;
    if (text == NULL)
        text = "an error without words";
    else if (memchr(text, '\0', len) != NULL)
        text = "an error that is no text";
    snprintf(out, size, "%s", text);
}

static int start(struct script_machine *machine, struct error *err)
{
    lua_State *lua = machine->lua;
    machine->is_free = true;
    if (!lua_checkstack(lua, 16))
        return error_set(err, ERROR_MEMORY, "no memory for a script");
    *(struct script_machine **)lua_getextraspace(lua) = machine;
    lua_pushcfunction(lua, load);
    int status = lua_pcall(lua, 0, 3, 0);
    lua_sethook(lua, NULL, 0, 0);
    machine->is_free = false;
    if (status == LUA_OK)
        return 0;
    char why[300];
    reason_of(lua, -1, why, sizeof why);
    if (status == LUA_ERRMEM)
        return error_set(err, ERROR_CONFIG, "%s: the script takes more than %zu bytes",
                         machine->script->name, machine->script->memory_max);
    return error_set(err, ERROR_CONFIG, "%s: %s", machine->script->name, why);
}

int script_machine_new(struct script_machine **out, const struct script *script, struct error *err)
{
    struct script_machine *machine = calloc(1, sizeof *machine);
    if (machine == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a script");
    machine->script = script;
    machine->counts = can_repeat(script->text);
    machine->is_free = true;
    machine->lua = lua_newstate(allocate, machine);
    int result = machine->lua == NULL ? error_set(err, ERROR_MEMORY, "no memory for a script")
                                      : start(machine, err);
    if (result != 0) {
        script_machine_free(machine);
        return -1;
    }
    *out = machine;
    return 0;
}

void script_machine_free(struct script_machine *machine)
{
    if (machine == NULL)
        return;
    machine->is_free = true;
    if (machine->lua != NULL)
        lua_close(machine->lua);
    for (size_t i = 0; i < machine->expression_count; i++) {
        regex_free(machine->expressions[i].regex);
        free(machine->expressions[i].text);
    }
    free(machine);
}

/* ---- a call ---- */

/* From here on nothing that takes memory of the interpreter may be called: it is
 * not in a protected call, and to be refused would end the process. */
static enum script_outcome broken(struct script_machine *machine, int status, char *reason)
{
    lua_State *lua = machine->lua;
    machine->breaks++;
    if (status == LUA_ERRMEM)
        snprintf(reason, SCRIPT_REASON_MAX, "more memory than it may take");
    else if (status == LUA_OK)
        snprintf(reason, SCRIPT_REASON_MAX, "check() must return true or false");
    else
        reason_of(lua, -1, reason, SCRIPT_REASON_MAX);
    lua_settop(lua, 3);
    /* Full: what this call left must not be what the next one fails of. */
    if (status == LUA_ERRMEM)
        lua_gc(lua, LUA_GCCOLLECT);
    return SCRIPT_BREAKS;
}

static enum script_outcome outcome(struct script_machine *machine, char *reason)
{
    lua_State *lua = machine->lua;
    if (lua_type(lua, -2) != LUA_TBOOLEAN)
        return broken(machine, LUA_OK, reason);
    enum script_outcome result = lua_toboolean(lua, -2) ? SCRIPT_PASSES : SCRIPT_FAILS;
    reason[0] = '\0';
    if (result == SCRIPT_FAILS && lua_type(lua, -1) == LUA_TSTRING)
        reason_of(lua, -1, reason, SCRIPT_REASON_MAX);
    lua_settop(lua, 3);
    return result;
}

enum script_outcome script_check(struct script_machine *machine, const struct packet *packet,
                                 struct script_value *kept, char reason[SCRIPT_REASON_MAX])
{
    lua_State *lua = machine->lua;
    machine->packet = packet;
    machine->kept = kept;
    start_call(machine, machine->script->instructions_max, machine->counts);
    lua_pushvalue(lua, 1);
    lua_pushvalue(lua, 2);
    lua_pushvalue(lua, 3);
    int status = lua_pcall(lua, 2, 2, 0);
    return status == LUA_OK ? outcome(machine, reason) : broken(machine, status, reason);
}

uint64_t script_breaks(const struct script_machine *machine)
{
    return machine->breaks;
}
