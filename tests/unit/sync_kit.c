/* SPDX-License-Identifier: Apache-2.0 */
/* Machines and the store they share; each helper fails the test at the first surprise. */
#include "config.h"

#include "tests/unit/sync_kit.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"

enum { CHAIN_MAX = 512 };

/* One test runs per process. `bare_*` are views that no fault and no count reaches. */
static struct {
    struct rky_remote *bare_store, *bare_cache;
    struct rky_snapshot_head chain[CHAIN_MAX];
    size_t length;
} world;

static const struct rky_remote_name head_name = {RKY_REMOTE_HEAD, KIT_NAMESPACE, NULL};

static struct rky_transfer transfer_of_ours(void)
{
    return (struct rky_transfer){.clock = rky_clock_real(),
                                 .deadline = rky_deadline_in(rky_clock_real(), -1)};
}

/* --- the store and what it applied ---------------------------------------------------------------
 */

/* A view that notes what is there after each call. */
struct witness {
    struct rky_remote base;
    struct rky_remote *inner;
};

static struct rky_remote *inner_of(struct rky_remote *remote)
{
    return ((struct witness *)remote)->inner;
}

void kit_look(bool in_cache, struct rky_remote_object *ret_object)
{
    struct rky_remote *bare = in_cache ? world.bare_cache : world.bare_store;
    struct rky_transfer transfer = transfer_of_ours();
    *ret_object = (struct rky_remote_object){0};
    assert_ok(bare->ops->get(bare, &head_name, NULL, &transfer, ret_object, assert_err_));
}

static void note(void)
{
    struct rky_transfer transfer = transfer_of_ours();
    struct rky_remote_object object = {0};
    struct rky_remote *bare = world.bare_store;
    int rc = 0;
    do { /* an allocation that is to fail may be one of these: then only the first */
        rc = bare->ops->head(bare, &head_name, &transfer, &object, NULL);
    } while (rc == RKY_ERR_NOMEM);
    ck_assert_int_eq(rc, 0);
    if (object.exists && object.has_head &&
        (world.length == 0 ||
         strcmp(world.chain[world.length - 1].write_id, object.head.write_id) != 0)) {
        ck_assert_uint_lt(world.length, CHAIN_MAX);
        world.chain[world.length++] = object.head;
    }
    rky_remote_object_done(&object);
}

static int witness_head(struct rky_remote *remote, const struct rky_remote_name *name,
                        struct rky_transfer *transfer, struct rky_remote_object *ret_object,
                        struct rky_error *err)
{
    struct rky_remote *inner = inner_of(remote);
    return inner->ops->head(inner, name, transfer, ret_object, err);
}

static int witness_get(struct rky_remote *remote, const struct rky_remote_name *name,
                       const char *if_none_match, struct rky_transfer *transfer,
                       struct rky_remote_object *ret_object, struct rky_error *err)
{
    struct rky_remote *inner = inner_of(remote);
    return inner->ops->get(inner, name, if_none_match, transfer, ret_object, err);
}

static int witness_put(struct rky_remote *remote, const struct rky_remote_name *name,
                       const struct rky_remote_put *put, struct rky_transfer *transfer,
                       char ret_etag[RKY_ETAG_MAX], struct rky_error *err)
{
    struct rky_remote *inner = inner_of(remote);
    int rc = inner->ops->put(inner, name, put, transfer, ret_etag, err);
    note();
    return rc;
}

static int witness_remove(struct rky_remote *remote, const struct rky_remote_name *name,
                          const char *etag, struct rky_transfer *transfer, struct rky_error *err)
{
    struct rky_remote *inner = inner_of(remote);
    return inner->ops->remove(inner, name, etag, transfer, err);
}

static int witness_list(struct rky_remote *remote, enum rky_remote_kind kind,
                        const char *namespace_, struct rky_transfer *transfer,
                        struct rky_remote_list *ret_list, struct rky_error *err)
{
    struct rky_remote *inner = inner_of(remote);
    return inner->ops->list(inner, kind, namespace_, transfer, ret_list, err);
}

static char *witness_uri(struct rky_remote *remote, const struct rky_remote_name *name)
{
    struct rky_remote *inner = inner_of(remote);
    return inner->ops->uri(inner, name);
}

static void witness_free(struct rky_remote *remote)
{
    rky_remote_free(inner_of(remote));
    rky_free(remote);
}

static const struct rky_remote_ops witness_ops = {
    .name = "witness",
    .head = witness_head,
    .get = witness_get,
    .put = witness_put,
    .remove = witness_remove,
    .list = witness_list,
    .uri = witness_uri,
    .free = witness_free,
};

void kit_world_open(void)
{
    world.length = 0;
    assert_ok(rky_remote_memory_new(&world.bare_store, assert_err_));
    assert_ok(rky_remote_memory_new(&world.bare_cache, assert_err_));
}

void kit_world_close(void)
{
    rky_remote_free(world.bare_store);
    rky_remote_free(world.bare_cache);
}

static void place(struct rky_remote *bare, const struct rky_remote_put *put)
{
    struct rky_transfer transfer = transfer_of_ours();
    char ignored[RKY_ETAG_MAX];
    assert_ok(bare->ops->put(bare, &head_name, put, &transfer, ignored, assert_err_));
}

void kit_land(const void *body, size_t length, const struct rky_snapshot_head *head)
{
    const struct rky_remote_put put = {
        .body = body, .length = length, .condition = RKY_IF_ANY, .head = head};
    place(world.bare_store, &put);
    note();
}

void kit_put_back(const struct rky_remote_object *object)
{
    const struct rky_remote_put put = {.body = object->body,
                                       .length = object->length,
                                       .condition = RKY_IF_ANY,
                                       .etag = object->etag,
                                       .head = object->has_head ? &object->head : NULL};
    place(world.bare_store, &put);
}

void kit_force(bool in_cache, const void *body, size_t length, const char *etag)
{
    struct rky_remote *bare = in_cache ? world.bare_cache : world.bare_store;
    struct rky_transfer transfer = transfer_of_ours();
    if (body == NULL) {
        assert_ok(bare->ops->remove(bare, &head_name, NULL, &transfer, assert_err_));
        return;
    }
    const struct rky_remote_put put = {
        .body = body, .length = length, .condition = RKY_IF_ANY, .etag = etag};
    place(bare, &put);
}

size_t kit_chain_length(void)
{
    return world.length;
}

const struct rky_snapshot_head *kit_chain_at(size_t index)
{
    ck_assert_uint_lt(index, world.length);
    return &world.chain[index];
}

void kit_chain_forget(void)
{
    world.length = 0;
}

void kit_expect_chain(void)
{
    for (size_t i = 0; i < world.length; i++) {
        const struct rky_snapshot_head *head = &world.chain[i];
        for (size_t j = 0; j < i; j++)
            ck_assert_str_ne(head->write_id, world.chain[j].write_id);
        if (i == 0)
            continue;
        const struct rky_snapshot_head *before = &world.chain[i - 1];
        ck_assert_msg(head->generation == before->generation + 1,
                      "write %zu is generation %" PRId64 ", the one before it %" PRId64, i,
                      head->generation, before->generation);
        ck_assert_uint_gt(head->ancestor_count, 0);
        ck_assert_str_eq(head->ancestors[0], before->write_id);
        ck_assert_str_eq(head->lineage, before->lineage);
        ck_assert_int_ge(head->fence, before->fence);
    }
}

void kit_chain_settle(void)
{
    kit_expect_chain();
    if (world.length > 1) {
        world.chain[0] = world.chain[world.length - 1];
        world.length = 1;
    }
}

size_t kit_versions(void)
{
    struct rky_transfer transfer = transfer_of_ours();
    struct rky_remote_list list = {0};
    struct rky_remote *bare = world.bare_store;
    assert_ok(
        bare->ops->list(bare, RKY_REMOTE_HISTORY, KIT_NAMESPACE, &transfer, &list, assert_err_));
    size_t count = list.count;
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (size_t j = 0; j < world.length; j++) {
            char suffix[64];
            (void)snprintf(suffix, sizeof(suffix), "%020" PRId64 "-%.8s.snap",
                           world.chain[j].generation, world.chain[j].write_id);
            found = found || strcmp(suffix, list.items[i].suffix) == 0;
        }
        ck_assert_msg(found, "version '%s' was never the head", list.items[i].suffix);
    }
    rky_remote_list_done(&list);
    return count;
}

/* --- machines ------------------------------------------------------------------------------------
 */

static void open_workspace(struct kit_machine *machine, const char *state_path)
{
    const struct rky_workspace_options options = {.config = &machine->config,
                                                  .namespace_ = KIT_NAMESPACE,
                                                  .state_path = state_path,
                                                  .clock = rky_clock_real()};
    assert_ok(rky_workspace_new(&options, &machine->workspace, assert_err_));
}

static struct rky_remote *witnessed(struct rky_remote *inner)
{
    struct witness *witness = rky_calloc(1, sizeof(*witness));
    ck_assert_ptr_nonnull(witness);
    witness->base.ops = &witness_ops;
    witness->inner = inner;
    return &witness->base;
}

struct rky_store *kit_store(const struct rky_state_config *config, bool tiered, bool leases,
                            struct rky_store_parts *ret_parts)
{
    const struct rky_store_options options = {
        .config = config, .clock = rky_clock_real(), .worker_id = "worker-1"};
    struct rky_store *store = NULL;
    *ret_parts = (struct rky_store_parts){0};
    assert_ok(rky_remote_memory_share(world.bare_store, &ret_parts->durable, assert_err_));
    if (tiered)
        assert_ok(rky_remote_memory_share(world.bare_cache, &ret_parts->cache, assert_err_));
    if (leases)
        assert_ok(rky_lease_memory_new(rky_clock_real(), &ret_parts->leases, assert_err_));
    struct rky_store_parts parts = *ret_parts;
    parts.durable = witnessed(ret_parts->durable);
    assert_ok(rky_store_new_with(&options, &parts, &store, assert_err_));
    return store;
}

void kit_machine_open(struct kit_machine *machine, const char *name,
                      const struct kit_machine_options *options)
{
    static const struct kit_machine_options plain = {0};
    struct rky_store_parts parts = {0};
    const struct kit_machine_options *how = options != NULL ? options : &plain;
    *machine = (struct kit_machine){0};
    (void)snprintf(machine->directory, sizeof(machine->directory), "%s", kit_path(name));
    machine->config = (struct rky_state_config){
        .backend = how->tiered ? RKY_BACKEND_TIERED : RKY_BACKEND_S3,
        .local_dir = machine->directory,
        .encryption_key = how->encryption_key != NULL ? rky_strdup(how->encryption_key) : NULL,
        .transfer_timeout_seconds = 60,
        .on_upload_failure = RKY_FAILURE_SKIP,
        .on_download_failure = RKY_FAILURE_FRESH,
        .retention_jobs = 1000,
        .retention_jobs_days = 14,
        .retention_history = 200,
        .cas = true,
        .lock_mode = how->lock_mode,
        .lock_ttl_seconds = how->ttl_seconds > 0 ? how->ttl_seconds : 30,
        .retry = {.max_retries = how->max_retries,
                  .backoff_multiplier = 1.0,
                  .max_retries_per_run = -1},
        .history_keep_last = 20,
        .history_keep_days = 7,
    };
    machine->store = kit_store(&machine->config, how->tiered, how->leases, &parts);
    machine->durable = parts.durable;
    machine->cache = parts.cache;
    machine->leases = parts.leases;
    open_workspace(machine, how->state_path);
}

void kit_machine_close(struct kit_machine *machine)
{
    rky_sync_free(machine->sync);
    rky_workspace_free(machine->workspace);
    rky_store_free(machine->store);
    rky_free(machine->config.encryption_key);
    *machine = (struct kit_machine){0};
}

void kit_machine_restart(struct kit_machine *machine)
{
    rky_sync_free(machine->sync);
    machine->sync = NULL;
    rky_workspace_free(machine->workspace);
    open_workspace(machine, NULL);
}

/* --- jobs ----------------------------------------------------------------------------------------
 */

void kit_lock_job(struct kit_machine *machine, const char *job_id)
{
    machine->options.store = machine->store;
    machine->options.workspace = machine->workspace;
    machine->options.run_id = "33333333-3333-4333-8333-333333333333";
    machine->options.job_id = job_id;
    machine->options.worker_id = "worker-1";
    machine->options.clock = rky_clock_real();
    ck_assert_ptr_null(machine->sync);
    assert_ok(rky_sync_new(&machine->options, &machine->sync, assert_err_));
    assert_ok(rky_sync_lock(machine->sync, assert_err_));
}

void kit_begin_job(struct kit_machine *machine, const char *job_id)
{
    kit_lock_job(machine, job_id);
    assert_ok(rky_sync_download(machine->sync, assert_err_));
    ck_assert_ptr_nonnull(rky_sync_ledger(machine->sync));
}

int64_t kit_write(struct kit_machine *machine, const char *id, const char *job_id,
                  const char *table, const char *value, int64_t token)
{
    struct rky_ledger *ledger = rky_sync_ledger(machine->sync);
    struct rky_run_record run = kit_run(id, "run", "success");
    kit_begin(ledger);
    assert_ok(rky_ledger_run_put(ledger, &run, assert_err_));
    if (table != NULL) {
        struct rky_watermark watermark = kit_watermark(table, value);
        assert_ok(rky_ledger_watermark_put(ledger, &watermark, assert_err_));
        assert_ok(rky_ledger_count_add(ledger, table, id, 1, NOON_US, false, NULL, assert_err_));
    }
    if (job_id[0] != '\0') {
        struct rky_job_record job = kit_job(job_id, NULL, "success");
        assert_ok(rky_ledger_job_put(ledger, &job, assert_err_));
    }
    assert_ok(rky_ledger_raise_fence(ledger, token, assert_err_));
    return kit_commit(ledger);
}

void kit_upload(struct kit_machine *machine, const struct rky_sync_callbacks *callbacks, int code,
                enum rky_outcome outcome, enum rky_outcome cause)
{
    struct rky_error err = {0};
    int rc = rky_sync_upload(machine->sync, callbacks, &err);
    ck_assert_msg(rc == code, "upload: %s, expected %s: %s", rky_err_name(rc), rky_err_name(code),
                  err.message);
    ck_assert_int_eq(err.code, code);
    const struct rky_transfer_report *report = rky_sync_report(machine->sync, RKY_TRANSFER_UPLOAD);
    ck_assert_ptr_nonnull(report);
    ck_assert_msg(report->outcome == outcome && report->cause == cause, "%s (%s): %s",
                  rky_outcome_name(report->outcome),
                  report->cause == RKY_OUTCOME_NONE ? "none" : rky_outcome_name(report->cause),
                  report->error != NULL ? report->error : "no error");
    ck_assert((report->error == NULL) == (outcome == RKY_OUTCOME_OK));
}

void kit_end_job(struct kit_machine *machine)
{
    rky_sync_free(machine->sync);
    machine->sync = NULL;
}

void kit_whole_job(struct kit_machine *machine, const char *id, const char *table,
                   const char *value)
{
    kit_begin_job(machine, id);
    (void)kit_write(machine, id, id, table, value, rky_sync_token(machine->sync));
    kit_upload(machine, NULL, 0, RKY_OUTCOME_OK, RKY_OUTCOME_NONE);
    kit_end_job(machine);
}

/* --- looking -------------------------------------------------------------------------------------
 */

bool kit_has_run(const struct kit_machine *machine, const char *run_id)
{
    struct rky_run_record *runs = NULL;
    size_t count = 0;
    bool found = false;
    assert_ok(rky_ledger_runs(rky_sync_ledger(machine->sync), 1000, &runs, &count, assert_err_));
    for (size_t i = 0; i < count; i++)
        found = found || strcmp(runs[i].run_id, run_id) == 0;
    rky_run_records_free(runs, count);
    return found;
}

bool kit_has_job(const struct kit_machine *machine, const char *job_id)
{
    struct rky_job_record record = {0};
    struct rky_error err = {0};
    int rc = rky_ledger_job_get(rky_sync_ledger(machine->sync), job_id, &record, &err);
    ck_assert(rc == 0 || rc == RKY_ERR_NOT_FOUND);
    rky_job_record_done(&record);
    return rc == 0;
}

void kit_expect_watermark(const struct kit_machine *machine, const char *table, const char *value)
{
    struct rky_watermark found = {0};
    struct rky_error err = {0};
    int rc = rky_ledger_watermark_get(rky_sync_ledger(machine->sync), table, &found, &err);
    ck_assert_int_eq(rc, value != NULL ? 0 : RKY_ERR_NOT_FOUND);
    if (value != NULL)
        ck_assert_str_eq(found.value, value);
    rky_watermark_done(&found);
}

struct rky_ledger_meta kit_meta(const struct kit_machine *machine)
{
    struct rky_ledger_meta meta;
    assert_ok(rky_ledger_meta(rky_sync_ledger(machine->sync), &meta, assert_err_));
    return meta;
}

int64_t kit_calls(const struct kit_machine *machine, enum rky_memory_op op)
{
    int64_t calls = rky_remote_memory_calls(machine->durable, op);
    if (op == RKY_MEMORY_OPS && machine->cache != NULL)
        calls += rky_remote_memory_calls(machine->cache, op);
    return calls;
}

void kit_break(struct rky_remote *remote, enum rky_memory_op op, int64_t nth, int64_t times,
               bool applied, int code, const char *error_class)
{
    const bool transient = code == RKY_ERR_CONNECTION || code == RKY_ERR_UNAVAILABLE;
    const struct rky_memory_fault fault = {
        .op = op,
        .nth = nth,
        .times = times,
        .applied = applied,
        .code = code,
        .attempt = {.error_class = error_class,
                    .retry = transient ? RKY_RETRY_YES : RKY_RETRY_NO,
                    .counts = transient},
    };
    rky_remote_memory_fault(remote, &fault);
}

size_t kit_files(const char *directory, const char *ending)
{
    size_t count = 0, length = strlen(ending);
    DIR *open = opendir(directory);
    if (open == NULL)
        return 0;
    for (struct dirent *entry = readdir(open); entry != NULL; entry = readdir(open)) {
        size_t size = strlen(entry->d_name);
        count += size >= length && strcmp(entry->d_name + size - length, ending) == 0;
    }
    (void)closedir(open);
    return count;
}
