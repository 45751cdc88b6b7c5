/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/waiting.h"

#include <stdlib.h>
#include <string.h>

#include "gateway/session.h"

void waiting_init(struct waiting *waiting, size_t bytes_max)
{
    *waiting = (struct waiting){.bytes_max = bytes_max};
    list_init(&waiting->list);
}

static struct held *copy_rest(struct waiting *waiting, struct session *session,
                              const struct message_iter *from)
{
    struct bytes rest = message_iter_rest(from);
    size_t size_bytes = sizeof(struct held) + rest.len;
    if (waiting->bytes + size_bytes > waiting->bytes_max)
        return NULL;
    struct held *held = malloc(size_bytes);
    if (held == NULL)
        return NULL;
    *held = (struct held){.session = session, .size_bytes = size_bytes, .iter = *from};
    list_init(&held->node);
    if (rest.len > 0)
        memcpy(held->bytes, rest.ptr, rest.len);
    message_iter_move(&held->iter, held->bytes);
    waiting->bytes += size_bytes;
    session->held = held;
    conn_pause(session->conn);
    return held;
}

int waiting_hold(struct waiting *waiting, struct session *session, const struct message_iter *from,
                 int64_t until_ns)
{
    struct held *held = session->held;
    if (held == NULL)
        held = copy_rest(waiting, session, from);
    else
        held->iter = *from;
    if (held == NULL)
        return -1;
    held->until_ns = until_ns;
    held->is_waiting = true;
    list_append(&waiting->list, &held->node);
    return 0;
}

void waiting_drop(struct waiting *waiting, struct session *session)
{
    struct held *held = session->held;
    if (held == NULL)
        return;
    list_remove(&held->node);
    waiting->bytes -= held->size_bytes;
    session->held = NULL;
    free(held);
}

static bool is_due(const struct held *held, bool has_room, int64_t now_ns)
{
    return held->until_ns == 0 ? has_room : held->until_ns <= now_ns;
}

void waiting_resume(struct waiting *waiting, bool has_room, int64_t now_ns,
                    void (*resume)(struct session *session))
{
    /* What is held again goes to the end: look at each of today's once. */
    struct list due;
    list_init(&due);
    for (struct list *node = waiting->list.next; node != &waiting->list;) {
        struct held *held = list_item(node, struct held, node);
        node = node->next;
        if (!is_due(held, has_room, now_ns))
            continue;
        list_remove(&held->node);
        list_append(&due, &held->node);
    }
    while (!list_is_empty(&due)) {
        struct held *held = list_item(due.next, struct held, node);
        list_remove(&held->node);
        held->is_waiting = false;
        resume(held->session);
    }
}

int64_t waiting_next_ns(const struct waiting *waiting)
{
    int64_t next_ns = INT64_MAX;
    for (struct list *node = waiting->list.next; node != &waiting->list; node = node->next) {
        const struct held *held = list_item(node, struct held, node);
        if (held->until_ns != 0 && held->until_ns < next_ns)
            next_ns = held->until_ns;
    }
    return next_ns;
}
