/* SPDX-License-Identifier: Apache-2.0 */
/* Findings of a check, and what checks look at; see doctor.h. */
#include "config.h"

#include "cli/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/output.h"
#include "common/fsutil.h"
#include "common/mem.h"

const char *rky_health_name(enum rky_health health)
{
    static const char *const names[] = {[RKY_HEALTH_SKIPPED] = "skipped",
                                        [RKY_HEALTH_GOOD] = "healthy",
                                        [RKY_HEALTH_WARNING] = "warning",
                                        [RKY_HEALTH_CRITICAL] = "critical"};
    return names[health];
}

/* Losing a line of the list for want of memory does not change the verdict. */
static void list(struct rky_check *check, enum rky_health status, const char *message)
{
    json_t *findings = json_object_get(check->details, "findings");
    if (findings == NULL) {
        findings = json_array();
        rky_check_detail(check, "findings", findings);
    }
    json_t *line = json_object();
    int bad = json_object_set_new(line, "status", json_string(rky_health_name(status)));
    bad |= json_object_set_new(line, "message", rky_cli_text_json(message));
    if (bad != 0 || json_array_append(findings, line) != 0)
        check->status = check->status > status ? check->status : status;
    json_decref(line);
}

void rky_check_find(struct rky_check *check, enum rky_health status, const char *hint,
                    const char *format, ...)
{
    char text[RKY_ERROR_MESSAGE_MAX];
    va_list values;
    va_start(values, format);
    (void)vsnprintf(text, sizeof(text), format, values);
    va_end(values);
    if (status > RKY_HEALTH_GOOD)
        list(check, status, text);
    if (status < check->status || (status == check->status && check->message[0] != '\0'))
        return;
    check->status = status;
    memcpy(check->message, text, sizeof(text));
    (void)snprintf(check->hint, sizeof(check->hint), "%s", hint == NULL ? "" : hint);
}

void rky_check_fault(struct rky_check *check, enum rky_health status, const struct rky_error *err)
{
    rky_check_find(check, status, err->hint, "%s", err->message);
}

void rky_check_detail(struct rky_check *check, const char *name, json_t *value)
{
    if (value == NULL || json_object_set_new(check->details, name, value) != 0)
        return;
}

int64_t rky_doctor_since(const struct rky_doctor *doctor, int64_t mono_ms)
{
    struct rky_clock *clock = doctor->cli->clock;
    return clock->mono_ms(clock) - mono_ms;
}

int rky_doctor_cli(const struct rky_doctor *doctor, const char *namespace_, struct rky_cli *ret_cli,
                   struct rky_error *err)
{
    const char *given = rky_parsed_value(doctor->cli->parsed, "state-path");
    *ret_cli = *doctor->cli;
    ret_cli->namespace_ = namespace_;
    ret_cli->source = ret_cli->target = NULL;
    if (given != NULL) {
        ret_cli->state_path = rky_strdup(given);
    } else {
        char *name = rky_asprintf("%s.db", namespace_);
        ret_cli->state_path =
            name == NULL ? NULL : rky_path_join(ret_cli->config->state.local_dir, name);
        rky_free(name);
    }
    return ret_cli->state_path == NULL ? rky_fail_nomem(err) : 0;
}

void rky_doctor_cli_done(struct rky_cli *cli)
{
    rky_free(cli->state_path);
    cli->state_path = NULL;
}

const char *rky_doctor_namespace(const struct rky_doctor *doctor)
{
    for (size_t i = 0; i < doctor->pipeline_count; i++) {
        if (doctor->namespaces[i] != NULL)
            return doctor->namespaces[i];
    }
    return "doctor";
}
