/* SPDX-License-Identifier: Apache-2.0 */
/* Packet k = 0, 1, 2 … of the schedule is due at start + offset + k * spacing and
 * comes from vehicle k mod n in round k / n. A link's packets are a subsequence of
 * it: its own vehicles in order, round after round. So all that a link needs to
 * catch up is where it stands (vehicle, round) and how many packets it owes. */
#include "simulate/traffic.h"

#include <math.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/text.h"

enum { NOTE_MAX = 3 * TEXT_U64_MAX + 3, TURN_PACKETS_MAX = 4096 };

static const int64_t TICK_NS = 250 * NS_PER_US; /* between wake-ups, at least */

static const int64_t OVERTIME_NS = NS_PER_S;       /* to come to what was due at the end */
static const int64_t CATCH_UP_NS = 10 * NS_PER_MS; /* looks whether owed packets went */

struct lane {
    uint64_t round;
    uint64_t owed; /* due, and not pushed */
    uint32_t vehicle;
};

struct traffic {
    struct traffic_options options;
    struct stats *stats;
    struct fleet *fleet;
    struct sender *sender;
    double spacing_ns;
    int64_t first_ns; /* when packet 0 is due */
    int64_t end_ns;   /* INT64_MAX: none */
    int64_t wall_offset_ns;
    uint64_t next;  /* packet of the schedule */
    uint64_t limit; /* packets in all */
    uint64_t owed;  /* by all lanes */
    struct lane lanes[];
};

int traffic_new(struct traffic **out, const struct traffic_options *options, struct stats *stats,
                struct error *err)
{
    struct traffic *traffic =
        calloc(1, sizeof *traffic + options->links * sizeof traffic->lanes[0]);
    if (traffic == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for the traffic");
    traffic->options = *options;
    traffic->stats = stats;
    traffic->spacing_ns = 1e9 / (options->rate * options->fleet.count);
    traffic->limit = options->count > 0 ? options->count : UINT64_MAX;
    for (uint32_t i = 0; i < options->links; i++)
        traffic->lanes[i].vehicle = i;
    if (fleet_new(&traffic->fleet, &options->fleet, err) != 0) {
        free(traffic);
        return -1;
    }
    *out = traffic;
    return 0;
}

void traffic_free(struct traffic *traffic)
{
    if (traffic == NULL)
        return;
    fleet_free(traffic->fleet);
    free(traffic);
}

static int64_t due_ns(const struct traffic *traffic, uint64_t k)
{
    return traffic->first_ns + llrint((double)k * traffic->spacing_ns);
}

static struct bytes make_note(const struct traffic *traffic, const struct fleet_packet *packet,
                              char *out)
{
    if (!traffic->options.has_notes)
        return bytes_of(out, 0);
    size_t len = text_from_u64(out, packet->vehicle);
    out[len++] = ',';
    if (packet->seq > 0)
        len += text_from_u64(out + len, packet->seq);
    out[len++] = ',';
    len += text_from_i64(out + len, packet->time_ms);
    out[len++] = '\n';
    return bytes_of(out, len);
}

static void push_one(struct traffic *traffic, uint32_t link)
{
    struct lane *lane = &traffic->lanes[link];
    uint32_t vehicles = traffic->options.fleet.count;
    int64_t intended_ns = due_ns(traffic, lane->round * vehicles + lane->vehicle);
    int64_t time_ms = (intended_ns + traffic->wall_offset_ns) / NS_PER_MS;
    char text[FLEET_PACKET_MAX], note[NOTE_MAX];
    struct fleet_packet packet = fleet_next_packet(traffic->fleet, lane->vehicle, time_ms, text);
    /* There was room; without memory the packet is lost before it was sent. */
    if (!sender_push(traffic->sender, link, bytes_of(text, packet.len),
                     make_note(traffic, &packet, note), intended_ns))
        counter_add(&traffic->stats->unsent, 1);
    lane->owed--;
    traffic->owed--;
    lane->vehicle += traffic->options.links;
    if (lane->vehicle >= vehicles) {
        lane->vehicle = link;
        lane->round++;
    }
}

static void pay(struct traffic *traffic, uint32_t link)
{
    while (traffic->lanes[link].owed > 0 &&
           sender_has_room(traffic->sender, link, FLEET_PACKET_MAX + NOTE_MAX))
        push_one(traffic, link);
}

static void begin(void *context, struct sender *sender, int64_t start_ns)
{
    struct traffic *traffic = context;
    traffic->sender = sender;
    traffic->first_ns = start_ns + traffic->options.offset_ns;
    traffic->end_ns =
        traffic->options.duration_ns > 0 ? start_ns + traffic->options.duration_ns : INT64_MAX;
    traffic->wall_offset_ns = clock_wall_ns() - clock_monotonic_ns();
}

static bool has_next(const struct traffic *traffic)
{
    return traffic->next < traffic->limit && due_ns(traffic, traffic->next) < traffic->end_ns;
}

static bool is_due(const struct traffic *traffic, int64_t now_ns)
{
    return has_next(traffic) && due_ns(traffic, traffic->next) <= now_ns;
}

static void note_lag(struct traffic *traffic, int64_t now_ns)
{
    if (is_due(traffic, now_ns))
        counter_raise(&traffic->stats->behind_ns,
                      (uint64_t)(now_ns - due_ns(traffic, traffic->next)));
}

/* Packets that were due by now and never went, those not even looked at included. */
static void count_unsent(struct traffic *traffic, int64_t now_ns)
{
    int64_t until_ns = now_ns < traffic->end_ns ? now_ns : traffic->end_ns;
    double due = ceil((double)(until_ns - traffic->first_ns) / traffic->spacing_ns);
    uint64_t k = due < 0 ? 0 : (uint64_t)due;
    k = k < traffic->limit ? k : traffic->limit;
    counter_add(&traffic->stats->unsent,
                traffic->owed + (k > traffic->next ? k - traffic->next : 0));
}

static int64_t play(void *context, int64_t now_ns)
{
    struct traffic *traffic = context;
    note_lag(traffic, now_ns);
    for (int n = 0; n < TURN_PACKETS_MAX && is_due(traffic, now_ns); n++) {
        uint32_t vehicle = (uint32_t)(traffic->next % traffic->options.fleet.count);
        uint32_t link = vehicle % traffic->options.links;
        traffic->next++;
        traffic->lanes[link].owed++;
        traffic->owed++;
        pay(traffic, link);
        if (traffic->lanes[link].owed > 0)
            counter_add(&traffic->stats->late, 1);
    }
    bool is_too_late = traffic->end_ns < INT64_MAX && now_ns > traffic->end_ns + OVERTIME_NS;
    if (has_next(traffic) && !is_too_late) {
        int64_t next_ns = due_ns(traffic, traffic->next);
        return next_ns < now_ns + TICK_NS ? now_ns + TICK_NS : next_ns;
    }
    /* A number of packets is kept to; a time is over when it is over. */
    bool is_counted = traffic->next >= traffic->limit;
    if (is_counted && traffic->owed > 0 && now_ns < traffic->end_ns)
        return now_ns + CATCH_UP_NS;
    count_unsent(traffic, now_ns);
    return PLAYER_END;
}

static void on_room(void *context, uint32_t link)
{
    pay(context, link);
}

static void stop(void *context, int64_t now_ns)
{
    count_unsent(context, now_ns);
}

struct player_source traffic_source(struct traffic *traffic)
{
    return (struct player_source){
        .begin = begin, .play = play, .on_room = on_room, .stop = stop, .context = traffic};
}
