/* SPDX-License-Identifier: Apache-2.0 */
/* Calls of the remote of the fixture; see remote_kit.h. */
#include "config.h"

#include "tests/conformance/remote_kit.h"

#include <stdio.h>
#include <string.h>

struct remote_kit shared;

const struct rky_remote_fixture *shared_fixture;

void shared_unique_namespace(char ret_name[64])
{
    char id[RKY_UUID_TEXT];
    rky_uuid_v4(id);
    (void)snprintf(ret_name, 64, "t-%s", id);
}

void shared_open_remote(void)
{
    shared_unique_namespace(shared.ns);
    shared.head_name = (struct rky_remote_name){.kind = RKY_REMOTE_HEAD, .namespace_ = shared.ns};
    shared.remote = shared_fixture->open();
    ck_assert_ptr_nonnull(shared.remote);
}

void shared_close_remote(void)
{
    if (shared_fixture->close != NULL)
        shared_fixture->close(shared.remote);
    else
        rky_remote_free(shared.remote);
}

struct rky_transfer shared_transfer_of(int64_t ms)
{
    struct rky_clock *clock = rky_clock_real();
    return (struct rky_transfer){.clock = clock, .deadline = rky_deadline_in(clock, ms)};
}

int shared_put_with(const struct rky_remote_name *name, const void *body, size_t length,
                    const struct wish *wish, char ret_etag[RKY_ETAG_MAX],
                    struct rky_transfer *transfer, struct rky_error *err)
{
    const struct rky_remote_put put = {.body = body,
                                       .length = length,
                                       .condition = wish->condition,
                                       .etag = wish->etag,
                                       .head = wish->head};
    return shared.remote->ops->put(shared.remote, name, &put, transfer, ret_etag, err);
}

void shared_put_ok(const struct rky_remote_name *name, const char *body, char etag[RKY_ETAG_MAX])
{
    struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
    struct rky_error err = {0};
    char base[RKY_ETAG_MAX];
    memcpy(base, etag, sizeof(base));
    const struct wish wish = {.condition = base[0] == '\0' ? RKY_IF_ABSENT : RKY_IF_ETAG,
                              .etag = base[0] == '\0' ? NULL : base};
    int rc = shared_put_with(name, body, strlen(body), &wish, etag, &transfer, &err);
    ck_assert_msg(rc == 0, "put: %s", err.message);
    ck_assert_str_ne(etag, "");
    ck_assert_str_ne(etag, base);
}

struct rky_remote_object shared_look(const struct rky_remote_name *name)
{
    struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    int rc = shared.remote->ops->head(shared.remote, name, &transfer, &object, &err);
    ck_assert_msg(rc == 0, "head: %s", err.message);
    ck_assert_ptr_null(object.body);
    return object;
}

struct rky_remote_object shared_get_durable(const struct rky_remote_name *name)
{
    struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    int rc = rky_remote_get_durable(shared.remote, name, &transfer, &object, &err);
    ck_assert_msg(rc == 0, "get_durable: %s", err.message);
    ck_assert(!object.cached);
    return object;
}

struct rky_remote_object shared_get_if(const struct rky_remote_name *name,
                                       const char *if_none_match)
{
    struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    int rc = shared.remote->ops->get(shared.remote, name, if_none_match, &transfer, &object, &err);
    ck_assert_msg(rc == 0, "get: %s", err.message);
    if (!object.cached)
        return object;
    struct rky_remote_object durable = shared_look(name);
    bool fresh = durable.exists && strcmp(durable.etag, object.etag) == 0;
    rky_remote_object_done(&durable);
    if (fresh)
        return object;
    rky_remote_object_done(&object);
    return shared_get_durable(name);
}

void shared_expect_body(const struct rky_remote_name *name, const char *body, const char *etag)
{
    struct rky_remote_object object = shared_get_if(name, NULL);
    ck_assert(object.exists);
    ck_assert(!object.not_modified);
    ck_assert_uint_eq(object.length, strlen(body));
    ck_assert_mem_eq(object.body, body, object.length);
    if (etag != NULL)
        ck_assert_str_eq(object.etag, etag);
    rky_remote_object_done(&object);
}

int shared_remove_with(const struct rky_remote_name *name, const char *etag, struct rky_error *err)
{
    struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
    return shared.remote->ops->remove(shared.remote, name, etag, &transfer, err);
}

void shared_remove_ok(const struct rky_remote_name *name, const char *etag)
{
    struct rky_error err = {0};
    int rc = shared_remove_with(name, etag, &err);
    ck_assert_msg(rc == 0, "remove: %s", err.message);
}

struct rky_remote_name shared_history_name(const char *namespace_, const char *suffix)
{
    return (struct rky_remote_name){
        .kind = RKY_REMOTE_HISTORY, .namespace_ = namespace_, .suffix = suffix};
}

/* --- bytes and metadata -----------------------------------------------------------------------
 */

struct rky_snapshot_head shared_sample_head(int64_t generation)
{
    struct rky_snapshot_head head = {.generation = generation,
                                     .ancestor_count = 4,
                                     .fence = 42,
                                     .schema_version = 3,
                                     .min_reader_version = 2};
    (void)snprintf(head.namespace_, sizeof(head.namespace_), "%s", shared.ns);
    rky_uuid_v4(head.lineage);
    rky_uuid_v4(head.write_id);
    rky_uuid_v4(head.job_id);
    rky_uuid_v4(head.run_id);
    for (size_t i = 0; i < head.ancestor_count; i++)
        rky_uuid_v4(head.ancestors[i]);
    rky_sha256_hex("raw", 3, head.raw_sha256);
    return head;
}
