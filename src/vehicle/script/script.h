/* SPDX-License-Identifier: Apache-2.0 */
/* A script of the user's, in Lua 5.4, that looks at packets:
 *
 *   function check(packet, vehicle)
 *       if packet.speed and packet.speed > 50 then return false, "too fast" end
 *       return true
 *   end
 *
 * packet: read-only; the fields of the packet by name, signals by path, nil for
 * what is absent. vehicle: what the script remembers of this vehicle, only the
 * names declared: numbers, booleans and short texts.
 *
 * What a script can't do: reach files, the system, a clock, chance, other Lua
 * states or bytecode, or remember anything but in `vehicle` (its globals are
 * read-only once it is loaded). Bounded: its instructions, its memory, the length
 * of its texts, and what each function that it can call may cost; see
 * script_library.c. The outcome of a call is one of three, never a crash.
 *
 * A machine holds one interpreter; it belongs to one thread. */
#pragma once

#include "base/error.h"
#include "vehicle/packet.h"

enum {
    SCRIPT_TEXT_MAX = 64 << 10,
    SCRIPT_NAMES_MAX = 16, /* remembered of a vehicle */
    SCRIPT_NAME_MAX = 40,
    SCRIPT_KEPT_TEXT_MAX = 46,    /* bytes of a text that is remembered */
    SCRIPT_STRING_MAX = 16 << 10, /* bytes of any text in a script */
    SCRIPT_REASON_MAX = 150,
};

/* A value remembered; zeros: nil. */
struct script_value {
    union {
        double number;
        int64_t integer;
        char text[SCRIPT_KEPT_TEXT_MAX];
    };
    uint8_t len;
    uint8_t type; /* enum script_value_type, private */
};

/* Immutable, of all threads. */
struct script {
    const char *name;  /* for errors: "rule soc" */
    struct bytes text; /* must outlive the machines */
    const struct bytes *names;
    size_t name_count;
    int64_t instructions_max; /* of one call */
    size_t memory_max;        /* bytes of the interpreter, and of what one call may take anew */
};

enum script_outcome { SCRIPT_PASSES, SCRIPT_FAILS, SCRIPT_BREAKS };

struct script_machine;

/* Runs the script once, which defines check(). ERROR_CONFIG with its line when it
 * is no Lua, breaks, or defines nothing. */
int script_machine_new(struct script_machine **out, const struct script *script, struct error *err);
void script_machine_free(struct script_machine *machine);

/* kept: the vehicle's name_count values; NULL without names. `reason` is what the
 * script said to FAILS (maybe nothing), or what broke. */
enum script_outcome script_check(struct script_machine *machine, const struct packet *packet,
                                 struct script_value *kept, char reason[SCRIPT_REASON_MAX]);
/* Calls that broke so far. */
uint64_t script_breaks(const struct script_machine *machine);
