/* SPDX-License-Identifier: Apache-2.0 */
#include "net/limits.h"

#include <netinet/in.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/hash.h"
#include "base/list.h"
#include "base/must.h"
#include "base/table.h"

void server_limits_defaults(struct server_limits *limits)
{
    *limits = (struct server_limits){
#define LIMIT(field_, name_, type_, default_, text_, min_, max_, unit_, help_) .field_ = (default_),
#include "net/limits.def"
#undef LIMIT
    };
}

struct admission_address {
    uint8_t key[8]; /* IPv4 as ::ffff:a.b.c.d's last 8 bytes, or the /64 */
    int64_t count;
};

struct admission {
    struct list node;
    unsigned refs; /* guarded by registry_lock */
    pthread_mutex_t lock;
    struct table addresses;
    int64_t count;
    char address[64];
    request_fn *owner;
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct list registry = {&registry, &registry};

static struct admission *find(const char *address)
{
    for (struct list *node = registry.next; node != &registry; node = node->next) {
        struct admission *admission = list_item(node, struct admission, node);
        if (strcmp(admission->address, address) == 0)
            return admission;
    }
    return NULL;
}

static struct admission *create(const char *address, request_fn *owner)
{
    struct admission *admission = calloc(1, sizeof *admission);
    if (admission == NULL)
        return NULL;
    pthread_mutex_init(&admission->lock, NULL);
    table_init(&admission->addresses);
    strncpy(admission->address, address, sizeof admission->address - 1);
    admission->owner = owner;
    list_append(&registry, &admission->node);
    return admission;
}

struct admission *admission_ref(const char *address, request_fn *owner)
{
    pthread_mutex_lock(&registry_lock);
    struct admission *admission = find(address);
    if (admission == NULL)
        admission = create(address, owner);
    if (admission != NULL)
        admission->refs++;
    pthread_mutex_unlock(&registry_lock);
    return admission;
}

void admission_unref(struct admission *admission)
{
    if (admission == NULL)
        return;
    pthread_mutex_lock(&registry_lock);
    bool is_last = --admission->refs == 0;
    if (is_last)
        list_remove(&admission->node);
    pthread_mutex_unlock(&registry_lock);
    if (!is_last)
        return;
    must(admission->count == 0);
    table_deinit(&admission->addresses);
    pthread_mutex_destroy(&admission->lock);
    free(admission);
}

enum admission_owner admission_owner(const char *address, request_fn *owner)
{
    pthread_mutex_lock(&registry_lock);
    const struct admission *admission = find(address);
    enum admission_owner result = admission == NULL           ? ADMISSION_NONE
                                  : admission->owner == owner ? ADMISSION_SAME
                                                              : ADMISSION_OTHER;
    pthread_mutex_unlock(&registry_lock);
    return result;
}

static void key_of(const struct sockaddr *peer, uint8_t key[8])
{
    static const uint8_t mapped[4] = {0, 0, 0xff, 0xff};
    memset(key, 0, 8);
    if (peer->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const void *)peer;
        memcpy(key, mapped, 4);
        memcpy(key + 4, &in->sin_addr, 4);
    } else if (peer->sa_family == AF_INET6) {
        const struct sockaddr_in6 *in6 = (const void *)peer;
        bool is_mapped = IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr);
        memcpy(key, in6->sin6_addr.s6_addr + (is_mapped ? 8 : 0), 8);
    }
}

static bool has_key(const void *item, const void *key)
{
    return memcmp(((const struct admission_address *)item)->key, key, 8) == 0;
}

static uint64_t hash_of(const uint8_t key[8])
{
    return hash64_local(bytes_of((const char *)key, 8));
}

static struct admission_address *find_or_add(struct admission *admission, const uint8_t key[8])
{
    uint64_t hash = hash_of(key);
    struct admission_address *address = table_find(&admission->addresses, hash, has_key, key);
    if (address != NULL)
        return address;
    address = calloc(1, sizeof *address);
    if (address == NULL)
        return NULL;
    memcpy(address->key, key, 8);
    if (table_put(&admission->addresses, hash, address) == 0)
        return address;
    free(address);
    return NULL;
}

static enum admission_verdict enter(struct admission *admission, const struct server_limits *limits,
                                    const uint8_t key[8], struct admission_address **out)
{
    if (admission->count >= limits->connections)
        return ADMISSION_FULL;
    struct admission_address *address = find_or_add(admission, key);
    if (address == NULL)
        return ADMISSION_FULL;
    int64_t most = limits->connections_per_address;
    if (most > 0 && address->count >= most)
        return ADMISSION_ADDRESS_FULL;
    admission->count++;
    address->count++;
    *out = address;
    return ADMISSION_OK;
}

enum admission_verdict admission_enter(struct admission *admission,
                                       const struct server_limits *limits,
                                       const struct sockaddr *peer, struct admission_address **out)
{
    uint8_t key[8];
    key_of(peer, key);
    pthread_mutex_lock(&admission->lock);
    enum admission_verdict verdict = enter(admission, limits, key, out);
    pthread_mutex_unlock(&admission->lock);
    return verdict;
}

void admission_leave(struct admission *admission, struct admission_address *address)
{
    pthread_mutex_lock(&admission->lock);
    admission->count--;
    if (--address->count == 0) {
        table_take(&admission->addresses, hash_of(address->key), has_key, address->key);
        free(address);
    }
    pthread_mutex_unlock(&admission->lock);
}
