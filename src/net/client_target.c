/* SPDX-License-Identifier: Apache-2.0 */
#include <netdb.h>
#include <stdio.h>
#include <string.h>

#include "net/client.h"

static int not_a_url(struct error *err, const char *url)
{
    return error_set(err, ERROR_USAGE,
                     "\"%s\" is not an address like ws://127.0.0.1:30000/ws or "
                     "http://127.0.0.1:30000/packets",
                     url);
}

static bool take_prefix(const char **text, const char *prefix)
{
    size_t len = strlen(prefix);
    if (strncmp(*text, prefix, len) != 0)
        return false;
    *text += len;
    return true;
}

/* "host", "host:port", "[v6]", "[v6]:port" into host and port. */
static bool split_authority(const char *authority, char *host, size_t host_size, char *port,
                            size_t port_size)
{
    const char *end = authority + strcspn(authority, ":");
    const char *start = authority;
    if (authority[0] == '[') {
        start++;
        end = strchr(authority, ']');
        if (end == NULL)
            return false;
    }
    size_t host_len = (size_t)(end - start);
    const char *rest = authority[0] == '[' ? end + 1 : end;
    if (host_len == 0 || host_len >= host_size || (rest[0] != '\0' && rest[0] != ':'))
        return false;
    memcpy(host, start, host_len);
    host[host_len] = '\0';
    const char *digits = rest[0] == ':' ? rest + 1 : "80";
    size_t digit_count = strspn(digits, "0123456789");
    if (digit_count == 0 || digits[digit_count] != '\0' || digit_count >= port_size)
        return false;
    memcpy(port, digits, digit_count + 1);
    return true;
}

/* No control bytes and no spaces: they would become part of a request's head. */
static bool is_clean(const char *text)
{
    for (; *text != '\0'; text++)
        if ((unsigned char)*text <= ' ' || (unsigned char)*text == 0x7f)
            return false;
    return true;
}

static int look_up(struct client_target *target, const char *host, const char *port,
                   struct error *err)
{
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    int result = getaddrinfo(host, port, &hints, &found);
    if (result != 0)
        return error_set(err, ERROR_NOT_FOUND, "%s: %s", host, gai_strerror(result));
    memcpy(&target->address, found->ai_addr, found->ai_addrlen);
    target->address_len = found->ai_addrlen;
    freeaddrinfo(found);
    return 0;
}

int client_target_resolve(struct client_target *target, const char *url, struct error *err)
{
    *target = (struct client_target){.address_len = 0};
    const char *rest = url;
    if (take_prefix(&rest, "wss://") || take_prefix(&rest, "https://"))
        return error_set(err, ERROR_USAGE, "%s: TLS is not spoken here; use ws:// or http://", url);
    target->is_websocket = take_prefix(&rest, "ws://");
    if (!target->is_websocket && !take_prefix(&rest, "http://"))
        return not_a_url(err, url);
    size_t authority_len = strcspn(rest, "/?#");
    const char *path = rest + authority_len;
    int path_len = (int)strcspn(path, "#");
    int written = snprintf(target->path, sizeof target->path, "%s%.*s", *path == '/' ? "" : "/",
                           path_len, path);
    char host[256];
    char port[6];
    if (authority_len >= sizeof target->authority || written < 0 ||
        (size_t)written >= sizeof target->path || !is_clean(url))
        return not_a_url(err, url);
    memcpy(target->authority, rest, authority_len);
    if (!split_authority(target->authority, host, sizeof host, port, sizeof port))
        return not_a_url(err, url);
    return look_up(target, host, port, err);
}
