/* SPDX-License-Identifier: Apache-2.0 */
#include "simulate/letter_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/fd.h"
#include "base/text.h"

int letter_file_open(struct letter_file *file, const char *path, struct error *err)
{
    *file = (struct letter_file){.fd = -1, .path = path};
    file->is_ours = access(path, F_OK) != 0;
    file->fd = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0640);
    if (file->fd < 0)
        return error_set_errno(err, ERROR_IO, errno,
                               "open the dead-letter file %s (name another with --dead-letters)",
                               path);
    return 0;
}

static void put_hex(struct buf *out, struct bytes bytes)
{
    if (buf_reserve(out, 2 * bytes.len) != 0)
        return;
    out->len += text_from_hex(out->ptr + out->len, bytes.ptr, bytes.len);
}

static void put_line(struct buf *out, const struct letter *letter)
{
    char time[TEXT_TIME_MAX];
    struct bytes value = letter->record->value;
    buf_append_text(out, "{\"time\":\"");
    buf_append(out, time, text_from_time_ms(time, clock_wall_ns() / NS_PER_MS));
    buf_append_text(out, "\",\"topic\":");
    buf_append_json(out, bytes_from_text(letter->topic));
    buf_append_text(out, ",\"key\":");
    buf_append_json(out, letter->record->key);
    if (text_is_utf8(value)) {
        buf_append_text(out, ",\"value\":");
        buf_append_json(out, value);
    } else {
        buf_append_text(out, ",\"value_hex\":\"");
        put_hex(out, value);
        buf_append_char(out, '"');
    }
    buf_printf(out, ",\"attempts\":%u,\"reason\":\"%s\",\"detail\":", letter->attempts,
               letter->reason);
    buf_append_json(out, bytes_from_text(letter->detail));
    buf_append_text(out, "}\n");
}

int letter_file_put(struct letter_file *file, const struct letter *letter, struct error *err)
{
    buf_clear(&file->line);
    put_line(&file->line, letter);
    if (file->line.has_failed)
        return error_set(err, ERROR_MEMORY, "no memory for a dead letter");
    if (fd_write_all(file->fd, buf_bytes(&file->line)) != 0)
        return error_set_errno(err, ERROR_IO, errno, "write to the dead-letter file %s",
                               file->path);
    file->count++;
    return 0;
}

int letter_file_close(struct letter_file *file, struct error *err)
{
    int result = 0;
    if (file->fd < 0)
        return 0;
    if (file->count > 0 && fsync(file->fd) != 0)
        result = error_set_errno(err, ERROR_IO, errno, "sync the dead-letter file %s", file->path);
    if (close(file->fd) != 0 && result == 0)
        result = error_set_errno(err, ERROR_IO, errno, "close the dead-letter file %s", file->path);
    if (file->count == 0 && file->is_ours)
        unlink(file->path);
    buf_deinit(&file->line);
    file->fd = -1;
    return result;
}
