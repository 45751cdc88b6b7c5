/* SPDX-License-Identifier: Apache-2.0 */
/* Errors of the control path: what failed, said once, for a person.
 * A function that can fail returns 0 or -1 and takes a caller-supplied
 * struct error (NULL allowed). error_set() yields -1 so that failing is one
 * line. Whoever passes an error on only prefixes it; whoever handles it logs
 * it, once. No heap. The data path uses verdict enums instead. */
#pragma once

#include <stdbool.h>

enum error_kind {
    ERROR_NONE,
    ERROR_USAGE,    /* the command line is wrong: exit 2 */
    ERROR_CONFIG,   /* the configuration is wrong: exit 78 */
    ERROR_IO,       /* the operating system refused: file, socket, disk */
    ERROR_BUSY,     /* held by another process, or a port in use */
    ERROR_FULL,     /* a bound was reached; try again later */
    ERROR_CORRUPT,  /* stored bytes are not what was written */
    ERROR_PROTOCOL, /* a peer sent what the protocol forbids */
    ERROR_REMOTE,   /* a server answered with a failure */
    ERROR_NOT_FOUND,
    ERROR_MEMORY,
};

struct error {
    enum error_kind kind;
    bool is_transient; /* trying again may help */
    char text[512];
};

/* Fill err (may be NULL) and return -1. */
int error_set(struct error *err, enum error_kind kind, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same, with ": <strerror(number)>" appended. Transient for EAGAIN,
 * EINTR, ENOBUFS and ENOMEM. */
int error_set_errno(struct error *err, enum error_kind kind, int number, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* Put "<prefix>: " before the text; returns -1. */
int error_prefix(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

#ifdef STATIC_ANALYSIS
/* Analysers see one file at a time; this tells them what the calls return. */
static inline int error_failed(int result)
{
    (void)result;
    return -1;
}
#define error_set(...) error_failed((error_set)(__VA_ARGS__))
#define error_set_errno(...) error_failed((error_set_errno)(__VA_ARGS__))
#define error_prefix(...) error_failed((error_prefix)(__VA_ARGS__))
#endif

/* 0 ok, 1 failed, 2 usage, 78 bad configuration (sysexits' EX_CONFIG). */
int error_exit_code(const struct error *err);
