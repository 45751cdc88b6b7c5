/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* motorcade tail TOPIC [--from …] [--follow]: print the records of a topic of
 * the journal, beside the process that writes it. */
int tail_tool(int argc, char **argv);
