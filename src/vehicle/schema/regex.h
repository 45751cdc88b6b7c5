/* SPDX-License-Identifier: Apache-2.0 */
/* Regular expressions that can't blow up: an expression becomes a set of
 * positions (Glushkov's automaton), a text is read once, character by character,
 * and each costs as much as the expression is long, whatever stands there. No
 * memory is taken while matching.
 *
 * The syntax is ECMA-262's with the u flag, as JSON Schema asks (2020-12, core
 * section 6.4), without what needs going back or a table of properties:
 *   taken:    characters, . [classes] \d \w \s \D \W \S, escapes, ( ) (?: ) |,
 *             * + ? {n} {n,} {n,m} (lazy forms match the same), ^ and $
 *   refused:  \1, (?= (?! (?<= (?<!, \b \B, \p{…}
 * Found anywhere in the text unless ^ or $ say otherwise. Immutable once made;
 * shared between threads. */
#pragma once

#include "base/error.h"
#include "vehicle/schema/json_tree.h"

enum {
    REGEX_TEXT_MAX = 2048,     /* bytes of an expression */
    REGEX_POSITIONS_MAX = 512, /* characters of it, repetitions written out */
};

struct regex;

/* The error says what is wrong and at which byte. */
int regex_new(struct regex **out, struct bytes text, struct error *err);
void regex_free(struct regex *regex);
bool regex_finds(const struct regex *regex, struct json_chars chars);
