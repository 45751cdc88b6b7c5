/* SPDX-License-Identifier: Apache-2.0 */
/* From a message to records: split, decode, identify, publish. What can't go on
 * now (no room in the broker, a vehicle too fast) is held with its connection
 * paused, and goes on by itself. Nothing is dropped without an answer: a packet
 * that can't be decoded is told to its sender, or, when the sender takes no
 * answers, kept as a dead letter under the peer's address. */
#pragma once

#include "gateway/session.h"

/* Take a message in (borrowed for the call). */
void intake_begin(struct session *session, struct bytes message);
/* Go on with the held message of a session. */
void intake_resume(struct session *session);
