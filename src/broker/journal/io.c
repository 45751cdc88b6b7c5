/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal/io.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#ifndef F_OFD_SETLK /* macOS before 10.15.1: locks of the process */
#define F_OFD_SETLK F_SETLK
#define F_OFD_GETLK F_GETLK
#endif

#ifdef O_DIRECT
const int journal_io_direct = O_DIRECT;
#else
const int journal_io_direct = 0;
#endif

static int or_errno(int result)
{
    return result < 0 ? -errno : result;
}

static int posix_open(void *context, const char *path, int flags)
{
    (void)context;
    return or_errno(open(path, flags | O_CLOEXEC, 0640));
}

static int posix_close(void *context, int fd)
{
    (void)context;
    return or_errno(close(fd));
}

static ssize_t posix_pread(void *context, int fd, void *ptr, size_t len, uint64_t offset)
{
    (void)context;
    ssize_t got = pread(fd, ptr, len, (off_t)offset);
    return got < 0 ? -errno : got;
}

static ssize_t posix_pwritev(void *context, int fd, const struct iovec *iov, int count,
                             uint64_t offset)
{
    (void)context;
    ssize_t put = pwritev(fd, iov, count, (off_t)offset);
    return put < 0 ? -errno : put;
}

static int posix_fdatasync(void *context, int fd)
{
    (void)context;
#ifdef __APPLE__
    return or_errno(fcntl(fd, F_FULLFSYNC));
#else
    return or_errno(fdatasync(fd));
#endif
}

static int posix_allocate(void *context, int fd, uint64_t size)
{
    (void)context;
#ifdef __APPLE__
    return or_errno(ftruncate(fd, (off_t)size));
#else
    return -posix_fallocate(fd, 0, (off_t)size);
#endif
}

static int64_t posix_size(void *context, int fd)
{
    (void)context;
    struct stat info;
    return fstat(fd, &info) != 0 ? -errno : info.st_size;
}

static int posix_rename(void *context, const char *from, const char *to)
{
    (void)context;
    return or_errno(rename(from, to));
}

static int posix_unlink(void *context, const char *path)
{
    (void)context;
    return or_errno(unlink(path));
}

static int posix_sync_dir(void *context, const char *path)
{
    (void)context;
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    int result = or_errno(fsync(fd));
    close(fd);
    return result;
}

static int posix_make_dir(void *context, const char *path)
{
    (void)context;
    int result = or_errno(mkdir(path, 0750));
    return result == -EEXIST ? 0 : result;
}

static int posix_list(void *context, const char *path, void (*fn)(void *argument, const char *name),
                      void *argument)
{
    (void)context;
    DIR *dir = opendir(path);
    if (dir == NULL)
        return -errno;
    errno = 0;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL; errno = 0)
        fn(argument, entry->d_name);
    int result = -errno;
    closedir(dir);
    return result;
}

static int posix_lock(void *context, int fd)
{
    (void)context;
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result = or_errno(fcntl(fd, F_OFD_SETLK, &whole));
    return result == -EACCES ? -EAGAIN : result;
}

static int posix_is_locked(void *context, int fd)
{
    (void)context;
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int result = or_errno(fcntl(fd, F_OFD_GETLK, &whole));
    return result < 0 ? result : whole.l_type != F_UNLCK;
}

static void *posix_map(void *context, int fd, size_t len, bool is_writable)
{
    (void)context;
    int protection = PROT_READ | (is_writable ? PROT_WRITE : 0);
    void *ptr = mmap(NULL, len, protection, MAP_SHARED, fd, 0);
    return ptr == MAP_FAILED ? NULL : ptr;
}

static void posix_unmap(void *context, void *ptr, size_t len)
{
    (void)context;
    munmap(ptr, len);
}

static int64_t posix_disk_bytes(void *context, const char *path)
{
    (void)context;
    struct statvfs info;
    if (statvfs(path, &info) != 0)
        return -errno;
    return (int64_t)info.f_blocks * (int64_t)info.f_frsize;
}

const struct journal_io journal_io_posix = {
    .open = posix_open,
    .close = posix_close,
    .pread = posix_pread,
    .pwritev = posix_pwritev,
    .fdatasync = posix_fdatasync,
    .allocate = posix_allocate,
    .size = posix_size,
    .rename = posix_rename,
    .unlink = posix_unlink,
    .sync_dir = posix_sync_dir,
    .make_dir = posix_make_dir,
    .list = posix_list,
    .lock = posix_lock,
    .is_locked = posix_is_locked,
    .map = posix_map,
    .unmap = posix_unmap,
    .disk_bytes = posix_disk_bytes,
};

/* Drop the first `done` bytes of the vector; returns how many parts are left. */
static int advance(struct iovec **iov, int count, size_t done)
{
    while (count > 0 && done >= (*iov)->iov_len) {
        done -= (*iov)->iov_len;
        (*iov)++;
        count--;
    }
    if (count > 0) {
        (*iov)->iov_base = (char *)(*iov)->iov_base + done;
        (*iov)->iov_len -= done;
    }
    return count;
}

int journal_io_write_all(const struct journal_io *io, int fd, struct iovec *iov, int count,
                         uint64_t offset)
{
    while (count > 0) {
        ssize_t put = io->pwritev(io->context, fd, iov, count, offset);
        if (put == -EINTR)
            continue;
        if (put <= 0)
            return put == 0 ? -EIO : (int)put;
        offset += (uint64_t)put;
        count = advance(&iov, count, (size_t)put);
    }
    return 0;
}

int journal_io_write(const struct journal_io *io, int fd, const void *ptr, size_t len,
                     uint64_t offset)
{
    union {
        const void *in;
        void *out;
    } base = {.in = ptr}; /* pwritev only reads */
    struct iovec iov = {base.out, len};
    return journal_io_write_all(io, fd, &iov, 1, offset);
}

ssize_t journal_io_read(const struct journal_io *io, int fd, void *ptr, size_t len, uint64_t offset)
{
    size_t done = 0;
    while (done < len) {
        ssize_t got = io->pread(io->context, fd, (char *)ptr + done, len - done, offset + done);
        if (got == -EINTR)
            continue;
        if (got < 0)
            return got;
        if (got == 0)
            break;
        done += (size_t)got;
    }
    return (ssize_t)done;
}

int journal_io_write_zeros(const struct journal_io *io, int fd, uint64_t from, uint64_t to)
{
    static const char zeros[1 << 18] __attribute__((aligned(4096)));
    while (from < to) {
        size_t len = to - from < sizeof zeros ? (size_t)(to - from) : sizeof zeros;
        int result = journal_io_write(io, fd, zeros, len, from);
        if (result < 0)
            return result;
        from += len;
    }
    return 0;
}
