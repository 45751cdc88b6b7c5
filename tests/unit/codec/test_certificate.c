/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/err.h>

#include "codec/certificate.h"
#include "support/certificate_maker.h"

#define END_S INT64_C(1800000000)

/* Looks like a key, and holds none. */
static const char no_key[] = "-----BEGIN PRIVATE KEY-----\n"
                             "bm8ga2V5\n"
                             "-----END PRIVATE KEY-----\n";
/* A reader that asks for passwords would wait here for ever. */
static const char locked[] = "-----BEGIN RSA PRIVATE KEY-----\n"
                             "Proc-Type: 4,ENCRYPTED\n"
                             "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n"
                             "\n"
                             "bm8ga2V5\n"
                             "-----END RSA PRIVATE KEY-----\n";

static int setup(void **state)
{
    static struct buf pem;
    buf_init(&pem, 0);
    *state = &pem;
    return 0;
}

static int teardown(void **state)
{
    buf_deinit(*state);
    return 0;
}

static enum certificate_result first_end(const struct buf *pem, int64_t *end_s)
{
    enum certificate_result result = certificate_first_end(buf_bytes(pem), end_s);
    assert_int_equal(ERR_peek_error(), 0);
    if (result != CERTIFICATE_OK)
        assert_int_equal(*end_s, 0);
    return result;
}

static void expect(const struct buf *pem, int64_t wanted)
{
    int64_t end_s;
    assert_int_equal(first_end(pem, &end_s), CERTIFICATE_OK);
    assert_int_equal(end_s, wanted);
}

static void expect_result(const struct buf *pem, enum certificate_result wanted)
{
    int64_t end_s;
    assert_int_equal(first_end(pem, &end_s), wanted);
}

static void test_one(void **state)
{
    static const int64_t ends[] = {0, 1, END_S, INT64_C(2524608000) /* 2050: another ASN.1 type */,
                                   INT64_C(253402300799) /* 9999-12-31T23:59:59 */};
    struct buf *pem = *state;
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        buf_clear(pem);
        certificate_make(pem, ends[i]);
        expect(pem, ends[i]);
    }
}

static void test_of_several_the_first_to_end(void **state)
{
    struct buf *pem = *state;
    buf_append_text(pem, "# the chain\n");
    certificate_make(pem, END_S + 50);
    buf_append_text(pem, no_key);
    certificate_make(pem, END_S);
    buf_append_text(pem, locked);
    certificate_make(pem, END_S + 9);
    expect(pem, END_S);
}

static void test_none(void **state)
{
    struct buf *pem = *state;
    expect_result(pem, CERTIFICATE_NONE);
    buf_append_text(pem, "hello\n");
    expect_result(pem, CERTIFICATE_NONE);
    buf_append_text(pem, no_key);
    buf_append_text(pem, locked);
    expect_result(pem, CERTIFICATE_NONE);
}

static void test_damaged(void **state)
{
    struct buf *pem = *state;
    certificate_make(pem, END_S);
    size_t len = pem->len;
    pem->len = len / 2;
    expect_result(pem, CERTIFICATE_BAD);
    pem->len = len;
    pem->ptr[60] = '!';
    expect_result(pem, CERTIFICATE_BAD);
    buf_clear(pem);
    buf_append_text(pem, "-----BEGIN CERTIFICATE-----\nbm8gY2VydA==\n-----END CERTIFICATE-----\n");
    expect_result(pem, CERTIFICATE_BAD);
    certificate_make(pem, END_S); /* behind a damaged one */
    expect_result(pem, CERTIFICATE_BAD);
}

/* Encrypted or not, a certificate is never asked about. */
static void test_a_certificate_that_claims_to_be_encrypted(void **state)
{
    struct buf *pem = *state;
    buf_append_text(pem, "-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\n"
                         "DEK-Info: AES-128-CBC,00112233445566778899AABBCCDDEEFF\n\n"
                         "bm8gY2VydA==\n-----END CERTIFICATE-----\n");
    expect_result(pem, CERTIFICATE_BAD);
}

static void test_too_many(void **state)
{
    struct buf *pem = *state;
    struct buf one;
    buf_init(&one, 0);
    certificate_make(&one, END_S);
    for (int i = 0; i < CERTIFICATES_MAX; i++)
        buf_append_bytes(pem, buf_bytes(&one));
    expect(pem, END_S);
    buf_append_bytes(pem, buf_bytes(&one));
    expect_result(pem, CERTIFICATE_TOO_MANY);
    buf_clear(pem);
    while (pem->len <= CERTIFICATE_PEM_MAX)
        buf_append_text(pem, "# nothing but words, and there is no end to them\n");
    expect_result(pem, CERTIFICATE_TOO_MANY);
    buf_deinit(&one);
}

/* Any one byte changed: an answer, and nothing left behind. */
static void test_any_byte(void **state)
{
    struct buf *pem = *state;
    certificate_make(pem, END_S);
    for (size_t i = 0; i < pem->len; i++) {
        char was = pem->ptr[i];
        int64_t end_s;
        for (int with = 1; with < 256; with *= 3) {
            pem->ptr[i] = (char)(was ^ with);
            first_end(pem, &end_s);
        }
        pem->ptr[i] = was;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_one),
        TEST(test_of_several_the_first_to_end),
        TEST(test_none),
        TEST(test_damaged),
        TEST(test_a_certificate_that_claims_to_be_encrypted),
        TEST(test_too_many),
        TEST(test_any_byte),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
