/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3 64-bit (libxxhash): the hash of identities (contracts: H64) and tables. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

/* H64: unseeded, stable across machines and versions; stored and sent. */
uint64_t hash64(struct bytes bytes);

/* For tables keyed by what strangers send: seeded once per process, so that
 * collisions can't be prepared. Never stored, never sent. */
uint64_t hash64_local(struct bytes bytes);
