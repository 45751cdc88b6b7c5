/* SPDX-License-Identifier: Apache-2.0 */
/* Running steps. A packet's signals are views that its decoder owns: the first
 * step that changes one copies the array, once a packet. */
#include <math.h>
#include <stdlib.h>

#include "base/must.h"
#include "base/text.h"
#include "vehicle/document.h"
#include "vehicle/transform/transform.h"

struct transform_scratch {
    struct signal *signals; /* PACKET_SIGNALS_MAX */
    struct arena texts;
};

struct transform_scratch *transform_scratch_new(size_t text_bytes)
{
    struct transform_scratch *scratch = calloc(1, sizeof *scratch);
    if (scratch == NULL)
        return NULL;
    scratch->signals = malloc(PACKET_SIGNALS_MAX * sizeof *scratch->signals);
    if (scratch->signals != NULL && arena_init(&scratch->texts, text_bytes + 1) == 0)
        return scratch;
    transform_scratch_free(scratch);
    return NULL;
}

void transform_scratch_free(struct transform_scratch *scratch)
{
    if (scratch == NULL)
        return;
    arena_deinit(&scratch->texts);
    free(scratch->signals);
    free(scratch);
}

void transform_begin(struct transform_scratch *scratch)
{
    scratch->texts.len = 0;
}

void transform_apply(const struct transform *transform, struct transform_scratch *scratch,
                     struct packet *packet, const struct rule_context *context)
{
    struct transform_run run = {.packet = packet, .scratch = scratch, .context = context};
    for (size_t i = 0; i < transform->count; i++) {
        run.step = &transform->steps[i];
        run.step->kind->run(run.step->settings, &run);
    }
}

/* ---- for kinds ---- */

char *transform_text(struct transform_run *run, size_t len)
{
    char *text = arena_take(&run->scratch->texts, len);
    must(text != NULL); /* compile() of the kind asked for too little */
    return text;
}

struct signal *transform_signals(struct transform_run *run, size_t *count)
{
    struct packet *packet = run->packet;
    struct signal *signals = run->scratch->signals;
    if (packet->signals != signals && packet->signal_count > 0)
        memcpy(signals, packet->signals, packet->signal_count * sizeof *signals);
    packet->signals = signals;
    *count = packet->signal_count;
    return signals;
}

void transform_keep_signals(struct transform_run *run, size_t count)
{
    run->packet->signal_count = count;
}

static double *number_at(struct packet *packet, const struct field *field)
{
    return (double *)(void *)((char *)packet + field->offset);
}

bool transform_read_number(const struct transform_run *run, const struct field *field, double *out)
{
    struct value value = field_read(field, run->packet);
    *out = value.number;
    return value.type == VALUE_NUMBER && isfinite(value.number);
}

void transform_write_signal(struct transform_run *run, const struct field *field, struct bytes raw,
                            enum signal_type type)
{
    size_t count, i = 0;
    struct signal *signals = transform_signals(run, &count);
    while (i < count && !bytes_equal(signals[i].path, field->name))
        i++;
    if (i == PACKET_SIGNALS_MAX)
        return;
    signals[i] = (struct signal){.path = field->name, .raw = raw, .type = type};
    transform_keep_signals(run, i == count ? count + 1 : count);
}

void transform_write_number(struct transform_run *run, const struct field *field, double number)
{
    if (!isfinite(number))
        return;
    if (field->type == FIELD_NUMBER) {
        *number_at(run->packet, field) = number;
        run->packet->fields |= field->mask;
        return;
    }
    char *text = transform_text(run, TRANSFORM_NUMBER);
    transform_write_signal(run, field, bytes_of(text, text_from_double(text, number)),
                           SIGNAL_NUMBER);
}

void transform_remove(struct transform_run *run, const struct field *field)
{
    if (field->type == FIELD_NUMBER) {
        run->packet->fields &= ~field->mask;
        return;
    }
    if (packet_find_signal(run->packet, field->name) == NULL)
        return;
    size_t count, kept = 0;
    struct signal *signals = transform_signals(run, &count);
    for (size_t i = 0; i < count; i++)
        if (!bytes_equal(signals[i].path, field->name))
            signals[kept++] = signals[i];
    transform_keep_signals(run, kept);
}
