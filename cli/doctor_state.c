/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doctor's look at the state: is it there, is every page of it sound, and does this program
 * understand its version. Reads only; a private copy is what is examined.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "cli/doctor.h"
#include "cli/state_holder.h"
#include "cli/state_replace.h"
#include "cli/state_session.h"
#include "common/fsutil.h"
#include "common/mem.h"

/** One HEAD or GET of a state that is at most some megabytes. */
enum { FETCH_MS = 10000 };

/* --- getting it --------------------------------------------------------------------------- */

/** The state's bytes as they lie: a snapshot, or a serialized ledger. */
struct fetched {
    unsigned char *bytes; /**< NULL = there is none yet */
    size_t length;
    char *location;
};

static int fetch_local(const struct rky_cli *cli, struct fetched *fetched, struct rky_error *err)
{
    struct rky_ledger *ledger = NULL;
    struct rky_error missing = {0};
    int rc = rky_cli_ledger(cli, RKY_LEDGER_READ, &ledger, &missing);
    if (rc == RKY_ERR_NOT_FOUND)
        return 0;
    if (rc != 0)
        *err = missing;
    if (rc == 0)
        rc = rky_ledger_serialize(ledger, &fetched->bytes, &fetched->length, err);
    rky_ledger_close(ledger);
    return rc;
}

static int fetch_remote(const struct rky_cli *cli, struct rky_store *store, struct fetched *fetched,
                        struct rky_error *err)
{
    const struct rky_remote_name name = {.kind = RKY_REMOTE_HEAD, .namespace_ = cli->namespace_};
    struct rky_remote_object object = {0};
    struct rky_transfer transfer = rky_state_transfer(cli, FETCH_MS);
    int rc = rky_remote_get_durable(rky_store_remote(store), &name, &transfer, &object, err);
    if (rc == 0 && object.exists) {
        fetched->bytes = object.body;
        fetched->length = object.length;
        object.body = NULL;
    }
    rky_remote_object_done(&object);
    return rc;
}

static int fetch(const struct rky_doctor *doctor, const struct rky_cli *cli,
                 struct fetched *fetched, struct rky_error *err)
{
    *fetched = (struct fetched){.location = rky_state_location(cli, doctor->store)};
    if (fetched->location == NULL)
        return rky_fail_nomem(err);
    if (cli->config->state.backend == RKY_BACKEND_LOCAL)
        return fetch_local(cli, fetched, err);
    if (doctor->store == NULL) {
        *err = doctor->store_fault;
        return err->code;
    }
    return fetch_remote(cli, doctor->store, fetched, err);
}

static void fetched_done(struct fetched *fetched)
{
    rky_free(fetched->bytes);
    rky_free(fetched->location);
}

/* Calls @p look for each namespace of the chosen pipelines, each once. */
static void each_namespace(const struct rky_doctor *doctor, struct rky_check *check,
                           void (*look)(const struct rky_doctor *doctor, const struct rky_cli *cli,
                                        struct rky_check *check))
{
    bool any = false;
    for (size_t i = 0; i < doctor->pipeline_count; i++) {
        bool seen = doctor->namespaces[i] == NULL;
        for (size_t k = 0; !seen && k < i; k++)
            seen = doctor->namespaces[k] != NULL &&
                   strcmp(doctor->namespaces[k], doctor->namespaces[i]) == 0;
        if (seen)
            continue;
        struct rky_cli cli;
        struct rky_error err = {0};
        any = true;
        if (rky_doctor_cli(doctor, doctor->namespaces[i], &cli, &err) == 0)
            look(doctor, &cli, check);
        else
            rky_check_fault(check, RKY_HEALTH_CRITICAL, &err);
        rky_doctor_cli_done(&cli);
    }
    if (!any)
        rky_check_find(check, RKY_HEALTH_SKIPPED, "add --namespace NAME",
                       "the pipelines have one namespace per source: which one is not said");
}

/* --- state -------------------------------------------------------------------------------- */

static void tell_copy(const struct rky_cli *cli, struct rky_check *check,
                      const struct rky_snapshot_head *head)
{
    const char *copy = rky_state_local_copy(cli, head);
    if (copy == NULL)
        return;
    if (strcmp(copy, "pending") == 0)
        rky_check_find(check, RKY_HEALTH_WARNING,
                       "a run on this machine brings it in; until then only this machine knows it",
                       "the copy of namespace '%s' on this machine holds what was not uploaded",
                       cli->namespace_);
    else if (strcmp(copy, "unreadable") == 0)
        rky_check_find(check, RKY_HEALTH_WARNING, "the next run sets it aside and downloads anew",
                       "the copy of namespace '%s' on this machine cannot be read",
                       cli->namespace_);
}

static void detail_head(struct rky_check *check, const struct rky_cli *cli,
                        const struct fetched *fetched, const struct rky_snapshot_head *head)
{
    json_t *value =
        json_pack("{s:s, s:I, s:s, s:I, s:I}", "location", fetched->location, "generation",
                  (json_int_t)head->generation, "lineage", head->lineage, "schema_version",
                  (json_int_t)head->schema_version, "bytes", (json_int_t)fetched->length);
    rky_check_detail(check, cli->namespace_, value);
}

static void look_at_state(const struct rky_doctor *doctor, const struct rky_cli *cli,
                          struct rky_check *check)
{
    struct fetched fetched = {0};
    struct rky_incoming incoming = {0};
    struct rky_error err = {0};
    int rc = fetch(doctor, cli, &fetched, &err);
    if (rc == 0 && fetched.bytes == NULL) {
        rky_check_find(check, RKY_HEALTH_GOOD, NULL,
                       "namespace '%s' has no state yet at '%s'; a run makes it", cli->namespace_,
                       fetched.location);
        goto out;
    }
    if (rc == 0)
        rc = rky_incoming_take(cli, fetched.bytes, fetched.length, &incoming, &err);
    if (rc != 0) {
        if (fetched.location != NULL)
            rky_error_wrap(&err, "state of namespace '%s' at '%s'", cli->namespace_,
                           fetched.location);
        rky_check_fault(check, RKY_HEALTH_CRITICAL, &err);
        goto out;
    }
    detail_head(check, cli, &fetched, &incoming.head);
    tell_copy(cli, check, &incoming.head);
    rky_check_find(check, RKY_HEALTH_GOOD, NULL,
                   "every page of namespace '%s' is sound: generation %" PRId64 " at '%s'",
                   cli->namespace_, incoming.head.generation, fetched.location);
out:
    rky_incoming_done(&incoming);
    fetched_done(&fetched);
}

void rky_check_state(const struct rky_doctor *doctor, struct rky_check *check)
{
    each_namespace(doctor, check, look_at_state);
}

/* --- its version -------------------------------------------------------------------------- */

/* Of a snapshot the header is enough, and it can be read of one that is too new for the rest. */
static int read_versions(const struct rky_cli *cli, const struct fetched *fetched,
                         struct rky_snapshot_head *ret_head, struct rky_error *err)
{
    if (cli->config->state.backend != RKY_BACKEND_LOCAL)
        return rky_snapshot_peek(fetched->bytes, fetched->length, ret_head, err);
    struct rky_incoming incoming = {0};
    int rc = rky_incoming_take(cli, fetched->bytes, fetched->length, &incoming, err);
    *ret_head = incoming.head;
    rky_incoming_done(&incoming);
    return rc;
}

static void judge(const struct rky_cli *cli, struct rky_check *check,
                  const struct rky_snapshot_head *head)
{
    const int64_t ours = RKY_LEDGER_SCHEMA_VERSION;
    if (head->min_reader_version > ours)
        rky_check_find(check, RKY_HEALTH_CRITICAL, "upgrade this program",
                       "namespace '%s' has schema version %" PRId64 ", which needs a program for "
                       "version %" PRId64 " at least; this one is for %" PRId64,
                       cli->namespace_, head->schema_version, head->min_reader_version, ours);
    else if (head->schema_version > ours)
        rky_check_find(check, RKY_HEALTH_WARNING, "upgrade this program",
                       "namespace '%s' was written by a newer program (schema version %" PRId64
                       ", ours %" PRId64 "); it can still be read",
                       cli->namespace_, head->schema_version, ours);
    else if (head->schema_version < ours)
        rky_check_find(check, RKY_HEALTH_GOOD, NULL,
                       "namespace '%s' has schema version %" PRId64
                       "; the next run raises it to %" PRId64,
                       cli->namespace_, head->schema_version, ours);
    else
        rky_check_find(check, RKY_HEALTH_GOOD, NULL,
                       "namespace '%s' has this program's schema version, %" PRId64,
                       cli->namespace_, ours);
}

static void look_at_schema(const struct rky_doctor *doctor, const struct rky_cli *cli,
                           struct rky_check *check)
{
    struct fetched fetched = {0};
    struct rky_snapshot_head head = {0};
    struct rky_error err = {0};
    int rc = fetch(doctor, cli, &fetched, &err);
    if (rc == 0 && fetched.bytes == NULL) {
        rky_check_find(check, RKY_HEALTH_GOOD, NULL, "namespace '%s' has no state yet",
                       cli->namespace_);
    } else {
        if (rc == 0)
            rc = read_versions(cli, &fetched, &head, &err);
        if (rc != 0)
            rky_check_fault(check, RKY_HEALTH_CRITICAL, &err);
        else
            judge(cli, check, &head);
    }
    fetched_done(&fetched);
}

void rky_check_state_schema(const struct rky_doctor *doctor, struct rky_check *check)
{
    each_namespace(doctor, check, look_at_schema);
}
