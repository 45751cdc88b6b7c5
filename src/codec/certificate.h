/* SPDX-License-Identifier: Apache-2.0 */
/* When certificates end: PEM (RFC 7468) with X.509 (RFC 5280) inside, read
 * without trust through OpenSSL's libcrypto, which need not be asked for more:
 * nothing here says that a certificate is good. */
#pragma once

#include <stdint.h>

#include "base/bytes.h"

enum {
    CERTIFICATE_PEM_MAX = 1 << 20, /* bytes; the largest bundle in use has a quarter of it */
    CERTIFICATES_MAX = 1024,       /* in one text */
};

enum certificate_result {
    CERTIFICATE_OK,
    CERTIFICATE_NONE,     /* no certificate in it */
    CERTIFICATE_BAD,      /* one is damaged, or says no end */
    CERTIFICATE_TOO_MANY, /* or too many bytes */
    CERTIFICATE_MEMORY,
};

/* The end (notAfter) of that certificate in the text which ends first, in seconds
 * since 1970. Keys and other parts in between are passed over, never decoded. */
enum certificate_result certificate_first_end(struct bytes pem, int64_t *end_s);
