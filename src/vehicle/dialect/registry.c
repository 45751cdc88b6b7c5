/* SPDX-License-Identifier: Apache-2.0 */
#include "vehicle/dialect/registry.h"

#include <stddef.h>

/* In the order in which ties between sniffers are settled. */
const struct dialect *const dialect_registry[] = {
    &dialect_obu,
    &dialect_envelope,
    NULL,
};

const struct dialect *dialect_by_id(enum packet_dialect id)
{
    for (const struct dialect *const *dialect = dialect_registry; *dialect != NULL; dialect++)
        if ((*dialect)->id == id)
            return *dialect;
    return NULL;
}

const struct dialect *dialect_by_name(struct bytes name)
{
    for (const struct dialect *const *dialect = dialect_registry; *dialect != NULL; dialect++)
        if (bytes_equal_text(name, (*dialect)->name))
            return *dialect;
    return NULL;
}
