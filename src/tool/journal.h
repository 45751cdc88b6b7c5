/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* motorcade journal verify|dump|stat: look into the journal, also while another
 * process writes it. */
int journal_tool(int argc, char **argv);
