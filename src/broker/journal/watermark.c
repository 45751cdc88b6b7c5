/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal/watermark.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>

#define MAGIC UINT64_C(0x314b52414d4a434d) /* "MCJMARK1" */

enum { PATH_BYTES = 4096 };

/* The file always has its page: touching the map can't fault. */
static int open_file(const struct journal_io *io, const char *path, bool is_writable)
{
    int fd = io->open(io->context, path, is_writable ? O_RDWR | O_CREAT : O_RDONLY);
    if (fd < 0)
        return fd;
    int64_t size = io->size(io->context, fd);
    int result = 0;
    if (size < WATERMARK_BYTES)
        result = is_writable ? io->allocate(io->context, fd, WATERMARK_BYTES) : -EIO;
    if (result < 0) {
        io->close(io->context, fd);
        return result;
    }
    return fd;
}

int watermark_open(struct watermark **out, const struct journal_io *io, const char *dir,
                   bool is_writable, struct error *err)
{
    char path[PATH_BYTES];
    snprintf(path, sizeof path, "%s/watermark", dir);
    int fd = open_file(io, path, is_writable);
    if (fd < 0)
        return error_set_errno(err, ERROR_IO, -fd, "can't open %s", path);
    struct watermark *mark = io->map(io->context, fd, WATERMARK_BYTES, is_writable);
    io->close(io->context, fd);
    if (mark == NULL)
        return error_set_errno(err, ERROR_IO, errno, "can't map %s", path);
    if (is_writable)
        atomic_store(&mark->magic, MAGIC);
    *out = mark;
    return 0;
}

void watermark_close(struct watermark *watermark, const struct journal_io *io)
{
    if (watermark != NULL)
        io->unmap(io->context, watermark, WATERMARK_BYTES);
}
