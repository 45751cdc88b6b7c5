/* SPDX-License-Identifier: Apache-2.0 */
/* `motorcade produce`: messages from a template into a broker. */
#pragma once

int produce_tool(int argc, char **argv);
