/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* `motorcade top`: a running system at a glance, refreshed in place. */
int top_tool(int argc, char **argv);
