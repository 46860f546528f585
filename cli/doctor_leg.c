/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doctor's proof that a leg of the backend does what a run needs: write, read back the same bytes,
 * refuse a create of what exists and a replace of what has changed, delete. Through the driver
 * without guard: what a retry would cover up is what is looked for. The scratch object goes also
 * after a failure, in a time of its own.
 */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/output.h"
#include "common/fsutil.h"
#include "common/mem.h"
#include "state/valkey.h"

enum { RW_MS = 10000, TIDY_MS = 2000, BODY = 4096 };

/* --- one operation ------------------------------------------------------------------------ */

struct rky_transfer rky_leg_transfer(const struct rky_leg_probe *probe)
{
    return (struct rky_transfer){.clock = probe->doctor->cli->clock, .deadline = probe->deadline};
}

static struct rky_remote_name name_of(const struct rky_leg_probe *probe)
{
    return (struct rky_remote_name){.kind = RKY_REMOTE_PROBE,
                                    .namespace_ = rky_doctor_namespace(probe->doctor),
                                    .suffix = probe->suffix};
}

static void time_it(struct rky_leg_probe *probe, const char *what, int64_t begun)
{
    json_t *times = json_object_get(probe->findings.details, "latency_ms");
    if (times == NULL) {
        times = json_object();
        rky_check_detail(&probe->findings, "latency_ms", times);
    }
    (void)json_object_set_new(times, what, json_integer(rky_doctor_since(probe->doctor, begun)));
}

static void failed(struct rky_leg_probe *probe, const char *what, struct rky_error *err)
{
    rky_error_wrap(err, "leg '%s' cannot %s", probe->leg.leg->name, what);
    rky_check_fault(&probe->findings, RKY_HEALTH_CRITICAL, err);
}

static int put(struct rky_leg_probe *probe, const char *body, enum rky_remote_if condition,
               const char *etag, char ret_etag[RKY_ETAG_MAX], struct rky_error *err)
{
    const struct rky_remote_name name = name_of(probe);
    const struct rky_remote_put write = {
        .body = body, .length = strlen(body), .condition = condition, .etag = etag};
    struct rky_transfer transfer = rky_leg_transfer(probe);
    return probe->leg.remote->ops->put(probe->leg.remote, &name, &write, &transfer, ret_etag, err);
}

/* --- the steps ---------------------------------------------------------------------------- */

static int write_and_read(struct rky_leg_probe *probe, const char *body,
                          char ret_etag[RKY_ETAG_MAX])
{
    const struct rky_remote_name name = name_of(probe);
    struct rky_clock *clock = probe->doctor->cli->clock;
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    int64_t begun = clock->mono_ms(clock);
    int rc = put(probe, body, RKY_IF_ABSENT, NULL, ret_etag, &err);
    time_it(probe, "write", begun);
    if (rc != 0) {
        failed(probe, "write", &err);
        return rc;
    }
    struct rky_transfer transfer = rky_leg_transfer(probe);
    begun = clock->mono_ms(clock);
    rc = probe->leg.remote->ops->get(probe->leg.remote, &name, NULL, &transfer, &object, &err);
    time_it(probe, "read", begun);
    if (rc != 0) {
        failed(probe, "read", &err);
    } else if (!object.exists || object.length != strlen(body) ||
               memcmp(object.body, body, object.length) != 0) {
        rc = RKY_ERR_CONFLICT;
        rky_check_find(&probe->findings, RKY_HEALTH_CRITICAL,
                       "a server that does not give back what was just written cannot keep state",
                       "leg '%s' read back %zu bytes that are not the %zu it wrote",
                       probe->leg.leg->name, object.length, strlen(body));
    }
    rky_remote_object_done(&object);
    return rc;
}

/* Only versions are listed, so a run does without; what is wrong is told all the same. */
static void find_in_list(struct rky_leg_probe *probe)
{
    struct rky_clock *clock = probe->doctor->cli->clock;
    struct rky_remote_list list = {0};
    struct rky_transfer transfer = rky_leg_transfer(probe);
    struct rky_error err = {0};
    bool found = false;
    int64_t begun = clock->mono_ms(clock);
    int rc =
        probe->leg.remote->ops->list(probe->leg.remote, RKY_REMOTE_PROBE,
                                     rky_doctor_namespace(probe->doctor), &transfer, &list, &err);
    time_it(probe, "list", begun);
    for (size_t i = 0; i < list.count; i++)
        found = found || strcmp(list.items[i].suffix, probe->suffix) == 0;
    rky_remote_list_done(&list);
    if (rc == 0 && found)
        return;
    if (rc == 0) {
        rky_check_find(&probe->findings, RKY_HEALTH_WARNING,
                       "'rocky state versions' may miss what was kept last",
                       "leg '%s' does not list what was just written", probe->leg.leg->name);
        return;
    }
    rky_error_wrap(&err,
                   "leg '%s' cannot list, as 'rocky state versions' and the pruning of old "
                   "versions do",
                   probe->leg.leg->name);
    rky_check_fault(&probe->findings, RKY_HEALTH_WARNING, &err);
}

/* A write that should have been refused. */
static void demand_refusal(struct rky_leg_probe *probe, const char *what, int rc,
                           struct rky_error *err)
{
    if (rc == RKY_ERR_CONFLICT)
        return;
    if (rc != 0) {
        failed(probe, what, err);
        return;
    }
    rky_check_find(&probe->findings, RKY_HEALTH_CRITICAL,
                   "two workers would overwrite each other's state: use a server that honours "
                   "conditional writes",
                   "leg '%s' did not refuse to %s: it ignores the conditions of writes",
                   probe->leg.leg->name, what);
}

static void check_conditions(struct rky_leg_probe *probe, char etag[RKY_ETAG_MAX])
{
    struct rky_error err = {0};
    char other[RKY_ETAG_MAX] = "", stale[RKY_ETAG_MAX];
    memcpy(stale, etag, sizeof(stale));
    int rc = put(probe, "create again", RKY_IF_ABSENT, NULL, other, &err);
    demand_refusal(probe, "create what exists already", rc, &err);
    if (probe->findings.status == RKY_HEALTH_CRITICAL)
        return;
    rky_error_clear(&err);
    if (put(probe, "replaced", RKY_IF_ETAG, etag, other, &err) != 0) {
        failed(probe, "replace an object that did not change", &err);
        return;
    }
    rc = put(probe, "replaced from a stale version", RKY_IF_ETAG, stale, other, &err);
    demand_refusal(probe, "replace a version that is no longer there", rc, &err);
}

/* In a time of its own: what was written goes also when the rest took too long. */
static void tidy(struct rky_leg_probe *probe)
{
    const struct rky_remote_name name = name_of(probe);
    struct rky_clock *clock = probe->doctor->cli->clock;
    struct rky_transfer transfer = {.clock = clock, .deadline = rky_deadline_in(clock, TIDY_MS)};
    struct rky_error err = {0};
    int64_t begun = clock->mono_ms(clock);
    int rc = probe->leg.remote->ops->remove(probe->leg.remote, &name, NULL, &transfer, &err);
    time_it(probe, "delete", begun);
    if (rc == 0)
        return;
    char *uri = probe->leg.remote->ops->uri(probe->leg.remote, &name);
    rky_error_wrap(&err, "leg '%s' cannot delete; '%s' may be left there", probe->leg.leg->name,
                   uri == NULL ? "the scratch object" : uri);
    rky_check_fault(&probe->findings, RKY_HEALTH_CRITICAL, &err);
    rky_free(uri);
}

void rky_leg_probe_run(struct rky_leg_probe *probe)
{
    const struct rky_state_config *config = &probe->doctor->cli->config->state;
    char body[BODY], etag[RKY_ETAG_MAX] = "";
    for (size_t i = 0; i + 1 < sizeof(body); i++)
        body[i] = (char)('!' + (int)(rky_random_unit() * ('~' - '!')));
    body[sizeof(body) - 1] = '\0';
    if (write_and_read(probe, body, etag) == 0) {
        find_in_list(probe);
        if (config->cas)
            check_conditions(probe, etag);
        if (config->cas && probe->findings.status != RKY_HEALTH_CRITICAL)
            rky_leg_race(probe);
    }
    tidy(probe);
    rky_check_find(&probe->findings, RKY_HEALTH_GOOD, NULL, "leg '%s' is sound",
                   probe->leg.leg->name);
}

/* --- all legs ----------------------------------------------------------------------------- */

static void *run_leg(void *argument)
{
    rky_leg_probe_run(argument);
    return NULL;
}

static void take_over(struct rky_check *check, struct rky_leg_probe *probe)
{
    struct rky_check *found = &probe->findings;
    if (found->status > RKY_HEALTH_GOOD)
        rky_check_find(check, found->status, found->hint, "%s", found->message);
    const struct rky_remote_name name = {.kind = RKY_REMOTE_HEAD,
                                         .namespace_ = rky_doctor_namespace(probe->doctor)};
    char *uri = probe->leg.remote->ops->uri(probe->leg.remote, &name);
    if (uri != NULL)
        rky_check_detail(found, "uri", rky_cli_text_json(uri));
    rky_free(uri);
    rky_check_detail(found, "status", json_string(rky_health_name(found->status)));
    rky_check_detail(check, probe->leg.leg->name, json_incref(found->details));
    json_decref(found->details);
    rky_free(probe->suffix);
}

static void check_legs(const struct rky_doctor *doctor, struct rky_check *check)
{
    struct rky_store_leg legs[RKY_STORE_LEGS];
    struct rky_leg_probe probes[RKY_STORE_LEGS];
    pthread_t threads[RKY_STORE_LEGS];
    bool threaded[RKY_STORE_LEGS] = {false};
    char id[RKY_UUID_TEXT];
    size_t count = rky_store_legs(doctor->store, legs);
    rky_uuid_v4(id);
    for (size_t i = 0; i < count; i++) {
        probes[i] = (struct rky_leg_probe){
            .doctor = doctor,
            .leg = legs[i],
            .deadline = rky_deadline_in(doctor->cli->clock, RW_MS - TIDY_MS),
            .suffix = rky_asprintf("doctor-%s", id),
            .findings = {.name = legs[i].leg->name, .details = json_object()}};
        if (probes[i].suffix == NULL || probes[i].findings.details == NULL)
            rky_check_find(&probes[i].findings, RKY_HEALTH_CRITICAL, NULL, "out of memory");
        else
            threaded[i] = pthread_create(&threads[i], NULL, run_leg, &probes[i]) == 0;
    }
    for (size_t i = 0; i < count; i++) {
        if (threaded[i])
            (void)pthread_join(threads[i], NULL);
        else if (probes[i].findings.status != RKY_HEALTH_CRITICAL)
            rky_leg_probe_run(&probes[i]);
    }
    for (size_t i = 0; i < count; i++)
        take_over(check, &probes[i]);
    if (rky_store_valkey(doctor->store) != NULL)
        rky_valkey_settings_check(doctor, check, rky_deadline_in(doctor->cli->clock, TIDY_MS));
    if (!doctor->cli->config->state.cas)
        rky_check_find(check, RKY_HEALTH_WARNING, "set state.concurrency_control = \"cas\"",
                       "conditional writes are switched off: two workers may overwrite each other");
    rky_check_find(check, RKY_HEALTH_GOOD, NULL,
                   "%zu leg%s: written, read back, conditions and races decided right, deleted",
                   count, count == 1 ? "" : "s");
}

/* --- backend local ------------------------------------------------------------------------ */

static void check_directory(const struct rky_doctor *doctor, struct rky_check *check)
{
    const char *directory = doctor->cli->config->state.local_dir;
    static const char written[] = "rocky doctor was here";
    struct rky_error err = {0};
    char *back = NULL, id[RKY_UUID_TEXT];
    size_t length = 0;
    rky_uuid_v4(id);
    /* A directory that is not there yet is made by the first run, and not by looking. */
    bool there = rky_path_exists(directory);
    char *parent = there ? rky_strdup(directory) : rky_path_dirname(directory);
    char *path = parent == NULL ? NULL : rky_asprintf("%s/.doctor-%s", parent, id);
    int rc = path == NULL ? rky_fail_nomem(&err)
                          : rky_write_file_atomic(path, written, sizeof(written), &err);
    if (rc == 0)
        rc = rky_read_file(path, sizeof(written), &back, &length, &err);
    if (rc == 0 && (length != sizeof(written) || memcmp(back, written, length) != 0))
        rc = rky_fail(&err, RKY_ERR_IO, "'%s' does not give back what was written", path);
    if (path != NULL)
        (void)unlink(path);
    if (rc != 0) {
        rky_error_hint(&err, "state.local_dir has to be a directory that this user can write to");
        rky_check_fault(check, RKY_HEALTH_CRITICAL, &err);
    }
    rky_check_detail(check, "directory", rky_cli_text_json(directory));
    rky_check_find(check, RKY_HEALTH_GOOD, NULL, "'%s' was written to and read back", parent);
    rky_free(back);
    rky_free(path);
    rky_free(parent);
}

void rky_check_state_rw(const struct rky_doctor *doctor, struct rky_check *check)
{
    if (doctor->cli->config->state.backend == RKY_BACKEND_LOCAL)
        check_directory(doctor, check);
    else if (doctor->store == NULL)
        rky_check_fault(check, RKY_HEALTH_CRITICAL, &doctor->store_fault);
    else
        check_legs(doctor, check);
}
