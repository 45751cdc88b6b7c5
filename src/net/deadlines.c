/* SPDX-License-Identifier: Apache-2.0 */
#include "net/deadlines.h"

static void on_tick(void *context)
{
    struct deadlines *deadlines = context;
    deadlines->tick++;
    struct list *slot = &deadlines->slots[deadlines->tick % DEADLINE_SLOTS];
    struct list due;
    list_init(&due);
    while (!list_is_empty(slot)) { /* set again may mean this very slot */
        struct list *node = slot->next;
        list_remove(node);
        list_append(&due, node);
    }
    while (!list_is_empty(&due)) {
        struct list *node = due.next;
        list_remove(node);
        deadlines->on_due(deadlines->context, node);
    }
}

void deadlines_init(struct deadlines *deadlines, struct loop *loop, int64_t tick_ns,
                    void (*on_due)(void *context, struct list *node), void *context)
{
    *deadlines = (struct deadlines){.tick_ns = tick_ns, .on_due = on_due, .context = context};
    for (int i = 0; i < DEADLINE_SLOTS; i++)
        list_init(&deadlines->slots[i]);
    deadlines->timer = loop_timer_new(loop, on_tick, deadlines);
}

void deadlines_deinit(struct deadlines *deadlines)
{
    loop_timer_free(deadlines->timer);
    deadlines->timer = NULL;
}

uint32_t deadlines_ticks(const struct deadlines *deadlines, int64_t ns)
{
    int64_t ticks = ns / deadlines->tick_ns + 1; /* the current tick is partly over */
    return ticks > INT32_MAX ? (uint32_t)INT32_MAX : (uint32_t)ticks;
}

void deadlines_set(struct deadlines *deadlines, struct list *node, uint32_t due)
{
    uint32_t ahead = due == DEADLINE_NEVER ? DEADLINE_SLOTS - 1 : due - deadlines->tick;
    if (ahead == 0 || ahead > INT32_MAX) /* past */
        ahead = 1;
    if (ahead > DEADLINE_SLOTS - 1)
        ahead = DEADLINE_SLOTS - 1;
    list_remove(node);
    list_append(&deadlines->slots[(deadlines->tick + ahead) % DEADLINE_SLOTS], node);
    if (!deadlines->is_running) {
        deadlines->is_running = true;
        loop_timer_start(deadlines->timer, deadlines->tick_ns, deadlines->tick_ns);
    }
}

void deadlines_rest(struct deadlines *deadlines)
{
    deadlines->is_running = false;
    loop_timer_stop(deadlines->timer);
}
