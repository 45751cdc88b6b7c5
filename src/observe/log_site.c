/* SPDX-License-Identifier: Apache-2.0 */
#include "observe/log_site.h"

#include <stdatomic.h>
#include <stddef.h>

#include "base/bucket.h"
#include "base/clock.h"

struct site {
    _Atomic uintptr_t key; /* 0 = free */
    _Atomic int64_t due_ns;
    _Atomic uint64_t held;
};

static struct site sites[LOG_SITES_MAX];

static uintptr_t key_of(const char *module, const char *message)
{
    uintptr_t key = (uintptr_t)message * UINT64_C(0x9E3779B97F4A7C15) ^ (uintptr_t)module;
    return key == 0 ? 1 : key;
}

/* Open addressing over a few places; sites are never given back. */
static struct site *site_of(uintptr_t key)
{
    enum { PROBES = 16 };
    for (unsigned i = 0; i < PROBES; i++) {
        struct site *site = &sites[((key >> 20) + i) % LOG_SITES_MAX];
        uintptr_t there = 0;
        if (atomic_compare_exchange_strong(&site->key, &there, key) || there == key)
            return site;
    }
    return NULL;
}

bool log_site_take(const char *module, const char *message, int64_t now_ns, int64_t burst,
                   int64_t per_s, uint64_t *held)
{
    *held = 0;
    struct site *site = per_s > 0 ? site_of(key_of(module, message)) : NULL;
    if (site == NULL)
        return true;
    int64_t share_ns = NS_PER_S / per_s;
    if (!bucket_take(&site->due_ns, now_ns, share_ns, (burst - 1) * share_ns)) {
        atomic_fetch_add(&site->held, 1);
        return false;
    }
    *held = atomic_exchange(&site->held, 0);
    return true;
}
