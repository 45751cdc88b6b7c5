/* SPDX-License-Identifier: Apache-2.0 */
#include "live/api.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "live/params.h"
#include "live/track.h"
#include "net/admin.h"
#include "observe/metrics.h"
#include "vehicle/packet.h"

/* The map may be served from elsewhere; positions are for anyone who may connect. */
#define CORS "Access-Control-Allow-Origin: *\r\n"
#define FRESH CORS "Cache-Control: no-store\r\n"

enum { PAGE_DEFAULT = 1000, NO_CURSOR = 0 };
enum { QUERY_VEHICLE, QUERY_LIST, QUERY_BBOX, QUERY_TRACK, QUERY_PAGE };
enum { RIDER_WEBSOCKET, RIDER_SSE };
enum { REFUSED_FULL, REFUSED_REQUEST, REFUSED_MESSAGE, REFUSED_TOO_MANY };

extern const unsigned char web_index_html[];
extern const size_t web_index_html_len;

/* ---- answers ---- */

void api_refuse(struct conn *conn, unsigned status, const char *error, const char *detail)
{
    static const unsigned counted[] = {400, 404, 405, 429, 503};
    for (unsigned i = 0; i < sizeof counted / sizeof counted[0]; i++)
        if (counted[i] == status)
            metrics_add(METRIC_LIVE_REFUSED, i, 1);
    const char *headers = status == 503   ? FRESH "Retry-After: 1\r\n"
                          : status == 405 ? FRESH "Allow: GET, HEAD\r\n"
                                          : FRESH;
    conn_reply_error(conn, status, error, detail, headers);
}

static void refuse_parameter(struct conn *conn, const char *problem)
{
    api_refuse(conn, 400, "bad_parameter", problem);
}

void api_answer_json(struct conn *conn, struct bytes body)
{
    conn_reply(conn, &(struct server_reply){.status = 200,
                                            .content_type = "application/json",
                                            .body = body,
                                            .extra_headers = FRESH});
}

static bool takes_no_parameters(struct conn *conn, const struct http1_request *request)
{
    static const char *const none[] = {NULL};
    char problem[AREA_PROBLEM_MAX];
    if (request->query.len == 0 || params_check(request->query, none, problem, sizeof problem))
        return true;
    refuse_parameter(conn, problem);
    return false;
}

/* ---- GET / ---- */

static void serve_map(struct conn *conn)
{
    /* The page is one file; images may come from a tile server that its user names. */
    static const char headers[] =
        "Content-Security-Policy: default-src 'none'; script-src 'unsafe-inline'; "
        "style-src 'unsafe-inline'; connect-src 'self' ws: wss:; img-src * data:\r\n"
        "X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n"
        "Cache-Control: no-cache\r\n";
    metrics_add(METRIC_LIVE_QUERIES, QUERY_PAGE, 1);
    conn_reply(conn, &(struct server_reply){
                         .status = 200,
                         .content_type = "text/html; charset=utf-8",
                         .body = bytes_of((const char *)web_index_html, web_index_html_len),
                         .extra_headers = headers});
}

/* ---- GET /vehicles/{id} ---- */

static void serve_vehicle(struct api *api, struct conn *conn, struct bytes vehicle)
{
    const struct roster_entry *entry = roster_find(api->roster, vehicle);
    if (entry == NULL) {
        api_refuse(conn, 404, "unknown_vehicle", "No position of this vehicle is held.");
        return;
    }
    metrics_add(METRIC_LIVE_QUERIES, QUERY_VEHICLE, 1);
    api_answer_json(conn, roster_json(entry));
}

/* The id of a path: as it is, or decoded into `out`. */
static bool read_id(struct bytes segment, char out[PACKET_VEHICLE_MAX + 1], struct bytes *vehicle)
{
    *vehicle = segment;
    if (memchr(segment.ptr, '%', segment.len) == NULL)
        return segment.len <= PACKET_VEHICLE_MAX;
    vehicle->ptr = out;
    return http1_decode_segment(segment, out, PACKET_VEHICLE_MAX + 1, &vehicle->len);
}

static void serve_below_vehicles(struct api *api, struct conn *conn,
                                 const struct http1_request *request, struct bytes rest)
{
    char decoded[PACKET_VEHICLE_MAX + 1];
    struct bytes vehicle;
    const char *slash = memchr(rest.ptr, '/', rest.len);
    size_t len = slash == NULL ? rest.len : (size_t)(slash - rest.ptr);
    bool is_track = slash != NULL && bytes_equal_text(bytes_of(slash, rest.len - len), "/track");
    if (slash != NULL && !is_track)
        api_refuse(conn, 404, "not_found",
                   "Here are /vehicles/{id} and /vehicles/{id}/track; a slash in an id is written "
                   "%2F.");
    else if (!read_id(bytes_of(rest.ptr, len), decoded, &vehicle))
        api_refuse(conn, 400, "bad_vehicle",
                   "The id is too long, or not percent-encoded as it should be.");
    else if (is_track) {
        metrics_add(METRIC_LIVE_QUERIES, QUERY_TRACK, 1);
        track_serve(api, conn, vehicle, request->query);
    } else if (takes_no_parameters(conn, request))
        serve_vehicle(api, conn, vehicle);
}

/* ---- GET /vehicles ---- */

struct listing {
    uint64_t limit;
    uint64_t cursor; /* NO_CURSOR = the beginning */
    bool has_area;
    struct area area;
};

static bool read_listing(const struct api *api, struct bytes query, struct listing *listing,
                         char *problem, size_t size)
{
    static const char *const known[] = {"bbox", "limit", "cursor", NULL};
    uint64_t most = (uint64_t)api->config->page_vehicles;
    uint64_t fallback = most < PAGE_DEFAULT ? most : PAGE_DEFAULT;
    char text[256];
    *listing = (struct listing){0};
    if (!params_check(query, known, problem, size) ||
        !params_number(query, "limit", 1, most, fallback, &listing->limit, problem, size) ||
        !params_number(query, "cursor", 0, UINT64_MAX, NO_CURSOR, &listing->cursor, problem, size))
        return false;
    if (!params_has(query, "bbox"))
        return true;
    listing->has_area = true;
    if (!http1_query_value(query, "bbox", text, sizeof text))
        text[0] = '\0';
    return area_parse(&listing->area, bytes_from_text(text), problem);
}

static void append_vehicle(struct buf *page, const struct roster_entry *entry, uint64_t *count)
{
    if ((*count)++ > 0)
        buf_append_char(page, ',');
    buf_append_bytes(page, roster_json(entry));
}

/* A page never fills more than half of what may wait unsent. */
static bool has_page_room(const struct api *api, const struct listing *listing, uint64_t count)
{
    return count < listing->limit &&
           api->page.len < (size_t)api->config->limits.send_buffer_bytes / 2;
}

/* Both return where the next page begins, NO_CURSOR at the end. */
static uint64_t list_all(struct api *api, const struct listing *listing)
{
    uint64_t count = 0, id = listing->cursor;
    for (; id < api->roster->id_end && has_page_room(api, listing, count); id++) {
        const struct roster_entry *entry = roster_by_id(api->roster, (uint32_t)id);
        if (entry != NULL)
            append_vehicle(&api->page, entry, &count);
    }
    return id < api->roster->id_end ? id : NO_CURSOR;
}

static uint64_t list_area(struct api *api, const struct listing *listing, struct grid_walk *walk)
{
    uint64_t count = 0;
    while (has_page_room(api, listing, count)) {
        uint32_t id = grid_walk_next(&api->roster->grid, walk);
        if (id == GRID_NONE)
            return NO_CURSOR;
        const struct roster_entry *entry = roster_by_id(api->roster, id);
        if (area_contains(&listing->area, entry->lat, entry->lon))
            append_vehicle(&api->page, entry, &count);
    }
    return grid_walk_save(walk) + 1;
}

static void serve_list(struct api *api, struct conn *conn, const struct http1_request *request)
{
    struct listing listing;
    struct grid_walk walk;
    char problem[SUBSCRIPTION_PROBLEM_MAX];
    if (!read_listing(api, request->query, &listing, problem, sizeof problem)) {
        refuse_parameter(conn, problem);
        return;
    }
    if (listing.has_area) {
        grid_walk_init(&walk, &listing.area);
        if (listing.cursor != NO_CURSOR && !grid_walk_restore(&walk, listing.cursor - 1)) {
            refuse_parameter(conn, "cursor is not of this bbox: use the \"next\" of its last page");
            return;
        }
    }
    metrics_add(METRIC_LIVE_QUERIES, listing.has_area ? QUERY_BBOX : QUERY_LIST, 1);
    buf_clear(&api->page);
    buf_append_text(&api->page, "{\"vehicles\":[");
    uint64_t next = listing.has_area ? list_area(api, &listing, &walk) : list_all(api, &listing);
    buf_append_char(&api->page, ']');
    if (next != NO_CURSOR)
        buf_printf(&api->page, ",\"next\":\"%" PRIu64 "\"", next);
    buf_append_text(&api->page, "}\n");
    if (api->page.has_failed)
        api_refuse(conn, 503, "busy", "Not enough memory for this page.");
    else
        api_answer_json(conn, buf_bytes(&api->page));
}

/* ---- GET /live ---- */

static bool send_websocket(struct conn *conn, struct bytes message)
{
    return conn_send(conn, WS_TEXT, message);
}

static void end_rider(struct conn *conn, const char *why)
{
    conn_set_user(conn, NULL);
    conn_close(conn, WS_CLOSE_POLICY, why);
}

static const struct rider_transport websocket = {.metric_label = RIDER_WEBSOCKET,
                                                 .before = "",
                                                 .after = "",
                                                 .send = send_websocket,
                                                 .unsent_bytes = conn_unsent_bytes,
                                                 .end = end_rider};

/* Canonical packets hold no line breaks (feed.c), so one data line is enough. */
static const struct rider_transport events = {.metric_label = RIDER_SSE,
                                              .before = "data: ",
                                              .after = "\n\n",
                                              .keep_alive = ":\n\n",
                                              .send = conn_stream,
                                              .unsent_bytes = conn_unsent_bytes,
                                              .end = end_rider};

static enum rider_verdict follow(struct rider *rider, const struct subscription *wish)
{
    struct bytes name;
    for (size_t at = 0; subscription_name(wish, &at, &name);) {
        enum rider_verdict verdict = rider_follow(rider, name);
        if (verdict != RIDER_OK)
            return verdict;
    }
    return wish->has_area ? rider_set_area(rider, &wish->area) : RIDER_OK;
}

static void unfollow(struct rider *rider, const struct subscription *wish)
{
    struct bytes name;
    for (size_t at = 0; subscription_name(wish, &at, &name);)
        rider_unfollow(rider, name);
    if (wish->has_area || wish->is_all)
        rider_set_area(rider, NULL);
    if (wish->is_all)
        rider_unfollow_all(rider);
}

/* NULL: answered. */
static struct rider *admit_rider(struct api *api, struct conn *conn,
                                 const struct rider_transport *transport)
{
    struct rider *rider = rider_new(api->riders, transport, conn, loop_now_ns(api->loop));
    if (rider != NULL && follow(rider, &api->wish) == RIDER_OK)
        return rider;
    rider_free(rider);
    metrics_add(METRIC_LIVE_RIDERS_REFUSED, REFUSED_FULL, 1);
    api_refuse(conn, 503, "busy", "No room for more riders; try again later.");
    return NULL;
}

static bool read_wish(struct api *api, struct conn *conn, struct bytes query)
{
    if (subscription_parse_query(&api->wish, query))
        return true;
    metrics_add(METRIC_LIVE_RIDERS_REFUSED, REFUSED_REQUEST, 1);
    refuse_parameter(conn, api->wish.problem);
    return false;
}

static bool is_empty(const struct subscription *wish)
{
    return wish->name_count == 0 && !wish->has_area;
}

static void serve_events(struct api *api, struct conn *conn, const struct http1_request *request)
{
    if (!read_wish(api, conn, request->query))
        return;
    if (is_empty(&api->wish)) {
        metrics_add(METRIC_LIVE_RIDERS_REFUSED, REFUSED_REQUEST, 1);
        refuse_parameter(conn, "follow what? ?vehicles=a,b or ?bbox=west,south,east,north (over a "
                               "WebSocket also by message)");
        return;
    }
    struct rider *rider = admit_rider(api, conn, &events);
    if (rider == NULL)
        return;
    conn_stream_begin(conn, "text/event-stream", FRESH "X-Accel-Buffering: no\r\n");
    conn_set_user(conn, rider);
    conn_stream(conn, BYTES("retry: 2000\n\n"));
    rider_restart(rider);
}

static bool begin_websocket(struct api *api, struct conn *conn, const struct http1_request *request)
{
    if (!read_wish(api, conn, request->query))
        return false;
    struct rider *rider = admit_rider(api, conn, &websocket);
    if (rider == NULL)
        return false;
    conn_set_user(conn, rider);
    if (!is_empty(&api->wish))
        rider_restart(rider);
    return true;
}

static void complain(struct api *api, struct conn *conn, const char *error, const char *detail)
{
    metrics_add(METRIC_LIVE_RIDERS_REFUSED, REFUSED_MESSAGE, 1);
    buf_clear(&api->page);
    buf_printf(&api->page, "{\"error\":\"%s\",\"detail\":", error);
    buf_append_json(&api->page, bytes_from_text(detail));
    buf_append_char(&api->page, '}');
    if (!api->page.has_failed)
        conn_send(conn, WS_TEXT, buf_bytes(&api->page));
}

static void change_subscription(struct api *api, struct rider *rider)
{
    enum rider_verdict verdict = RIDER_OK;
    if (api->wish.is_end)
        unfollow(rider, &api->wish);
    else
        verdict = follow(rider, &api->wish);
    switch (verdict) {
    case RIDER_OK:
        break;
    case RIDER_TOO_MANY_VEHICLES:
        complain(api, rider->conn, "too_many_vehicles",
                 "The vehicles beyond live.vehicles_per_rider are not followed; a bbox has no "
                 "such bound.");
        break;
    case RIDER_NO_MEMORY:
        complain(api, rider->conn, "busy", "Not all of it could be followed; try again later.");
        break;
    }
    rider_restart(rider);
}

static void on_message(void *context, struct conn *conn, enum ws_opcode opcode,
                       struct bytes message)
{
    (void)opcode;
    struct api *api = context;
    struct rider *rider = conn_user(conn);
    if (rider == NULL)
        return;
    if (!rider_may_speak(rider, loop_now_ns(api->loop), (unsigned)api->config->messages_per_s)) {
        metrics_add(METRIC_LIVE_RIDERS_REFUSED, REFUSED_TOO_MANY, 1);
        conn_close(conn, WS_CLOSE_POLICY, "too many messages a second");
        return;
    }
    if (subscription_parse_message(&api->wish, api->reader, message))
        change_subscription(api, rider);
    else
        complain(api, conn, "bad_message", api->wish.problem);
}

/* ---- the door ---- */

static bool is_path(const struct http1_request *request, const char *path)
{
    return bytes_equal_text(request->path, path);
}

static bool starts_with(struct bytes text, struct bytes prefix)
{
    return text.len > prefix.len && memcmp(text.ptr, prefix.ptr, prefix.len) == 0;
}

/* Positions of before the restart, or none, would be taken for the newest. */
static bool is_ready(const struct api *api, struct conn *conn)
{
    if (!api->is_ready)
        api_refuse(conn, 503, "starting", "The newest positions are still being read.");
    return api->is_ready;
}

static void on_request(void *context, struct conn *conn, const struct http1_request *request,
                       struct bytes body)
{
    (void)body;
    struct api *api = context;
    const struct bytes below = BYTES("/vehicles/");
    if (request->method != HTTP1_GET && request->method != HTTP1_HEAD)
        api_refuse(conn, 405, "method_not_allowed", "Everything here is read by GET.");
    else if (starts_with(request->path, below)) {
        if (is_ready(api, conn))
            serve_below_vehicles(
                api, conn, request,
                bytes_of(request->path.ptr + below.len, request->path.len - below.len));
    } else if (is_path(request, "/vehicles")) {
        if (is_ready(api, conn))
            serve_list(api, conn, request);
    } else if (is_path(request, "/live") && request->method == HTTP1_GET) {
        if (is_ready(api, conn))
            serve_events(api, conn, request);
    } else if (is_path(request, "/"))
        serve_map(conn);
    else if (!admin_serve(conn, request, ADMIN_SHARED))
        api_refuse(conn, 404, "not_found",
                   "Here are /vehicles, /vehicles/{id}, /live and the map at /.");
}

static bool on_upgrade(void *context, struct conn *conn, const struct http1_request *request,
                       const char **subprotocol)
{
    (void)subprotocol;
    struct api *api = context;
    if (is_path(request, "/live"))
        return is_ready(api, conn) && begin_websocket(api, conn, request);
    api_refuse(conn, 404, "not_found", "The WebSocket here is /live.");
    return false;
}

static void on_close(void *context, struct conn *conn)
{
    struct api *api = context;
    track_forget(api, conn);
    rider_free(conn_user(conn));
    conn_set_user(conn, NULL);
}

static void on_drained(void *context, struct conn *conn)
{
    struct api *api = context;
    struct rider *rider = conn_user(conn);
    if (rider != NULL && rider_drained(rider))
        api->want_push(api->context);
}

/* Nothing here takes a body; a small one is read and ignored. */
static int64_t body_limit(void *context, const struct http1_request *request)
{
    (void)context;
    (void)request;
    return 4096;
}

const struct server_handler api_handler = {.on_request = on_request,
                                           .on_upgrade = on_upgrade,
                                           .on_message = on_message,
                                           .on_close = on_close,
                                           .on_drained = on_drained,
                                           .body_limit = body_limit};

int api_init(struct api *api)
{
    enum { KEYS = 64, KEY_TEXT = 4096 };
    list_init(&api->tracks);
    buf_init(&api->page, 0);
    subscription_init(&api->wish, (size_t)api->config->vehicles_per_rider);
    api->reader = json_reader_new(KEYS, KEY_TEXT);
    return api->reader == NULL ? -1 : 0;
}

void api_deinit(struct api *api)
{
    buf_deinit(&api->page);
    subscription_deinit(&api->wish);
    json_reader_free(api->reader);
    api->reader = NULL;
}
