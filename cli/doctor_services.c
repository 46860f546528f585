/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doctor's look at the services around the state: the lease, the queue, and whether the clocks
 * agree. Nothing is created: the lease is that of a namespace nobody has, and it is removed again.
 */
#include "config.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/doctor.h"
#include "cli/output.h"
#include "common/fsutil.h"
#include "common/mem.h"
#include "state/lease.h"
#include "state/valkey.h"
#include "transport/transport.h"

enum { LEASE_MS = 5000, LEASE_TTL_MS = 10000, BROKER_MS = 5000 };

/* --- lock --------------------------------------------------------------------------------- */

static struct rky_transfer lease_transfer(const struct rky_doctor *doctor)
{
    struct rky_clock *clock = doctor->cli->clock;
    return (struct rky_transfer){.clock = clock, .deadline = rky_deadline_in(clock, LEASE_MS)};
}

/* Releasing leaves the fence behind, as it must for a namespace that is used. */
static void forget_lease(const struct rky_doctor *doctor, const char *namespace_)
{
    struct rky_valkey *valkey = rky_store_valkey(doctor->store);
    struct rky_store_leg legs[RKY_STORE_LEGS];
    size_t count = rky_store_legs(doctor->store, legs);
    struct rky_error odd = {0};
    if (valkey != NULL) {
        const char *prefix = doctor->cli->config->state.valkey_prefix;
        char *lock = rky_asprintf("%s{%s}:lock", prefix, namespace_);
        char *fence = rky_asprintf("%s{%s}:fence", prefix, namespace_);
        struct rky_valkey_reply reply = {0};
        struct rky_attempt attempt = {0};
        if (lock != NULL && fence != NULL) {
            const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT("DEL"), RKY_VALKEY_TEXT(lock),
                                                  RKY_VALKEY_TEXT(fence)};
            (void)!rky_valkey_command(valkey, args, sizeof(args) / sizeof(args[0]),
                                      lease_transfer(doctor).deadline, &reply, &attempt, &odd);
        }
        rky_valkey_reply_done(&reply);
        rky_free(lock);
        rky_free(fence);
        return;
    }
    const struct rky_remote_name name = {.kind = RKY_REMOTE_LEASE, .namespace_ = namespace_};
    for (size_t i = 0; i < count; i++) {
        struct rky_transfer transfer = lease_transfer(doctor);
        (void)!legs[i].remote->ops->remove(legs[i].remote, &name, NULL, &transfer, &odd);
    }
}

static int use_lease(const struct rky_doctor *doctor, struct rky_lease_driver *driver,
                     const char *namespace_, struct rky_error *err)
{
    struct rky_lease_holder ours = {0}, other = {0};
    (void)snprintf(ours.worker_id, sizeof(ours.worker_id), "%s", doctor->cli->config->worker.id);
    rky_uuid_v4(ours.nonce);
    struct rky_transfer transfer = lease_transfer(doctor);
    int rc = driver->ops->take(driver, namespace_, &ours, 0, LEASE_TTL_MS, &transfer, &other, err);
    if (rc != 0) {
        rky_error_wrap(err, "a lease cannot be taken");
        return rc;
    }
    rc = driver->ops->renew(driver, namespace_, &ours, LEASE_TTL_MS, &transfer, err);
    if (rc != 0)
        rky_error_wrap(err, "a lease cannot be renewed");
    struct rky_error release = {0};
    int released = driver->ops->release(driver, namespace_, &ours, &transfer, &release);
    if (rc == 0 && released != 0) {
        *err = release;
        rky_error_wrap(err, "a lease cannot be released");
    }
    return rc != 0 ? rc : released;
}

static void check_lease(const struct rky_doctor *doctor, struct rky_check *check)
{
    const struct rky_state_config *config = &doctor->cli->config->state;
    struct rky_leases *leases = rky_store_leases(doctor->store);
    struct rky_error err = {0};
    char id[RKY_UUID_TEXT], namespace_[64];
    if (config->lock_mode == RKY_LOCK_OFF) {
        rky_check_find(check, RKY_HEALTH_SKIPPED, NULL,
                       "state.lock.mode is \"off\": the claim in the target and conditional writes "
                       "alone keep workers apart");
        return;
    }
    if (leases == NULL) {
        rky_check_find(check, RKY_HEALTH_GOOD, NULL,
                       "there is no server for leases: the claim in the target and conditional "
                       "writes keep workers apart");
        return;
    }
    struct rky_lease_driver *driver = rky_leases_driver(leases);
    rky_uuid_v4(id);
    (void)snprintf(namespace_, sizeof(namespace_), "doctor-%s", id);
    int64_t begun = doctor->cli->clock->mono_ms(doctor->cli->clock);
    int rc = use_lease(doctor, driver, namespace_, &err);
    rky_check_detail(check, "driver", json_string(driver->ops->name));
    rky_check_detail(check, "latency_ms", json_integer(rky_doctor_since(doctor, begun)));
    forget_lease(doctor, namespace_);
    if (rc != 0)
        rky_check_fault(
            check, config->lock_mode == RKY_LOCK_REQUIRE ? RKY_HEALTH_CRITICAL : RKY_HEALTH_WARNING,
            &err);
    rky_check_find(check, RKY_HEALTH_GOOD, NULL, "a %s lease was taken, renewed and released",
                   driver->ops->name);
}

/* Backend `local`: does the file system keep two processes apart at all? */
static void check_flock(const struct rky_doctor *doctor, struct rky_check *check)
{
    const char *directory = doctor->cli->config->state.local_dir;
    struct rky_file_lock first = {.fd = -1}, second = {.fd = -1};
    struct rky_error err = {0}, taken = {0};
    char id[RKY_UUID_TEXT];
    rky_uuid_v4(id);
    char *parent = rky_path_exists(directory) ? rky_strdup(directory) : rky_path_dirname(directory);
    char *path = parent == NULL ? NULL : rky_asprintf("%s/.doctor-%s.lock", parent, id);
    int rc = path == NULL ? rky_fail_nomem(&err) : rky_file_lock_open(&first, path, &err);
    if (rc == 0)
        rc = rky_file_lock_open(&second, path, &err);
    if (rc == 0)
        rc = rky_file_lock_try(&first, &err);
    if (rc == 0 && rky_file_lock_try(&second, &taken) != RKY_ERR_LOCKED) {
        rc = rky_fail(&err, RKY_ERR_IO, "'%s' lets two holders lock one file", parent);
        rky_error_hint(&err, "put state.local_dir on a file system with working locks");
    }
    rky_file_lock_release(&second);
    rky_file_lock_release(&first);
    rky_file_lock_close(&second);
    rky_file_lock_close(&first);
    if (path != NULL)
        (void)unlink(path);
    if (rc != 0)
        rky_check_fault(check, RKY_HEALTH_CRITICAL, &err);
    rky_check_find(check, RKY_HEALTH_GOOD, NULL, "file locks work in '%s'", parent);
    rky_free(path);
    rky_free(parent);
}

void rky_check_lock(const struct rky_doctor *doctor, struct rky_check *check)
{
    if (doctor->cli->config->state.backend == RKY_BACKEND_LOCAL)
        check_flock(doctor, check);
    else if (doctor->store == NULL)
        rky_check_fault(check, RKY_HEALTH_CRITICAL, &doctor->store_fault);
    else
        check_lease(doctor, check);
}

/* --- queue -------------------------------------------------------------------------------- */

/* What the transport only warns of is for whoever reads the log; here it is a finding. */
static void tell_warnings(const char *lines, struct rky_check *check)
{
    static const char mark[] = "topic ";
    for (const char *at = lines; (at = strstr(at, mark)) != NULL; at += sizeof(mark) - 1) {
        size_t length = strcspn(at, "\n");
        rky_check_find(check, RKY_HEALTH_WARNING, NULL, "%.*s", (int)length, at);
        at += length >= sizeof(mark) ? length - sizeof(mark) + 1 : 0;
    }
}

static void look_at_topics(const struct rky_doctor *doctor, const struct rky_queue_config *queue,
                           struct rky_log *log, struct rky_check *check)
{
    struct rky_transport *transport = NULL;
    struct rky_error err = {0};
    int rc = rky_kafka_open(queue, doctor->cli->config->worker.id, log, &transport, &err);
    if (rc == 0)
        rc = rky_topics_ensure(transport, queue, BROKER_MS, &err);
    if (rc == RKY_ERR_NOT_FOUND && doctor->cli->config->queue.create_topics)
        rky_check_find(check, RKY_HEALTH_GOOD, NULL,
                       "brokers '%s' answer; %s, and the first worker makes it", queue->brokers,
                       err.message);
    else if (rc != 0)
        rky_check_fault(check, RKY_HEALTH_CRITICAL, &err);
    if (transport != NULL)
        transport->ops->close(transport);
}

void rky_check_queue(const struct rky_doctor *doctor, struct rky_check *check)
{
    struct rky_queue_config queue = doctor->cli->config->queue;
    char *lines = NULL;
    size_t length = 0;
    if (!queue.present) {
        rky_check_find(check, RKY_HEALTH_SKIPPED, NULL, "the configuration has no [queue] section");
        return;
    }
    /* Look only. */
    queue.create_topics = false;
    FILE *stream = open_memstream(&lines, &length);
    struct rky_log *log =
        stream == NULL ? NULL : rky_log_new(stream, RKY_LOG_WARN, RKY_LOG_TEXT, doctor->cli->clock);
    if (log == NULL) {
        rky_check_find(check, RKY_HEALTH_CRITICAL, NULL, "out of memory");
    } else {
        look_at_topics(doctor, &queue, log, check);
        rky_log_free(log);
    }
    if (stream != NULL)
        (void)fclose(stream);
    if (lines != NULL)
        tell_warnings(lines, check);
    free(lines);
    rky_check_detail(check, "brokers", rky_cli_text_json(queue.brokers));
    rky_check_find(check, RKY_HEALTH_GOOD, NULL, "brokers '%s' answer, and the topics are there",
                   queue.brokers);
}
