/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* motorcade simulate: a fleet of simulated vehicles against a gateway. Exit code 0
 * when all that was sent was acked or rejected. */
int simulate_tool(int argc, char **argv);
