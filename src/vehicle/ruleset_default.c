/* SPDX-License-Identifier: Apache-2.0 */
/* config/rules/default.yaml, which the build embeds (scripts/embed). */
#include "vehicle/ruleset.h"

extern const unsigned char rules_default_yaml[];
extern const size_t rules_default_yaml_len;

struct bytes ruleset_default_text(void)
{
    return bytes_of((const char *)rules_default_yaml, rules_default_yaml_len);
}
