/* SPDX-License-Identifier: Apache-2.0 */
#include "gateway/post.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "codec/gzip.h"
#include "gateway/intake.h"
#include "gateway/worker.h"
#include "observe/metrics.h"

static const char RETRY_SOON[] = "Retry-After: 1\r\n";

/* Rejections are listed one by one up to here; the rest only as their number. */
enum { LISTED_MAX = 1000 };

struct post {
    bool is_complete;
    uint64_t accepted;
    uint64_t duplicate;
    uint64_t rejected;
    struct buf listed; /* {"index":…},{…} */
    struct trace_context trace;
    bool has_trace;
};

static uint64_t packet_count(const struct post *post)
{
    return post->accepted + post->duplicate + post->rejected;
}

bool post_is_untouched(const struct post *post)
{
    return packet_count(post) == 0;
}

void post_free(struct post *post)
{
    if (post == NULL)
        return;
    buf_deinit(&post->listed);
    free(post);
}

const struct trace_context *post_trace(const struct post *post)
{
    return post->has_trace ? &post->trace : NULL;
}

static void read_trace(struct post *post, const struct http1_request *request)
{
    struct bytes text;
    post->has_trace =
        trace_is_on() &&
        http1_find_header(request->headers, request->header_count, "traceparent", &text) &&
        trace_parse(text, &post->trace);
}

/* The media types that carry JSON; curl's default is let through, since it is
 * what most first tries send. */
static bool is_media_type_known(const struct http1_request *request)
{
    static const char *const known[] = {
        "application/json",  "application/x-ndjson", "application/ndjson",
        "application/jsonl", "application/json-seq", "application/octet-stream",
        "text/json",         "text/plain",           "application/x-www-form-urlencoded",
    };
    struct bytes type;
    if (!http1_find_header(request->headers, request->header_count, "content-type", &type))
        return true;
    const char *end = type.len == 0 ? NULL : memchr(type.ptr, ';', type.len);
    if (end != NULL)
        type = bytes_trim(bytes_of(type.ptr, (size_t)(end - type.ptr)));
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (bytes_equal_nocase(type, bytes_from_text(known[i])))
            return true;
    return false;
}

enum coding { CODING_IDENTITY, CODING_GZIP, CODING_UNKNOWN };

static enum coding content_coding(const struct http1_request *request)
{
    struct bytes coding;
    if (!http1_find_header(request->headers, request->header_count, "content-encoding", &coding) ||
        bytes_equal_nocase(coding, BYTES("identity")))
        return CODING_IDENTITY;
    if (bytes_equal_nocase(coding, BYTES("gzip")) || bytes_equal_nocase(coding, BYTES("x-gzip")))
        return CODING_GZIP;
    return CODING_UNKNOWN;
}

/* The body as sent before its content coding; false: answered. */
static bool decode_body(struct worker *worker, struct conn *conn,
                        const struct http1_request *request, struct bytes *body)
{
    if (content_coding(request) == CODING_IDENTITY)
        return true;
    buf_clear(&worker->inflated);
    size_t most = (size_t)worker->config->limits.body_bytes;
    switch (gzip_inflate(*body, &worker->inflated, most)) {
    case GZIP_OK:
        *body = buf_bytes(&worker->inflated);
        return true;
    case GZIP_TOO_BIG:
        conn_reply_error(conn, 413, "too_large",
                         "The body exceeds gateway.limits.body_bytes once inflated.", NULL);
        return false;
    case GZIP_MEMORY:
        conn_reply_error(conn, 503, "no_memory", "Not enough memory to inflate the body.",
                         RETRY_SOON);
        return false;
    case GZIP_BAD:
    case GZIP_CUT:
    case GZIP_MORE:
        break;
    }
    conn_reply_error(conn, 400, "bad_gzip",
                     "The body is not the gzip data that Content-Encoding promises.", NULL);
    return false;
}

static struct session *session_of(struct worker *worker, struct conn *conn)
{
    struct session *session = conn_user(conn);
    return session != NULL ? session : session_new(worker, conn);
}

bool post_admit(const struct worker *worker, struct conn *conn, const struct http1_request *request)
{
    if (!is_media_type_known(request))
        conn_reply_error(conn, 415, "unsupported_media_type",
                         "Send application/json or application/x-ndjson.", NULL);
    else if (content_coding(request) == CODING_UNKNOWN)
        conn_reply_error(conn, 415, "unsupported_coding",
                         "Content-Encoding may be gzip or identity.",
                         "Accept-Encoding: gzip, identity\r\n");
    else if (worker_is_full(worker))
        conn_reply_error(conn, 503, "busy",
                         "The journal has no room; send the packets again later.", RETRY_SOON);
    else
        return true;
    return false;
}

void post_begin(struct worker *worker, struct conn *conn, const struct http1_request *request,
                struct bytes body)
{
    if (!decode_body(worker, conn, request, &body))
        return;
    struct session *session = session_of(worker, conn);
    struct post *post = session == NULL ? NULL : calloc(1, sizeof *post);
    if (post == NULL) {
        conn_reply_error(conn, 503, "busy", "Not enough memory for another request.", RETRY_SOON);
        return;
    }
    read_trace(post, request);
    session->post = post;
    intake_begin(session, body);
}

void post_count_accepted(struct session *session)
{
    session->post->accepted++;
}

void post_count_duplicate(struct session *session)
{
    session->post->duplicate++;
}

void post_reject(struct session *session, const struct reject *reject)
{
    struct post *post = session->post;
    uint64_t index = packet_count(post);
    if (post->rejected++ >= LISTED_MAX)
        return;
    struct buf *out = &post->listed;
    buf_append_text(out, post->rejected > 1 ? ",{\"index\":" : "{\"index\":");
    buf_append_u64(out, index);
    buf_append_text(out, ",\"reason\":\"");
    buf_append_text(out, reason_code(reject->reason));
    buf_append_text(out, "\",\"detail\":");
    buf_append_json(out, bytes_from_text(reject->detail));
    buf_append_char(out, '}');
}

void post_complete(struct session *session)
{
    session->post->is_complete = true;
    post_try_answer(session);
}

void post_try_answer(struct session *session)
{
    struct post *post = session->post;
    if (!post->is_complete || session->window.settled < session->received)
        return;
    struct buf *text = &session->worker->text;
    buf_clear(text);
    buf_printf(text, "{\"accepted\":%" PRIu64 ",\"duplicate\":%" PRIu64 ",\"rejected\":[",
               post->accepted, post->duplicate);
    buf_append_bytes(text, buf_bytes(&post->listed));
    buf_append_char(text, ']');
    if (post->rejected > LISTED_MAX)
        buf_printf(text, ",\"rejected_unlisted\":%" PRIu64, post->rejected - LISTED_MAX);
    buf_append_text(text, "}\n");
    bool is_nothing_decodable = post->accepted + post->duplicate == 0;
    session->post = NULL;
    conn_reply(session->conn, &(struct server_reply){
                                  .status = is_nothing_decodable ? 400 : 200,
                                  .content_type = "application/json",
                                  .body = buf_bytes(text),
                              });
    post_free(post);
}

void post_refuse(struct session *session, unsigned status, const char *error, const char *detail)
{
    post_free(session->post);
    session->post = NULL;
    conn_reply_error(session->conn, status, error, detail, RETRY_SOON);
}
