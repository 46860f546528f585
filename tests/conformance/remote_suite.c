/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remote conformance suite. A test begins with a store that holds nothing of its namespaces,
 * because their names are random; nothing waits, nothing is left to chance but the threads.
 */
#include "config.h"

#include "tests/conformance/remote_suite.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"

#define TRANSFER_MS 30000
#define WRITERS 16
#define COUNTERS 8
#define INCREMENTS 6
#define LARGE_BYTES ((size_t)5 << 20)
/* A writer that others overtake tries again; far more often than it can happen. */
#define ROUNDS_MAX 100000

static const struct rky_remote_fixture *fixture;
static struct rky_remote *remote;
static char ns[64];
static struct rky_remote_name head_name;

static void unique_namespace(char ret_name[64])
{
    char id[RKY_UUID_TEXT];
    rky_uuid_v4(id);
    (void)snprintf(ret_name, 64, "t-%s", id);
}

static void open_remote(void)
{
    unique_namespace(ns);
    head_name = (struct rky_remote_name){.kind = RKY_REMOTE_HEAD, .namespace_ = ns};
    remote = fixture->open();
    ck_assert_ptr_nonnull(remote);
}

static void close_remote(void)
{
    if (fixture->close != NULL)
        fixture->close(remote);
    else
        rky_remote_free(remote);
}

/* --- calls ------------------------------------------------------------------------------------
 */

static struct rky_transfer transfer_of(int64_t ms)
{
    struct rky_clock *clock = rky_clock_real();
    return (struct rky_transfer){.clock = clock, .deadline = rky_deadline_in(clock, ms)};
}

/* What a write wants to find. */
struct wish {
    enum rky_remote_if condition;
    const char *etag;
    const struct rky_snapshot_head *head;
};

static int put_with(const struct rky_remote_name *name, const void *body, size_t length,
                    const struct wish *wish, char ret_etag[RKY_ETAG_MAX],
                    struct rky_transfer *transfer, struct rky_error *err)
{
    const struct rky_remote_put put = {.body = body,
                                       .length = length,
                                       .condition = wish->condition,
                                       .etag = wish->etag,
                                       .head = wish->head};
    return remote->ops->put(remote, name, &put, transfer, ret_etag, err);
}

/* A write that must succeed. @p etag holds the version it replaces ("" = none) and then its own. */
static void put_ok(const struct rky_remote_name *name, const char *body, char etag[RKY_ETAG_MAX])
{
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    struct rky_error err = {0};
    char base[RKY_ETAG_MAX];
    memcpy(base, etag, sizeof(base));
    const struct wish wish = {.condition = base[0] == '\0' ? RKY_IF_ABSENT : RKY_IF_ETAG,
                              .etag = base[0] == '\0' ? NULL : base};
    int rc = put_with(name, body, strlen(body), &wish, etag, &transfer, &err);
    ck_assert_msg(rc == 0, "put: %s", err.message);
    ck_assert_str_ne(etag, "");
    ck_assert_str_ne(etag, base);
}

/* A write that must be refused like this, saying so in the attempt's class. */
static void put_refused(const struct rky_remote_name *name, const char *body,
                        const struct wish *wish, int code, const char *error_class)
{
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    struct rky_error err = {0};
    char etag[RKY_ETAG_MAX] = "";
    int rc = put_with(name, body, strlen(body), wish, etag, &transfer, &err);
    ck_assert_msg(rc == code, "put: %s instead of %s: %s", rky_err_name(rc), rky_err_name(code),
                  err.message);
    ck_assert_int_eq(err.code, code);
    ck_assert_str_ne(err.message, "");
    ck_assert_pstr_eq(transfer.attempt.error_class, error_class);
    ck_assert(!transfer.attempt.counts);
}

static struct rky_remote_object look(const struct rky_remote_name *name)
{
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    int rc = remote->ops->head(remote, name, &transfer, &object, &err);
    ck_assert_msg(rc == 0, "head: %s", err.message);
    ck_assert_ptr_null(object.body);
    return object;
}

static struct rky_remote_object get_durable(const struct rky_remote_name *name)
{
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    int rc = rky_remote_get_durable(remote, name, &transfer, &object, &err);
    ck_assert_msg(rc == 0, "get_durable: %s", err.message);
    ck_assert(!object.cached);
    return object;
}

/* As a careful reader does it: what a cache gave counts only when the store has the same version.
 */
static struct rky_remote_object get_if(const struct rky_remote_name *name,
                                       const char *if_none_match)
{
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    int rc = remote->ops->get(remote, name, if_none_match, &transfer, &object, &err);
    ck_assert_msg(rc == 0, "get: %s", err.message);
    if (!object.cached)
        return object;
    struct rky_remote_object durable = look(name);
    bool fresh = durable.exists && strcmp(durable.etag, object.etag) == 0;
    rky_remote_object_done(&durable);
    if (fresh)
        return object;
    rky_remote_object_done(&object);
    return get_durable(name);
}

static void expect_body(const struct rky_remote_name *name, const char *body, const char *etag)
{
    struct rky_remote_object object = get_if(name, NULL);
    ck_assert(object.exists);
    ck_assert(!object.not_modified);
    ck_assert_uint_eq(object.length, strlen(body));
    ck_assert_mem_eq(object.body, body, object.length);
    if (etag != NULL)
        ck_assert_str_eq(object.etag, etag);
    rky_remote_object_done(&object);
}

static void expect_absent(const struct rky_remote_name *name)
{
    struct rky_remote_object object = look(name);
    ck_assert(!object.exists);
    object = get_durable(name);
    ck_assert(!object.exists);
    ck_assert_ptr_null(object.body);
    object = get_if(name, NULL);
    ck_assert(!object.exists);
    ck_assert_ptr_null(object.body);
    object = get_if(name, "\"some-etag\"");
    ck_assert(!object.exists);
}

static int remove_with(const struct rky_remote_name *name, const char *etag, struct rky_error *err)
{
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    return remote->ops->remove(remote, name, etag, &transfer, err);
}

static void remove_ok(const struct rky_remote_name *name, const char *etag)
{
    struct rky_error err = {0};
    int rc = remove_with(name, etag, &err);
    ck_assert_msg(rc == 0, "remove: %s", err.message);
}

static struct rky_remote_name history_name(const char *namespace_, const char *suffix)
{
    return (struct rky_remote_name){
        .kind = RKY_REMOTE_HISTORY, .namespace_ = namespace_, .suffix = suffix};
}

/* The suffixes of a list, one a line. Caller frees. */
static char *listed(enum rky_remote_kind kind, const char *namespace_)
{
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    struct rky_remote_list list = {0};
    struct rky_error err = {0};
    struct rky_strbuf text = {0};
    int rc = remote->ops->list(remote, kind, namespace_, &transfer, &list, &err);
    ck_assert_msg(rc == 0, "list: %s", err.message);
    for (size_t i = 0; i < list.count; i++) {
        ck_assert_int_gt(list.items[i].size, 0);
        rky_strbuf_addf(&text, "%s\n", list.items[i].suffix);
    }
    rky_remote_list_done(&list);
    ck_assert_ptr_null(list.items);
    char *result = rky_strdup(rky_strbuf_text(&text));
    rky_strbuf_done(&text);
    ck_assert_ptr_nonnull(result);
    return result;
}

static void expect_list(enum rky_remote_kind kind, const char *namespace_, const char *expected)
{
    char *text = listed(kind, namespace_);
    ck_assert_str_eq(text, expected);
    rky_free(text);
}

/* --- one writer -------------------------------------------------------------------------------
 */

START_TEST(what_was_never_written_is_absent_and_no_error)
{
    expect_absent(&head_name);
    const struct rky_remote_name lease = {.kind = RKY_REMOTE_LEASE, .namespace_ = ns};
    expect_absent(&lease);
    const struct rky_remote_name old = history_name(ns, "00000000000000000001-abcdef01.snap");
    expect_absent(&old);
}
END_TEST

START_TEST(what_is_created_is_read_back)
{
    char etag[RKY_ETAG_MAX] = "";
    put_ok(&head_name, "first", etag);
    expect_body(&head_name, "first", etag);

    struct rky_remote_object object = look(&head_name);
    ck_assert(object.exists);
    ck_assert(!object.cached);
    ck_assert_str_eq(object.etag, etag);
    rky_remote_object_done(&object);

    object = get_durable(&head_name);
    ck_assert(object.exists);
    ck_assert_uint_eq(object.length, strlen("first"));
    ck_assert_mem_eq(object.body, "first", object.length);
    ck_assert_str_eq(object.etag, etag);
    rky_remote_object_done(&object);
}
END_TEST

START_TEST(the_second_who_creates_is_refused)
{
    char etag[RKY_ETAG_MAX] = "";
    const struct wish create = {.condition = RKY_IF_ABSENT};
    put_ok(&head_name, "first", etag);
    put_refused(&head_name, "second", &create, RKY_ERR_CONFLICT, "conflict");
    expect_body(&head_name, "first", etag);
}
END_TEST

START_TEST(who_names_the_version_replaces_it)
{
    char etag[RKY_ETAG_MAX] = "";
    put_ok(&head_name, "first", etag);
    put_ok(&head_name, "second", etag);
    expect_body(&head_name, "second", etag);
    put_ok(&head_name, "third", etag);
    expect_body(&head_name, "third", etag);
}
END_TEST

START_TEST(a_stale_base_is_refused_and_changes_nothing)
{
    char etag[RKY_ETAG_MAX] = "";
    char stale[RKY_ETAG_MAX];
    put_ok(&head_name, "first", etag);
    memcpy(stale, etag, sizeof(stale));
    put_ok(&head_name, "second", etag);
    const struct wish wish = {.condition = RKY_IF_ETAG, .etag = stale};
    put_refused(&head_name, "late", &wish, RKY_ERR_CONFLICT, "conflict");
    expect_body(&head_name, "second", etag);
}
END_TEST

START_TEST(replacing_what_was_deleted_is_not_found)
{
    char etag[RKY_ETAG_MAX] = "";
    put_ok(&head_name, "first", etag);
    remove_ok(&head_name, NULL);
    const struct wish wish = {.condition = RKY_IF_ETAG, .etag = etag};
    put_refused(&head_name, "late", &wish, RKY_ERR_NOT_FOUND, "deleted");
    expect_absent(&head_name);
    char again[RKY_ETAG_MAX] = "";
    put_ok(&head_name, "recreated", again);
    expect_body(&head_name, "recreated", again);
}
END_TEST

START_TEST(an_unconditional_write_creates_and_replaces)
{
    const struct rky_remote_name name = history_name(ns, "00000000000000000007-abcdef01.snap");
    const struct wish any = {.condition = RKY_IF_ANY};
    const char *const bodies[] = {"one", "two"};
    for (size_t i = 0; i < 2; i++) {
        struct rky_transfer transfer = transfer_of(TRANSFER_MS);
        struct rky_error err = {0};
        char etag[RKY_ETAG_MAX] = "";
        int rc = put_with(&name, bodies[i], 3, &any, etag, &transfer, &err);
        ck_assert_msg(rc == 0, "%s", err.message);
        expect_body(&name, bodies[i], etag);
    }
}
END_TEST

START_TEST(deleting_removes_it_and_deleting_again_is_no_error)
{
    char etag[RKY_ETAG_MAX] = "";
    put_ok(&head_name, "first", etag);
    remove_ok(&head_name, NULL);
    expect_absent(&head_name);
    remove_ok(&head_name, NULL);
    expect_absent(&head_name);
}
END_TEST

START_TEST(deleting_with_an_etag_removes_that_version_only)
{
    char etag[RKY_ETAG_MAX] = "";
    char stale[RKY_ETAG_MAX];
    struct rky_error err = {0};
    put_ok(&head_name, "first", etag);
    memcpy(stale, etag, sizeof(stale));
    put_ok(&head_name, "second", etag);

    ck_assert_int_eq(remove_with(&head_name, stale, &err), RKY_ERR_CONFLICT);
    ck_assert_str_ne(err.message, "");
    expect_body(&head_name, "second", etag);
    remove_ok(&head_name, etag);
    expect_absent(&head_name);
}
END_TEST

START_TEST(a_version_that_is_at_hand_is_not_sent_again)
{
    char etag[RKY_ETAG_MAX] = "";
    char old[RKY_ETAG_MAX];
    put_ok(&head_name, "first", etag);
    struct rky_remote_object object = get_if(&head_name, etag);
    ck_assert(object.exists);
    ck_assert(object.not_modified);
    ck_assert_ptr_null(object.body);
    ck_assert_str_eq(object.etag, etag);
    rky_remote_object_done(&object);

    memcpy(old, etag, sizeof(old));
    put_ok(&head_name, "second", etag);
    object = get_if(&head_name, old);
    ck_assert(object.exists);
    ck_assert(!object.not_modified);
    ck_assert_uint_eq(object.length, strlen("second"));
    ck_assert_mem_eq(object.body, "second", object.length);
    ck_assert_str_eq(object.etag, etag);
    rky_remote_object_done(&object);
}
END_TEST

START_TEST(each_kind_and_each_namespace_is_an_object_of_its_own)
{
    char other[64];
    unique_namespace(other);
    const struct rky_remote_name names[] = {
        head_name,
        {.kind = RKY_REMOTE_LEASE, .namespace_ = ns},
        history_name(ns, "00000000000000000001-abcdef01.snap"),
        {.kind = RKY_REMOTE_PROBE, .namespace_ = ns, .suffix = "p"},
        {.kind = RKY_REMOTE_HEAD, .namespace_ = other},
    };
    const char *const bodies[] = {"head", "lease", "history", "probe", "other"};
    char etags[5][RKY_ETAG_MAX];
    for (size_t i = 0; i < 5; i++) {
        etags[i][0] = '\0';
        put_ok(&names[i], bodies[i], etags[i]);
    }
    for (size_t i = 0; i < 5; i++)
        expect_body(&names[i], bodies[i], etags[i]);
    remove_ok(&names[0], NULL);
    expect_absent(&names[0]);
    for (size_t i = 1; i < 5; i++)
        expect_body(&names[i], bodies[i], etags[i]);
}
END_TEST

START_TEST(an_object_says_where_it_is)
{
    char *uri = remote->ops->uri(remote, &head_name);
    ck_assert_ptr_nonnull(uri);
    ck_assert_ptr_nonnull(strstr(uri, ns));
    rky_free(uri);
}
END_TEST

START_TEST(a_call_whose_time_is_over_ends_as_timeout)
{
    struct rky_transfer transfer = transfer_of(0);
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    char etag[RKY_ETAG_MAX] = "";
    const struct wish create = {.condition = RKY_IF_ABSENT};
    ck_assert_int_ne(remote->ops->get(remote, &head_name, NULL, &transfer, &object, &err), 0);
    ck_assert(!object.exists);
    ck_assert_ptr_null(object.body);
    rky_error_clear(&err);
    ck_assert_int_ne(put_with(&head_name, "x", 1, &create, etag, &transfer, &err), 0);
    ck_assert_str_ne(err.message, "");
    expect_absent(&head_name);
}
END_TEST

/* --- bytes and metadata -----------------------------------------------------------------------
 */

START_TEST(every_byte_survives)
{
    unsigned char body[1024];
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    struct rky_error err = {0};
    char etag[RKY_ETAG_MAX] = "";
    const struct wish create = {.condition = RKY_IF_ABSENT};
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (unsigned char)(i % 256);
    int rc = put_with(&head_name, body, sizeof(body), &create, etag, &transfer, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    struct rky_remote_object object = get_if(&head_name, NULL);
    ck_assert_uint_eq(object.length, sizeof(body));
    ck_assert_mem_eq(object.body, body, sizeof(body));
    rky_remote_object_done(&object);
}
END_TEST

START_TEST(five_mebibytes_survive)
{
    unsigned char *body = malloc(LARGE_BYTES);
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    struct rky_error err = {0};
    char etag[RKY_ETAG_MAX] = "";
    const struct wish create = {.condition = RKY_IF_ABSENT};
    ck_assert_ptr_nonnull(body);
    rky_random_bytes(body, LARGE_BYTES);
    int rc = put_with(&head_name, body, LARGE_BYTES, &create, etag, &transfer, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    struct rky_remote_object object = get_if(&head_name, NULL);
    ck_assert_uint_eq(object.length, LARGE_BYTES);
    ck_assert(memcmp(object.body, body, LARGE_BYTES) == 0);
    rky_remote_object_done(&object);
    object = get_durable(&head_name);
    ck_assert_uint_eq(object.length, LARGE_BYTES);
    ck_assert(memcmp(object.body, body, LARGE_BYTES) == 0);
    rky_remote_object_done(&object);
    free(body);
}
END_TEST

static struct rky_snapshot_head sample_head(int64_t generation)
{
    struct rky_snapshot_head head = {.generation = generation,
                                     .ancestor_count = 4,
                                     .fence = 42,
                                     .schema_version = 3,
                                     .min_reader_version = 2};
    (void)snprintf(head.namespace_, sizeof(head.namespace_), "%s", ns);
    rky_uuid_v4(head.lineage);
    rky_uuid_v4(head.write_id);
    rky_uuid_v4(head.job_id);
    rky_uuid_v4(head.run_id);
    for (size_t i = 0; i < head.ancestor_count; i++)
        rky_uuid_v4(head.ancestors[i]);
    rky_sha256_hex("raw", 3, head.raw_sha256);
    return head;
}

static void expect_head(const struct rky_remote_object *object,
                        const struct rky_snapshot_head *expected)
{
    const struct rky_snapshot_head *head = &object->head;
    ck_assert(object->exists);
    ck_assert(object->has_head);
    ck_assert_str_eq(head->namespace_, expected->namespace_);
    ck_assert_str_eq(head->lineage, expected->lineage);
    ck_assert_str_eq(head->write_id, expected->write_id);
    ck_assert_str_eq(head->job_id, expected->job_id);
    ck_assert_str_eq(head->raw_sha256, expected->raw_sha256);
    ck_assert_int_eq(head->generation, expected->generation);
    ck_assert_int_eq(head->fence, expected->fence);
    ck_assert_int_eq(head->schema_version, expected->schema_version);
    ck_assert_int_eq(head->min_reader_version, expected->min_reader_version);
    ck_assert_uint_ge(head->ancestor_count,
                      expected->ancestor_count < 4 ? expected->ancestor_count : 4);
    for (size_t i = 0; i < head->ancestor_count; i++)
        ck_assert_str_eq(head->ancestors[i], expected->ancestors[i]);
}

static void put_head_ok(const struct rky_snapshot_head *head, const char *body,
                        char etag[RKY_ETAG_MAX])
{
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    struct rky_error err = {0};
    char base[RKY_ETAG_MAX];
    memcpy(base, etag, sizeof(base));
    const struct wish wish = {.condition = base[0] == '\0' ? RKY_IF_ABSENT : RKY_IF_ETAG,
                              .etag = base[0] == '\0' ? NULL : base,
                              .head = head};
    int rc = put_with(&head_name, body, strlen(body), &wish, etag, &transfer, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert(!transfer.recovered);
}

START_TEST(the_head_of_a_snapshot_is_answered_without_its_body)
{
    char etag[RKY_ETAG_MAX] = "";
    struct rky_snapshot_head head = sample_head(7);
    for (int round = 0; round < 2; round++) {
        put_head_ok(&head, round == 0 ? "seventh" : "eighth", etag);
        struct rky_remote_object object = look(&head_name);
        expect_head(&object, &head);
        ck_assert_str_eq(object.etag, etag);
        rky_remote_object_done(&object);
        object = get_if(&head_name, NULL);
        expect_head(&object, &head);
        rky_remote_object_done(&object);
        head = sample_head(8);
    }
}
END_TEST

START_TEST(a_head_with_one_ancestor_and_no_job_is_answered_as_it_is)
{
    char etag[RKY_ETAG_MAX] = "";
    struct rky_snapshot_head head = sample_head(INT64_C(9007199254740991));
    head.ancestor_count = 1;
    head.job_id[0] = '\0';
    head.run_id[0] = '\0';
    put_head_ok(&head, "x", etag);
    struct rky_remote_object object = look(&head_name);
    expect_head(&object, &head);
    ck_assert_uint_eq(object.head.ancestor_count, 1);
    rky_remote_object_done(&object);
}
END_TEST

START_TEST(an_object_without_a_head_has_none)
{
    char etag[RKY_ETAG_MAX] = "";
    struct rky_snapshot_head head = sample_head(1);
    put_head_ok(&head, "with", etag);
    put_ok(&head_name, "without", etag);
    struct rky_remote_object object = look(&head_name);
    ck_assert(object.exists);
    ck_assert(!object.has_head);
    rky_remote_object_done(&object);
}
END_TEST

/* --- lists ------------------------------------------------------------------------------------
 */

START_TEST(a_list_of_nothing_is_empty)
{
    expect_list(RKY_REMOTE_HISTORY, ns, "");
    expect_list(RKY_REMOTE_PROBE, ns, "");
}
END_TEST

START_TEST(history_is_listed_in_order_and_only_its_own)
{
    /* The other namespace begins with the whole name of this one. */
    char longer[64];
    char short_ns[32];
    (void)snprintf(short_ns, sizeof(short_ns), "%.24s", ns);
    (void)snprintf(longer, sizeof(longer), "%s-2", short_ns);
    const char *const suffixes[] = {"00000000000000000010-bbbbbbbb.snap",
                                    "00000000000000000002-aaaaaaaa.snap",
                                    "00000000000000000009-cccccccc.snap"};
    for (size_t i = 0; i < 3; i++) {
        const struct rky_remote_name name = history_name(short_ns, suffixes[i]);
        char etag[RKY_ETAG_MAX] = "";
        put_ok(&name, suffixes[i], etag);
    }
    char etag[RKY_ETAG_MAX] = "";
    const struct rky_remote_name foreign = history_name(longer, suffixes[0]);
    put_ok(&foreign, "foreign", etag);
    const struct rky_remote_name head = {.kind = RKY_REMOTE_HEAD, .namespace_ = short_ns};
    etag[0] = '\0';
    put_ok(&head, "head", etag);

    expect_list(RKY_REMOTE_HISTORY, short_ns,
                "00000000000000000002-aaaaaaaa.snap\n00000000000000000009-cccccccc.snap\n"
                "00000000000000000010-bbbbbbbb.snap\n");
    expect_list(RKY_REMOTE_PROBE, short_ns, "");

    const struct rky_remote_name middle = history_name(short_ns, suffixes[2]);
    remove_ok(&middle, NULL);
    expect_list(RKY_REMOTE_HISTORY, short_ns,
                "00000000000000000002-aaaaaaaa.snap\n00000000000000000010-bbbbbbbb.snap\n");
    const struct rky_remote_name first = history_name(short_ns, suffixes[1]);
    expect_body(&first, suffixes[1], NULL);
    expect_list(RKY_REMOTE_HISTORY, longer, "00000000000000000010-bbbbbbbb.snap\n");
}
END_TEST

START_TEST(probes_are_listed_too)
{
    const struct rky_remote_name names[] = {
        {.kind = RKY_REMOTE_PROBE, .namespace_ = ns, .suffix = "race-b"},
        {.kind = RKY_REMOTE_PROBE, .namespace_ = ns, .suffix = "race-a"},
    };
    for (size_t i = 0; i < 2; i++) {
        char etag[RKY_ETAG_MAX] = "";
        put_ok(&names[i], "probe", etag);
    }
    expect_list(RKY_REMOTE_PROBE, ns, "race-a\nrace-b\n");
    expect_list(RKY_REMOTE_HISTORY, ns, "");
    for (size_t i = 0; i < 2; i++)
        remove_ok(&names[i], NULL);
    expect_list(RKY_REMOTE_PROBE, ns, "");
}
END_TEST

/* --- many writers -----------------------------------------------------------------------------
 */

struct race {
    pthread_barrier_t start;
    char base[RKY_ETAG_MAX]; /* "" = create */
};
struct writer {
    struct race *race;
    struct rky_snapshot_head head;
    char body[64], etag[RKY_ETAG_MAX];
    int rc;
    struct rky_attempt attempt;
    struct rky_error err;
};

/* Threads record what happened; only the main thread asserts. */
static void *write_once(void *argument)
{
    struct writer *writer = argument;
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    const char *base = writer->race->base;
    const struct wish wish = {.condition = base[0] == '\0' ? RKY_IF_ABSENT : RKY_IF_ETAG,
                              .etag = base[0] == '\0' ? NULL : base,
                              .head = &writer->head};
    (void)pthread_barrier_wait(&writer->race->start);
    writer->rc = put_with(&head_name, writer->body, strlen(writer->body), &wish, writer->etag,
                          &transfer, &writer->err);
    writer->attempt = transfer.attempt;
    return NULL;
}

/* @p base holds the version that all replace, and then the winner's. */
static void run_race(char base[RKY_ETAG_MAX])
{
    struct race race;
    struct writer *writers = calloc(WRITERS, sizeof(*writers));
    pthread_t threads[WRITERS];
    ck_assert_ptr_nonnull(writers);
    memcpy(race.base, base, sizeof(race.base));
    ck_assert_int_eq(pthread_barrier_init(&race.start, NULL, WRITERS), 0);
    for (size_t i = 0; i < WRITERS; i++) {
        writers[i].race = &race;
        writers[i].head = sample_head(1);
        /* No two writes are ever equal, or a version that is an MD5 would come back. */
        (void)snprintf(writers[i].body, sizeof(writers[i].body), "writer %zu %s", i,
                       writers[i].head.write_id);
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_once, &writers[i]), 0);
    }
    const struct writer *winner = NULL;
    for (size_t i = 0; i < WRITERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < WRITERS; i++) {
        if (writers[i].rc == 0) {
            ck_assert_msg(winner == NULL, "two writers won");
            winner = &writers[i];
        } else {
            ck_assert_msg(writers[i].rc == RKY_ERR_CONFLICT, "%s", writers[i].err.message);
            ck_assert_pstr_eq(writers[i].attempt.error_class, "conflict");
        }
    }
    ck_assert_msg(winner != NULL, "nobody won");
    expect_body(&head_name, winner->body, winner->etag);
    struct rky_remote_object object = look(&head_name);
    ck_assert_str_eq(object.head.write_id, winner->head.write_id);
    rky_remote_object_done(&object);
    memcpy(base, winner->etag, RKY_ETAG_MAX);
    (void)pthread_barrier_destroy(&race.start);
    free(writers);
}

START_TEST(of_sixteen_who_create_exactly_one_wins)
{
    char base[RKY_ETAG_MAX] = "";
    run_race(base);
}
END_TEST

START_TEST(of_sixteen_who_replace_one_version_exactly_one_wins)
{
    char base[RKY_ETAG_MAX] = "";
    put_ok(&head_name, "base", base);
    for (int round = 0; round < 3; round++)
        run_race(base);
}
END_TEST

struct counter {
    const char *failed; /* NULL = all went well */
    struct rky_error err;
};

/* One read and one conditional write. @return whether the increment was made. */
static bool increment(struct counter *counter)
{
    struct rky_transfer transfer = transfer_of(TRANSFER_MS);
    struct rky_remote_object object = {0};
    struct rky_snapshot_head head = sample_head(1);
    char body[32];
    char etag[RKY_ETAG_MAX] = "";
    rky_error_clear(&counter->err);
    if (rky_remote_get_durable(remote, &head_name, &transfer, &object, &counter->err) != 0) {
        counter->failed = "get_durable";
        return false;
    }
    long value = strtol((const char *)object.body, NULL, 10);
    (void)snprintf(body, sizeof(body), "%ld", value + 1);
    head.generation = value + 1;
    const struct wish wish = {.condition = RKY_IF_ETAG, .etag = object.etag, .head = &head};
    int rc = put_with(&head_name, body, strlen(body), &wish, etag, &transfer, &counter->err);
    rky_remote_object_done(&object);
    if (rc != 0 && rc != RKY_ERR_CONFLICT)
        counter->failed = "put";
    return rc == 0;
}

static void *count_up(void *argument)
{
    struct counter *counter = argument;
    int done = 0;
    int round = 0;
    while (done < INCREMENTS && counter->failed == NULL && round++ < ROUNDS_MAX)
        done += increment(counter) ? 1 : 0;
    if (done < INCREMENTS && counter->failed == NULL)
        counter->failed = "never won";
    return NULL;
}

START_TEST(eight_who_count_lose_no_increment)
{
    struct counter *counters = calloc(COUNTERS, sizeof(*counters));
    pthread_t threads[COUNTERS];
    char etag[RKY_ETAG_MAX] = "";
    char expected[32];
    ck_assert_ptr_nonnull(counters);
    put_ok(&head_name, "0", etag);
    for (size_t i = 0; i < COUNTERS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, count_up, &counters[i]), 0);
    for (size_t i = 0; i < COUNTERS; i++)
        ck_assert_int_eq(pthread_join(threads[i], NULL), 0);
    for (size_t i = 0; i < COUNTERS; i++)
        ck_assert_msg(counters[i].failed == NULL, "%s: %s", counters[i].failed,
                      counters[i].err.message);
    (void)snprintf(expected, sizeof(expected), "%d", COUNTERS * INCREMENTS);
    expect_body(&head_name, expected, NULL);
    free(counters);
}
END_TEST

/* ----------------------------------------------------------------------------------------------
 */

static void add_case(Suite *suite, const char *name, const TTest *const *tests, size_t count)
{
    TCase *tcase = tcase_create(name);
    if (fixture->start != NULL || fixture->stop != NULL)
        tcase_add_unchecked_fixture(tcase, fixture->start, fixture->stop);
    tcase_add_checked_fixture(tcase, open_remote, close_remote);
    tcase_set_timeout(tcase, fixture->timeout_s > 0 ? fixture->timeout_s : 60);
    for (size_t i = 0; i < count; i++)
        tcase_add_test(tcase, tests[i]);
    suite_add_tcase(suite, tcase);
}

Suite *rky_remote_suite(const struct rky_remote_fixture *with)
{
    const TTest *const tests[] = {
        what_was_never_written_is_absent_and_no_error,
        what_is_created_is_read_back,
        the_second_who_creates_is_refused,
        who_names_the_version_replaces_it,
        a_stale_base_is_refused_and_changes_nothing,
        replacing_what_was_deleted_is_not_found,
        an_unconditional_write_creates_and_replaces,
        deleting_removes_it_and_deleting_again_is_no_error,
        deleting_with_an_etag_removes_that_version_only,
        a_version_that_is_at_hand_is_not_sent_again,
        each_kind_and_each_namespace_is_an_object_of_its_own,
        an_object_says_where_it_is,
        a_call_whose_time_is_over_ends_as_timeout,
        every_byte_survives,
        five_mebibytes_survive,
        the_head_of_a_snapshot_is_answered_without_its_body,
        a_head_with_one_ancestor_and_no_job_is_answered_as_it_is,
        an_object_without_a_head_has_none,
        a_list_of_nothing_is_empty,
        history_is_listed_in_order_and_only_its_own,
        probes_are_listed_too,
        of_sixteen_who_create_exactly_one_wins,
        of_sixteen_who_replace_one_version_exactly_one_wins,
        eight_who_count_lose_no_increment,
    };
    fixture = with;
    Suite *suite = suite_create(with->name);
    add_case(suite, "seam", tests, sizeof(tests) / sizeof(tests[0]));
    return suite;
}
