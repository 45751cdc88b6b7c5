/* SPDX-License-Identifier: Apache-2.0 */
#include "support/certificate_maker.h"

#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "base/must.h"

static void set_name(X509 *certificate)
{
    X509_NAME *name = X509_get_subject_name(certificate);
    static const unsigned char who[] = "test";
    must(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, who, -1, -1, 0) == 1);
    must(X509_set_issuer_name(certificate, name) == 1);
}

void certificate_make(struct buf *out, int64_t end_s)
{
    EVP_PKEY *key = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    X509 *certificate = X509_new();
    BIO *text = BIO_new(BIO_s_mem());
    must(key != NULL && certificate != NULL && text != NULL);
    must(X509_set_version(certificate, 2) == 1);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    must(ASN1_TIME_set(X509_getm_notBefore(certificate), 0) != NULL);
    must(ASN1_TIME_set(X509_getm_notAfter(certificate), end_s) != NULL);
    must(X509_set_pubkey(certificate, key) == 1);
    set_name(certificate);
    must(X509_sign(certificate, key, NULL) > 0);
    must(PEM_write_bio_X509(text, certificate) == 1);
    char *ptr;
    long len = BIO_get_mem_data(text, &ptr);
    buf_append(out, ptr, (size_t)len);
    BIO_free(text);
    X509_free(certificate);
    EVP_PKEY_free(key);
}
