/* SPDX-License-Identifier: Apache-2.0 */
/* The subcommands that are roles: `run` (all of them), `gateway`, `handler`,
 * `store`, `live`. argv[0] is the subcommand; returns the exit code. */
#pragma once

int run_tool(int argc, char **argv);
int gateway_tool(int argc, char **argv);
int handler_tool(int argc, char **argv);
int store_tool(int argc, char **argv);
int live_tool(int argc, char **argv);
