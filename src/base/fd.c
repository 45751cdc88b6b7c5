/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <errno.h>
#include <unistd.h>

int fd_write_all(int fd, struct bytes bytes)
{
    while (bytes.len > 0) {
        ssize_t written = write(fd, bytes.ptr, bytes.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written < 0)
            return -1;
        bytes = bytes_of(bytes.ptr + written, bytes.len - (size_t)written);
    }
    return 0;
}

int fd_read_all(int fd, size_t enough, struct buf *out)
{
    enum { PIECE = 65536 };
    while (out->len <= enough) {
        if (out->len == out->cap && buf_reserve(out, PIECE) != 0) {
            errno = ENOMEM;
            return -1;
        }
        ssize_t got = read(fd, out->ptr + out->len, out->cap - out->len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return (int)got;
        out->len += (size_t)got;
    }
    return 0;
}
