/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration's broker for tools that only look: a journal is followed
 * without a lock, also while another process writes it; Kafka is a client. */
#pragma once

#include "broker/broker.h"
#include "config/config.h"

int viewer_open(struct broker **out, const struct config *config, struct error *err);
/* The number of a topic that exists; ERROR_NOT_FOUND names those there are. */
int viewer_topic(struct broker *broker, const char *name, struct error *err);
