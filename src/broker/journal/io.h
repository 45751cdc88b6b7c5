/* SPDX-License-Identifier: Apache-2.0 */
/* Everything the journal asks of the operating system, as a table of functions,
 * so that a test can slide a recorder or a disk made of memory in between, and
 * so that porting is this file. All return >= 0, or -errno. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <sys/uio.h>

struct journal_io {
    void *context;
    /* flags: of open(2); close-on-exec and mode 0640 are added. */
    int (*open)(void *context, const char *path, int flags);
    int (*close)(void *context, int fd);
    /* Both may be short. */
    ssize_t (*pread)(void *context, int fd, void *ptr, size_t len, uint64_t offset);
    ssize_t (*pwritev)(void *context, int fd, const struct iovec *iov, int count, uint64_t offset);
    int (*fdatasync)(void *context, int fd);
    /* The file has `size` bytes, with blocks reserved: writes below can't run out of disk. */
    int (*allocate)(void *context, int fd, uint64_t size);
    int64_t (*size)(void *context, int fd);
    int (*rename)(void *context, const char *from, const char *to);
    int (*unlink)(void *context, const char *path);
    /* Names created, renamed or removed in this folder survive a power cut after it. */
    int (*sync_dir)(void *context, const char *path);
    int (*make_dir)(void *context, const char *path); /* 0 too when it is there */
    int (*list)(void *context, const char *path, void (*fn)(void *argument, const char *name),
                void *argument);
    /* Exclusive, of this opening of the file; -EAGAIN when another holds it. */
    int (*lock)(void *context, int fd);
    /* Does somebody else hold it? 1 or 0; takes nothing. */
    int (*is_locked)(void *context, int fd);
    /* Shared memory over the first `len` bytes. NULL on failure. */
    void *(*map)(void *context, int fd, size_t len, bool is_writable);
    void (*unmap)(void *context, void *ptr, size_t len);
    int64_t (*disk_bytes)(void *context, const char *path); /* of the whole file system */
};

extern const struct journal_io journal_io_posix;

/* The whole of it, or -errno (-EIO for a write that makes no progress). The iov
 * is changed. */
int journal_io_write_all(const struct journal_io *io, int fd, struct iovec *iov, int count,
                         uint64_t offset);
int journal_io_write(const struct journal_io *io, int fd, const void *ptr, size_t len,
                     uint64_t offset);
/* As much as there is: less than len only at the end of the file. */
ssize_t journal_io_read(const struct journal_io *io, int fd, void *ptr, size_t len,
                        uint64_t offset);
/* Zeros over [from, to), by large writes from aligned memory: with from and to
 * at multiples of 4096 also into a file that was opened with journal_io_direct. */
int journal_io_write_zeros(const struct journal_io *io, int fd, uint64_t from, uint64_t to);

/* For open: writes go past the page cache. 0 where there is no such thing; the
 * open fails with -EINVAL where the file system has none. */
extern const int journal_io_direct;
