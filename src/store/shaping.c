/* SPDX-License-Identifier: Apache-2.0 */
#include "store/shaping.h"

#include <stdlib.h>

#include "broker/reread.h"
#include "vehicle/canonical.h"

enum { STATE_BYTES = 512 << 20 };

struct shaping {
    const struct shape *shape;
    struct shaper *shaper;
    struct packet_scratch *scratch;
    struct reread reread;
    struct shaping_handler handler;
};

static void rehearse(void *context, unsigned stream, const struct consumed *in)
{
    struct shaping *shaping = context;
    struct packet packet;
    struct reject reject;
    if (!shaping->handler.must_skip(shaping->handler.context, in) &&
        canonical_decode(shaping->scratch, in->record.value, &packet, &reject))
        shaper_rehearse(shaping->shaper, stream, &packet);
}

static void begin(void *context, const struct consumed_batch *batch)
{
    struct shaping *shaping = context;
    shaping->handler.begin(shaping->handler.context, batch);
}

static void end(void *context)
{
    struct shaping *shaping = context;
    shaping->handler.end(shaping->handler.context);
}

static bool must_stop(void *context)
{
    struct shaping *shaping = context;
    return shaping->handler.must_stop(shaping->handler.context);
}

int shaping_open(struct shaping **out, const struct shape *shape, size_t vehicles_max,
                 struct broker *broker, const int *topics, size_t topic_count,
                 const struct shaping_handler *handler, struct error *err)
{
    const struct state_limits limits = {.vehicles = vehicles_max, .bytes = STATE_BYTES};
    struct shaping *shaping = calloc(1, sizeof *shaping);
    if (shaping == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the store's transforms");
    shaping->shape = shape;
    shaping->handler = *handler;
    shaping->scratch = packet_scratch_new();
    shaping->reread = (struct reread){.broker = broker,
                                      .topics = topics,
                                      .topic_count = topic_count,
                                      .who = "store",
                                      .begin = begin,
                                      .rehearse = rehearse,
                                      .end = end,
                                      .must_stop = must_stop,
                                      .context = shaping};
    int result = shaper_new(&shaping->shaper, shape, &limits, err);
    if (result == 0 && shaping->scratch == NULL)
        result = error_set(err, ERROR_MEMORY, "no memory for the store's transforms");
    if (result == 0 && shape_lookback_ns(shape) > 0)
        result = reread_init(&shaping->reread, err);
    if (result != 0) {
        shaping_close(shaping);
        return -1;
    }
    *out = shaping;
    return 0;
}

void shaping_close(struct shaping *shaping)
{
    if (shaping == NULL)
        return;
    reread_deinit(&shaping->reread);
    shaper_free(shaping->shaper);
    packet_scratch_free(shaping->scratch);
    free(shaping);
}

int shaping_prepare(struct shaping *shaping, const struct consumed_batch *batch, struct error *err)
{
    struct reread_done done;
    return reread_for(&shaping->reread, shaper_state(shaping->shaper),
                      shape_lookback_ns(shaping->shape), batch, &done, err);
}

enum shaped shaping_apply(struct shaping *shaping, const struct consumed *in, struct sink_row *row,
                          enum reason *reason, char detail[SHAPE_DETAIL_MAX])
{
    return shaper_apply(shaping->shaper, reread_stream(&shaping->reread, in), &row->packet,
                        &row->canonical, reason, detail);
}

void shaping_note(struct shaping *shaping, const struct consumed *in)
{
    if (shape_lookback_ns(shaping->shape) > 0)
        reread_note(&shaping->reread, reread_stream(&shaping->reread, in), in->offset + 1);
}
