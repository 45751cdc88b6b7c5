/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/http1.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/buf.h"

static enum http1_result parse(const char *text, struct http1_request *request)
{
    size_t head_len;
    enum http1_result result = http1_parse_request(bytes_from_text(text), request, &head_len);
    if (result == HTTP1_OK)
        assert_true(head_len <= strlen(text));
    return result;
}

static enum http1_result verdict(const char *text)
{
    struct http1_request request;
    return parse(text, &request);
}

static void assert_bytes(struct bytes got, const char *wanted)
{
    if (!bytes_equal_text(got, wanted))
        fail_msg("got \"%.*s\", wanted \"%s\"", (int)got.len, got.ptr, wanted);
}

static void test_request_parts(void **state)
{
    (void)state;
    static const char text[] = "POST /packets?a=1&b=%20x HTTP/1.1\r\n"
                               "Host: example.com:30000\r\n"
                               "content-LENGTH:  12\t\r\n"
                               "X-Empty:\r\n"
                               "Accept: text/html, \xc3\xa9\r\n"
                               "Expect: 100-Continue\r\n\r\nbody";
    struct http1_request request;
    size_t head_len;
    assert_int_equal(http1_parse_request(bytes_from_text(text), &request, &head_len), HTTP1_OK);
    assert_int_equal(head_len, sizeof text - 1 - 4);
    assert_int_equal(request.method, HTTP1_POST);
    assert_bytes(request.method_text, "POST");
    assert_bytes(request.target, "/packets?a=1&b=%20x");
    assert_bytes(request.path, "/packets");
    assert_bytes(request.query, "a=1&b=%20x");
    assert_int_equal(request.minor, 1);
    assert_true(request.is_keep_alive);
    assert_true(request.expects_continue);
    assert_true(request.has_length);
    assert_int_equal(request.content_length, 12);
    assert_false(request.is_chunked);
    assert_int_equal(request.header_count, 5);
    struct bytes value;
    assert_true(http1_find_header(request.headers, 5, "x-empty", &value));
    assert_bytes(value, "");
    assert_true(http1_find_header(request.headers, 5, "Content-Length", &value));
    assert_bytes(value, "12");
    assert_false(http1_find_header(request.headers, 5, "X-Empt", &value));
}

static void test_target_forms(void **state)
{
    (void)state;
    struct http1_request request;
    assert_int_equal(parse("GET http://a:1/p?q HTTP/1.1\r\nHost: b\r\n\r\n", &request), HTTP1_OK);
    assert_bytes(request.path, "/p");
    assert_bytes(request.query, "q");
    assert_int_equal(parse("GET HTTPS://a HTTP/1.1\r\nHost: b\r\n\r\n", &request), HTTP1_OK);
    assert_bytes(request.path, "/");
    assert_int_equal(parse("OPTIONS * HTTP/1.1\r\nHost: b\r\n\r\n", &request), HTTP1_OK);
    assert_int_equal(verdict("GET * HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict("GET http:///p HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict("CONNECT a:443 HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict("GET p HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict("GET /a#b HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict("GET /\xc3\xa9 HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict("GET /a\tb HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict("GET  / HTTP/1.1\r\nHost: b\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict("GET /\r\nHost: b\r\n\r\n"), HTTP1_BAD);
}

static void test_methods(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum http1_method method;
    } methods[] = {
        {"GET", HTTP1_GET},           {"HEAD", HTTP1_HEAD},
        {"POST", HTTP1_POST},         {"PUT", HTTP1_PUT},
        {"DELETE", HTTP1_DELETE},     {"OPTIONS", HTTP1_OPTIONS},
        {"PATCH", HTTP1_PATCH},       {"get", HTTP1_METHOD_OTHER},
        {"GETT", HTTP1_METHOD_OTHER}, {"M-SEARCH", HTTP1_METHOD_OTHER},
    };
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        char text[128];
        struct http1_request request;
        snprintf(text, sizeof text, "%s / HTTP/1.1\r\nHost: a\r\n\r\n", methods[i].text);
        assert_int_equal(parse(text, &request), HTTP1_OK);
        assert_int_equal(request.method, methods[i].method);
    }
    assert_int_equal(verdict("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA / HTTP/1.1\r\nHost: a\r\n\r\n"),
                     HTTP1_BAD);
    assert_int_equal(verdict("G(T / HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict(" GET / HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP1_BAD);
}

static void test_versions(void **state)
{
    (void)state;
    assert_int_equal(verdict("GET / HTTP/1.0\r\n\r\n"), HTTP1_OK);
    assert_int_equal(verdict("GET / HTTP/1.2\r\nHost: a\r\n\r\n"), HTTP1_VERSION);
    assert_int_equal(verdict("GET / HTTP/0.9\r\nHost: a\r\n\r\n"), HTTP1_VERSION);
    assert_int_equal(verdict("GET / HTTP/2.0\r\nHost: a\r\n\r\n"), HTTP1_VERSION);
    assert_int_equal(verdict("GET / http/1.1\r\nHost: a\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict("GET / HTTP/11\r\nHost: a\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict("GET / HTTP/1.1 \r\nHost: a\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), HTTP1_BAD);
}

static void test_empty_lines_in_front(void **state)
{
    (void)state;
    struct http1_request request;
    size_t head_len;
    struct bytes in = BYTES("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(http1_parse_request(in, &request, &head_len), HTTP1_OK);
    assert_int_equal(head_len, in.len);
    assert_int_equal(verdict("\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP1_BAD);
    assert_int_equal(verdict("\nGET / HTTP/1.1\r\nHost: a\r\n\r\n"), HTTP1_BAD);
}

/* What request smuggling is made of. */
static void test_smuggling_is_refused(void **state)
{
    (void)state;
#define REQUEST(fields) "POST / HTTP/1.1\r\nHost: a\r\n" fields "\r\n"
    static const char *const bads[] = {
        REQUEST("Content-Length: 5\r\nTransfer-Encoding: chunked\r\n"),
        REQUEST("Transfer-Encoding: chunked\r\nContent-Length: 5\r\n"),
        REQUEST("Content-Length: 5\r\nContent-Length: 6\r\n"),
        REQUEST("Content-Length: 5\r\nContent-Length: 5\r\n"),
        REQUEST("Content-Length: 5, 5\r\n"),
        REQUEST("Content-Length: +5\r\n"),
        REQUEST("Content-Length: -5\r\n"),
        REQUEST("Content-Length: 0x5\r\n"),
        REQUEST("Content-Length: 5 \v\r\n"),
        REQUEST("Content-Length: \r\n"),
        REQUEST("Content-Length: 18446744073709551616\r\n"),
        REQUEST("Transfer-Encoding: \r\n"),
        REQUEST("Transfer-Encoding: ,\r\n"),
        REQUEST("Transfer-Encoding: chunked, chunked\r\n"),
        REQUEST("Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n"),
        REQUEST("Transfer-Encoding: chunked, gzip\r\n"),
        REQUEST("Transfer-Encoding: chunked;q=1\r\n"),
        REQUEST("Transfer-Encoding: \"chunked\"\r\n"),
        REQUEST("Transfer-Encoding : chunked\r\n"),
        REQUEST("Transfer-Encoding\t: chunked\r\n"),
        REQUEST(" Transfer-Encoding: chunked\r\n"),
        REQUEST("A: b\r\n folded\r\n"),
        REQUEST("A: b\r\n\tfolded\r\n"),
        REQUEST("A: b\nTransfer-Encoding: chunked\r\n"),
        REQUEST("A: b\rTransfer-Encoding: chunked\r\n"),
        REQUEST("A: b\r\r\n"),
        REQUEST("A: \x01\r\n"),
        REQUEST("A: \x7f\r\n"),
        REQUEST("A\x80: b\r\n"),
        REQUEST(": b\r\n"),
        REQUEST("nocolon\r\n"),
        REQUEST("Host: b\r\n"),
        "POST / HTTP/1.1\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a, b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a/b\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: a@b\r\n\r\n",
        "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
    };
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++)
        if (verdict(bads[i]) != HTTP1_BAD)
            fail_msg("accepted: %s", bads[i]);
    struct http1_request request;
    struct bytes nul = BYTES("GET / HTTP/1.1\r\nHost: a\r\nA: \0\r\n\r\n");
    size_t head_len;
    assert_int_equal(http1_parse_request(nul, &request, &head_len), HTTP1_BAD);
    assert_int_equal(verdict(REQUEST("Transfer-Encoding: gzip, chunked\r\n")), HTTP1_CODING);
    assert_int_equal(verdict(REQUEST("Transfer-Encoding: xchunked\r\n")), HTTP1_CODING);
    assert_int_equal(parse(REQUEST("Transfer-Encoding: CHUNKED\r\n"), &request), HTTP1_OK);
    assert_true(request.is_chunked);
#undef REQUEST
}

static void test_keep_alive(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_keep_alive, is_upgrade;
    } cases[] = {
        {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", true, false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n", false, false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\nConnection: close\r\n\r\n", false,
         false},
        {"GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive,UPGRADE\r\n\r\n", true, true},
        {"GET / HTTP/1.0\r\n\r\n", false, false},
        {"GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", true, false},
        {"GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct http1_request request;
        assert_int_equal(parse(cases[i].text, &request), HTTP1_OK);
        assert_int_equal(request.is_keep_alive, cases[i].is_keep_alive);
        assert_int_equal(request.is_upgrade, cases[i].is_upgrade);
    }
}

static void test_header_count_is_bounded(void **state)
{
    (void)state;
    struct buf text;
    buf_init(&text, 0);
    buf_append_text(&text, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 1; i < HTTP1_HEADERS_MAX; i++)
        buf_append_text(&text, "A: b\r\n");
    size_t most = text.len;
    struct http1_request request;
    size_t head_len;
    buf_append_text(&text, "\r\n");
    assert_int_equal(http1_parse_request(buf_bytes(&text), &request, &head_len), HTTP1_OK);
    assert_int_equal(request.header_count, HTTP1_HEADERS_MAX);
    text.len = most;
    buf_append_text(&text, "A: b\r\n\r\n");
    assert_int_equal(http1_parse_request(buf_bytes(&text), &request, &head_len), HTTP1_TOO_MANY);
    buf_deinit(&text);
}

/* However the bytes come: nothing but MORE until the verdict. Prefixes are
 * exact allocations, so that a sanitizer sees a byte too far. */
static void check_prefixes(const char *text, bool is_request)
{
    struct http1_request request;
    struct http1_response response;
    size_t len = strlen(text), head_len = 0, prefix_len = 0;
    struct bytes all = bytes_of(text, len);
    enum http1_result whole = is_request ? http1_parse_request(all, &request, &head_len)
                                         : http1_parse_response(all, &response, &head_len);
    assert_int_not_equal(whole, HTTP1_MORE);
    for (size_t n = 0; n < len; n++) {
        char *copy = malloc(n > 0 ? n : 1);
        assert_non_null(copy);
        memcpy(copy, text, n);
        struct bytes part = bytes_of(copy, n);
        enum http1_result result = is_request ? http1_parse_request(part, &request, &prefix_len)
                                              : http1_parse_response(part, &response, &prefix_len);
        if (result != HTTP1_MORE)
            assert_int_equal(result, whole);
        if (result == HTTP1_OK)
            assert_true(n >= head_len && prefix_len == head_len);
        free(copy);
    }
}

static void test_every_prefix_agrees(void **state)
{
    (void)state;
    check_prefixes("\r\nGET /vehicles?x=%41 HTTP/1.1\r\nHost: a\r\nUser-Agent: something long "
                   "enough for words\r\nConnection: close\r\n\r\nrest",
                   true);
    check_prefixes("GET / HTTP/1.1\r\nHost: a\r\nBad name: x\r\n\r\n", true);
    check_prefixes("GET / HTTP/3.1\r\nHost: a\r\n\r\n", true);
    check_prefixes("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: br\r\n\r\n", true);
    check_prefixes("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello", false);
    check_prefixes("HTTP/1.1 20x OK\r\n\r\n", false);
}

static void test_response(void **state)
{
    (void)state;
    struct http1_response response;
    size_t head_len;
    struct bytes in = BYTES("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 5\r\n"
                            "Content-Length: 2\r\nConnection: close\r\n\r\n{}");
    assert_int_equal(http1_parse_response(in, &response, &head_len), HTTP1_OK);
    assert_int_equal(head_len, in.len - 2);
    assert_int_equal(response.status, 503);
    assert_int_equal(response.content_length, 2);
    assert_false(response.is_keep_alive);
    in = BYTES("HTTP/1.0 200\r\n\r\n");
    assert_int_equal(http1_parse_response(in, &response, &head_len), HTTP1_OK);
    assert_false(response.has_length);
    in = BYTES("HTTP/1.1 200 \r\nTransfer-Encoding: chunked\r\n\r\n");
    assert_int_equal(http1_parse_response(in, &response, &head_len), HTTP1_OK);
    assert_true(response.is_chunked);
    in = BYTES("HTTP/1.1 099 x\r\n\r\n");
    assert_int_equal(http1_parse_response(in, &response, &head_len), HTTP1_BAD);
    in = BYTES("HTTP/1.1 2000 x\r\n\r\n");
    assert_int_equal(http1_parse_response(in, &response, &head_len), HTTP1_BAD);
    in = BYTES("HTTP/1.1 200 a\x01\r\n\r\n");
    assert_int_equal(http1_parse_response(in, &response, &head_len), HTTP1_BAD);
}

static void test_tokens(void **state)
{
    (void)state;
    const struct http1_header headers[] = {
        {BYTES("Sec-WebSocket-Protocol"), BYTES("chat , motorcade.v1,")},
        {BYTES("sec-websocket-protocol"), BYTES("other")},
    };
    assert_true(http1_has_token(headers, 2, "Sec-WebSocket-Protocol", "Motorcade.V1"));
    assert_true(http1_has_token(headers, 2, "Sec-WebSocket-Protocol", "other"));
    assert_false(http1_has_token(headers, 2, "Sec-WebSocket-Protocol", "motorcade"));
    assert_false(http1_has_token(headers, 2, "Sec-WebSocket-Protocol", ""));
}

static enum http1_result decode(struct bytes in, size_t piece, struct buf *body, size_t *total)
{
    struct http1_chunked decoder = {0};
    *total = 0;
    while (*total < in.len) {
        size_t used;
        struct bytes data;
        size_t len = in.len - *total < piece ? in.len - *total : piece;
        enum http1_result result =
            http1_chunked_feed(&decoder, bytes_of(in.ptr + *total, len), &used, &data);
        buf_append_bytes(body, data);
        *total += used;
        if (result != HTTP1_MORE)
            return result;
    }
    return HTTP1_MORE;
}

static void test_chunked_in_pieces_of_any_size(void **state)
{
    (void)state;
    struct bytes in = BYTES("4\r\nWiki\r\n006;a=\"b c\"\r\npedia \r\nA\r\nin chunks.\r\n"
                            "000\r\nX-Trailer: y\r\nOther:\r\n\r\nGET");
    for (size_t piece = 1; piece <= in.len; piece++) {
        struct buf body;
        buf_init(&body, 0);
        size_t total;
        assert_int_equal(decode(in, piece, &body, &total), HTTP1_OK);
        assert_int_equal(total, in.len - 3);
        assert_bytes(buf_bytes(&body), "Wikipedia in chunks.");
        buf_deinit(&body);
    }
}

static void test_malformed_chunks(void **state)
{
    (void)state;
    static const char *const bads[] = {
        "\r\n",         "g\r\n",        "5\nhello",    "5\r\nhelloX",
        "5\r\nhello\n", "5 \r\nhello",  " 5\r\nhello", "-5\r\n",
        "0x5\r\n",      "5;\x01\r\n",   "0\r\n\n",     "0\r\n: x\r\n",
        "0\r\nA b\r\n", "0\r\nA: \x02", "5\rX",        "11111111111111111\r\n",
    };
    for (size_t i = 0; i < sizeof bads / sizeof bads[0]; i++) {
        struct buf body;
        buf_init(&body, 0);
        size_t total;
        if (decode(bytes_from_text(bads[i]), 3, &body, &total) != HTTP1_BAD)
            fail_msg("accepted: %s", bads[i]);
        buf_deinit(&body);
    }
}

static void test_chunk_lines_and_trailers_are_bounded(void **state)
{
    (void)state;
    static char filler[20000];
    memset(filler, 'x', sizeof filler);
    struct http1_chunked decoder = {0};
    size_t used;
    struct bytes data;
    assert_int_equal(http1_chunked_feed(&decoder, BYTES("5;"), &used, &data), HTTP1_MORE);
    assert_int_equal(http1_chunked_feed(&decoder, bytes_of(filler, 300), &used, &data), HTTP1_BAD);
    decoder = (struct http1_chunked){0};
    assert_int_equal(http1_chunked_feed(&decoder, BYTES("0\r\nA:"), &used, &data), HTTP1_MORE);
    assert_int_equal(http1_chunked_feed(&decoder, bytes_of(filler, sizeof filler), &used, &data),
                     HTTP1_BAD);
}

static void test_query_values(void **state)
{
    (void)state;
    struct bytes query = BYTES("bbox=1,2&name=a+b%2Bc%C3%A9&flag&empty=&bad=%4&bad2=%zz&nul=%00");
    char out[16];
    assert_true(http1_query_value(query, "bbox", out, sizeof out));
    assert_string_equal(out, "1,2");
    assert_true(http1_query_value(query, "name", out, sizeof out));
    assert_string_equal(out, "a b+c\xc3\xa9");
    assert_true(http1_query_value(query, "flag", out, sizeof out));
    assert_string_equal(out, "");
    assert_true(http1_query_value(query, "empty", out, sizeof out));
    assert_string_equal(out, "");
    assert_false(http1_query_value(query, "box", out, sizeof out));
    assert_false(http1_query_value(query, "bad", out, sizeof out));
    assert_false(http1_query_value(query, "bad2", out, sizeof out));
    assert_false(http1_query_value(query, "nul", out, sizeof out));
    assert_true(http1_query_value(query, "bbox", out, 4));
    assert_false(http1_query_value(query, "bbox", out, 3)); /* not cut */
    assert_false(http1_query_value(BYTES(""), "bbox", out, sizeof out));
}

static void test_segments(void **state)
{
    (void)state;
    char out[8];
    size_t len;
    assert_true(http1_decode_segment(BYTES("a%2Fb+c"), out, sizeof out, &len));
    assert_int_equal(len, 5);
    assert_string_equal(out, "a/b+c");
    assert_false(http1_decode_segment(BYTES("%"), out, sizeof out, &len));
    assert_false(http1_decode_segment(BYTES("%a"), out, sizeof out, &len));
    assert_false(http1_decode_segment(BYTES("12345678"), out, sizeof out, &len));
}

static void test_reasons(void **state)
{
    (void)state;
    assert_string_equal(http1_reason(200), "OK");
    assert_string_equal(http1_reason(431), "Request Header Fields Too Large");
    assert_string_equal(http1_reason(299), "Unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_request_parts),
        cmocka_unit_test(test_target_forms),
        cmocka_unit_test(test_methods),
        cmocka_unit_test(test_versions),
        cmocka_unit_test(test_empty_lines_in_front),
        cmocka_unit_test(test_smuggling_is_refused),
        cmocka_unit_test(test_keep_alive),
        cmocka_unit_test(test_header_count_is_bounded),
        cmocka_unit_test(test_every_prefix_agrees),
        cmocka_unit_test(test_response),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_chunked_in_pieces_of_any_size),
        cmocka_unit_test(test_malformed_chunks),
        cmocka_unit_test(test_chunk_lines_and_trailers_are_bounded),
        cmocka_unit_test(test_query_values),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_reasons),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
