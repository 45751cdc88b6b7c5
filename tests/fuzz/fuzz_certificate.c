/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates: the same answer twice, an end only with OK, and one that lies in
 * the years that ASN.1 can write. */
#include "base/must.h"
#include "codec/certificate.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t year_0 = -62167219200, year_10000 = 253402300800;
    struct bytes pem = bytes_of((const char *)data, size);
    int64_t end_s, again_s;
    enum certificate_result result = certificate_first_end(pem, &end_s);
    must(certificate_first_end(pem, &again_s) == result && again_s == end_s);
    must(result == CERTIFICATE_OK || end_s == 0);
    must(end_s >= year_0 && end_s < year_10000);
    return 0;
}
