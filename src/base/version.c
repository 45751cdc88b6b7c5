/* SPDX-License-Identifier: Apache-2.0 */
#include "base/version.h"

const char *version_text(void)
{
    return MOTORCADE_VERSION;
}

const char *version_compiler(void)
{
#ifdef __clang__
    return "clang " __clang_version__;
#else
    return "gcc " __VERSION__;
#endif
}
