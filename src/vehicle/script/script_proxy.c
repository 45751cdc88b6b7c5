/* SPDX-License-Identifier: Apache-2.0 */
/* packet and vehicle as a script sees them: values without content of their own,
 * whose fields are looked up when they are read. A key's meaning is remembered
 * by the address of its text, which stays valid because the text is kept. */
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"
#include "codec/json.h"
#include "vehicle/dialect.h"
#include "vehicle/script/script_private.h"

enum script_value_type { KEPT_NIL, KEPT_FALSE, KEPT_TRUE, KEPT_NUMBER, KEPT_INTEGER, KEPT_TEXT };

/* ---- what a packet holds ---- */

static int push_text(lua_State *lua, struct bytes text)
{
    if (text.len == 0)
        return 0;
    if (text.len > SCRIPT_STRING_MAX)
        return luaL_error(lua, "the packet has a text of more than %d bytes there",
                          (int)SCRIPT_STRING_MAX);
    lua_pushlstring(lua, text.ptr, text.len);
    return 1;
}

static int push_string_signal(lua_State *lua, struct bytes raw)
{
    if (memchr(raw.ptr, '\\', raw.len) == NULL) {
        lua_pushlstring(lua, raw.ptr + 1, raw.len - 2);
        return 1;
    }
    luaL_Buffer buffer;
    char *out = luaL_buffinitsize(lua, &buffer, raw.len);
    luaL_pushresultsize(&buffer, json_unescape(raw, out));
    return 1;
}

static int push_number_signal(lua_State *lua, const struct signal *signal)
{
    int64_t integer;
    double number = 0;
    if (text_to_i64(signal->raw, &integer)) {
        lua_pushinteger(lua, integer);
        return 1;
    }
    signal_number(signal, &number);
    lua_pushnumber(lua, number);
    return 1;
}

/* null and {} are nil, as what is absent. */
static int push_signal(lua_State *lua, const struct signal *signal)
{
    switch (signal->type) {
    case SIGNAL_NULL:
    case SIGNAL_EMPTY:
        return 0;
    case SIGNAL_BOOL:
        lua_pushboolean(lua, signal->raw.ptr[0] == 't');
        return 1;
    case SIGNAL_NUMBER:
        return push_number_signal(lua, signal);
    case SIGNAL_STRING:
        if (signal->raw.len > SCRIPT_STRING_MAX)
            return luaL_error(lua, "the packet has a text of more than %d bytes there",
                              (int)SCRIPT_STRING_MAX);
        return push_string_signal(lua, signal->raw);
    }
    return 0;
}

static int push_field(lua_State *lua, const struct field *field, const struct packet *packet)
{
    if (field->mask != 0 && (packet->fields & field->mask) == 0)
        return 0;
    switch (field->type) {
    case FIELD_NUMBER:
        lua_pushnumber(lua, *(const double *)(const void *)((const char *)packet + field->offset));
        return 1;
    case FIELD_TIME:
        lua_pushinteger(lua, packet->time_ms);
        return 1;
    case FIELD_TEXT:
        return push_text(
            lua, *(const struct bytes *)(const void *)((const char *)packet + field->offset));
    case FIELD_DIALECT: {
        const struct dialect *dialect = dialect_by_id(packet->dialect);
        return dialect == NULL ? 0 : push_text(lua, bytes_from_text(dialect->name));
    }
    case FIELD_SIGNAL: {
        const struct signal *signal = packet_find_signal(packet, field->name);
        return signal == NULL ? 0 : push_signal(lua, signal);
    }
    }
    return 0;
}

/* ---- keys ---- */

static void resolve(const char *key, size_t len, struct script_key *out)
{
    static const struct bytes prefix = {"signals.", 8};
    struct bytes name = bytes_of(key, len);
    *out = (struct script_key){.special = bytes_equal_text(name, "received")   ? KEY_RECEIVED
                                          : bytes_equal_text(name, "category") ? KEY_CATEGORY
                                                                               : KEY_FIELD};
    for (const struct field_info *info = field_table; info->name != NULL; info++) {
        if (!bytes_equal_text(name, info->name))
            continue;
        out->field = (struct field){name, info->type, info->offset, info->mask};
        return;
    }
    if (len > prefix.len && bytes_equal(bytes_of(key, prefix.len), prefix))
        name = bytes_of(key + prefix.len, len - prefix.len);
    out->field = (struct field){.name = name, .type = FIELD_SIGNAL};
}

/* Stack: the proxy, the key. NULL: a key that is no text (a number becomes one). */
static const struct script_key *find_key(lua_State *lua, struct script_machine *machine)
{
    size_t len;
    const char *text = lua_tolstring(lua, 2, &len);
    if (text == NULL)
        return NULL;
    struct script_key *key = &machine->keys[(uintptr_t)text / 16 % SCRIPT_KEYS];
    if (__builtin_expect(key->key == text, 1))
        return key;
    lua_pushvalue(lua, 2);
    lua_rawsetp(lua, LUA_REGISTRYINDEX, key); /* the one before may go */
    resolve(text, len, key);
    key->key = text;
    return key;
}

static int packet_index(lua_State *lua)
{
    struct script_machine *machine = script_machine_of(lua);
    const struct script_key *key = find_key(lua, machine);
    if (key == NULL)
        return 0;
    switch (key->special) {
    case KEY_FIELD:
        return push_field(lua, &key->field, machine->packet);
    case KEY_RECEIVED:
        lua_pushinteger(lua, packet_floor_ms(machine->packet->received_ns));
        return 1;
    case KEY_CATEGORY:
        return push_text(lua, machine->packet->category);
    }
    return 0;
}

static int packet_newindex(lua_State *lua)
{
    return luaL_error(lua, "the packet is read-only");
}

/* ---- vehicle ---- */

/* Stack: the proxy, the key. */
static struct script_value *kept_at(lua_State *lua, const struct script_machine *machine)
{
    const struct script *script = machine->script;
    size_t len;
    const char *name = lua_type(lua, 2) == LUA_TSTRING ? lua_tolstring(lua, 2, &len) : NULL;
    for (size_t i = 0; name != NULL && i < script->name_count; i++)
        if (bytes_equal(script->names[i], bytes_of(name, len)))
            return &machine->kept[i];
    luaL_error(lua, "'%s' is not among the names that the rule remembers",
               name == NULL ? "?" : name);
    return machine->kept; /* not reached: luaL_error does not return */
}

static int vehicle_index(lua_State *lua)
{
    const struct script_value *value = kept_at(lua, script_machine_of(lua));
    switch ((enum script_value_type)value->type) {
    case KEPT_NIL:
        return 0;
    case KEPT_FALSE:
    case KEPT_TRUE:
        lua_pushboolean(lua, value->type == KEPT_TRUE);
        return 1;
    case KEPT_NUMBER:
        lua_pushnumber(lua, value->number);
        return 1;
    case KEPT_INTEGER:
        lua_pushinteger(lua, value->integer);
        return 1;
    case KEPT_TEXT:
        lua_pushlstring(lua, value->text, value->len);
        return 1;
    }
    return 0;
}

static void keep_text(lua_State *lua, struct script_value *value)
{
    size_t len;
    const char *text = lua_tolstring(lua, 3, &len);
    if (len > SCRIPT_KEPT_TEXT_MAX)
        luaL_error(lua, "a text of more than %d bytes can't be remembered",
                   (int)SCRIPT_KEPT_TEXT_MAX);
    memcpy(value->text, text, len);
    value->len = (uint8_t)len;
    value->type = KEPT_TEXT;
}

static int vehicle_newindex(lua_State *lua)
{
    struct script_value *value = kept_at(lua, script_machine_of(lua));
    switch (lua_type(lua, 3)) {
    case LUA_TNIL:
        value->type = KEPT_NIL;
        return 0;
    case LUA_TBOOLEAN:
        value->type = lua_toboolean(lua, 3) ? KEPT_TRUE : KEPT_FALSE;
        return 0;
    case LUA_TNUMBER:
        value->type = lua_isinteger(lua, 3) ? KEPT_INTEGER : KEPT_NUMBER;
        if (value->type == KEPT_INTEGER)
            value->integer = lua_tointeger(lua, 3);
        else
            value->number = lua_tonumber(lua, 3);
        return 0;
    case LUA_TSTRING:
        keep_text(lua, value);
        return 0;
    default:
        return luaL_error(lua, "only numbers, booleans, texts and nil can be remembered");
    }
}

/* ---- */

static void push_proxy(lua_State *lua, lua_CFunction index, lua_CFunction newindex)
{
    lua_newuserdatauv(lua, 0, 0);
    lua_newtable(lua);
    lua_pushcfunction(lua, index);
    lua_setfield(lua, -2, "__index");
    lua_pushcfunction(lua, newindex);
    lua_setfield(lua, -2, "__newindex");
    lua_setmetatable(lua, -2);
}

void script_push_proxies(struct script_machine *machine)
{
    push_proxy(machine->lua, packet_index, packet_newindex);
    if (machine->script->name_count > 0)
        push_proxy(machine->lua, vehicle_index, vehicle_newindex);
    else
        lua_pushnil(machine->lua);
}
