/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/config.h"

#include "base/clock.h"

#define OFFSET(member) offsetof(struct gateway_config, member)

static const struct setting settings[] = {
    {"listen", SETTING_STRING, OFFSET(listen), "127.0.0.1:30000",
     .help = "Address and port for WebSocket and HTTP. Port 0 takes a free one."},
    {"loops", SETTING_INT, OFFSET(loops), "0", .max = 64,
     .help = "Event loops that share the port; 0 = one per core."},
    {"echo", SETTING_BOOL, OFFSET(echo), "false",
     .help = "Serve /echo, a WebSocket that sends back what it gets, for conformance suites."},
    {"recent_identities", SETTING_INT, OFFSET(recent_identities), "65536", .max = 1 << 24,
     .unit = "identities per loop",
     .help = "How many identities a loop remembers to recognise resends; 0 = none. The store "
             "removes duplicates in any case."},
    {"drain_deadline", SETTING_DURATION, OFFSET(drain_deadline_ns), "5s",
     .max = INT64_C(3600000000000),
     .help = "How long a shutdown waits for packets under way and for clients to close."},
    {"limits.vehicle_packets_per_s", SETTING_INT, OFFSET(vehicle_packets_per_s), "10000",
     .max = 1000000000, .unit = "packets/s",
     .help = "A vehicle that sends more is slowed down (HTTP: 429 from its first packet on); "
             "0 = no limit."},
    {"limits.packet_bytes", SETTING_SIZE, OFFSET(packet_bytes), "256KiB", .min = 64, .max = 1 << 28,
     .help = "Largest single packet."},
    {"limits.held_bytes", SETTING_SIZE, OFFSET(held_bytes), "64MiB", .max = INT64_C(1) << 40,
     .unit = "bytes per loop",
     .help = "Messages that wait for room in the broker, all together; beyond it their "
             "connections are closed with 1013 or answered 503."},
#define SERVER_LIMITS_OFFSET(field) offsetof(struct gateway_config, limits.field)
#include "net/limits_settings.def"
};

const struct config_module gateway_module = {
    .name = "gateway",
    .help = "Accepts packets over WebSocket and HTTP and acks them once durable.",
    .settings = settings,
    .setting_count = SETTING_COUNT(settings),
    .size = sizeof(struct gateway_config),
};
