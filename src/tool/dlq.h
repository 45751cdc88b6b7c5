/* SPDX-License-Identifier: Apache-2.0 */
/* `motorcade dlq`: dead letters listed, shown, replayed and purged. */
#pragma once

int dlq_tool(int argc, char **argv);
