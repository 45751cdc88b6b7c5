/* SPDX-License-Identifier: Apache-2.0 */
#include "support/memory_disk.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/must.h"

/* Empty pieces may have no address. */
static void copy(void *to, const void *from, size_t len)
{
    if (len > 0)
        memcpy(to, from, len);
}

static bool differs(const void *a, const void *b, size_t len)
{
    return len > 0 && memcmp(a, b, len) != 0;
}

static void *need(void *ptr)
{
    must(ptr != NULL);
    return ptr;
}

static struct memory_disk *lock(void *context)
{
    struct memory_disk *disk = context;
    pthread_mutex_lock(&disk->lock);
    return disk;
}

static int unlock(struct memory_disk *disk, int result)
{
    pthread_mutex_unlock(&disk->lock);
    return result;
}

static struct disk_op *record(struct memory_disk *disk, enum disk_op_kind kind, int inode)
{
    static struct disk_op nowhere;
    if (!disk->is_recording)
        return &nowhere;
    if (disk->op_count == disk->op_cap) {
        disk->op_cap = disk->op_cap == 0 ? 256 : disk->op_cap * 2;
        disk->ops = need(realloc(disk->ops, disk->op_cap * sizeof *disk->ops));
    }
    struct disk_op *op = &disk->ops[disk->op_count++];
    *op = (struct disk_op){.kind = kind, .inode = inode};
    return op;
}

static void record_names(struct memory_disk *disk, enum disk_op_kind kind, int inode,
                         const char *from, const char *to)
{
    if (!disk->is_recording)
        return;
    struct disk_op *op = record(disk, kind, inode);
    op->from = from == NULL ? NULL : need(strdup(from));
    op->to = to == NULL ? NULL : need(strdup(to));
}

static int find_name(const struct memory_disk *disk, const char *path)
{
    for (int i = 0; i < disk->name_count; i++)
        if (strcmp(disk->names[i].path, path) == 0)
            return i;
    return -1;
}

static void set_name(struct memory_disk *disk, const char *path, int inode)
{
    int i = find_name(disk, path);
    if (i < 0) {
        must(disk->name_count < DISK_FILES_MAX);
        i = disk->name_count++;
        disk->names[i].path = need(strdup(path));
    }
    disk->names[i].inode = inode;
}

static void remove_name(struct memory_disk *disk, int i)
{
    free(disk->names[i].path);
    disk->names[i] = disk->names[--disk->name_count];
}

static int new_inode(struct memory_disk *disk)
{
    disk->inodes =
        need(realloc(disk->inodes, (size_t)(disk->inode_count + 1) * sizeof *disk->inodes));
    disk->inodes[disk->inode_count] = (struct disk_inode){0};
    return disk->inode_count++;
}

static void grow(struct disk_inode *inode, uint64_t size)
{
    if (size <= inode->size)
        return;
    inode->bytes = need(realloc(inode->bytes, size));
    memset(inode->bytes + inode->size, 0, size - inode->size);
    inode->size = size;
}

/* ---- the table ---- */

static int disk_open(void *context, const char *path, int flags)
{
    struct memory_disk *disk = lock(context);
    int i = find_name(disk, path);
    int inode = i >= 0 ? disk->names[i].inode : -1;
    if (i < 0 && (flags & O_CREAT) == 0)
        return unlock(disk, -ENOENT);
    if (i < 0 || (flags & O_TRUNC) != 0) { /* a truncated file is a new one here */
        inode = new_inode(disk);
        set_name(disk, path, inode);
        record_names(disk, DISK_CREATE, inode, path, NULL);
    }
    int fd = 0;
    while (disk->fds[fd] != 0)
        must(++fd < DISK_FDS_MAX);
    disk->fds[fd] = inode + 1;
    return unlock(disk, fd);
}

static int disk_close(void *context, int fd)
{
    struct memory_disk *disk = lock(context);
    must(disk->fds[fd] != 0);
    disk->fds[fd] = 0;
    return unlock(disk, 0);
}

static ssize_t disk_pread(void *context, int fd, void *ptr, size_t len, uint64_t offset)
{
    struct memory_disk *disk = lock(context);
    struct disk_inode *inode = &disk->inodes[disk->fds[fd] - 1];
    size_t got = offset >= inode->size        ? 0
                 : inode->size - offset < len ? (size_t)(inode->size - offset)
                                              : len;
    if (got > 0)
        copy(ptr, inode->bytes + offset, got);
    unlock(disk, 0);
    return (ssize_t)got;
}

static ssize_t disk_pwritev(void *context, int fd, const struct iovec *iov, int count,
                            uint64_t offset)
{
    struct memory_disk *disk = lock(context);
    int number = disk->fds[fd] - 1;
    uint64_t total = 0;
    for (int i = 0; i < count; i++)
        total += iov[i].iov_len;
    grow(&disk->inodes[number], offset + total);
    uint8_t *to = disk->inodes[number].bytes + offset;
    for (int i = 0; i < count; to += iov[i].iov_len, i++)
        copy(to, iov[i].iov_base, iov[i].iov_len);
    if (disk->is_recording) {
        struct disk_op *op = record(disk, DISK_WRITE, number);
        op->offset = offset;
        op->len = total;
        op->bytes = need(malloc(total + 1));
        copy(op->bytes, disk->inodes[number].bytes + offset, total);
    }
    unlock(disk, 0);
    return (ssize_t)total;
}

static bool is_named(const struct memory_disk *disk, int inode, const char *part)
{
    for (int i = 0; i < disk->name_count; i++)
        if (disk->names[i].inode == inode && strstr(disk->names[i].path, part) != NULL)
            return true;
    return false;
}

static int disk_fdatasync(void *context, int fd)
{
    struct memory_disk *disk = lock(context);
    int inode = disk->fds[fd] - 1;
    int fault = disk->fault;
    if (fault == DISK_FAILS_SYNCS)
        return unlock(disk, -EIO);
    bool is_lost = (fault == DISK_LOSES_DATA_SYNCS && is_named(disk, inode, "/data-")) ||
                   (fault == DISK_LOSES_DEAD_SYNCS && is_named(disk, inode, "/dead-"));
    if (!is_lost)
        record(disk, DISK_SYNC, inode);
    return unlock(disk, 0);
}

static int disk_allocate(void *context, int fd, uint64_t size)
{
    struct memory_disk *disk = lock(context);
    if (disk->fault == DISK_IS_FULL)
        return unlock(disk, -ENOSPC);
    int inode = disk->fds[fd] - 1;
    grow(&disk->inodes[inode], size);
    record(disk, DISK_ALLOCATE, inode)->len = size;
    return unlock(disk, 0);
}

static int64_t disk_size(void *context, int fd)
{
    struct memory_disk *disk = lock(context);
    int64_t size = (int64_t)disk->inodes[disk->fds[fd] - 1].size;
    unlock(disk, 0);
    return size;
}

static int disk_rename(void *context, const char *from, const char *to)
{
    struct memory_disk *disk = lock(context);
    int i = find_name(disk, from);
    if (i < 0)
        return unlock(disk, -ENOENT);
    int inode = disk->names[i].inode;
    record_names(disk, DISK_RENAME, inode, from, to);
    remove_name(disk, i);
    set_name(disk, to, inode);
    return unlock(disk, 0);
}

static int disk_unlink(void *context, const char *path)
{
    struct memory_disk *disk = lock(context);
    int i = find_name(disk, path);
    if (i < 0)
        return unlock(disk, -ENOENT);
    record_names(disk, DISK_UNLINK, disk->names[i].inode, path, NULL);
    remove_name(disk, i);
    return unlock(disk, 0);
}

static int disk_sync_dir(void *context, const char *path)
{
    (void)path; /* there is one that matters */
    struct memory_disk *disk = lock(context);
    if (disk->fault != DISK_LOSES_DIR_SYNCS)
        record(disk, DISK_SYNC_DIR, -1);
    return unlock(disk, 0);
}

static int disk_make_dir(void *context, const char *path)
{
    (void)context;
    (void)path;
    return 0;
}

static int by_path(const void *a, const void *b)
{
    return strcmp(((const struct disk_name *)a)->path, ((const struct disk_name *)b)->path);
}

static int disk_list(void *context, const char *path, void (*fn)(void *argument, const char *name),
                     void *argument)
{
    struct memory_disk *disk = lock(context);
    size_t len = strlen(path);
    char *found[DISK_FILES_MAX];
    int count = 0;
    qsort(disk->names, (size_t)disk->name_count, sizeof disk->names[0], by_path);
    for (int i = 0; i < disk->name_count; i++)
        if (strncmp(disk->names[i].path, path, len) == 0 && disk->names[i].path[len] == '/')
            found[count++] = need(strdup(disk->names[i].path + len + 1));
    unlock(disk, 0);
    for (int i = 0; i < count; i++) {
        fn(argument, found[i]);
        free(found[i]);
    }
    return 0;
}

static int disk_lock(void *context, int fd)
{
    (void)context;
    (void)fd;
    return 0;
}

static void *disk_map(void *context, int fd, size_t len, bool is_writable)
{
    (void)context;
    (void)fd;
    (void)is_writable;
    return calloc(1, len); /* never synced: a cut leaves nothing of it */
}

static void disk_unmap(void *context, void *ptr, size_t len)
{
    (void)context;
    (void)len;
    free(ptr);
}

static int64_t disk_bytes(void *context, const char *path)
{
    (void)context;
    (void)path;
    return INT64_C(1) << 30;
}

void memory_disk_init(struct memory_disk *disk, bool is_recording)
{
    *disk = (struct memory_disk){.is_recording = is_recording};
    pthread_mutex_init(&disk->lock, NULL);
    disk->io = (struct journal_io){.context = disk,
                                   .open = disk_open,
                                   .close = disk_close,
                                   .pread = disk_pread,
                                   .pwritev = disk_pwritev,
                                   .fdatasync = disk_fdatasync,
                                   .allocate = disk_allocate,
                                   .size = disk_size,
                                   .rename = disk_rename,
                                   .unlink = disk_unlink,
                                   .sync_dir = disk_sync_dir,
                                   .make_dir = disk_make_dir,
                                   .list = disk_list,
                                   .lock = disk_lock,
                                   .is_locked = disk_lock,
                                   .map = disk_map,
                                   .unmap = disk_unmap,
                                   .disk_bytes = disk_bytes};
}

void memory_disk_deinit(struct memory_disk *disk)
{
    for (int i = 0; i < disk->inode_count; i++)
        free(disk->inodes[i].bytes);
    for (int i = 0; i < disk->name_count; i++)
        free(disk->names[i].path);
    for (size_t i = 0; i < disk->op_count; i++) {
        free(disk->ops[i].bytes);
        free(disk->ops[i].from);
        free(disk->ops[i].to);
    }
    free(disk->inodes);
    free(disk->ops);
    pthread_mutex_destroy(&disk->lock);
}

void memory_disk_event(struct memory_disk *disk, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    lock(disk);
    struct disk_op *op = record(disk, DISK_EVENT, -1);
    op->event[0] = a;
    op->event[1] = b;
    op->event[2] = c;
    op->event[3] = d;
    unlock(disk, 0);
}

/* ---- cuts ---- */

static void apply_sector(struct disk_inode *inode, const struct disk_op *op, uint64_t from,
                         uint64_t to)
{
    grow(inode, to);
    copy(inode->bytes + from, op->bytes + (from - op->offset), to - from);
}

static bool changes(const struct disk_inode *inode, const struct disk_op *op, uint64_t from,
                    uint64_t to)
{
    return to > inode->size ||
           differs(inode->bytes + from, op->bytes + (from - op->offset), to - from);
}

/* Sector by sector: each is there whole or not at all. */
static size_t apply_write(struct disk_inode *inode, const struct disk_op *op, bool is_synced,
                          disk_choose_fn choose, void *context)
{
    size_t choices = 0;
    uint64_t end = op->offset + op->len;
    if (is_synced) {
        apply_sector(inode, op, op->offset, end);
        return 0;
    }
    for (uint64_t at = op->offset; at < end;) {
        uint64_t to = (at / DISK_SECTOR + 1) * DISK_SECTOR;
        to = to < end ? to : end;
        if (changes(inode, op, at, to)) {
            choices++;
            if (choose(context))
                apply_sector(inode, op, at, to);
        }
        at = to;
    }
    return choices;
}

static void apply_name(struct memory_disk *disk, const struct disk_op *op)
{
    int i = op->from == NULL ? -1 : find_name(disk, op->from);
    if (op->kind == DISK_CREATE)
        set_name(disk, op->from, op->inode);
    else if (i >= 0 && disk->names[i].inode == op->inode)
        remove_name(disk, i);
    if (op->kind == DISK_RENAME)
        set_name(disk, op->to, op->inode);
}

void memory_disk_index(struct memory_disk *disk)
{
    size_t *next_sync = need(malloc(((size_t)disk->inode_count + 1) * sizeof *next_sync));
    size_t next_dir = SIZE_MAX;
    for (int i = 0; i < disk->inode_count; i++)
        next_sync[i] = SIZE_MAX;
    for (size_t i = disk->op_count; i-- > 0;) {
        struct disk_op *op = &disk->ops[i];
        if (op->kind == DISK_SYNC)
            next_sync[op->inode] = i;
        else if (op->kind == DISK_SYNC_DIR)
            next_dir = i;
        else if (op->kind == DISK_WRITE || op->kind == DISK_ALLOCATE)
            op->durable_at = next_sync[op->inode];
        else
            op->durable_at = next_dir;
    }
    free(next_sync);
}

size_t memory_disk_cut(struct memory_disk *out, const struct memory_disk *from, size_t op_count,
                       disk_choose_fn choose, void *context)
{
    size_t choices = 0;
    memory_disk_init(out, false);
    while (out->inode_count < from->inode_count)
        new_inode(out);
    for (size_t i = 0; i < op_count; i++) {
        const struct disk_op *op = &from->ops[i];
        if (op->kind == DISK_SYNC || op->kind == DISK_SYNC_DIR || op->kind == DISK_EVENT)
            continue;
        bool is_synced = op->durable_at < op_count;
        if (op->kind == DISK_WRITE) {
            choices += apply_write(&out->inodes[op->inode], op, is_synced, choose, context);
            continue;
        }
        if (!is_synced) {
            choices++;
            if (!choose(context))
                continue;
        }
        if (op->kind == DISK_ALLOCATE)
            grow(&out->inodes[op->inode], op->len);
        else
            apply_name(out, op);
    }
    return choices;
}

struct disk_inode *memory_disk_file(struct memory_disk *disk, const char *path)
{
    int i = find_name(disk, path);
    return i < 0 ? NULL : &disk->inodes[disk->names[i].inode];
}

const char *memory_disk_name(const struct memory_disk *disk, const char *prefix, int i)
{
    const char *best = NULL;
    for (int round = 0; round <= i; round++) {
        const char *next = NULL;
        for (int n = 0; n < disk->name_count; n++) {
            const char *path = disk->names[n].path;
            if (strncmp(path, prefix, strlen(prefix)) == 0 &&
                (best == NULL || strcmp(path, best) > 0) &&
                (next == NULL || strcmp(path, next) < 0))
                next = path;
        }
        if (next == NULL)
            return NULL;
        best = next;
    }
    return best;
}

void memory_disk_put(struct memory_disk *disk, const char *path, const void *bytes, uint64_t len)
{
    int inode = new_inode(disk);
    set_name(disk, path, inode);
    grow(&disk->inodes[inode], len);
    if (len > 0)
        copy(disk->inodes[inode].bytes, bytes, len);
}
