/* SPDX-License-Identifier: Apache-2.0 */
#include "tool/log_pages.h"

#include "net/admin.h"
#include "observe/log.h"

static unsigned print_levels(void *context, const struct http1_request *request, struct buf *out)
{
    (void)context, (void)request;
    log_print_levels(out);
    return buf_append_char(out, '\n') == 0 ? 200 : 500;
}

static unsigned refuse(struct buf *out, const char *why)
{
    buf_printf(out, "{\"error\":\"bad_request\",\"detail\":\"%s\"}\n", why);
    return out->has_failed ? 500 : 400;
}

static unsigned set_level(void *context, const struct http1_request *request, struct buf *out)
{
    char module[64] = "";
    char text[16];
    enum log_level level;
    if (!http1_query_value(request->query, "level", text, sizeof text) ||
        log_level_by_name(bytes_from_text(text), &level) != 0)
        return refuse(out, "?level= is debug, info, warn or error");
    struct bytes name = {0};
    if (http1_query_value(request->query, "module", module, sizeof module))
        name = bytes_from_text(module);
    if (log_set_level(name, level) != 0)
        return refuse(out, "no such module can be set; GET /log lists them");
    log_event(LOG_INFO, "admin", "log level changed",
              LOG_T("of", module[0] == '\0' ? "all" : module), LOG_T("level", text));
    return print_levels(context, request, out);
}

void log_pages_add(void)
{
    admin_add(&(struct admin_page){.path = "/log",
                                   .content_type = "application/json",
                                   .is_private = true,
                                   .serve = print_levels});
    admin_add(&(struct admin_page){.path = "/admin/log",
                                   .content_type = "application/json",
                                   .is_change = true,
                                   .serve = set_level});
}
