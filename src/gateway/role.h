/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway: accepts connections, decodes packets, makes them durable, and
 * acks them only then. Horizontally: one event loop per core on one port. */
#pragma once

#include "base/error.h"
#include "broker/broker.h"
#include "gateway/config.h"
#include "vehicle/topics.h"

struct gateway;

/* Listening and ready on return. The configs must outlive it. With serves_admin it
 * answers /metrics, /healthz and /readyz on its own address. */
int gateway_start(struct gateway **out, const struct gateway_config *config,
                  const struct topics_config *topics, struct broker *broker, bool serves_admin,
                  struct error *err);
/* "127.0.0.1:30000", the port really bound. */
const char *gateway_address(const struct gateway *gateway);
/* Take no more packets, ack what is under way, close connections (1001); waits
 * until done or the configured deadline. */
void gateway_drain(struct gateway *gateway);
/* Close what is left and free. NULL is fine. */
void gateway_stop(struct gateway *gateway);
