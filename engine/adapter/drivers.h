/* SPDX-License-Identifier: Apache-2.0 */
/* The drivers of this build. Only the list in adapter.c needs them by name. */
#ifndef RKY_ENGINE_ADAPTER_DRIVERS_H
#define RKY_ENGINE_ADAPTER_DRIVERS_H

#include "engine/adapter.h"

extern const struct rky_adapter_ops rky_sqlite_ops;

#endif
