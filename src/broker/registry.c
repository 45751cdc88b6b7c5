/* SPDX-License-Identifier: Apache-2.0 */
#include "broker/driver.h"

const struct broker_driver *const broker_drivers[] = {
    [BROKER_JOURNAL] = &journal_driver,
    [BROKER_MEMORY] = &memory_driver,
    [BROKER_KAFKA] = &kafka_driver,
};
