/* SPDX-License-Identifier: Apache-2.0 */
/* One log line as text, built in memory of fixed size. Used by log.c alone.
 *
 * JSON lines have the field names of the Elastic Common Schema 8.11
 * (https://www.elastic.co/guide/en/ecs/8.11/ecs-field-reference.html), dotted,
 * as Elastic's own loggers write them; what ECS has no name for stands under
 * "motorcade.". logfmt lines, for people, have the short names. */
#pragma once

#include <stdbool.h>

#include "base/buf.h"
#include "observe/log.h"

enum {
    /* Not more than PIPE_BUF on Linux, so that lines of several threads and
     * processes never mix in a pipe. What doesn't fit is cut or left out, and
     * the line says so. */
    LOG_LINE_MAX = 4096,
};

struct log_line {
    char memory[LOG_LINE_MAX];
    struct buf buf;
    bool is_json;
    bool is_cut;
};

struct log_head {
    enum log_level level;
    const char *module;
    const char *message;
    const char *role; /* of the process; "" = none yet */
};

void log_line_begin(struct log_line *line, const struct log_head *head, bool is_json);
void log_line_add(struct log_line *line, const struct log_field *field);
void log_line_end(struct log_line *line);
