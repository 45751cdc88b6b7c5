/* SPDX-License-Identifier: Apache-2.0 */
#include "export/name.h"

#include <string.h>

static bool is_plain(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void name_append_safe(struct buf *out, struct bytes text, const char *also)
{
    if (text.len == 0)
        buf_append_char(out, '_');
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_kept = is_plain(c) || (c != '\0' && strchr(also, c) != NULL);
        buf_append_char(out, is_kept ? c : '_');
    }
}

static bool take(const char **at, const char *word)
{
    size_t len = strlen(word);
    if (strncmp(*at, word, len) != 0)
        return false;
    *at += len;
    return true;
}

void name_expand(struct buf *out, const char *pattern, const char *host, const char *role)
{
    for (const char *at = pattern; *at != '\0';) {
        if (take(&at, "{host}"))
            name_append_safe(out, bytes_from_text(host), "-_");
        else if (take(&at, "{role}"))
            name_append_safe(out, bytes_from_text(role), "-_");
        else
            buf_append_char(out, *at++);
    }
}
