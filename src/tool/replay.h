/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* motorcade replay FILE: a recorded trace against a gateway. Exit code 0 when all
 * that was sent was acked or rejected. */
int replay_tool(int argc, char **argv);
