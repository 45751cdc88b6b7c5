/* SPDX-License-Identifier: Apache-2.0 */
/* Tells the service manager how the process is (sd_notify(3): a datagram to
 * $NOTIFY_SOCKET), and feeds its watchdog ($WATCHDOG_USEC) as long as every
 * event loop is alive. Without these variables it does nothing. */
#pragma once

#include "net/loop.h"

struct notify;

/* On the loop's thread; NULL when nobody asked to be told, or without memory. */
struct notify *notify_start(struct loop *loop);
void notify_ready(struct notify *notify);
void notify_stopping(struct notify *notify);
void notify_stop(struct notify *notify);
