/* SPDX-License-Identifier: Apache-2.0 */
/* The admin pages of the log: GET /log shows the level of each module, POST
 * /admin/log?level=debug[&module=gateway] changes it until the next reload. */
#pragma once

void log_pages_add(void);
