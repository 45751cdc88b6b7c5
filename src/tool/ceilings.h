/* SPDX-License-Identifier: Apache-2.0 */
/* What the machine allows this process, as metrics: the disk of the data folder,
 * memory, and the wall clock, against which a watcher can hold its own. */
#pragma once

/* From now on refreshed at each look. The path must stay. */
void ceilings_add(const char *data_dir);
void ceilings_remove(const char *data_dir);
