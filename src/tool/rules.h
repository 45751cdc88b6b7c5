/* SPDX-License-Identifier: Apache-2.0 */
/* motorcade rules: check, try, list and describe rulesets. */
#pragma once

int rules_tool(int argc, char **argv);
