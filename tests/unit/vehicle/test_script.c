/* SPDX-License-Identifier: Apache-2.0 */
/* Scripts: what they see and decide, what they can't reach, and that nothing they
 * do takes long or more than it may. */
#include "rules_support.h"
#include "vehicle/script/script.h"

static struct script script;
static struct script_machine *machine;
static struct script_value kept[4];
static char reason[SCRIPT_REASON_MAX];

static const struct bytes names[] = {{"soc", 3}, {"since", 5}, {"note", 4}, {"on", 2}};

static int make(const char *text, struct error *err)
{
    script = (struct script){.name = "test",
                             .text = bytes_from_text(text),
                             .names = names,
                             .name_count = 4,
                             .instructions_max = 10000,
                             .memory_max = 1 << 20};
    memset(kept, 0, sizeof kept);
    return script_machine_new(&machine, &script, err);
}

static void begin(const char *text)
{
    struct error err;
    if (make(text, &err) != 0)
        fail_msg("%s: %s", text, err.text);
}

static void end(void)
{
    script_machine_free(machine);
}

static enum script_outcome check(const char *json)
{
    struct packet packet = packet_of(json);
    return script_check(machine, &packet, kept, reason);
}

static const char full[] =
    "{\"obuid\":\"x\",\"lat\":1.5,\"lon\":-2,\"time\":\"2026-05-20T11:59:58.5Z\",\"speed\":12,"
    "\"n\":7,\"big\":1e400,\"f\":0.25,\"on\":true,\"none\":null,\"empty\":{},\"a\":{\"b.c\":[1,"
    "\"t\\u0041\"]},\"accuracy\":3}";

/* Each is what check() returns. */
static const struct {
    const char *expression;
    enum script_outcome outcome;
} rows[] = {
    {"packet.lat == 1.5 and packet.lon == -2 and packet.speed == 12", SCRIPT_PASSES},
    {"packet.heading == nil and packet.altitude == nil and packet.nothing == nil", SCRIPT_PASSES},
    {"packet.vehicle == 'x' and packet.dialect == 'obu' and packet.type == nil", SCRIPT_PASSES},
    {"packet.time == 1779278398500 and packet.received == 1779278400000", SCRIPT_PASSES},
    {"packet.n == 7 and math.type(packet.n) == 'integer'", SCRIPT_PASSES},
    {"packet.f == 0.25 and packet.big == math.huge and packet.on == true", SCRIPT_PASSES},
    {"packet.none == nil and packet.empty == nil", SCRIPT_PASSES},
    {"packet['a.b\\\\.c.1'] == 'tA' and packet['signals.n'] == 7", SCRIPT_PASSES},
    {"packet[1] == nil and packet[{}] == nil", SCRIPT_PASSES},
    {"false, 'because'", SCRIPT_FAILS},
    {"false", SCRIPT_FAILS},
    {"nil", SCRIPT_BREAKS},
    {"1", SCRIPT_BREAKS},
    {"('abc'):sub(2) == 'bc' and #('abc') == 3 and ('x'):rep(3, ',') == 'x,x,x'", SCRIPT_PASSES},
    {"('abc'):find('b') == 2 and ('a.c'):find('.') == 2 and ('abc'):find('x') == nil",
     SCRIPT_PASSES},
    {"string.matches('WVWZZZ', '^[A-Z]{6}$') and not string.matches('abc', '^b')", SCRIPT_PASSES},
    {"string.format('%.1f %s %d', 1.25, 'x', 3) == '1.2 x 3'", SCRIPT_PASSES},
    {"tostring({}) == 'table' and tostring(1.5) == '1.5' and tonumber('0x10') == 16",
     SCRIPT_PASSES},
    {"table.concat({1, 2}, '-') == '1-2'", SCRIPT_PASSES},
};

static void a_script_sees_the_packet(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "function check(packet, vehicle) return %s end",
                 rows[i].expression);
        begin(text);
        for (int again = 0; again < 2; again++)
            if (check(full) != rows[i].outcome)
                fail_msg("%s: %s", rows[i].expression, reason);
        end();
    }
}

static void a_failure_has_the_reason_given(void **state)
{
    (void)state;
    begin("function check(packet) return packet.speed < 10, 'at ' .. packet.speed end");
    assert_int_equal(check(full), SCRIPT_FAILS);
    assert_string_equal(reason, "at 12.0");
    assert_int_equal(check("{\"obuid\":1,\"speed\":3}"), SCRIPT_PASSES);
    assert_int_equal(check("{\"obuid\":1}"), SCRIPT_BREAKS);
    assert_contains(reason, "script:1: attempt to compare nil with number");
    assert_int_equal(script_breaks(machine), 1);
    end();
}

static void values_are_remembered(void **state)
{
    (void)state;
    begin("function check(packet, vehicle)\n"
          "  local ok = vehicle.soc == packet['was.soc'] and vehicle.note == packet['was.note']\n"
          "    and vehicle.on == packet['was.on']\n"
          "  vehicle.soc, vehicle.note, vehicle.on = packet.soc, packet.note, packet.on\n"
          "  return ok\n"
          "end");
    assert_int_equal(check("{\"obuid\":1,\"soc\":5,\"note\":\"a\",\"on\":false}"), SCRIPT_PASSES);
    assert_int_equal(check("{\"obuid\":1,\"was\":{\"soc\":5,\"note\":\"a\",\"on\":false},"
                           "\"soc\":0.5}"),
                     SCRIPT_PASSES);
    assert_int_equal(check("{\"obuid\":1,\"was\":{\"soc\":0.5}}"), SCRIPT_PASSES);
    end();
}

static const struct {
    const char *body, *reason;
} breaking[] = {
    {"while true do end", "more instructions"},
    {"for i = 1, math.huge do end return true", "more instructions"},
    {"return check(packet, vehicle)", "more instructions"},
    {"::again:: goto again", "more instructions"},
    {"local function f() return f() + 1 end return f()", "more"},
    {"local t = {} for i = 1, 1000000 do t[i] = {} end return true", "more"},
    {"local s = 'x' for i = 1, 40 do s = s .. s end return true", "more memory"},
    {"local s = ('x'):rep(16000) s = s .. s return true", "more memory"},
    {"return ('x'):rep(1 << 40) == ''", "a text of more than"},
    {"return (''):rep(1 << 60) == 'a'", NULL},
    {"return ('x'):rep(16000):rep(16000) == ''", "a text of more than"},
    {"return string.format('%99.99f', 1):rep(1000) == ''", "a text of more than"},
    {"return string.matches(('a'):rep(16000), ('(a|aa)*'):rep(20))", "more work"},
    {"return string.matches('a', '(?=a)')", "the expression can't be used"},
    {"return string.matches(('a'):rep(15000), '(a*)*b')", NULL},
    {"return ('a'):rep(16000):find(('a'):rep(8000) .. 'b') == 1", NULL},
    {"local t = {} local i = 1 while i < 1 << 60 do t[i] = 1; i = i * 2 end return #t > 0 and "
     "table.concat(t) == ''",
     "invalid value"},
    {"return ('x'):find('%f[x]', 1, false) == 1", NULL},
    {"packet.speed = 1 return true", "the packet is read-only"},
    {"vehicle.other = 1 return true", "'other' is not among the names"},
    {"vehicle.soc = {} return true", "only numbers, booleans, texts"},
    {"vehicle.note = ('x'):rep(47) return true", "can't be remembered"},
    {"counter = 1 return true", "'counter': globals can't be set"},
    {"math = nil return true", "globals can't be set"},
    {"return io.open('/etc/passwd') ~= nil", "global 'io'"},
    {"return os.time() > 0", "global 'os'"},
    {"return load('return 1')() == 1", "global 'load'"},
    {"return require('os') ~= nil", "global 'require'"},
    {"return debug.getinfo(1) ~= nil", "global 'debug'"},
    {"return coroutine.create(check) ~= nil", "global 'coroutine'"},
    {"return pcall(check)", "global 'pcall'"},
    {"return setmetatable({}, {}) ~= nil", "global 'setmetatable'"},
    {"return getmetatable('') ~= nil", "global 'getmetatable'"},
    {"return collectgarbage() == 0", "global 'collectgarbage'"},
    {"return math.random() > 2", "field 'random'"},
    {"return ('x'):gsub('x', 'y') == 'y'", "method 'gsub'"},
    {"return ('x'):match('x') == 'y'", "method 'match'"},
    {"return string.dump(check) == ''", "field 'dump'"},
    {"return string.format('%p', 'x') == ''", "does not know %p"},
    {"return string.format('%s', {}) == ''", "format takes numbers"},
    {"table.sort({}) return true", "field 'sort'"},
    {"table.insert({}, 1) return true", "field 'insert'"},
    {"error('no')", "script:1: no"},
    {"error({})", "an error without words"},
    {"return '\\0' + 1 == 1", "attempt to"},
    {"return packet.long == ''", "a text of more than"},
};

static void what_a_script_may_not_is_an_outcome(void **state)
{
    (void)state;
    struct buf json;
    buf_init(&json, 0);
    buf_append_text(&json, "{\"obuid\":1,\"long\":\"");
    for (int i = 0; i < 20000; i++)
        buf_append_char(&json, 'l');
    buf_append(&json, "\"}", 3);
    for (size_t i = 0; i < sizeof breaking / sizeof breaking[0]; i++) {
        char text[512];
        snprintf(text, sizeof text, "function check(packet, vehicle) %s end", breaking[i].body);
        begin(text);
        for (int again = 0; again < 3; again++) {
            enum script_outcome outcome = check(json.ptr);
            if (breaking[i].reason == NULL
                    ? outcome == SCRIPT_BREAKS
                    : outcome != SCRIPT_BREAKS || strstr(reason, breaking[i].reason) == NULL)
                fail_msg("%s: %d %s", breaking[i].body, outcome, reason);
        }
        end();
    }
    buf_deinit(&json);
}

/* What is kept in a table that outlives the call fills the memory, call by call:
 * then each call breaks, and nothing else does. */
static void a_leak_ends_at_the_cap(void **state)
{
    (void)state;
    begin("local all = {}\n"
          "function check(packet) all[#all + 1] = ('x'):rep(5000) .. #all return true end");
    enum script_outcome outcome = SCRIPT_PASSES;
    int calls = 0;
    for (; calls < 1000 && outcome == SCRIPT_PASSES; calls++)
        outcome = check("{\"obuid\":1}");
    assert_int_equal(outcome, SCRIPT_BREAKS);
    assert_true(calls > 100 && calls < 300);
    for (int i = 0; i < 100; i++)
        outcome = check("{\"obuid\":1}");
    assert_int_equal(outcome, SCRIPT_BREAKS);
    end();
}

static const struct {
    const char *text, *error;
} unloadable[] = {
    {"", "defines no function check"},
    {"check = 1", "defines no function check"},
    {"check = tostring", "defines no function check"},
    {"function check( end", "script:1: <name> or"},
    {"function check() return true end\nerror('at start')", "script:2: at start"},
    {"while true do end", "more instructions"},
    {"x = {} for i = 1, 1e9 do x[i] = {} end", "more"},
    {"\x1bLuaT", "attempt to load a binary chunk"},
};

static void what_does_not_load_is_said(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof unloadable / sizeof unloadable[0]; i++) {
        struct error err;
        assert_int_equal(make(unloadable[i].text, &err), -1);
        assert_int_equal(err.kind, ERROR_CONFIG);
        assert_contains(err.text, unloadable[i].error);
    }
}

/* ---- as a rule ---- */

static const char soc_rule[] =
    "rules:\n"
    "  - id: soc\n"
    "    kind: lua\n"
    "    remember: soc\n"
    "    lookback: 1h\n"
    "    on_error: %s\n"
    "    script: |\n"
    "      function check(packet, vehicle)\n"
    "        local last = vehicle.soc\n"
    "        vehicle.soc = packet.soc\n"
    "        return not last or last - packet.soc < 20, 'fell by ' .. tostring(last - packet.soc)\n"
    "      end\n";

static enum verdict apply_with(struct rule_thread *thread, const char *json, struct decision *out)
{
    struct packet packet = packet_of(json);
    struct rule_context context = {.received_ns = packet.received_ns, .thread = thread};
    return ruleset_apply(thread->ruleset, &packet, &context, out);
}

static struct rule_thread *rule_thread_of(const char *on_error)
{
    const struct state_limits limits = {.vehicles = 10, .bytes = 1 << 20};
    struct rule_thread *thread;
    char yaml[1024];
    snprintf(yaml, sizeof yaml, soc_rule, on_error);
    struct ruleset *ruleset = ruleset_of(yaml);
    assert_int_equal(ruleset_thread_new(&thread, ruleset, &limits, NULL, NULL), 0);
    ruleset_unref(ruleset);
    return thread;
}

static void a_rule_remembers_each_vehicle(void **state)
{
    (void)state;
    struct rule_thread *thread = rule_thread_of("fail");
    struct decision decision;
    /* The last value is nil at first: the reason's arithmetic breaks. */
    assert_int_equal(apply_with(thread, "{\"obuid\":1,\"soc\":80}", &decision),
                     VERDICT_DEAD_LETTER);
    assert_contains(decision.detail, "broken: script:4: attempt to perform arithmetic");
    assert_int_equal(decision.reason, REASON_RULE_LUA);
    assert_int_equal(thread->breaks[0], 1);
    assert_int_equal(thread->break_count, 1);
    assert_int_equal(apply_with(thread, "{\"obuid\":1,\"soc\":70}", &decision), VERDICT_PASS);
    assert_int_equal(apply_with(thread, "{\"obuid\":1,\"soc\":30}", &decision),
                     VERDICT_DEAD_LETTER);
    assert_string_equal(decision.detail, "fell by 40 (rule soc)");
    ruleset_thread_free(thread);
    thread = rule_thread_of("pass");
    assert_int_equal(apply_with(thread, "{\"obuid\":2,\"soc\":80}", &decision), VERDICT_PASS);
    assert_int_equal(thread->break_count, 1);
    ruleset_thread_free(thread);
}

static void mistakes_in_the_rule_are_refused(void **state)
{
    (void)state;
    assert_contains(error_of("rules: [{id: a, kind: lua}]"), "needs either script or file");
    assert_contains(error_of("rules: [{id: a, kind: lua, script: \"x(\"}]"),
                    "test.yaml:1:36: a: script:1: unexpected symbol near <eof>");
    assert_contains(error_of("rules: [{id: a, kind: lua, remember: x, script: \"x\"}]"),
                    "needs \"lookback\"");
    assert_contains(error_of("rules: [{id: a, kind: lua, lookback: 1h, script: \"x\"}]"),
                    "lookback says nothing without remember");
    assert_contains(error_of("rules: [{id: a, kind: lua, instructions: 1, script: \"x\"}]"),
                    "instructions must be between");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_script_sees_the_packet),
        cmocka_unit_test(a_failure_has_the_reason_given),
        cmocka_unit_test(values_are_remembered),
        cmocka_unit_test(what_a_script_may_not_is_an_outcome),
        cmocka_unit_test(a_leak_ends_at_the_cap),
        cmocka_unit_test(what_does_not_load_is_said),
        cmocka_unit_test(a_rule_remembers_each_vehicle),
        cmocka_unit_test(mistakes_in_the_rule_are_refused),
    };
    return cmocka_run_group_tests(tests, make_scratch, free_scratch);
}
