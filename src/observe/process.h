/* SPDX-License-Identifier: Apache-2.0 */
/* The process's own figures under the names that every Prometheus client
 * library uses (process_cpu_seconds_total, process_resident_memory_bytes, …). */
#pragma once

#include "base/buf.h"

/* Prometheus text 0.0.4. What the system does not tell is left out. Any thread. */
int process_print_prometheus(struct buf *out);
