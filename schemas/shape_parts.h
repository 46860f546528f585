/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the shape tables are written with: row macros, and the small shapes that several messages
 * and outputs share. Private to schemas/.
 */
#ifndef RKY_SCHEMAS_SHAPE_PARTS_H
#define RKY_SCHEMAS_SHAPE_PARTS_H

#include "schemas/shape.h"

/** A field that is always there, and never null. */
#define REQUIRED(name_, shape_, description_)                                               \
    {                                                                                       \
        .name = (name_), .required = true, .shape = (shape_), .description = (description_) \
    }
/** A field that is always there, null where it does not apply. */
#define NULLABLE(name_, shape_, description_)                                   \
    {                                                                           \
        .name = (name_), .required = true, .nullable = true, .shape = (shape_), \
        .description = (description_)                                           \
    }
/** A field that may be missing, but is not null. */
#define OPTIONAL(name_, shape_, description_)                             \
    {                                                                     \
        .name = (name_), .shape = (shape_), .description = (description_) \
    }
/** A field that may be missing or null, which mean the same. */
#define MAYBE(name_, shape_, description_)                                                  \
    {                                                                                       \
        .name = (name_), .nullable = true, .shape = (shape_), .description = (description_) \
    }
#define END_OF_FIELDS \
    {                 \
        .name = NULL  \
    }

/** Beyond this many, readers that keep numbers as doubles lose digits. */
#define RKY_SAFE_INTEGER 9007199254740991.0

extern const struct rky_shape rky_part_any;
extern const struct rky_shape rky_part_bool;
extern const struct rky_shape rky_part_number;
extern const struct rky_shape rky_part_integer;
extern const struct rky_shape rky_part_count;    /**< integer from 0 */
extern const struct rky_shape rky_part_positive; /**< integer from 1 */
extern const struct rky_shape rky_part_one;      /**< the integer 1: `v` and `version` */
extern const struct rky_shape rky_part_string;   /**< any text, line breaks included */
extern const struct rky_shape rky_part_uuid;
extern const struct rky_shape rky_part_hex64;
extern const struct rky_shape rky_part_time;
extern const struct rky_shape rky_part_namespace;
extern const struct rky_shape rky_part_backend;
extern const struct rky_shape rky_part_strategy;
extern const struct rky_shape rky_part_action;
extern const struct rky_shape rky_part_status;
extern const struct rky_shape rky_part_severity; /**< error, warning */
extern const struct rky_shape rky_part_outcome;  /**< of a transfer */
extern const struct rky_shape rky_part_anomaly_kind;
extern const struct rky_shape rky_part_window;
extern const struct rky_shape rky_part_warnings; /**< array of {code, message, [table]} */
extern const struct rky_shape rky_part_excluded; /**< array of {name, reason} */
extern const struct rky_shape rky_part_error;    /**< {code, message, hint} */
extern const struct rky_shape rky_part_result;   /**< section "result of a run" */

/* Published shapes, listed with their names in shapes.c. */
extern const struct rky_shape rky_shape_job_run;
extern const struct rky_shape rky_shape_job_plan;
extern const struct rky_shape rky_shape_job_apply;
extern const struct rky_shape rky_shape_job_cancel;
extern const struct rky_shape rky_shape_job_result;
extern const struct rky_shape rky_shape_event_state_download;
extern const struct rky_shape rky_shape_event_state_upload;
extern const struct rky_shape rky_shape_event_table_replicated;
extern const struct rky_shape rky_shape_event_check_failed;
extern const struct rky_shape rky_shape_event_anomaly_detected;
extern const struct rky_shape rky_shape_event_plan_created;
extern const struct rky_shape rky_shape_event_job_fenced;
extern const struct rky_shape rky_shape_event_job_requeued;
extern const struct rky_shape rky_shape_event_worker_alarm;
extern const struct rky_shape rky_shape_output_run;
extern const struct rky_shape rky_shape_output_plan;
extern const struct rky_shape rky_shape_output_state;
extern const struct rky_shape rky_shape_output_state_delete;
extern const struct rky_shape rky_shape_output_state_adopt;
extern const struct rky_shape rky_shape_output_state_versions;
extern const struct rky_shape rky_shape_output_state_restore;
extern const struct rky_shape rky_shape_output_state_export;
extern const struct rky_shape rky_shape_output_state_unlock;
extern const struct rky_shape rky_shape_output_history;
extern const struct rky_shape rky_shape_output_history_accept;
extern const struct rky_shape rky_shape_output_discover;
extern const struct rky_shape rky_shape_output_validate;
extern const struct rky_shape rky_shape_output_doctor;
extern const struct rky_shape rky_shape_output_demo;
extern const struct rky_shape rky_shape_output_dev_broker;
extern const struct rky_shape rky_shape_output_producer;
extern const struct rky_shape rky_shape_output_error;

#endif
