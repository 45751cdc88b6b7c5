/* SPDX-License-Identifier: Apache-2.0 */
/* The format, and reading it. The file is mapped and checked twice before anyone
 * sees a byte of it: by its CRC, then by walking its lengths. */
#include "live/snapshot.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/crc32c.h"

enum { VERSION = 1, MAGIC_LEN = 8, CRC_LEN = 4 };
static const char magic[MAGIC_LEN + 1] = "mc-live\n";

/* ---- encoding ---- */

static void put_be(struct buf *out, uint64_t value, size_t len)
{
    for (size_t i = len; i-- > 0;)
        buf_append_char(out, (char)(value >> 8 * i));
}

static void put_u32(struct buf *out, uint32_t value)
{
    put_be(out, value, 4);
}

static void put_u64(struct buf *out, uint64_t value)
{
    put_be(out, value, 8);
}

int snapshot_put_end(struct buf *out)
{
    put_u32(out, 0);
    return out->has_failed ? -1 : 0;
}

int snapshot_put_crc(struct buf *out, uint32_t crc)
{
    put_u32(out, crc);
    return out->has_failed ? -1 : 0;
}

int snapshot_put_head(struct buf *out, int64_t taken_ns, const struct snapshot_position *positions,
                      size_t count)
{
    buf_append(out, magic, MAGIC_LEN);
    put_u32(out, VERSION);
    put_u64(out, (uint64_t)taken_ns);
    put_u32(out, (uint32_t)count);
    for (size_t i = 0; i < count; i++) {
        size_t len = strlen(positions[i].topic);
        if (len > UINT8_MAX)
            return -1;
        buf_append_char(out, (char)len);
        buf_append(out, positions[i].topic, len);
        put_u32(out, (uint32_t)positions[i].partition);
        put_u64(out, (uint64_t)positions[i].next_offset);
    }
    return out->has_failed ? -1 : 0;
}

int snapshot_put_packet(struct buf *out, struct bytes packet)
{
    put_u32(out, (uint32_t)packet.len);
    buf_append_bytes(out, packet);
    return out->has_failed ? -1 : 0;
}

/* ---- decoding: a cursor that fails once and stays failed ---- */

struct cursor {
    struct bytes rest;
    bool has_failed;
};

static struct bytes take(struct cursor *cursor, size_t len)
{
    if (cursor->has_failed || len > cursor->rest.len) {
        cursor->has_failed = true;
        return bytes_of(NULL, 0);
    }
    struct bytes taken = bytes_of(cursor->rest.ptr, len);
    cursor->rest = bytes_of(cursor->rest.ptr + len, cursor->rest.len - len);
    return taken;
}

static uint64_t load_be(struct bytes bytes)
{
    uint64_t value = 0;
    for (size_t i = 0; i < bytes.len; i++)
        value = value << 8 | (uint8_t)bytes.ptr[i];
    return value;
}

static uint32_t take_u32(struct cursor *cursor)
{
    return (uint32_t)load_be(take(cursor, 4));
}

static uint64_t take_u64(struct cursor *cursor)
{
    return load_be(take(cursor, 8));
}

static void read_position(struct cursor *cursor, const struct snapshot_reader *reader)
{
    struct bytes len = take(cursor, 1);
    struct bytes name = take(cursor, len.len == 0 ? 0 : (uint8_t)len.ptr[0]);
    struct snapshot_position position = {.partition = (int)take_u32(cursor)};
    position.next_offset = (int64_t)take_u64(cursor);
    char topic[UINT8_MAX + 1] = "";
    if (name.len != 0)
        memcpy(topic, name.ptr, name.len);
    position.topic = topic;
    if (!cursor->has_failed && reader != NULL)
        reader->on_position(reader->context, &position);
}

/* Walk the checked file; reader NULL: only see whether its lengths agree. */
static bool walk(struct bytes file, const struct snapshot_reader *reader)
{
    struct cursor cursor = {.rest = file};
    take(&cursor, MAGIC_LEN + sizeof(uint32_t) + sizeof(uint64_t));
    for (uint32_t count = take_u32(&cursor); count > 0 && !cursor.has_failed; count--)
        read_position(&cursor, reader);
    for (;;) {
        uint32_t len = take_u32(&cursor);
        struct bytes packet = take(&cursor, len);
        if (cursor.has_failed)
            return false;
        if (len == 0)
            return cursor.rest.len == CRC_LEN;
        if (reader != NULL)
            reader->on_packet(reader->context, packet);
    }
}

static int check(struct bytes file, const char *path, struct error *err)
{
    if (file.len < MAGIC_LEN + 4 + CRC_LEN || memcmp(file.ptr, magic, MAGIC_LEN) != 0)
        return error_set(err, ERROR_CORRUPT, "%s is no snapshot of live", path);
    uint64_t version = load_be(bytes_of(file.ptr + MAGIC_LEN, 4));
    if (version > VERSION)
        return error_set(err, ERROR_CORRUPT,
                         "%s was written by a newer version of the program (format %u, this one "
                         "reads up to %d)",
                         path, (unsigned)version, VERSION);
    size_t checked = file.len - CRC_LEN;
    if (crc32c(0, file.ptr, checked) != load_be(bytes_of(file.ptr + checked, CRC_LEN)))
        return error_set(err, ERROR_CORRUPT, "%s is damaged: its checksum does not match", path);
    if (!walk(file, NULL))
        return error_set(err, ERROR_CORRUPT, "%s is damaged: its lengths do not add up", path);
    return 0;
}

static int map_file(const char *path, struct bytes *out, struct error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 && errno == ENOENT)
        return error_set(err, ERROR_NOT_FOUND, "%s does not exist", path);
    struct stat status;
    if (fd < 0 || fstat(fd, &status) != 0) {
        error_set_errno(err, ERROR_IO, errno, "can't read %s", path);
        if (fd >= 0)
            close(fd);
        return -1;
    }
    if (status.st_size < MAGIC_LEN) {
        close(fd);
        return error_set(err, ERROR_CORRUPT, "%s is no snapshot of live", path);
    }
    void *map = mmap(NULL, (size_t)status.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    int number = errno;
    close(fd);
    if (map == MAP_FAILED)
        return error_set_errno(err, ERROR_IO, number, "can't map %s", path);
    *out = bytes_of(map, (size_t)status.st_size);
    return 0;
}

int snapshot_read(const char *path, const struct snapshot_reader *reader, struct error *err)
{
    struct bytes file;
    if (map_file(path, &file, err) != 0)
        return -1;
    int result = check(file, path, err);
    if (result == 0)
        walk(file, reader);
    munmap((char *)(uintptr_t)file.ptr, file.len);
    return result;
}
