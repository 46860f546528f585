/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The start-up checks. They write nothing but a probe file beside the state, and create nothing
 * but missing topics, which serving would create too.
 */
#include "config.h"

#include "worker/check.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "engine/discover.h"

int rky_check_local_dir(const struct rky_config *config, struct rky_error *err)
{
    const char *directory = config->state.local_dir;
    int rc = rky_mkdir_p(directory, err);
    if (rc != 0)
        return rc;
    char *name = rky_asprintf(".probe-%ld", (long)getpid());
    char *path = name == NULL ? NULL : rky_path_join(directory, name);
    if (path == NULL) {
        rc = rky_fail_nomem(err);
    } else {
        rc = rky_write_file_atomic(path, "", 0, err);
        (void)unlink(path);
    }
    rky_error_wrap(err, "state.local_dir '%s'", directory);
    rky_free(path);
    rky_free(name);
    return rc;
}

static int with_adapters(const struct rky_pipeline_config *pipeline, bool look, size_t *ret_sources,
                         struct rky_error *err)
{
    struct rky_adapter *source = NULL, *target = NULL;
    struct rky_discovery discovery = {0};
    struct rky_session *session = NULL;
    const struct rky_filter everything = {0};
    int rc = rky_adapter_open(pipeline->source_adapter, &source, err);
    if (rc == 0)
        rc = rky_adapter_open(pipeline->target_adapter, &target, err);
    if (rc == 0 && look) {
        rc = rky_discover(pipeline, source, target, &everything, NULL, &discovery, err);
        *ret_sources = discovery.source_count;
    }
    if (rc == 0 && discovery.source_count > 0) {
        const struct rky_session_options options = {.source = source, .lock_timeout_ms = 0};
        rc = target->ops->session_open(target, discovery.sources[0].target_catalog,
                                       discovery.sources[0].target_schema, &options, &session, err);
        if (rc == 0) {
            target->ops->session_close(session);
        } else if (rc == RKY_ERR_NOT_FOUND) {
            /* Not there yet: the first run creates it. */
            rky_error_clear(err);
            rc = 0;
        }
    }
    rky_discovery_done(&discovery);
    if (target != NULL)
        target->ops->close(target);
    if (source != NULL)
        source->ops->close(source);
    rky_error_wrap(err, "pipeline '%s'", pipeline->name);
    return rc;
}

int rky_check_adapters(const struct rky_config *config, struct rky_error *err)
{
    size_t unused = 0;
    for (size_t i = 0; i < config->pipeline_count; i++) {
        int rc = with_adapters(&config->pipelines[i], false, &unused, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* --- all of them -------------------------------------------------------------------------------
 */

struct tally {
    const struct rky_check_env *env;
    int first;
    struct rky_error *err;
    int64_t started_ms;
};

static void begin(struct tally *tally)
{
    tally->started_ms = tally->env->clock->mono_ms(tally->env->clock);
}

static void note(struct tally *tally, const char *name, const char *message, int rc,
                 const struct rky_error *fault)
{
    int64_t now = tally->env->clock->mono_ms(tally->env->clock);
    tally->env->report(tally->env->context, name, rc == 0 ? message : fault->message,
                       now - tally->started_ms, fault);
    if (rc != 0 && tally->first == 0) {
        tally->first = rc;
        *tally->err = *fault;
    }
}

static void check_pipeline(struct tally *tally, const struct rky_pipeline_config *pipeline)
{
    char name[128], message[256];
    size_t sources = 0;
    struct rky_error fault = {0};
    begin(tally);
    int rc = with_adapters(pipeline, true, &sources, &fault);
    (void)snprintf(name, sizeof(name), "pipeline %s", pipeline->name);
    (void)snprintf(message, sizeof(message), "source and target answer, %zu source schema%s match",
                   sources, sources == 1 ? "" : "s");
    note(tally, name, message, rc, &fault);
}

int rky_worker_check(const struct rky_check_env *env, struct rky_error *err)
{
    const struct rky_config *config = env->config;
    struct tally tally = {.env = env, .err = err};
    char message[512];
    begin(&tally);
    (void)snprintf(message, sizeof(message), "'%s' is valid, %zu pipeline%s", config->path,
                   config->pipeline_count, config->pipeline_count == 1 ? "" : "s");
    struct rky_error fault = {0};
    note(&tally, "config", message, 0, &fault);
    for (size_t i = 0; i < config->pipeline_count; i++)
        check_pipeline(&tally, &config->pipelines[i]);

    begin(&tally);
    rky_error_clear(&fault);
    int rc = rky_check_local_dir(config, &fault);
    (void)snprintf(message, sizeof(message), "'%s' can be written", config->state.local_dir);
    note(&tally, "state", message, rc, &fault);

    begin(&tally);
    rky_error_clear(&fault);
    rc = rky_topics_ensure(env->transport, &config->queue, env->broker_timeout_ms, &fault);
    (void)snprintf(message, sizeof(message), "'%s' answers, the topics of '%s' are there",
                   config->queue.brokers, config->queue.topic_prefix);
    note(&tally, "queue", message, rc, &fault);
    return tally.first;
}
