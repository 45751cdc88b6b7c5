/* SPDX-License-Identifier: Apache-2.0 */
#include "export/fetch.h"

#include <curl/curl.h>

#include "base/clock.h"
#include "export/curl_once.h"

static size_t on_body(char *ptr, size_t size, size_t count, void *context)
{
    return buf_append(context, ptr, size * count) == 0 ? size * count : 0;
}

int fetch_text(const char *url, int64_t timeout_ns, struct buf *out, struct error *err)
{
    curl_once();
    CURL *curl = curl_easy_init();
    if (curl == NULL)
        return error_set(err, ERROR_MEMORY, "no memory to ask %s", url);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)(timeout_ns / NS_PER_MS));
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, out);
    CURLcode code = curl_easy_perform(curl);
    long status = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_cleanup(curl);
    if (code != CURLE_OK)
        return error_set(err, ERROR_IO, "%s: %s", url, curl_easy_strerror(code));
    if (status != 200)
        return error_set(err, ERROR_REMOTE, "%s answered %ld", url, status);
    return 0;
}
