/* SPDX-License-Identifier: Apache-2.0 */
/* A disk made of memory behind the journal's table of functions. It can record
 * what is asked of it, and make from the record the disks that a power cut may
 * leave behind: what was synced, plus any part of the rest, torn at sectors. */
#pragma once

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "broker/journal/io.h"

enum { DISK_SECTOR = 512, DISK_FILES_MAX = 256, DISK_FDS_MAX = 256 };

struct disk_inode {
    uint8_t *bytes;
    uint64_t size;
};

struct disk_name {
    char *path;
    int inode;
};

enum disk_op_kind {
    DISK_WRITE,
    DISK_ALLOCATE,
    DISK_SYNC,
    DISK_CREATE,
    DISK_RENAME,
    DISK_UNLINK,
    DISK_SYNC_DIR,
    DISK_EVENT, /* the workload's: what it has been told by then */
};

struct disk_op {
    enum disk_op_kind kind;
    int inode;
    uint64_t offset, len; /* WRITE; ALLOCATE: len is the size */
    uint8_t *bytes;
    char *from, *to; /* names */
    uint64_t event[4];
    size_t durable_at; /* the operation that makes it so; SIZE_MAX: none */
};

/* What goes wrong on purpose. */
enum disk_fault {
    DISK_SOUND,
    DISK_LOSES_DATA_SYNCS, /* fdatasync of data-*.log does nothing, and says 0 */
    DISK_LOSES_DEAD_SYNCS,
    DISK_LOSES_DIR_SYNCS,
    DISK_FAILS_SYNCS, /* EIO, from when it is set on */
    DISK_IS_FULL,     /* ENOSPC for new space */
};

struct memory_disk {
    struct journal_io io;
    pthread_mutex_t lock;
    struct disk_inode *inodes;
    int inode_count;
    struct disk_name names[DISK_FILES_MAX];
    int name_count;
    int fds[DISK_FDS_MAX]; /* inode + 1, 0 = free */
    bool is_recording;
    struct disk_op *ops;
    size_t op_count, op_cap;
    _Atomic int fault; /* enum disk_fault */
};

void memory_disk_init(struct memory_disk *disk, bool is_recording);
void memory_disk_deinit(struct memory_disk *disk);
void memory_disk_event(struct memory_disk *disk, uint64_t a, uint64_t b, uint64_t c, uint64_t d);

/* After the last recorded operation and before the first cut. */
void memory_disk_index(struct memory_disk *disk);

/* Which of the unsynced parts reached the disk? Asked once for each sector of an
 * unsynced write, and for each unsynced change of a name or size. */
typedef bool (*disk_choose_fn)(void *context);

/* The disk as a cut after the first `op_count` operations of `from` may leave
 * it. `out` is initialised here. Returns how many choices there were. */
size_t memory_disk_cut(struct memory_disk *out, const struct memory_disk *from, size_t op_count,
                       disk_choose_fn choose, void *context);

/* The file's contents, to damage them. NULL: no such file. */
struct disk_inode *memory_disk_file(struct memory_disk *disk, const char *path);
/* The names that begin so; the i-th, in order of name; NULL: none. */
const char *memory_disk_name(const struct memory_disk *disk, const char *prefix, int i);
void memory_disk_put(struct memory_disk *disk, const char *path, const void *bytes, uint64_t len);
