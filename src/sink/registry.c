/* SPDX-License-Identifier: Apache-2.0 */
#include "sink/driver.h"

const struct sink_driver *const sink_registry[] = {
    [SINK_SQLITE] = &sqlite_sink_driver,
    [SINK_MEMORY] = &memory_sink_driver,
    [SINK_MONGODB] = &mongodb_sink_driver,
};
