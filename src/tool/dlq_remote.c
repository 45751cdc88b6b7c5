/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/dlq_remote.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/text.h"
#include "codec/json.h"
#include "gateway/config.h"
#include "tool/http_ask.h"
#include "tool/modules.h"

#define LOOK_NS (100 * NS_PER_MS)

/* What listens on all addresses is asked on this machine's own. */
static void put_host(struct buf *out, const char *listen)
{
    static const char *const all[] = {"0.0.0.0:", "[::]:", ":"};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        if (strncmp(listen, all[i], strlen(all[i])) == 0) {
            buf_printf(out, "127.0.0.1:%s", listen + strlen(all[i]));
            return;
        }
    buf_append_text(out, listen);
}

static void put_base(struct buf *out, const struct config *config, const char *url)
{
    const struct admin_config *admin = config_get(config, &admin_module);
    const struct gateway_config *gateway = config_get(config, &gateway_module);
    if (url != NULL) {
        size_t len = strlen(url);
        while (len > 0 && url[len - 1] == '/')
            len--;
        buf_append(out, url, len);
        return;
    }
    buf_append_text(out, "http://");
    put_host(out, admin->listen[0] != '\0' ? admin->listen : gateway->listen);
}

static void put_encoded(struct buf *out, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        if (isalnum(c) || strchr("-._~", c) != NULL)
            buf_append_char(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

static int ask(const struct buf *base, const char *path, const char *const *values,
               unsigned *status, struct buf *body, struct error *err)
{
    struct buf url;
    buf_init(&url, 0);
    buf_append_bytes(&url, buf_bytes(base));
    buf_append_text(&url, path);
    for (size_t i = 0, n = 0; values != NULL && i < DLQ_NAMES_MAX; i++) {
        if (values[i] == NULL)
            continue;
        buf_printf(&url, "%s%s=", n++ == 0 ? "?" : "&", dlq_filter_names[i]);
        put_encoded(&url, values[i]);
    }
    buf_append_char(&url, '\0');
    int result = url.has_failed ? error_set(err, ERROR_MEMORY, "no memory")
                                : http_ask(url.ptr, status, body, err);
    buf_deinit(&url);
    return result;
}

/* A member of the flat object that the page answers: its raw value. */
static struct bytes member(struct bytes body, const char *name)
{
    struct json_reader *reader = json_reader_new(32, 4096);
    struct json_token token;
    struct bytes value = BYTES("");
    if (reader == NULL)
        return value;
    json_reader_start(reader, body);
    for (enum json_event event; (event = json_reader_next(reader, &token)) != JSON_END;) {
        if (event == JSON_FAULT)
            break;
        if (event != JSON_KEY || !bytes_equal_text(token.text, name))
            continue;
        json_reader_next(reader, &token);
        value = token.raw;
        break;
    }
    json_reader_free(reader);
    return value;
}

static uint64_t number(struct bytes body, const char *name)
{
    uint64_t value = 0;
    text_to_u64(member(body, name), &value);
    return value;
}

static int refused(const struct buf *base, unsigned status, struct bytes body, struct error *err)
{
    struct bytes detail = member(body, "detail");
    const char *fix = status == 403 ? " (set admin.listen to an address of 127.0.0.1)"
                      : status == 404 || status == 405
                          ? " (is it a gateway or \"motorcade run\"? name its address with --url)"
                          : "";
    return error_set(err, status == 409 ? ERROR_BUSY : ERROR_REMOTE, "%.*s answers %u: %.*s%s",
                     (int)base->len, base->ptr, status, (int)detail.len, detail.ptr, fix);
}

/* 1: over; 0: it runs. */
static int look(const struct buf *base, struct dlq_progress *progress, struct error *err)
{
    struct buf body;
    unsigned status = 0;
    buf_init(&body, 1 << 16);
    int result = ask(base, "/admin/dlq/status", NULL, &status, &body, err);
    struct bytes text = buf_bytes(&body);
    if (result == 0 && status != 200) {
        result = refused(base, status, text, err);
    } else if (result == 0) {
        atomic_store(&progress->replayed, number(text, "replayed"));
        atomic_store(&progress->failed, number(text, "failed"));
        atomic_store(&progress->unreplayable, number(text, "unreplayable"));
        struct bytes state = member(text, "state"), error = member(text, "error");
        if (bytes_equal_text(state, "\"failed\""))
            result = error_set(err, ERROR_REMOTE, "%.*s", (int)error.len, error.ptr);
        else
            result = bytes_equal_text(state, "\"running\"") ? 0 : 1;
    }
    buf_deinit(&body);
    return result;
}

static int begin(const struct buf *base, const char *const *values, struct error *err)
{
    struct buf body;
    unsigned status = 0;
    buf_init(&body, 1 << 16);
    int result = ask(base, "/admin/dlq/replay", values, &status, &body, err);
    if (result == 0 && status != 202)
        result = refused(base, status, buf_bytes(&body), err);
    buf_deinit(&body);
    return result;
}

int dlq_remote_replay(const struct config *config, const char *url,
                      const char *const values[DLQ_NAMES_MAX], struct dlq_progress *progress,
                      struct error *err)
{
    struct buf base;
    buf_init(&base, 4096);
    put_base(&base, config, url);
    int state = begin(&base, values, err);
    while (state == 0 && (state = look(&base, progress, err)) == 0)
        clock_sleep_ns(LOOK_NS);
    buf_deinit(&base);
    return state < 0 ? -1 : 0;
}
