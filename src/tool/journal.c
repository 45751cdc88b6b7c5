/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "broker/config.h"
#include "broker/journal/journal.h"
#include "broker/readonly.h"
#include "tool/options.h"
#include "tool/output.h"

static bool with_records;

static const struct option journal_options[] = {
    {.name = "records", .help = "dump: the records in each frame, too", .flag = &with_records},
};

static const struct command command = {
    .name = "journal",
    .arguments = "verify|dump|stat",
    .help = "Looks into the journal, also while another process writes it; changes nothing.\n"
            "  verify  reads everything and checks each sum; exit code 1 when bytes are damaged\n"
            "  dump    one line a frame: position, kind, topic, offsets, times\n"
            "  stat    topics, partitions, groups with their lag, segments and bytes\n"
            "A gateway's spool is one, too: --data <data>/spool",
    .options = journal_options,
    .option_count = sizeof journal_options / sizeof journal_options[0],
    .takes_config = true,
    .arguments_min = 1,
    .arguments_max = 1,
};

static void put_time(struct buf *out, int64_t time_ns)
{
    char text[TEXT_TIME_MAX];
    buf_append(out, text, text_from_time_ms(text, time_ns / NS_PER_MS));
}

static const char *file_name(const struct segment *segment)
{
    const char *slash = strrchr(segment->path, '/');
    return slash == NULL ? segment->path : slash + 1;
}

/* Up to where a segment's bytes must be whole: the watermark, while another
 * process writes; 0: to its last frame, wherever that is. */
static uint64_t limit_of(const struct journal_files *files, struct seglog *log, size_t i)
{
    if (i + 1 < log->count)
        return log->segments[i]->end;
    uint64_t visible = seglog_visible(log);
    return files->has_writer && visible > log->segments[i]->first + SEGMENT_HEADER_BYTES ? visible
                                                                                         : 0;
}

/* ---- verify ---- */

struct totals {
    uint64_t segments, frames, records, damaged_bytes, gap_bytes;
};

static void count_gaps(void *context, const struct frame *frame, const uint8_t *payload)
{
    (void)payload;
    if (frame->type == FRAME_GAP)
        ((struct totals *)context)->gap_bytes += frame_len(frame);
}

static void put_damage(const struct scan *scan, struct totals *totals, struct buf *out)
{
    for (unsigned d = 0; d < scan->damage_count; d++) {
        uint64_t bytes = scan->damages[d].to - scan->damages[d].from;
        totals->damaged_bytes += bytes;
        buf_printf(out, "  DAMAGED: %llu bytes at position %llu\n", (unsigned long long)bytes,
                   (unsigned long long)scan->damages[d].from);
    }
}

static int verify_segment(struct journal_files *files, struct seglog *log, size_t i,
                          struct totals *totals, struct buf *out, struct error *err)
{
    struct segment *segment = log->segments[i];
    const struct recover_visitor visitor = {.context = totals, .on_frame = count_gaps};
    struct scan scan;
    struct error header = {0};
    uint64_t limit = limit_of(files, log, i);
    if (scan_segment(log, segment, limit, &visitor, &scan, err) != 0)
        return -1;
    totals->segments++;
    totals->frames += scan.frames;
    totals->records += scan.records;
    buf_printf(out, "%s  %llu bytes  %llu frames  %llu records  %s\n", file_name(segment),
               (unsigned long long)segment->size, (unsigned long long)scan.frames,
               (unsigned long long)scan.records, scan.damage_count == 0 ? "whole" : "damaged");
    put_damage(&scan, totals, out);
    if (segment_check_header(log->io, segment->fd, segment->path, segment->first, &header) != 0) {
        totals->damaged_bytes += SEGMENT_HEADER_BYTES;
        buf_printf(out, "  DAMAGED: %s\n", header.text);
    }
    return 0;
}

static int verify_log(struct journal_files *files, struct seglog *log, struct totals *totals,
                      struct buf *out, struct error *err)
{
    for (size_t i = 0; i < log->count; i++)
        if (verify_segment(files, log, i, totals, out, err) != 0)
            return -1;
    return 0;
}

static void put_kept(void *context, const char *name)
{
    size_t len = strlen(name);
    if (len > 4 && strcmp(name + len - 4, ".bad") == 0)
        buf_printf(context, "%s  kept by an earlier repair\n", name);
}

static int verify(struct journal *journal, struct buf *out, struct error *err)
{
    struct journal_files *files = &journal->files;
    struct totals totals = {0};
    if (verify_log(files, &files->data, &totals, out, err) != 0 ||
        verify_log(files, &files->dead, &totals, out, err) != 0)
        return -1;
    files->io->list(files->io->context, files->dir, put_kept, out);
    buf_printf(out,
               "%llu segments, %llu frames, %llu records: ", (unsigned long long)totals.segments,
               (unsigned long long)totals.frames, (unsigned long long)totals.records);
    if (totals.gap_bytes > 0)
        buf_printf(out, "%llu bytes lost to damage that was repaired; ",
                   (unsigned long long)totals.gap_bytes);
    if (totals.damaged_bytes == 0) {
        buf_append_text(out, "whole\n");
        return 0;
    }
    buf_printf(out, "%llu bytes DAMAGED\n", (unsigned long long)totals.damaged_bytes);
    return error_set(err, ERROR_CORRUPT, "%llu bytes are damaged",
                     (unsigned long long)totals.damaged_bytes);
}

/* ---- dump ---- */

struct dump {
    struct journal *journal;
    struct buf *out;
};

static const char *kind_of(const struct frame *frame)
{
    static const char *const kinds[] = {"?", "records", "commits", "checkpoint", "gap", "seal"};
    return frame->type <= FRAME_SEAL ? kinds[frame->type] : kinds[0];
}

static void put_records(struct buf *out, const struct frame *frame, const uint8_t *payload)
{
    const uint8_t *end = payload + frame->payload_len;
    struct record record;
    for (uint32_t i = 0; i < frame->count && record_decode(&payload, end, &record); i++) {
        buf_printf(out, "    %lld ", (long long)(frame->base_offset + i));
        put_time(out, record.timestamp_ns);
        buf_append_text(out, " key=");
        buf_append_json(out, record.key);
        buf_append_text(out, " value=");
        buf_append_json(out, record.value);
        buf_append_char(out, '\n');
    }
}

static void dump_frame(void *context, const struct frame *frame, const uint8_t *payload)
{
    struct dump *dump = context;
    struct buf *out = dump->out;
    buf_printf(out, "  %llu %s %llu bytes", (unsigned long long)frame->position, kind_of(frame),
               (unsigned long long)frame_len(frame));
    if (frame->type == FRAME_RECORDS) {
        const char *topic = broker_topic_name(&dump->journal->base, frame->topic);
        buf_printf(out, " %s/%d offsets %lld..%lld received ", topic == NULL ? "?" : topic,
                   frame->partition, (long long)frame->base_offset,
                   (long long)(frame->base_offset + frame->count - 1));
        put_time(out, frame->time_min);
        buf_append_text(out, "..");
        put_time(out, frame->time_max);
    }
    buf_append_text(out, (frame->flags & FRAME_FLAG_CLEAN) != 0 ? " (closed in order)\n" : "\n");
    if (with_records && frame->type == FRAME_RECORDS)
        put_records(out, frame, payload);
    if (out->len > 1 << 20) { /* as it goes: a journal can be large */
        fwrite(out->ptr, 1, out->len, stdout);
        buf_clear(out);
    }
}

static int dump_log(struct dump *dump, struct seglog *log, struct error *err)
{
    const struct recover_visitor visitor = {.context = dump, .on_frame = dump_frame};
    for (size_t i = 0; i < log->count; i++) {
        struct scan scan;
        buf_printf(dump->out, "%s\n", file_name(log->segments[i]));
        if (scan_segment(log, log->segments[i], limit_of(&dump->journal->files, log, i), &visitor,
                         &scan, err) != 0)
            return -1;
    }
    return 0;
}

static int dump(struct journal *journal, struct buf *out, struct error *err)
{
    struct dump state = {journal, out};
    if (dump_log(&state, &journal->files.data, err) != 0)
        return -1;
    return dump_log(&state, &journal->files.dead, err);
}

/* ---- stat ---- */

static void put_topic(struct journal *journal, int topic, struct buf *out)
{
    struct broker *broker = &journal->base;
    int partitions = broker_partitions(broker, topic);
    int64_t total = 0;
    for (int p = 0; p < partitions; p++) {
        struct broker_offsets offsets;
        if (broker_offsets(broker, topic, p, &offsets, NULL) == 0)
            total += offsets.end - offsets.earliest;
    }
    buf_printf(out, "topic %s: %d partitions, up to %lld records kept\n",
               broker_topic_name(broker, topic), partitions, (long long)total);
    for (int p = 0; p < partitions; p++) {
        struct broker_offsets offsets;
        if (broker_offsets(broker, topic, p, &offsets, NULL) == 0)
            buf_printf(out, "  %d: %lld..%lld\n", p, (long long)offsets.earliest,
                       (long long)offsets.end);
    }
}

static void put_group(struct journal *journal, const struct group *group, struct buf *out)
{
    struct broker *broker = &journal->base;
    buf_printf(out, "group %s\n", group->name);
    for (const struct position *p = group->positions; p != NULL; p = p->next) {
        struct broker_offsets offsets;
        if (broker_offsets(broker, p->topic, p->partition, &offsets, NULL) != 0)
            continue;
        int64_t next = position_next(p) > offsets.earliest ? position_next(p) : offsets.earliest;
        buf_printf(out, "  %s/%d: position %lld, lag %lld%s\n", broker_topic_name(broker, p->topic),
                   p->partition, (long long)position_next(p),
                   (long long)(offsets.end > next ? offsets.end - next : 0),
                   p->committed < 0 ? " (never committed)" : "");
    }
}

static void put_log(const struct seglog *log, const char *name, struct buf *out)
{
    int64_t oldest = INT64_MAX;
    for (size_t i = 0; i < log->count; i++)
        for (size_t e = 0; e < log->segments[i]->entry_count; e++)
            if (log->segments[i]->entries[e].time_min < oldest)
                oldest = log->segments[i]->entries[e].time_min;
    buf_printf(out, "%s: %zu segments, %lld bytes", name, log->count,
               (long long)atomic_load(&log->bytes_on_disk));
    if (oldest != INT64_MAX) {
        buf_append_text(out, ", oldest record received ");
        put_time(out, oldest);
    }
    buf_append_char(out, '\n');
}

static int stat_journal(struct journal *journal, struct buf *out, struct error *err)
{
    (void)err;
    const struct journal_files *files = &journal->files;
    buf_printf(out, "journal in %s, %s\n", files->dir,
               files->has_writer ? "in use by a writing process" : "not in use");
    put_log(&files->data, "data log", out);
    put_log(&files->dead, "dead-letter log", out);
    for (int t = 0; t < broker_topic_count(&journal->base); t++)
        put_topic(journal, t, out);
    for (int g = 0; g < atomic_load(&journal->base.groups.count); g++)
        put_group(journal, journal->base.groups.items[g], out);
    return 0;
}

/* ---- the tool ---- */

typedef int (*action_fn)(struct journal *journal, struct buf *out, struct error *err);

static action_fn find_action(const char *name)
{
    static const struct {
        const char *name;
        action_fn run;
    } actions[] = {{"verify", verify}, {"dump", dump}, {"stat", stat_journal}};
    for (size_t i = 0; i < sizeof actions / sizeof actions[0]; i++)
        if (strcmp(actions[i].name, name) == 0)
            return actions[i].run;
    return NULL;
}

static int act(action_fn action, const struct config *config, struct error *err)
{
    const struct broker_config *broker_config = config_get(config, &broker_module);
    struct broker *broker;
    struct buf out;
    if (broker_open_readonly(&broker, broker_config->data_dir, err) != 0)
        return output_error(command.name, err);
    buf_init(&out, 0);
    int result = action(as_journal(broker), &out, err);
    int code = output_take(&out);
    if (result != 0)
        code = output_error(command.name, err);
    broker_close(broker);
    return code;
}

int journal_tool(int argc, char **argv)
{
    struct options options;
    struct config *config = NULL;
    struct error err = {0};
    int code;
    with_records = false;
    if (!options_begin(&options, &command, argc, argv, &code))
        return code;
    action_fn action = find_action(options.arguments[0]);
    if (action == NULL)
        error_set(&err, ERROR_USAGE, "\"%s\": expected verify, dump or stat", options.arguments[0]);
    if (action == NULL || options_load(&options, &config, &err) != 0)
        code = output_error(command.name, &err);
    else
        code = act(action, config, &err);
    config_unref(config);
    options_deinit(&options);
    return code;
}
