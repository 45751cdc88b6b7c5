/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/journal/meta.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/crc32c.h"
#include "base/text.h"
#include "observe/log.h"

enum { PATH_BYTES = 4096, META_BYTES_MAX = 64 * 1024 };

#define MAGIC "motorcade-journal "
#define CRC_WORD "crc32c "

static struct bytes next_word(struct bytes *line)
{
    size_t len = 0;
    while (len < line->len && line->ptr[len] != ' ')
        len++;
    struct bytes word = bytes_of(line->ptr, len);
    size_t skip = len < line->len ? len + 1 : len;
    *line = bytes_of(line->ptr + skip, line->len - skip);
    return word;
}

static bool next_line(struct bytes *text, struct bytes *line)
{
    const char *end = text->len == 0 ? NULL : memchr(text->ptr, '\n', text->len);
    if (end == NULL)
        return false;
    *line = bytes_of(text->ptr, (size_t)(end - text->ptr));
    *text = bytes_of(end + 1, text->len - line->len - 1);
    return true;
}

bool meta_add_topic(struct topics *topics, uint64_t number, uint64_t partitions, struct bytes name)
{
    char text[TOPIC_NAME_MAX + 1];
    if (name.len > TOPIC_NAME_MAX || partitions < 1 || partitions > PARTITIONS_MAX)
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = 0;
    uint64_t count = (uint64_t)topics_count(topics);
    if (number < count)
        return strcmp(topics->items[number].name, text) == 0;
    if (number != count || topic_check_name(text, NULL) != 0 ||
        topics_prepare(topics, text, (int)partitions) == NULL)
        return false;
    topics_publish(topics);
    return true;
}

static bool read_topic(struct bytes line, struct topics *topics)
{
    uint64_t number, partitions;
    return bytes_equal_text(next_word(&line), "topic") && text_to_u64(next_word(&line), &number) &&
           text_to_u64(next_word(&line), &partitions) &&
           meta_add_topic(topics, number, partitions, line);
}

static bool has_crc(struct bytes text)
{
    char expected[32];
    size_t len = strlen(CRC_WORD) + 9;
    if (text.len < len)
        return false;
    snprintf(expected, sizeof expected, CRC_WORD "%08x\n", crc32c(0, text.ptr, text.len - len));
    return memcmp(text.ptr + text.len - len, expected, len) == 0;
}

/* 1: whole; 0: damaged; -1: newer. The version is read before the CRC is. */
static int parse(struct bytes text, struct topics *topics, uint64_t *version)
{
    struct bytes line;
    struct bytes rest = text;
    if (!next_line(&rest, &line) || line.len < strlen(MAGIC) ||
        memcmp(line.ptr, MAGIC, strlen(MAGIC)) != 0 ||
        !text_to_u64(bytes_of(line.ptr + strlen(MAGIC), line.len - strlen(MAGIC)), version))
        return 0;
    if (*version > META_VERSION)
        return -1;
    if (!has_crc(text))
        return 0;
    while (next_line(&rest, &line) && rest.len > 0)
        if (!read_topic(line, topics))
            return 0;
    return 1;
}

static int read_file(const struct journal_io *io, const char *path, char *text, size_t *len,
                     struct error *err)
{
    int fd = io->open(io->context, path, O_RDONLY);
    if (fd == -ENOENT) {
        *len = 0;
        return 0;
    }
    if (fd < 0)
        return error_set_errno(err, ERROR_IO, -fd, "can't open %s", path);
    ssize_t got = journal_io_read(io, fd, text, META_BYTES_MAX, 0);
    io->close(io->context, fd);
    if (got < 0)
        return error_set_errno(err, ERROR_IO, (int)-got, "can't read %s", path);
    *len = (size_t)got;
    return 0;
}

int meta_read(const struct journal_io *io, const char *dir, struct topics *topics, bool *is_found,
              struct error *err)
{
    static _Thread_local char text[META_BYTES_MAX];
    char path[PATH_BYTES];
    size_t len = 0;
    uint64_t version = 0;
    snprintf(path, sizeof path, "%s/meta", dir);
    *is_found = false;
    if (read_file(io, path, text, &len, err) != 0)
        return -1;
    if (len == 0)
        return 0;
    int result = parse(bytes_of(text, len), topics, &version);
    if (result < 0)
        return error_set(err, ERROR_CONFIG,
                         "the journal in %s is of a newer version (%llu, this program knows %d): "
                         "use the newer motorcade, or another --data",
                         dir, (unsigned long long)version, META_VERSION);
    if (result == 0)
        log_event(LOG_ERROR, "journal", "the list of topics is damaged: taken from the log",
                  LOG_T("file", path));
    *is_found = result > 0;
    return 0;
}

static void print(struct buf *out, const struct topics *topics, int count)
{
    buf_printf(out, MAGIC "%d\n", META_VERSION);
    for (int i = 0; i < count; i++)
        buf_printf(out, "topic %d %d %s\n", i, topics->items[i].partitions, topics->items[i].name);
    buf_printf(out, CRC_WORD "%08x\n", crc32c(0, out->ptr, out->len));
}

static int write_file(const struct journal_io *io, const char *path, const struct buf *text)
{
    int fd = io->open(io->context, path, O_RDWR | O_CREAT | O_TRUNC);
    if (fd < 0)
        return fd;
    int result = journal_io_write(io, fd, text->ptr, text->len, 0);
    if (result >= 0)
        result = io->fdatasync(io->context, fd);
    io->close(io->context, fd);
    return result;
}

int meta_write(const struct journal_io *io, const char *dir, const struct topics *topics, int count,
               struct error *err)
{
    char from[PATH_BYTES];
    char to[PATH_BYTES];
    snprintf(from, sizeof from, "%s/meta.tmp", dir);
    snprintf(to, sizeof to, "%s/meta", dir);
    struct buf text;
    buf_init(&text, META_BYTES_MAX);
    print(&text, topics, count);
    int result = text.has_failed ? -ENOMEM : write_file(io, from, &text);
    buf_deinit(&text);
    if (result >= 0)
        result = io->rename(io->context, from, to);
    if (result >= 0)
        result = io->sync_dir(io->context, dir);
    return result < 0 ? error_set_errno(err, ERROR_IO, -result, "can't write %s", to) : 0;
}
