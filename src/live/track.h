/* SPDX-License-Identifier: Apache-2.0 */
/* GET /vehicles/{id}/track: where a vehicle has been, from the database. */
#pragma once

#include "live/api.h"

/* Answers now (a mistake, too busy) or later. */
void track_serve(struct api *api, struct conn *conn, struct bytes vehicle, struct bytes query);
/* The connection is going: its question, if it has one, needs no answer. */
void track_forget(struct api *api, const struct conn *conn);
