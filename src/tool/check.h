/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* motorcade check: is the configuration good? Exit code 0, or 78 with the
 * first error on standard error. */
int check_tool(int argc, char **argv);
