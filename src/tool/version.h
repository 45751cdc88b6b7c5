/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* motorcade version: of the program, its compiler and the libraries it was
 * built with. */
int version_tool(int argc, char **argv);
