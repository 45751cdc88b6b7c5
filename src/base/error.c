/* SPDX-License-Identifier: Apache-2.0 */
#include "base/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Names in parentheses: for analysers they are macros. */

int(error_set)(struct error *err, enum error_kind kind, const char *format, ...)
{
    if (err == NULL)
        return -1;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    err->kind = kind;
    err->is_transient = false;
    return -1;
}

static void append_errno(struct error *err, int number)
{
    char reason[128];
#ifdef __GLIBC__
    const char *text = strerror_r(number, reason, sizeof reason);
#else
    const char *text = strerror_r(number, reason, sizeof reason) == 0 ? reason : "unknown error";
#endif
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", text);
}

int(error_set_errno)(struct error *err, enum error_kind kind, int number, const char *format, ...)
{
    if (err == NULL)
        return -1;
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    append_errno(err, number);
    err->kind = kind;
    err->is_transient =
        number == EAGAIN || number == EINTR || number == ENOBUFS || number == ENOMEM;
    return -1;
}

int(error_prefix)(struct error *err, const char *format, ...)
{
    if (err == NULL)
        return -1;
    char old[sizeof err->text];
    memcpy(old, err->text, sizeof old);
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof err->text, format, args);
    va_end(args);
    size_t used = strlen(err->text);
    snprintf(err->text + used, sizeof err->text - used, ": %s", old);
    return -1;
}

int error_exit_code(const struct error *err)
{
    if (err->kind == ERROR_NONE)
        return 0;
    if (err->kind == ERROR_USAGE)
        return 2;
    if (err->kind == ERROR_CONFIG)
        return 78;
    return 1;
}
