/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hash.h"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

static uint64_t seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
    if (getentropy(&seed, sizeof seed) != 0)
        seed = (uint64_t)time(NULL) * 0x9E3779B97F4A7C15u;
}

uint64_t hash64(struct bytes bytes)
{
    return XXH3_64bits(bytes.ptr, bytes.len);
}

uint64_t hash64_local(struct bytes bytes)
{
    pthread_once(&seed_once, make_seed);
    return XXH3_64bits_withSeed(bytes.ptr, bytes.len, seed);
}
