/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a remote keeps: every byte, the head of a snapshot beside it, and lists in order.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "tests/conformance/remote_kit.h"

#define LARGE_BYTES ((size_t)5 << 20)

/* The suffixes of a list, one a line. Caller frees. */
static char *listed(enum rky_remote_kind kind, const char *namespace_)
{
    struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
    struct rky_remote_list list = {0};
    struct rky_error err = {0};
    struct rky_strbuf text = {0};
    int rc = shared.remote->ops->list(shared.remote, kind, namespace_, &transfer, &list, &err);
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

/* --- bytes and metadata -----------------------------------------------------------------------
 */

START_TEST(every_byte_survives)
{
    unsigned char body[1024];
    struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
    struct rky_error err = {0};
    char etag[RKY_ETAG_MAX] = "";
    const struct wish create = {.condition = RKY_IF_ABSENT};
    for (size_t i = 0; i < sizeof(body); i++)
        body[i] = (unsigned char)(i % 256);
    int rc = shared_put_with(&shared.head_name, body, sizeof(body), &create, etag, &transfer, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    struct rky_remote_object object = shared_get_if(&shared.head_name, NULL);
    ck_assert_uint_eq(object.length, sizeof(body));
    ck_assert_mem_eq(object.body, body, sizeof(body));
    rky_remote_object_done(&object);
}
END_TEST

START_TEST(five_mebibytes_survive)
{
    unsigned char *body = malloc(LARGE_BYTES);
    struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
    struct rky_error err = {0};
    char etag[RKY_ETAG_MAX] = "";
    const struct wish create = {.condition = RKY_IF_ABSENT};
    ck_assert_ptr_nonnull(body);
    rky_random_bytes(body, LARGE_BYTES);
    int rc = shared_put_with(&shared.head_name, body, LARGE_BYTES, &create, etag, &transfer, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    struct rky_remote_object object = shared_get_if(&shared.head_name, NULL);
    ck_assert_uint_eq(object.length, LARGE_BYTES);
    ck_assert(memcmp(object.body, body, LARGE_BYTES) == 0);
    rky_remote_object_done(&object);
    object = shared_get_durable(&shared.head_name);
    ck_assert_uint_eq(object.length, LARGE_BYTES);
    ck_assert(memcmp(object.body, body, LARGE_BYTES) == 0);
    rky_remote_object_done(&object);
    free(body);
}
END_TEST

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
    struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
    struct rky_error err = {0};
    char base[RKY_ETAG_MAX];
    memcpy(base, etag, sizeof(base));
    const struct wish wish = {.condition = base[0] == '\0' ? RKY_IF_ABSENT : RKY_IF_ETAG,
                              .etag = base[0] == '\0' ? NULL : base,
                              .head = head};
    int rc = shared_put_with(&shared.head_name, body, strlen(body), &wish, etag, &transfer, &err);
    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert(!transfer.recovered);
}

START_TEST(the_head_of_a_snapshot_is_answered_without_its_body)
{
    char etag[RKY_ETAG_MAX] = "";
    struct rky_snapshot_head head = shared_sample_head(7);
    for (int round = 0; round < 2; round++) {
        put_head_ok(&head, round == 0 ? "seventh" : "eighth", etag);
        struct rky_remote_object object = shared_look(&shared.head_name);
        expect_head(&object, &head);
        ck_assert_str_eq(object.etag, etag);
        rky_remote_object_done(&object);
        object = shared_get_if(&shared.head_name, NULL);
        expect_head(&object, &head);
        rky_remote_object_done(&object);
        head = shared_sample_head(8);
    }
}
END_TEST

START_TEST(a_head_with_one_ancestor_and_no_job_is_answered_as_it_is)
{
    char etag[RKY_ETAG_MAX] = "";
    struct rky_snapshot_head head = shared_sample_head(INT64_C(9007199254740991));
    head.ancestor_count = 1;
    head.job_id[0] = '\0';
    head.run_id[0] = '\0';
    put_head_ok(&head, "x", etag);
    struct rky_remote_object object = shared_look(&shared.head_name);
    expect_head(&object, &head);
    ck_assert_uint_eq(object.head.ancestor_count, 1);
    rky_remote_object_done(&object);
}
END_TEST

START_TEST(an_object_without_a_head_has_none)
{
    char etag[RKY_ETAG_MAX] = "";
    struct rky_snapshot_head head = shared_sample_head(1);
    put_head_ok(&head, "with", etag);
    shared_put_ok(&shared.head_name, "without", etag);
    struct rky_remote_object object = shared_look(&shared.head_name);
    ck_assert(object.exists);
    ck_assert(!object.has_head);
    rky_remote_object_done(&object);
}
END_TEST

/* --- lists ------------------------------------------------------------------------------------
 */

START_TEST(a_list_of_nothing_is_empty)
{
    expect_list(RKY_REMOTE_HISTORY, shared.ns, "");
    expect_list(RKY_REMOTE_PROBE, shared.ns, "");
}
END_TEST

START_TEST(history_is_listed_in_order_and_only_its_own)
{
    /* The other namespace begins with the whole name of this one. */
    char longer[64];
    char short_ns[32];
    (void)snprintf(short_ns, sizeof(short_ns), "%.24s", shared.ns);
    (void)snprintf(longer, sizeof(longer), "%s-2", short_ns);
    const char *const suffixes[] = {"00000000000000000010-bbbbbbbb.snap",
                                    "00000000000000000002-aaaaaaaa.snap",
                                    "00000000000000000009-cccccccc.snap"};
    for (size_t i = 0; i < 3; i++) {
        const struct rky_remote_name name = shared_history_name(short_ns, suffixes[i]);
        char etag[RKY_ETAG_MAX] = "";
        shared_put_ok(&name, suffixes[i], etag);
    }
    char etag[RKY_ETAG_MAX] = "";
    const struct rky_remote_name foreign = shared_history_name(longer, suffixes[0]);
    shared_put_ok(&foreign, "foreign", etag);
    const struct rky_remote_name head = {.kind = RKY_REMOTE_HEAD, .namespace_ = short_ns};
    etag[0] = '\0';
    shared_put_ok(&head, "head", etag);

    expect_list(RKY_REMOTE_HISTORY, short_ns,
                "00000000000000000002-aaaaaaaa.snap\n00000000000000000009-cccccccc.snap\n"
                "00000000000000000010-bbbbbbbb.snap\n");
    expect_list(RKY_REMOTE_PROBE, short_ns, "");

    const struct rky_remote_name middle = shared_history_name(short_ns, suffixes[2]);
    shared_remove_ok(&middle, NULL);
    expect_list(RKY_REMOTE_HISTORY, short_ns,
                "00000000000000000002-aaaaaaaa.snap\n00000000000000000010-bbbbbbbb.snap\n");
    const struct rky_remote_name first = shared_history_name(short_ns, suffixes[1]);
    shared_expect_body(&first, suffixes[1], NULL);
    expect_list(RKY_REMOTE_HISTORY, longer, "00000000000000000010-bbbbbbbb.snap\n");
}
END_TEST

START_TEST(probes_are_listed_too)
{
    const struct rky_remote_name names[] = {
        {.kind = RKY_REMOTE_PROBE, .namespace_ = shared.ns, .suffix = "race-b"},
        {.kind = RKY_REMOTE_PROBE, .namespace_ = shared.ns, .suffix = "race-a"},
    };
    for (size_t i = 0; i < 2; i++) {
        char etag[RKY_ETAG_MAX] = "";
        shared_put_ok(&names[i], "probe", etag);
    }
    expect_list(RKY_REMOTE_PROBE, shared.ns, "race-a\nrace-b\n");
    expect_list(RKY_REMOTE_HISTORY, shared.ns, "");
    for (size_t i = 0; i < 2; i++)
        shared_remove_ok(&names[i], NULL);
    expect_list(RKY_REMOTE_PROBE, shared.ns, "");
}
END_TEST

void remote_add_objects(TCase *tcase)
{
    tcase_add_test(tcase, every_byte_survives);
    tcase_add_test(tcase, five_mebibytes_survive);
    tcase_add_test(tcase, the_head_of_a_snapshot_is_answered_without_its_body);
    tcase_add_test(tcase, a_head_with_one_ancestor_and_no_job_is_answered_as_it_is);
    tcase_add_test(tcase, an_object_without_a_head_has_none);
    tcase_add_test(tcase, a_list_of_nothing_is_empty);
    tcase_add_test(tcase, history_is_listed_in_order_and_only_its_own);
    tcase_add_test(tcase, probes_are_listed_too);
}
