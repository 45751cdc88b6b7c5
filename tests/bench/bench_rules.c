/* SPDX-License-Identifier: Apache-2.0 */
/* What rules cost a packet (goal: 10 YAML rules within 12 ns), against the same
 * checks as a Lua function called per packet. Packets are decoded beforehand;
 * category and rules are in the figure, decoding is not. Rounds of all variants
 * are interleaved; the median is printed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/must.h"
#include "vehicle/dialect.h"
#include "vehicle/ruleset.h"

#ifdef HAS_LUA
#include <lauxlib.h>
#include <lualib.h>
#endif

enum { PACKETS = 32, LOOPS = 6000, ROUNDS = 21, VARIANTS_MAX = 16 };

static const char ten_rules[] =
    "categories:\n"
    "  - name: position\n"
    "    match: {any: [{dialect: obu}, {present: [lat, lon]}]}\n"
    "    rules:\n"
    "      - {id: complete, kind: required, fields: [lat, lon, time]}\n"
    "      - {id: lat, kind: range, field: lat, min: -90, max: 90}\n"
    "      - {id: lon, kind: range, field: lon, min: -180, max: 180}\n"
    "      - {id: speed, kind: range, field: speed, min: 0, max: 150}\n"
    "      - {id: heading, kind: range, field: heading, min: 0, max: 360}\n"
    "      - {id: altitude, kind: range, field: altitude, min: -1000, max: 9000}\n"
    "      - {id: accuracy, kind: range, field: accuracy, min: 0}\n"
    "      - {id: town, kind: range, field: speed, max: 90, on_fail: flag}\n"
    "      - {id: ahead, kind: max_ahead, limit: 24h}\n"
    "      - {id: old, kind: max_age, limit: 7d, on_fail: flag}\n";

static const char classes[] =
    "classes:\n"
    "  - {name: bus, match: {where: [{field: vehicle, starts_with: bus-}]}}\n"
    "  - {name: taxi, match: {any: [{present: occupied}, {present: payload.occupied}]}}\n"
    "  - {name: obu, match: {dialect: obu}}\n";
static const char signal_rule[] = "      - {id: soc, kind: range, field: soc, min: 0, max: 100}\n";

/* The same work three ways: two ranges as a script in a rule, as a function that
 * plain Lua calls with the values, and as YAML. */
static const char script_rule[] =
    "categories:\n"
    "  - name: position\n"
    "    match: {any: [{dialect: obu}, {present: [lat, lon]}]}\n"
    "    rules:\n"
    "      - id: script\n"
    "        kind: lua\n"
    "        script: |\n"
    "          function check(packet)\n"
    "            local speed = packet.speed\n"
    "            if speed and speed > 150 then return false, 'too fast' end\n"
    "            local soc = packet.soc\n"
    "            return not soc or soc <= 100, 'more than full'\n"
    "          end\n";

static const char small_rule[] =
    "categories:\n"
    "  - name: position\n"
    "    match: {any: [{dialect: obu}, {present: [lat, lon]}]}\n"
    "    rules:\n"
    "      - id: script\n"
    "        kind: lua\n"
    "        script: function check(packet) return packet.speed <= 150, 'too fast' end\n";

/* With a loop, so that instructions are counted. */
static const char loop_rule[] = "categories:\n"
                                "  - name: position\n"
                                "    match: {any: [{dialect: obu}, {present: [lat, lon]}]}\n"
                                "    rules:\n"
                                "      - id: script\n"
                                "        kind: lua\n"
                                "        script: |\n"
                                "          local names = {'speed', 'soc'}\n"
                                "          function check(packet)\n"
                                "            for i = 1, 2 do\n"
                                "              local value = packet[names[i]]\n"
                                "              if value and value > 150 then return false end\n"
                                "            end\n"
                                "            return true\n"
                                "          end\n";

static const char memory_rule[] = "categories:\n"
                                  "  - name: position\n"
                                  "    match: {any: [{dialect: obu}, {present: [lat, lon]}]}\n"
                                  "    rules:\n"
                                  "      - id: script\n"
                                  "        kind: lua\n"
                                  "        remember: soc\n"
                                  "        lookback: 1h\n"
                                  "        script: |\n"
                                  "          function check(packet, vehicle)\n"
                                  "            local last, soc = vehicle.soc, packet.soc\n"
                                  "            vehicle.soc = soc\n"
                                  "            return not last or last - soc < 200, 'fell'\n"
                                  "          end\n";

static const char derive_rules[] =
    "transform: [{op: round, fields: [lat, lon], digits: 4}, {op: distance, when: always}]\n"
    "categories:\n"
    "  - name: position\n"
    "    match: {any: [{dialect: obu}, {present: [lat, lon]}]}\n";

/* Of this thread: what others do on the machine is not in the figures. */
static int64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return now.tv_sec * NS_PER_S + now.tv_nsec;
}

struct fleet {
    struct packet_scratch *scratch[PACKETS];
    char *json[PACKETS];
    struct packet packets[PACKETS];
};

static uint32_t next_random(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 8;
}

/* Each packet keeps its scratch, so that its views stay. */
static struct fleet *make_fleet(int64_t received_s, int bad_percent)
{
    struct fleet *fleet = calloc(1, sizeof *fleet);
    must(fleet != NULL);
    uint32_t seed = 1;
    for (size_t i = 0; i < PACKETS; i++) {
        bool is_bad = (int)(next_random(&seed) % 100) < bad_percent;
        double lat = is_bad ? 91 : (double)(next_random(&seed) % 180) - 90;
        must(asprintf(&fleet->json[i],
                      "{\"obuid\":%zu,\"lat\":%.5f,\"lon\":%.5f,\"time\":%d,\"speed\":%u,"
                      "\"heading\":%u,\"altitude\":%u,\"accuracy\":%u,\"soc\":%u}",
                      i, lat, (double)(next_random(&seed) % 360) - 180, 1779278400,
                      next_random(&seed) % 90, next_random(&seed) % 360, next_random(&seed) % 500,
                      next_random(&seed) % 30, next_random(&seed) % 100) > 0);
        fleet->scratch[i] = packet_scratch_new();
        struct reject reject;
        must(dialect_decode(fleet->scratch[i], bytes_from_text(fleet->json[i]), &fleet->packets[i],
                            &reject));
        packet_identify(&fleet->packets[i], received_s * NS_PER_S, 1);
    }
    return fleet;
}

static void free_fleet(struct fleet *fleet)
{
    for (size_t i = 0; i < PACKETS; i++) {
        packet_scratch_free(fleet->scratch[i]);
        free(fleet->json[i]);
    }
    free(fleet);
}

struct variant {
    const char *name;
    struct ruleset *ruleset;
    struct rule_thread *thread;
    void *lua;
    bool is_short;   /* of lua: the small chain */
    bool is_changed; /* transforms change the packet: it is put back, which is in the figure */
    struct fleet *fleet;
    double ns[ROUNDS];
    uint64_t verdicts[4];
};

static void run_rules(struct variant *variant)
{
    struct decision decision;
    for (int l = 0; l < LOOPS; l++) {
        for (size_t i = 0; i < PACKETS; i++) {
            struct packet *packet = &variant->fleet->packets[i], before;
            struct rule_context context = {.received_ns = packet->received_ns,
                                           .thread = variant->thread};
            if (variant->is_changed)
                before = *packet;
            variant->verdicts[ruleset_apply(variant->ruleset, packet, &context, &decision)]++;
            if (variant->is_changed)
                *packet = before;
        }
    }
}

#ifdef HAS_LUA
static const char lua_rules[] =
    "return function(p_lat, p_lon, p_time, p_speed, p_heading, p_altitude, p_accuracy, received)\n"
    "  if not (p_lat and p_lon and p_time) then return 2 end\n"
    "  if p_lat < -90 or p_lat > 90 then return 2 end\n"
    "  if p_lon < -180 or p_lon > 180 then return 2 end\n"
    "  if p_speed < 0 or p_speed > 150 then return 2 end\n"
    "  if p_heading < 0 or p_heading > 360 then return 2 end\n"
    "  if p_altitude < -1000 or p_altitude > 9000 then return 2 end\n"
    "  if p_accuracy < 0 then return 2 end\n"
    "  local verdict = 0\n"
    "  if p_speed > 90 then verdict = 1 end\n"
    "  if p_time - received > 86400000 then return 2 end\n"
    "  if received - p_time > 604800000 then verdict = 1 end\n"
    "  return verdict\n"
    "end\n";

static const char lua_short[] = "return function(p_speed, p_soc)\n"
                                "  if p_speed and p_speed > 150 then return 2 end\n"
                                "  if p_soc and p_soc > 100 then return 2 end\n"
                                "  return 0\n"
                                "end\n";

static void run_lua_short(struct variant *variant)
{
    lua_State *lua = variant->lua;
    for (int l = 0; l < LOOPS; l++) {
        for (size_t i = 0; i < PACKETS; i++) {
            const struct packet *packet = &variant->fleet->packets[i];
            double soc = 0;
            const struct signal *signal = packet_find_signal(packet, BYTES("soc"));
            must(signal != NULL && signal_number(signal, &soc));
            lua_pushvalue(lua, 1);
            lua_pushnumber(lua, packet->speed_ms);
            lua_pushnumber(lua, soc);
            must(lua_pcall(lua, 2, 1, 0) == LUA_OK);
            variant->verdicts[lua_tointeger(lua, -1) & 3]++;
            lua_pop(lua, 1);
        }
    }
}

static void run_lua(struct variant *variant)
{
    lua_State *lua = variant->lua;
    for (int l = 0; l < LOOPS; l++) {
        for (size_t i = 0; i < PACKETS; i++) {
            const struct packet *packet = &variant->fleet->packets[i];
            lua_pushvalue(lua, 1);
            lua_pushnumber(lua, packet->lat);
            lua_pushnumber(lua, packet->lon);
            lua_pushinteger(lua, packet->time_ms);
            lua_pushnumber(lua, packet->speed_ms);
            lua_pushnumber(lua, packet->heading_deg);
            lua_pushnumber(lua, packet->altitude_m);
            lua_pushnumber(lua, packet->accuracy_m);
            lua_pushinteger(lua, packet->received_ns / NS_PER_MS);
            lua_call(lua, 8, 1);
            variant->verdicts[lua_tointeger(lua, -1) & 3]++;
            lua_pop(lua, 1);
        }
    }
}
#endif

static void run(struct variant *variant, int round)
{
    int64_t begin = cpu_ns();
#ifdef HAS_LUA
    if (variant->lua != NULL && variant->is_short)
        run_lua_short(variant);
    else if (variant->lua != NULL)
        run_lua(variant);
#endif
    if (variant->ruleset != NULL)
        run_rules(variant);
    variant->ns[round] = (double)(cpu_ns() - begin) / (LOOPS * PACKETS);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static struct ruleset *load(const char *yaml)
{
    struct ruleset *ruleset;
    struct error err;
    if (ruleset_load_bytes(&ruleset, "bench", bytes_from_text(yaml), &err) == 0)
        return ruleset;
    fprintf(stderr, "%s\n", err.text);
    exit(1);
}

static void print(struct variant *variant)
{
    qsort(variant->ns, ROUNDS, sizeof variant->ns[0], by_value);
    double all = (double)(ROUNDS * (uint64_t)LOOPS * PACKETS);
    printf("%-52s %7.1f %7.1f   %3.0f%% pass %3.0f%% flag %3.0f%% dead letter\n", variant->name,
           variant->ns[ROUNDS / 2], variant->ns[0], 100 * (double)variant->verdicts[0] / all,
           100 * (double)variant->verdicts[1] / all, 100 * (double)variant->verdicts[2] / all);
}

/* ---- reading a large ruleset ---- */

enum { MANY_RULES = 1000, MANY_FENCES = 500, CORNERS = 60, READS = 11 };

static char folder[] = "/tmp/bench-rules-XXXXXX";

static FILE *create(const char *name)
{
    char path[64];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    must(file != NULL);
    return file;
}

static void write_fence(FILE *file, int number)
{
    double lat = 40 + number % 25 * 0.5, lon = number / 25 * 0.5;
    fprintf(file,
            "%s{\"type\":\"Feature\",\"properties\":{\"name\":\"f%d\"},\"geometry\":{\"type\":"
            "\"Polygon\",\"coordinates\":[[",
            number == 0 ? "" : ",\n", number);
    for (int i = 0; i <= CORNERS; i++) {
        double angle = 2 * 3.14159265358979 * (i % CORNERS) / CORNERS;
        double radius = 0.15 + 0.05 * (i % 2);
        fprintf(file, "%s[%.6f,%.6f]", i == 0 ? "" : ",", lon + radius * cos(angle),
                lat + radius * sin(angle));
    }
    fputs("]]}}", file);
}

/* The first rule is a file of fences; every fifth of the others remembers. */
static void write_many(void)
{
    must(mkdtemp(folder) != NULL);
    FILE *fences = create("fences.geojson");
    fputs("{\"type\":\"FeatureCollection\",\"features\":[\n", fences);
    for (int i = 0; i < MANY_FENCES; i++)
        write_fence(fences, i);
    fputs("]}\n", fences);
    must(fclose(fences) == 0);
    FILE *rules = create("rules.yaml");
    fputs("version: 1\ncategories:\n  - name: position\n    match: {present: [lat, lon]}\n    "
          "rules:\n",
          rules);
    for (int i = 0; i < MANY_RULES; i++) {
        if (i == 0)
            fputs("      - {id: r0, kind: outside, file: fences.geojson, on_fail: drop}\n", rules);
        else if (i % 5 == 0)
            fprintf(rules,
                    "      - {id: r%d, kind: max_gap, limit: %dm, forget: 2d, on_fail: drop}\n", i,
                    i);
        else
            fprintf(rules,
                    "      - {id: r%d, kind: range, field: s%d, min: 0, max: %d, when: {dialect: "
                    "obu}}\n",
                    i, i, i);
    }
    must(fclose(rules) == 0);
}

static void remove_many(void)
{
    static const char *const names[] = {"fences.geojson", "rules.yaml"};
    char path[64];
    for (size_t i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    rmdir(folder);
}

/* Goal: within 100 ms, of processor time: the flow goes on meanwhile, as the main
 * thread does it. */
static void time_reads(void)
{
    write_many();
    double ms[READS];
    for (int i = 0; i < READS; i++) {
        struct ruleset *ruleset;
        struct error err;
        int64_t begin = cpu_ns();
        if (ruleset_load(&ruleset, folder, &err) != 0) {
            fprintf(stderr, "%s\n", err.text);
            exit(1);
        }
        ms[i] = (double)(cpu_ns() - begin) / NS_PER_MS;
        ruleset_unref(ruleset);
    }
    remove_many();
    qsort(ms, READS, sizeof ms[0], by_value);
    printf("\nreading %d rules and %d fences of %d corners: median %.1f ms, least %.1f ms of %d "
           "(goal 100)\n",
           MANY_RULES, MANY_FENCES, CORNERS, ms[READS / 2], ms[0], READS);
}

int main(void)
{
    struct fleet *good = make_fleet(1779278400, 0), *bad = make_fleet(1779278400, 10),
                 *old = make_fleet(1889278400, 0);
    const struct state_limits limits = {.vehicles = 1000, .bytes = 1 << 24};
    char with_signal[4096], with_classes[4096];
    snprintf(with_signal, sizeof with_signal, "%s%s", ten_rules, signal_rule);
    snprintf(with_classes, sizeof with_classes, "%s%s", ten_rules, classes);
    struct ruleset *default_rules;
    must(ruleset_load_default(&default_rules, NULL) == 0);
    struct variant variants[VARIANTS_MAX] = {
        {.name = "category alone",
         .ruleset = load("categories: [{name: position, match: {any: [{"
                         "dialect: obu}, {present: [lat, lon]}]}}]"),
         .fleet = good},
        {.name = "category + 10 rules, all pass", .ruleset = load(ten_rules), .fleet = good},
        {.name = "category + 10 rules, all old: flagged", .ruleset = load(ten_rules), .fleet = old},
        {.name = "category + 10 rules, a tenth bad", .ruleset = load(ten_rules), .fleet = bad},
        {.name = "category + 10 rules + a range of a signal",
         .ruleset = load(with_signal),
         .fleet = good},
        {.name = "the default ruleset (9 rules)", .ruleset = default_rules, .fleet = good},
    };
    size_t count = 6;
    variants[count++] = (struct variant){.name = "category + 10 rules + 3 classes of vehicles",
                                         .ruleset = load(with_classes),
                                         .fleet = good};
    variants[count++] = (struct variant){
        .name = "a script of a user (one field)", .ruleset = load(small_rule), .fleet = good};
    variants[count++] = (struct variant){.name = "a script of a user (a field and a signal)",
                                         .ruleset = load(script_rule),
                                         .fleet = good};
    variants[count++] = (struct variant){
        .name = "the same with a loop: counted", .ruleset = load(loop_rule), .fleet = good};
    variants[count++] = (struct variant){
        .name = "a script that remembers a value", .ruleset = load(memory_rule), .fleet = good};
    variants[count++] = (struct variant){.name = "transforms: two numbers rounded, distance",
                                         .ruleset = load(derive_rules),
                                         .fleet = good,
                                         .is_changed = true};
    for (size_t i = 0; i < count; i++)
        if (ruleset_needs_thread(variants[i].ruleset))
            must(ruleset_thread_new(&variants[i].thread, variants[i].ruleset, &limits, NULL,
                                    NULL) == 0);
#ifdef HAS_LUA
    lua_State *lua = luaL_newstate();
    luaL_openlibs(lua);
    must(luaL_dostring(lua, lua_rules) == LUA_OK);
    variants[count++] =
        (struct variant){.name = "Lua: the same 10 checks, all pass", .lua = lua, .fleet = good};
    lua_State *small = luaL_newstate();
    luaL_openlibs(small);
    must(luaL_dostring(small, lua_short) == LUA_OK);
    variants[count++] = (struct variant){.name = "plain Lua: two values given to a function",
                                         .lua = small,
                                         .fleet = good,
                                         .is_short = true};
#endif
    for (int round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < count; i++)
            run(&variants[i], round);
    printf("%-52s %7s %7s   CPU ns a packet, %d rounds of %d packets\n", "", "median", "least",
           ROUNDS, LOOPS * PACKETS);
    for (size_t i = 0; i < count; i++) {
        print(&variants[i]);
        ruleset_thread_free(variants[i].thread);
        ruleset_unref(variants[i].ruleset);
    }
#ifdef HAS_LUA
    lua_close(lua);
    lua_close(small);
#endif
    free_fleet(good);
    free_fleet(bad);
    free_fleet(old);
    time_reads();
    return 0;
}
