/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* motorcade query: packets of the embedded store, also while it is written. */
int query_tool(int argc, char **argv);
