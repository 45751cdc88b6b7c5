/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* motorcade print-config: the configuration in force with where each value
 * comes from, or pages made from the tables. */
int print_config_tool(int argc, char **argv);
