/* SPDX-License-Identifier: Apache-2.0 */
/* What replay and simulate both let choose: how packets are sent, and what is told
 * of it. */
#pragma once

#include "tool/options.h"

/* Rows of a table of struct option. `given` has the texts window and grace, and in
 * `run` the options of the run. */
#define SENDING_OPTIONS(given)                                                                    \
    {"window", 0, "N", "unacked packets of a connection before it pauses",                        \
     .text = &(given).window},                                                                    \
        {"grace", 0, "TIME", "wait for outstanding acks at the end (10s)",                        \
         .text = &(given).grace},                                                                 \
        {"no-acks", 0, NULL, "a client that asks for no acks", .flag = &(given).run.has_no_acks}, \
        {"frame-per-segment", 0, NULL, "one write(2) for each WebSocket frame",                   \
         .flag = &(given).run.is_frame_per_write},                                                \
        {"ack-log", 0, "FILE", "append vehicle,seq,time of each acked packet, fsynced",           \
         .text = &(given).run.ack_log},                                                           \
        {"json", 0, NULL, "the report as JSON", .flag = &(given).run.is_json},                    \
    {                                                                                             \
        "quiet", 'q', NULL, "no progress", .flag = &(given).run.is_quiet                          \
    }
