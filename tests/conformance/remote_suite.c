/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The remote conformance suite: what one writer may rely on. Bytes, heads and lists are in
 * remote_objects.c, many writers in remote_races.c. A test begins with a store that holds nothing
 * of its namespaces, because their names are random; nothing waits, nothing is left to chance but
 * the threads.
 */
#include "config.h"

#include <string.h>

#include "common/mem.h"
#include "tests/conformance/remote_kit.h"

/* A write that must be refused like this, saying so in the attempt's class. */
static void put_refused(const struct rky_remote_name *name, const char *body,
                        const struct wish *wish, int code, const char *error_class)
{
    struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
    struct rky_error err = {0};
    char etag[RKY_ETAG_MAX] = "";
    int rc = shared_put_with(name, body, strlen(body), wish, etag, &transfer, &err);
    ck_assert_msg(rc == code, "put: %s instead of %s: %s", rky_err_name(rc), rky_err_name(code),
                  err.message);
    ck_assert_int_eq(err.code, code);
    ck_assert_str_ne(err.message, "");
    ck_assert_pstr_eq(transfer.attempt.error_class, error_class);
    ck_assert(!transfer.attempt.counts);
}

static void expect_absent(const struct rky_remote_name *name)
{
    struct rky_remote_object object = shared_look(name);
    ck_assert(!object.exists);
    object = shared_get_durable(name);
    ck_assert(!object.exists);
    ck_assert_ptr_null(object.body);
    object = shared_get_if(name, NULL);
    ck_assert(!object.exists);
    ck_assert_ptr_null(object.body);
    object = shared_get_if(name, "\"some-etag\"");
    ck_assert(!object.exists);
}

/* --- one writer -------------------------------------------------------------------------------
 */

START_TEST(what_was_never_written_is_absent_and_no_error)
{
    expect_absent(&shared.head_name);
    const struct rky_remote_name lease = {.kind = RKY_REMOTE_LEASE, .namespace_ = shared.ns};
    expect_absent(&lease);
    const struct rky_remote_name old =
        shared_history_name(shared.ns, "00000000000000000001-abcdef01.snap");
    expect_absent(&old);
}
END_TEST

START_TEST(what_is_created_is_read_back)
{
    char etag[RKY_ETAG_MAX] = "";
    shared_put_ok(&shared.head_name, "first", etag);
    shared_expect_body(&shared.head_name, "first", etag);

    struct rky_remote_object object = shared_look(&shared.head_name);
    ck_assert(object.exists);
    ck_assert(!object.cached);
    ck_assert_str_eq(object.etag, etag);
    rky_remote_object_done(&object);

    object = shared_get_durable(&shared.head_name);
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
    shared_put_ok(&shared.head_name, "first", etag);
    put_refused(&shared.head_name, "second", &create, RKY_ERR_CONFLICT, "conflict");
    shared_expect_body(&shared.head_name, "first", etag);
}
END_TEST

START_TEST(who_names_the_version_replaces_it)
{
    char etag[RKY_ETAG_MAX] = "";
    shared_put_ok(&shared.head_name, "first", etag);
    shared_put_ok(&shared.head_name, "second", etag);
    shared_expect_body(&shared.head_name, "second", etag);
    shared_put_ok(&shared.head_name, "third", etag);
    shared_expect_body(&shared.head_name, "third", etag);
}
END_TEST

START_TEST(a_stale_base_is_refused_and_changes_nothing)
{
    char etag[RKY_ETAG_MAX] = "";
    char stale[RKY_ETAG_MAX];
    shared_put_ok(&shared.head_name, "first", etag);
    memcpy(stale, etag, sizeof(stale));
    shared_put_ok(&shared.head_name, "second", etag);
    const struct wish wish = {.condition = RKY_IF_ETAG, .etag = stale};
    put_refused(&shared.head_name, "late", &wish, RKY_ERR_CONFLICT, "conflict");
    shared_expect_body(&shared.head_name, "second", etag);
}
END_TEST

START_TEST(replacing_what_was_deleted_is_not_found)
{
    char etag[RKY_ETAG_MAX] = "";
    shared_put_ok(&shared.head_name, "first", etag);
    shared_remove_ok(&shared.head_name, NULL);
    const struct wish wish = {.condition = RKY_IF_ETAG, .etag = etag};
    put_refused(&shared.head_name, "late", &wish, RKY_ERR_NOT_FOUND, "deleted");
    expect_absent(&shared.head_name);
    char again[RKY_ETAG_MAX] = "";
    shared_put_ok(&shared.head_name, "recreated", again);
    shared_expect_body(&shared.head_name, "recreated", again);
}
END_TEST

START_TEST(an_unconditional_write_creates_and_replaces)
{
    const struct rky_remote_name name =
        shared_history_name(shared.ns, "00000000000000000007-abcdef01.snap");
    const struct wish any = {.condition = RKY_IF_ANY};
    const char *const bodies[] = {"one", "two"};
    for (size_t i = 0; i < 2; i++) {
        struct rky_transfer transfer = shared_transfer_of(TRANSFER_MS);
        struct rky_error err = {0};
        char etag[RKY_ETAG_MAX] = "";
        int rc = shared_put_with(&name, bodies[i], 3, &any, etag, &transfer, &err);
        ck_assert_msg(rc == 0, "%s", err.message);
        shared_expect_body(&name, bodies[i], etag);
    }
}
END_TEST

START_TEST(deleting_removes_it_and_deleting_again_is_no_error)
{
    char etag[RKY_ETAG_MAX] = "";
    shared_put_ok(&shared.head_name, "first", etag);
    shared_remove_ok(&shared.head_name, NULL);
    expect_absent(&shared.head_name);
    shared_remove_ok(&shared.head_name, NULL);
    expect_absent(&shared.head_name);
}
END_TEST

START_TEST(deleting_with_an_etag_removes_that_version_only)
{
    char etag[RKY_ETAG_MAX] = "";
    char stale[RKY_ETAG_MAX];
    struct rky_error err = {0};
    shared_put_ok(&shared.head_name, "first", etag);
    memcpy(stale, etag, sizeof(stale));
    shared_put_ok(&shared.head_name, "second", etag);

    ck_assert_int_eq(shared_remove_with(&shared.head_name, stale, &err), RKY_ERR_CONFLICT);
    ck_assert_str_ne(err.message, "");
    shared_expect_body(&shared.head_name, "second", etag);
    shared_remove_ok(&shared.head_name, etag);
    expect_absent(&shared.head_name);
}
END_TEST

START_TEST(a_version_that_is_at_hand_is_not_sent_again)
{
    char etag[RKY_ETAG_MAX] = "";
    char old[RKY_ETAG_MAX];
    shared_put_ok(&shared.head_name, "first", etag);
    struct rky_remote_object object = shared_get_if(&shared.head_name, etag);
    ck_assert(object.exists);
    ck_assert(object.not_modified);
    ck_assert_ptr_null(object.body);
    ck_assert_str_eq(object.etag, etag);
    rky_remote_object_done(&object);

    memcpy(old, etag, sizeof(old));
    shared_put_ok(&shared.head_name, "second", etag);
    object = shared_get_if(&shared.head_name, old);
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
    shared_unique_namespace(other);
    const struct rky_remote_name names[] = {
        shared.head_name,
        {.kind = RKY_REMOTE_LEASE, .namespace_ = shared.ns},
        shared_history_name(shared.ns, "00000000000000000001-abcdef01.snap"),
        {.kind = RKY_REMOTE_PROBE, .namespace_ = shared.ns, .suffix = "p"},
        {.kind = RKY_REMOTE_HEAD, .namespace_ = other},
    };
    const char *const bodies[] = {"head", "lease", "history", "probe", "other"};
    char etags[5][RKY_ETAG_MAX];
    for (size_t i = 0; i < 5; i++) {
        etags[i][0] = '\0';
        shared_put_ok(&names[i], bodies[i], etags[i]);
    }
    for (size_t i = 0; i < 5; i++)
        shared_expect_body(&names[i], bodies[i], etags[i]);
    shared_remove_ok(&names[0], NULL);
    expect_absent(&names[0]);
    for (size_t i = 1; i < 5; i++)
        shared_expect_body(&names[i], bodies[i], etags[i]);
}
END_TEST

START_TEST(an_object_says_where_it_is)
{
    char *uri = shared.remote->ops->uri(shared.remote, &shared.head_name);
    ck_assert_ptr_nonnull(uri);
    ck_assert_ptr_nonnull(strstr(uri, shared.ns));
    rky_free(uri);
}
END_TEST

START_TEST(a_call_whose_time_is_over_ends_as_timeout)
{
    struct rky_transfer transfer = shared_transfer_of(0);
    struct rky_remote_object object = {0};
    struct rky_error err = {0};
    char etag[RKY_ETAG_MAX] = "";
    const struct wish create = {.condition = RKY_IF_ABSENT};
    ck_assert_int_ne(
        shared.remote->ops->get(shared.remote, &shared.head_name, NULL, &transfer, &object, &err),
        0);
    ck_assert(!object.exists);
    ck_assert_ptr_null(object.body);
    rky_error_clear(&err);
    ck_assert_int_ne(shared_put_with(&shared.head_name, "x", 1, &create, etag, &transfer, &err), 0);
    ck_assert_str_ne(err.message, "");
    expect_absent(&shared.head_name);
}
END_TEST

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
    };
    shared_fixture = with;
    Suite *suite = suite_create(with->name);
    TCase *tcase = tcase_create("seam");
    if (with->start != NULL || with->stop != NULL)
        tcase_add_unchecked_fixture(tcase, with->start, with->stop);
    tcase_add_checked_fixture(tcase, shared_open_remote, shared_close_remote);
    tcase_set_timeout(tcase, with->timeout_s > 0 ? with->timeout_s : 60);
    for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
        tcase_add_test(tcase, tests[i]);
    remote_add_objects(tcase);
    remote_add_races(tcase);
    suite_add_tcase(suite, tcase);
    return suite;
}
