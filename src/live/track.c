/* SPDX-License-Identifier: Apache-2.0 */
#include "live/track.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "live/history.h"
#include "live/params.h"

enum { PAGE_DEFAULT = 1000, PROBLEM_MAX = SUBSCRIPTION_PROBLEM_MAX };

/* Who asked: kept beside the question until its answer is here. */
static struct conn *asking_conn(const struct history_question *question)
{
    return question->asker;
}

void track_forget(struct api *api, const struct conn *conn)
{
    for (struct list *node = api->tracks.next; node != &api->tracks; node = node->next) {
        struct history_question *question = list_item(node, struct history_question, of_asker);
        if (asking_conn(question) == conn) {
            question->asker = NULL;
            return;
        }
    }
}

/* ---- the question ---- */

static bool read_time(struct bytes query, const char *name, int64_t *out, char *problem)
{
    char text[64];
    int64_t seconds;
    if (!params_has(query, name))
        return true;
    if (http1_query_value(query, name, text, sizeof text)) {
        if (text_to_time_ms(bytes_from_text(text), out))
            return true;
        if (text_to_i64(bytes_from_text(text), &seconds) && seconds > INT64_MIN / 1000 &&
            seconds < INT64_MAX / 1000) {
            *out = seconds * 1000;
            return true;
        }
    }
    snprintf(problem, PROBLEM_MAX,
             "parameter %s is a time: 2008-05-20T07:00:00Z, or seconds since 1970", name);
    return false;
}

static bool read_cursor(struct bytes query, struct sink_cursor *cursor, char *problem)
{
    char text[2 * sizeof cursor->bytes + 1];
    if (!params_has(query, "cursor"))
        return true;
    if (http1_query_value(query, "cursor", text, sizeof text) &&
        text_to_hex_bytes(bytes_from_text(text), cursor->bytes, sizeof cursor->bytes))
        return true;
    snprintf(problem, PROBLEM_MAX, "cursor is the \"next\" of the page before");
    return false;
}

static bool read_question(const struct api *api, struct bytes query,
                          struct history_question *question, char *problem)
{
    static const char *const known[] = {"from", "to", "limit", "cursor", NULL};
    uint64_t most = (uint64_t)api->config->page_vehicles, limit;
    question->from_ms = INT64_MIN;
    question->to_ms = INT64_MAX;
    if (!params_check(query, known, problem, PROBLEM_MAX) ||
        !read_time(query, "from", &question->from_ms, problem) ||
        !read_time(query, "to", &question->to_ms, problem) ||
        !params_number(query, "limit", 1, most, most < PAGE_DEFAULT ? most : PAGE_DEFAULT, &limit,
                       problem, PROBLEM_MAX) ||
        !read_cursor(query, &question->cursor, problem))
        return false;
    question->limit = (size_t)limit;
    question->limit_bytes = (size_t)api->config->limits.send_buffer_bytes / 2;
    return true;
}

/* ---- the answer ---- */

static void write_track(struct buf *page, const struct history_question *question)
{
    buf_clear(page);
    buf_append_text(page, "{\"track\":[");
    buf_append_bytes(page, buf_bytes(&question->text));
    buf_append_char(page, ']');
    if (!question->cursor.is_end) {
        char hex[2 * sizeof question->cursor.bytes];
        buf_append_text(page, ",\"next\":\"");
        buf_append(page, hex,
                   text_from_hex(hex, question->cursor.bytes, sizeof question->cursor.bytes));
        buf_append_char(page, '"');
    }
    buf_append_text(page, "}\n");
}

static void on_answer(struct history_question *question)
{
    struct api *api = question->owner;
    struct conn *conn = asking_conn(question);
    list_remove(&question->of_asker);
    if (conn != NULL) {
        write_track(&api->page, question);
        if (question->has_failed || api->page.has_failed)
            api_refuse(conn, 503, "store_unavailable", "The track can't be read now.");
        else
            api_answer_json(conn, buf_bytes(&api->page));
    }
    history_question_free(api->history, question);
}

void track_serve(struct api *api, struct conn *conn, struct bytes vehicle, struct bytes query)
{
    char problem[PROBLEM_MAX];
    if (api->history == NULL) {
        api_refuse(conn, 404, "no_history", "There is no database here to read tracks from.");
        return;
    }
    struct history_question *question = history_question_new(api->history);
    if (question == NULL) {
        api_refuse(conn, 503, "busy", "Too many tracks are being read; try again.");
        return;
    }
    if (!read_question(api, query, question, problem)) {
        history_question_free(api->history, question);
        api_refuse(conn, 400, "bad_parameter", problem);
        return;
    }
    memcpy(question->vehicle, vehicle.ptr, vehicle.len);
    question->vehicle_len = vehicle.len;
    question->loop = api->loop;
    question->owner = api;
    question->asker = conn;
    question->on_answer = on_answer;
    list_append(&api->tracks, &question->of_asker);
    history_ask(api->history, question);
}
