/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Before the first handle of libcurl, any thread: its global state, once a process. */
void curl_once(void);
