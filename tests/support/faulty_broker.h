/* SPDX-License-Identifier: Apache-2.0 */
/* A broker with faults that a test turns on and off, over another one (memory),
 * in which what becomes durable can be read. For producers only. */
#pragma once

#include "broker/broker.h"

enum fault {
    FAULT_NONE,
    FAULT_STALL,       /* takes records and never says anything */
    FAULT_FULL,        /* takes none */
    FAULT_RETURN,      /* gives all back */
    FAULT_HALF,        /* makes the first half of what waits durable, gives the rest back */
    FAULT_UNREACHABLE, /* as STALL, and knows no topics: a transient error */
    FAULT_COUNT
};

/* `inner` is borrowed. */
struct broker *faulty_open(struct broker *inner);
/* Any thread. */
void faulty_set(struct broker *faulty, enum fault fault);
/* Does what is given back get there all the same, as it may in a real one? */
void faulty_let_returns_land(struct broker *faulty, bool land);
/* Values that begin so are refused for ever, when they are on their way. */
#define FAULTY_POISON "poison"
/* Records that its producers have and have not told of. */
size_t faulty_waiting(struct broker *faulty);
