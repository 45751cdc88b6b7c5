/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/rule/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/hash.h"

struct read_file {
    struct read_file *next;
    char *path;
    char *text;
    size_t len;
    uint64_t hash;
    struct rule_file_made made;
};

void rule_files_init(struct rule_files *files)
{
    *files = (struct rule_files){0};
}

void rule_files_deinit(struct rule_files *files)
{
    while (files->read != NULL) {
        struct read_file *next = files->read->next;
        if (files->read->made.made != NULL)
            files->read->made.free_made(files->read->made.made);
        free(files->read->path);
        free(files->read->text);
        free(files->read);
        files->read = next;
    }
}

int rule_files_enter(struct rule_files *files, const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash == NULL ? 0 : (size_t)(slash - path) + 1;
    if (len >= sizeof files->folder)
        return error_set(err, ERROR_CONFIG, "%.80s…: the path is too long", path);
    memcpy(files->folder, path, len);
    files->folder[len] = '\0';
    return 0;
}

/* ---- reading one ---- */

static int read_all(int fd, struct read_file *file, struct error *err)
{
    size_t at = 0;
    ssize_t got = 1;
    while (at < file->len && got > 0) {
        got = read(fd, file->text + at, file->len - at);
        if (got > 0)
            at += (size_t)got;
        else if (got < 0 && errno == EINTR)
            got = 1;
    }
    if (got < 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "can't read %s", file->path);
    if (at < file->len)
        return error_set(err, ERROR_CONFIG, "%s became shorter while it was read", file->path);
    file->text[at] = '\0';
    return 0;
}

static int read_regular(int fd, struct read_file *file, size_t bytes_max, struct error *err)
{
    struct stat status;
    if (fstat(fd, &status) != 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "can't read %s", file->path);
    if (!S_ISREG(status.st_mode))
        return error_set(err, ERROR_CONFIG, "%s is no file", file->path);
    if (status.st_size < 0 || (uint64_t)status.st_size > bytes_max)
        return error_set(err, ERROR_CONFIG, "%s has %lld bytes; at most %zu are read", file->path,
                         (long long)status.st_size, bytes_max);
    file->len = (size_t)status.st_size;
    file->text = malloc(file->len + 1);
    if (file->text == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for %s", file->path);
    return read_all(fd, file, err);
}

static int open_and_read(struct read_file *file, size_t bytes_max, struct error *err)
{
    /* Not to hang on a pipe that nobody writes to. */
    int fd = open(file->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return error_set_errno(err, ERROR_CONFIG, errno, "can't open %s", file->path);
    int result = read_regular(fd, file, bytes_max, err);
    close(fd);
    return result;
}

/* ---- all ---- */

static char *full_path(const struct rule_files *files, struct bytes name)
{
    char *path = NULL;
    bool is_absolute = name.len > 0 && name.ptr[0] == '/';
    size_t folder = is_absolute ? 0 : strlen(files->folder);
    path = malloc(folder + name.len + 1);
    if (path == NULL)
        return NULL;
    memcpy(path, files->folder, folder);
    memcpy(path + folder, name.ptr, name.len);
    path[folder + name.len] = '\0';
    return path;
}

static const struct read_file *find(const struct rule_files *files, const char *path)
{
    const struct read_file *file = files->read;
    while (file != NULL && strcmp(file->path, path) != 0)
        file = file->next;
    return file;
}

struct rule_file_made *rule_files_made(struct rule_files *files, struct bytes text)
{
    struct read_file *file = files->read;
    while (file->text != text.ptr)
        file = file->next;
    return &file->made;
}

static void keep(struct rule_files *files, struct read_file *file)
{
    file->hash = hash64(bytes_of(file->text, file->len));
    uint64_t hashes[2] = {files->hash, file->hash};
    files->hash = hash64(bytes_of((const char *)hashes, sizeof hashes));
    files->count++;
    file->next = files->read;
    files->read = file;
}

/* Takes the path. NULL with *err. */
static const struct read_file *read_new(struct rule_files *files, char *path, size_t bytes_max,
                                        struct error *err)
{
    struct read_file *file = calloc(1, sizeof *file);
    if (file == NULL) {
        free(path);
        error_set(err, ERROR_MEMORY, "no memory for a ruleset");
        return NULL;
    }
    file->path = path;
    if (open_and_read(file, bytes_max, err) != 0) {
        free(file->path);
        free(file->text);
        free(file);
        return NULL;
    }
    keep(files, file);
    return file;
}

int rule_files_read(struct rule_files *files, struct bytes name, size_t bytes_max,
                    struct bytes *out, uint64_t *hash, struct error *err)
{
    if (name.len == 0 || name.len > 4000 || memchr(name.ptr, '\0', name.len) != NULL)
        return error_set(err, ERROR_CONFIG, "the name of a file is wanted");
    char *path = full_path(files, name);
    if (path == NULL)
        return error_set(err, ERROR_MEMORY, "no memory for a ruleset");
    const struct read_file *file = find(files, path);
    if (file == NULL && files->count < RULE_FILES_MAX)
        file = read_new(files, path, bytes_max, err);
    else
        free(path);
    if (file == NULL)
        return files->count < RULE_FILES_MAX
                   ? -1
                   : error_set(err, ERROR_CONFIG, "rules name more than %d files", RULE_FILES_MAX);
    if (file->len > bytes_max)
        return error_set(err, ERROR_CONFIG, "%s has %zu bytes; at most %zu are read", file->path,
                         file->len, bytes_max);
    *out = bytes_of(file->text, file->len);
    *hash = file->hash;
    return 0;
}
