/* SPDX-License-Identifier: Apache-2.0 */
/* Two machines that share a remote; see sync_pair.h. */
#include "config.h"

#include "tests/unit/sync_pair.h"

#include <stdio.h>
#include <string.h>

struct sync_pair pair;

void pair_setup(void)
{
    kit_world_open();
    kit_machine_open(&pair.a, "a", NULL);
    kit_machine_open(&pair.b, "b", NULL);
}

void pair_setup_skippable(void)
{
    pair_setup();
    pair.a.options.skippable = pair.b.options.skippable = true;
}

void pair_teardown(void)
{
    kit_machine_close(&pair.a);
    kit_machine_close(&pair.b);
    kit_world_close();
}

void pair_reopen_both(const struct kit_machine_options *options)
{
    kit_machine_close(&pair.a);
    kit_machine_close(&pair.b);
    kit_machine_open(&pair.a, "a", options);
    kit_machine_open(&pair.b, "b", options);
}

const struct rky_transfer_report *pair_downloaded(const struct kit_machine *machine,
                                                  enum rky_outcome outcome, enum rky_outcome cause)
{
    const struct rky_transfer_report *report =
        rky_sync_report(machine->sync, RKY_TRANSFER_DOWNLOAD);
    ck_assert_ptr_nonnull(report);
    ck_assert_str_eq(rky_outcome_name(report->outcome), rky_outcome_name(outcome));
    ck_assert_int_eq(report->cause, cause);
    ck_assert_str_eq(report->namespace_, KIT_NAMESPACE);
    ck_assert_ptr_nonnull(report->uri);
    ck_assert_int_ge(report->duration_ms, 0);
    ck_assert_int_lt(report->duration_ms, 60000);
    return report;
}

const struct rky_transfer_report *pair_download_fails(struct kit_machine *machine, int code,
                                                      enum rky_outcome outcome,
                                                      const char *error_class,
                                                      enum rky_transfer_sequel sequel)
{
    struct rky_error err = {0};
    int rc = rky_sync_download(machine->sync, &err);
    ck_assert_msg(rc == code, "%s, expected %s: %s", rky_err_name(rc), rky_err_name(code),
                  err.message);
    ck_assert_int_eq(err.code, code);
    const struct rky_transfer_report *report = pair_downloaded(machine, outcome, RKY_OUTCOME_NONE);
    ck_assert_str_eq(report->error_class, error_class);
    ck_assert_ptr_nonnull(report->error);
    ck_assert_int_eq(rky_sync_sequel(machine->sync), sequel);
    return report;
}

void pair_pending_job(struct kit_machine *machine, const char *id, const char *table,
                      const char *value)
{
    machine->options.skippable = true;
    kit_begin_job(machine, id);
    kit_break(machine->durable, RKY_MEMORY_PUT, 1, -1, false, RKY_ERR_CONNECTION, "refused");
    (void)kit_write(machine, id, id, table, value, rky_sync_token(machine->sync));
    kit_upload(machine, NULL, 0, RKY_OUTCOME_SKIPPED_AFTER_FAILURE,
               RKY_OUTCOME_TRANSIENT_EXHAUSTED);
    ck_assert_int_eq(rky_sync_sequel(machine->sync), RKY_SEQUEL_SKIP);
    kit_end_job(machine);
    rky_remote_memory_mend(machine->durable);
}

const char *pair_copies_of(const struct kit_machine *machine)
{
    static char path[4300];
    (void)snprintf(path, sizeof(path), "%s/acme.copies", machine->directory);
    return path;
}

const char *pair_refused_of(const struct kit_machine *machine)
{
    static char path[4300];
    (void)snprintf(path, sizeof(path), "%s/acme.refused", machine->directory);
    return path;
}

const struct rky_transfer_report *pair_uploaded(void)
{
    const struct rky_transfer_report *report = rky_sync_report(pair.a.sync, RKY_TRANSFER_UPLOAD);
    ck_assert_ptr_nonnull(report);
    return report;
}

void pair_upload_ok(const struct rky_sync_callbacks *callbacks)
{
    kit_upload(&pair.a, callbacks, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    /* What is reported as done is in the chain. */
    bool found = false;
    for (size_t i = 0; i < kit_chain_length(); i++)
        found = found || (strcmp(kit_chain_at(i)->write_id, pair_uploaded()->write_id) == 0 &&
                          kit_chain_at(i)->generation == pair_uploaded()->generation);
    ck_assert(found);
}

void pair_job_in_hand(const char *id)
{
    kit_whole_job(&pair.a, "first", "w.s.t", "1");
    kit_begin_job(&pair.a, id);
    (void)kit_write(&pair.a, id, id, "w.s.t", "2", rky_sync_token(pair.a.sync));
}

void pair_expect_remote(size_t writes, const char *const *runs)
{
    ck_assert_uint_eq(kit_chain_length(), writes);
    kit_expect_chain();
    kit_begin_job(&pair.b, "look");
    for (size_t i = 0; runs[i] != NULL; i++)
        ck_assert_msg(kit_has_run(&pair.b, runs[i]), "run '%s' is lost", runs[i]);
    kit_end_job(&pair.b);
}
