/* SPDX-License-Identifier: Apache-2.0 */
/* PEM_read_bio_X509() would ask for a password on the terminal where a part says
 * that it is encrypted: so parts are taken raw, and only certificates decoded. */
#include "codec/certificate.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>
#include <time.h>

/* One part of the text, as it stands. */
struct part {
    char *name;
    char *header; /* of an encrypted part */
    unsigned char *data;
    long len;
};

static void part_free(struct part *part)
{
    OPENSSL_free(part->name);
    OPENSSL_free(part->header);
    OPENSSL_clear_free(part->data, (size_t)part->len); /* it may be a key */
    *part = (struct part){0};
}

static bool is_certificate(const struct part *part)
{
    return strcmp(part->name, PEM_STRING_X509) == 0 ||
           strcmp(part->name, PEM_STRING_X509_OLD) == 0 ||
           strcmp(part->name, PEM_STRING_X509_TRUSTED) == 0;
}

static enum certificate_result end_of(const struct part *part, int64_t *end_s)
{
    const unsigned char *at = part->data;
    struct tm end = {0};
    X509 *certificate = d2i_X509(NULL, &at, part->len);
    if (certificate == NULL)
        return CERTIFICATE_BAD;
    bool has_end = ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &end) == 1;
    X509_free(certificate);
    if (!has_end)
        return CERTIFICATE_BAD;
    *end_s = timegm(&end);
    return CERTIFICATE_OK;
}

static enum certificate_result take_part(const struct part *part, int *count, int64_t *first_s)
{
    int64_t end_s;
    if (!is_certificate(part))
        return CERTIFICATE_OK;
    if (*count == CERTIFICATES_MAX)
        return CERTIFICATE_TOO_MANY;
    enum certificate_result result = end_of(part, &end_s);
    if (result == CERTIFICATE_OK && (*count == 0 || end_s < *first_s))
        *first_s = end_s;
    ++*count;
    return result;
}

static enum certificate_result read_parts(BIO *text, int64_t *first_s)
{
    int count = 0;
    struct part part = {0};
    while (PEM_read_bio(text, &part.name, &part.header, &part.data, &part.len) == 1) {
        enum certificate_result result = take_part(&part, &count, first_s);
        part_free(&part);
        if (result != CERTIFICATE_OK)
            return result;
    }
    /* No further beginning: that is how a text ends. */
    if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE)
        return CERTIFICATE_BAD;
    return count == 0 ? CERTIFICATE_NONE : CERTIFICATE_OK;
}

enum certificate_result certificate_first_end(struct bytes pem, int64_t *end_s)
{
    *end_s = 0;
    if (pem.len > CERTIFICATE_PEM_MAX)
        return CERTIFICATE_TOO_MANY;
    if (pem.len == 0)
        return CERTIFICATE_NONE;
    ERR_clear_error();
    BIO *text = BIO_new_mem_buf(pem.ptr, (int)pem.len);
    if (text == NULL)
        return CERTIFICATE_MEMORY;
    int64_t first_s = 0;
    enum certificate_result result = read_parts(text, &first_s);
    BIO_free(text);
    ERR_clear_error(); /* this thread's errors are others' as well */
    if (result == CERTIFICATE_OK)
        *end_s = first_s;
    return result;
}
