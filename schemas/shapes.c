/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of published shapes. A new message or output is one row here, its table in one of the
 * shapes_*.c, its schema file printed from that, and its examples; a test asks for all of them.
 */
#include "config.h"

#include <string.h>

#include "schemas/shape_parts.h"

static const struct rky_published_shape published[] = {
    {"job.run", &rky_shape_job_run},
    {"job.plan", &rky_shape_job_plan},
    {"job.apply", &rky_shape_job_apply},
    {"job.cancel", &rky_shape_job_cancel},
    {"job.result", &rky_shape_job_result},
    {"event.state.download", &rky_shape_event_state_download},
    {"event.state.upload", &rky_shape_event_state_upload},
    {"event.table.replicated", &rky_shape_event_table_replicated},
    {"event.check.failed", &rky_shape_event_check_failed},
    {"event.anomaly.detected", &rky_shape_event_anomaly_detected},
    {"event.plan.created", &rky_shape_event_plan_created},
    {"event.job.fenced", &rky_shape_event_job_fenced},
    {"event.job.requeued", &rky_shape_event_job_requeued},
    {"event.worker.alarm", &rky_shape_event_worker_alarm},
    {"output.run", &rky_shape_output_run},
    {"output.plan", &rky_shape_output_plan},
    {"output.state", &rky_shape_output_state},
    {"output.state.delete", &rky_shape_output_state_delete},
    {"output.state.adopt", &rky_shape_output_state_adopt},
    {"output.state.versions", &rky_shape_output_state_versions},
    {"output.state.restore", &rky_shape_output_state_restore},
    {"output.state.export", &rky_shape_output_state_export},
    {"output.state.unlock", &rky_shape_output_state_unlock},
    {"output.history", &rky_shape_output_history},
    {"output.history.accept", &rky_shape_output_history_accept},
    {"output.discover", &rky_shape_output_discover},
    {"output.validate", &rky_shape_output_validate},
    {"output.doctor", &rky_shape_output_doctor},
    {"output.demo", &rky_shape_output_demo},
    {"output.dev.broker", &rky_shape_output_dev_broker},
    {"output.producer", &rky_shape_output_producer},
    {"output.error", &rky_shape_output_error},
    {NULL, NULL},
};

const struct rky_published_shape *rky_shapes(void)
{
    return published;
}

const struct rky_shape *rky_shape_find(const char *name)
{
    for (const struct rky_published_shape *row = published; row->name != NULL; row++) {
        if (strcmp(row->name, name) == 0)
            return row->shape;
    }
    return NULL;
}
