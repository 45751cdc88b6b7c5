/* SPDX-License-Identifier: Apache-2.0 */
/* POST /packets: one HTTP request as packets of its session; its answer is the
 * ack and leaves once the last of them is settled. */
#pragma once

#include "gateway/session.h"
#include "observe/trace.h"

/* Can a request with this head be taken now? false: answered. */
bool post_admit(const struct worker *worker, struct conn *conn,
                const struct http1_request *request);
/* Take a request that was admitted: answers at once when it can't be taken, else when durable. */
void post_begin(struct worker *worker, struct conn *conn, const struct http1_request *request,
                struct bytes body);
void post_free(struct post *post);
/* What its traceparent header said; NULL without a readable one. */
const struct trace_context *post_trace(const struct post *post);

/* While its message is taken in. */
void post_count_accepted(struct session *session);
void post_count_duplicate(struct session *session);
void post_reject(struct session *session, const struct reject *reject);
/* Nothing of it has been counted yet. */
bool post_is_untouched(const struct post *post);
/* The whole message is in: answer as soon as all is settled. */
void post_complete(struct session *session);

void post_try_answer(struct session *session);
/* Give the request up with an error. */
void post_refuse(struct session *session, unsigned status, const char *error, const char *detail);
