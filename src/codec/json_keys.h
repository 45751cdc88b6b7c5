/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of the objects that are open at one moment of reading, to find the
 * one that comes twice. Private to codec/json. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/bytes.h"

struct json_keys;

enum json_keys_result { JSON_KEYS_NEW, JSON_KEYS_TWICE, JSON_KEYS_FULL };

/* Room for `max` keys and 64 objects at once. NULL without memory. */
struct json_keys *json_keys_new(size_t max);
void json_keys_free(struct json_keys *keys);
void json_keys_reset(struct json_keys *keys);
/* An object begins inside the one that is open; and ends. */
void json_keys_open(struct json_keys *keys);
void json_keys_close(struct json_keys *keys);
/* A key of the innermost object; `text` stays readable until it closes. */
enum json_keys_result json_keys_add(struct json_keys *keys, struct bytes text);
