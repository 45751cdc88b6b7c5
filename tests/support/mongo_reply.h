/* SPDX-License-Identifier: Apache-2.0 */
/* A server that says ok to everything and keeps nothing: MongoDB's protocol
 * (OP_MSG, and OP_QUERY for the first hello), enough for inserts. It runs as a
 * process of its own, so that a benchmark's CPU time is the client's alone. */
#pragma once

#include <sys/types.h>

struct mongo_reply {
    pid_t pid;
    int port;
};

void mongo_reply_start(struct mongo_reply *server);
void mongo_reply_stop(struct mongo_reply *server);
