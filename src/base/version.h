/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The program's version, from meson.build: "0.1.0". */
const char *version_text(void);
/* The compiler that built it: "gcc 12.2.0". */
const char *version_compiler(void);
