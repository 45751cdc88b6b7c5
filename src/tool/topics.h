/* SPDX-License-Identifier: Apache-2.0 */
/* `motorcade topics`: the topics of the broker: create, describe, verify, lag, grow. */
#pragma once

int topics_tool(int argc, char **argv);
