/* SPDX-License-Identifier: Apache-2.0 */
/* Watermark rows of the targets; see marks.h. */
#include "config.h"

#include "cli/marks.h"

#include <string.h>

#include "common/mem.h"
#include "engine/names.h"

/* --- one schema --------------------------------------------------------------------------- */

static int read_session(const struct rky_cli *cli, struct rky_session *session,
                        struct rky_schema_marks *marks)
{
    struct rky_fence fence = {0};
    int rc = session->ops->read_marks(session, &marks->marks, &marks->count, &marks->fault);
    if (rc == 0)
        rc = session->ops->read_fence(session, cli->namespace_, &fence, &marks->fault);
    if (rc == 0 && fence.present)
        memcpy(marks->lineage, fence.lineage, sizeof(marks->lineage));
    return rc;
}

int rky_marks_read(const struct rky_cli *cli, const char *catalog, const char *schema,
                   struct rky_schema_marks *ret_marks, struct rky_error *err)
{
    *ret_marks = (struct rky_schema_marks){
        .catalog = rky_strdup(catalog), .schema = rky_strdup(schema), .readable = true};
    if (ret_marks->catalog == NULL || ret_marks->schema == NULL)
        return rky_fail_nomem(err);
    struct rky_session_options options = {
        .source = cli->source,
        .lock_timeout_ms = 0,
        .create = false,
        .clock = cli->clock,
        .log = cli->log,
    };
    struct rky_session *session = NULL;
    int rc = cli->target->ops->session_open(cli->target, catalog, schema, &options, &session,
                                            &ret_marks->fault);
    if (rc == 0)
        rc = read_session(cli, session, ret_marks);
    if (session != NULL)
        session->ops->session_close(session);
    if (rc == RKY_ERR_NOT_FOUND)
        rky_error_clear(&ret_marks->fault);
    else
        ret_marks->readable = rc == 0;
    return 0;
}

void rky_schema_marks_done(struct rky_schema_marks *marks)
{
    rky_marks_free(marks->marks, marks->count);
    rky_free(marks->catalog);
    rky_free(marks->schema);
    *marks = (struct rky_schema_marks){0};
}

/* --- all schemas -------------------------------------------------------------------------- */

static int add_schema(const struct rky_cli *cli, const char *catalog, const char *schema,
                      struct rky_marks_view *view, struct rky_error *err)
{
    for (size_t i = 0; i < view->count; i++) {
        if (strcmp(view->schemas[i].schema, schema) == 0 &&
            strcmp(view->schemas[i].catalog, catalog) == 0)
            return 0;
    }
    int rc = rky_array_reserve(&view->schemas, &view->capacity, view->count + 1,
                               sizeof(view->schemas[0]), err);
    if (rc != 0)
        return rc;
    /* Counted before it is filled, so that a failure half way is released with the rest. */
    return rky_marks_read(cli, catalog, schema, &view->schemas[view->count++], err);
}

static int add_source_schema(const struct rky_cli *cli, const struct rky_filter *filter,
                             const char *source_schema, struct rky_marks_view *view,
                             struct rky_error *err)
{
    const struct rky_pipeline_config *pipeline = cli->pipeline;
    struct rky_components components = {0};
    char *reason = NULL, *catalog = NULL, *schema = NULL;
    struct rky_error mismatch = {0};
    int rc = rky_components_parse(pipeline, source_schema, &components, &reason, &mismatch);
    if (rc == 0 && rky_filter_match(filter, &components)) {
        catalog = rky_template_expand(pipeline, pipeline->catalog_template, &components);
        schema = rky_template_expand(pipeline, pipeline->schema_template, &components);
        rc = catalog == NULL || schema == NULL ? rky_fail_nomem(err)
                                               : add_schema(cli, catalog, schema, view, err);
    } else if (rc != RKY_ERR_NOMEM) {
        rc = 0;
    } else {
        rc = rky_fail_nomem(err);
    }
    rky_free(catalog);
    rky_free(schema);
    rky_free(reason);
    rky_components_done(&components);
    return rc;
}

/* A source that is gone takes nothing away from what the ledger knows. */
static int add_from_source(const struct rky_cli *cli, struct rky_marks_view *view,
                           struct rky_error *err)
{
    const struct rky_pipeline_config *pipeline = cli->pipeline;
    struct rky_filter filter = {0};
    struct rky_strings schemas = {0};
    struct rky_error gone = {0};
    int rc = 0;
    if (pipeline->namespace_from != NULL) {
        char *term = rky_asprintf("%s=%s", pipeline->namespace_from, cli->namespace_);
        rc = term == NULL ? rky_fail_nomem(err) : rky_filter_add(&filter, term, err);
        rky_free(term);
    }
    if (rc == 0 && cli->source->ops->list_schemas(cli->source, pipeline->source_catalog,
                                                  pipeline->pattern_prefix, &schemas, &gone) != 0)
        rky_log_write(cli->log, RKY_LOG_DEBUG, NULL, "the source is not listed: %s", gone.message);
    for (size_t i = 0; rc == 0 && i < schemas.count; i++)
        rc = add_source_schema(cli, &filter, schemas.items[i], view, err);
    rky_strings_done(&schemas);
    rky_filter_done(&filter);
    return rc;
}

int rky_marks_view(const struct rky_cli *cli, const struct rky_watermark *ledger_tables,
                   size_t count, struct rky_marks_view *ret_view, struct rky_error *err)
{
    *ret_view = (struct rky_marks_view){0};
    int rc = add_from_source(cli, ret_view, err);
    for (size_t i = 0; rc == 0 && i < count; i++) {
        char *parts[3] = {NULL, NULL, NULL};
        struct rky_error odd = {0};
        if (rky_table_name_split(ledger_tables[i].table, parts, &odd) == 0)
            rc = add_schema(cli, parts[0], parts[1], ret_view, err);
        for (size_t k = 0; k < 3; k++)
            rky_free(parts[k]);
    }
    return rc;
}

int rky_marks_lineage(const struct rky_marks_view *view, const char **ret_lineage,
                      struct rky_error *err)
{
    const struct rky_schema_marks *known = NULL;
    *ret_lineage = NULL;
    for (size_t i = 0; i < view->count; i++) {
        const struct rky_schema_marks *schema = &view->schemas[i];
        if (!schema->readable) {
            (void)rky_fail(err, RKY_ERR_UNAVAILABLE,
                           "target '%s.%s' cannot be read, so its lineage is not known: %s",
                           schema->catalog, schema->schema, schema->fault.message);
            rky_error_hint(err, "try again when the target answers");
            return RKY_ERR_UNAVAILABLE;
        }
        if (schema->lineage[0] == '\0')
            continue;
        if (known != NULL && strcmp(known->lineage, schema->lineage) != 0) {
            (void)rky_fail(err, RKY_ERR_CONFIG,
                           "target schemas '%s.%s' and '%s.%s' carry different lineages of this "
                           "namespace: '%s' and '%s'",
                           known->catalog, known->schema, schema->catalog, schema->schema,
                           known->lineage, schema->lineage);
            rky_error_hint(err, "two states share these targets; 'rocky state adopt --lineage' "
                                "makes them follow the state of this configuration");
            return RKY_ERR_CONFIG;
        }
        known = schema;
    }
    if (known != NULL)
        *ret_lineage = known->lineage;
    return 0;
}

void rky_marks_view_done(struct rky_marks_view *view)
{
    for (size_t i = 0; i < view->count; i++)
        rky_schema_marks_done(&view->schemas[i]);
    rky_free(view->schemas);
    *view = (struct rky_marks_view){0};
}
