/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Text forms of the configuration's enums, as rocky.toml writes them. The table of keys lists the
 * same words as choices; a test holds the two together.
 */
#include <config.h>

#include "common/config.h"

const char *rky_strategy_name(enum rky_strategy strategy)
{
    switch (strategy) {
    case RKY_STRATEGY_INCREMENTAL:
        return "incremental";
    case RKY_STRATEGY_FULL_REFRESH:
        return "full_refresh";
    case RKY_STRATEGY_MERGE:
        break;
    }
    return "merge";
}

const char *rky_boundary_name(enum rky_boundary boundary)
{
    return boundary == RKY_BOUNDARY_STRICT ? "strict" : "exact";
}

const char *rky_backend_name(enum rky_state_backend backend)
{
    switch (backend) {
    case RKY_BACKEND_LOCAL:
        return "local";
    case RKY_BACKEND_S3:
        return "s3";
    case RKY_BACKEND_VALKEY:
        return "valkey";
    case RKY_BACKEND_TIERED:
        break;
    }
    return "tiered";
}

const char *rky_severity_name(enum rky_severity severity)
{
    return severity == RKY_SEVERITY_WARNING ? "warning" : "error";
}

const char *rky_key_type_name(enum rky_key_type type)
{
    switch (type) {
    case RKY_KEY_STRING:
        return "string";
    case RKY_KEY_SECRET:
        return "secret";
    case RKY_KEY_PATH:
        return "path";
    case RKY_KEY_BOOL:
        return "boolean";
    case RKY_KEY_INTEGER:
        return "integer";
    case RKY_KEY_NUMBER:
        return "number";
    case RKY_KEY_CHOICE:
        return "choice";
    case RKY_KEY_STRINGS:
        return "array of strings";
    case RKY_KEY_TABLES:
        return "array of tables";
    case RKY_KEY_FREE:
        return "scalar";
    case RKY_KEY_NAMED:
    case RKY_KEY_SECTION:
        break;
    }
    return "table";
}
