/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The head of a snapshot as metadata of an object: it survives, it fits, and what is not ours is
 * not believed.
 */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "state/s3_internal.h"
#include "tests/kit/check_main.h"

/* S3's limit for names without their prefix and values together. */
#define METADATA_LIMIT 2048

static char *lines[RKY_S3_METADATA_MAX + 1];
static struct rky_http_response response;

static void forget(void)
{
    for (size_t i = 0; i < response.header_count; i++)
        rky_free(lines[i]);
    response = (struct rky_http_response){0};
}

/* What the server would answer. */
static void echo(const struct rky_s3_metadata *meta)
{
    forget();
    for (size_t i = 0; i < meta->count; i++) {
        lines[i] = rky_asprintf("%s: %s", meta->headers[i].name, meta->headers[i].value);
        ck_assert_ptr_nonnull(lines[i]);
    }
    response.status = 200;
    response.headers = lines;
    response.header_count = meta->count;
}

static void change(const char *name, const char *value)
{
    for (size_t i = 0; i < response.header_count; i++) {
        size_t length = strlen(name);
        if (strncmp(lines[i] + strlen("x-amz-meta-"), name, length) != 0 ||
            lines[i][strlen("x-amz-meta-") + length] != ':')
            continue;
        rky_free(lines[i]);
        lines[i] = value != NULL ? rky_asprintf("x-amz-meta-%s: %s", name, value)
                                 : rky_strdup("x-other: gone");
        return;
    }
    ck_abort_msg("there is no header '%s'", name);
}

static struct rky_snapshot_head largest(void)
{
    struct rky_snapshot_head head = {.generation = INT64_C(999999999999999999),
                                     .fence = INT64_C(999999999999999999),
                                     .schema_version = INT64_C(999999999999999999),
                                     .min_reader_version = INT64_C(999999999999999999),
                                     .ancestor_count = RKY_ANCESTORS_MAX};
    memset(head.namespace_, 'n', sizeof(head.namespace_) - 1);
    rky_uuid_v4(head.lineage);
    rky_uuid_v4(head.write_id);
    rky_uuid_v4(head.job_id);
    rky_sha256_hex("x", 1, head.raw_sha256);
    for (size_t i = 0; i < RKY_ANCESTORS_MAX; i++)
        rky_uuid_v4(head.ancestors[i]);
    return head;
}

START_TEST(the_largest_head_survives_and_fits)
{
    struct rky_snapshot_head head = largest(), read;
    struct rky_s3_metadata meta;
    size_t size = 0;
    rky_s3_metadata_write(&head, &meta);
    for (size_t i = 0; i < meta.count; i++)
        size +=
            strlen(meta.headers[i].name) - strlen("x-amz-meta-") + strlen(meta.headers[i].value);
    ck_assert_uint_lt(size, METADATA_LIMIT);
    echo(&meta);
    ck_assert(rky_s3_metadata_read(&response, &read));
    ck_assert_mem_eq(&read, &head, sizeof(head));
}
END_TEST

START_TEST(a_head_without_job_and_ancestors_survives)
{
    struct rky_snapshot_head head = largest(), read;
    struct rky_s3_metadata meta;
    head.ancestor_count = 0;
    memset(head.ancestors, 0, sizeof(head.ancestors));
    memset(head.job_id, 0, sizeof(head.job_id));
    head.fence = 0;
    rky_s3_metadata_write(&head, &meta);
    echo(&meta);
    ck_assert(rky_s3_metadata_read(&response, &read));
    ck_assert_mem_eq(&read, &head, sizeof(head));
}
END_TEST

START_TEST(no_head_is_no_metadata)
{
    struct rky_snapshot_head read;
    struct rky_s3_metadata meta;
    rky_s3_metadata_write(NULL, &meta);
    ck_assert_uint_eq(meta.count, 0);
    echo(&meta);
    ck_assert(!rky_s3_metadata_read(&response, &read));
    ck_assert_str_eq(read.write_id, "");
}
END_TEST

START_TEST(what_is_damaged_is_not_believed)
{
    static const struct {
        const char *name, *value;
    } damage[] = {
        {"write-id", NULL},
        {"write-id", "not-a-uuid"},
        {"generation", NULL},
        {"generation", "-1"},
        {"generation", "0x10"},
        {"generation", ""},
        {"generation", "9999999999999999999"},
        {"fence", "12 "},
        {"lineage", "00000000-0000-0000-0000-00000000000"},
        {"namespace", NULL},
        {"namespace", "../etc"},
        {"namespace", "A"},
        {"raw-sha256", "abc"},
        {"raw-sha256", "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz"},
        {"job-id", "x"},
        {"schema-version", "1e3"},
        {"ancestors", "x"},
        {"ancestors", "00000000-0000-0000-0000-000000000000,"
                      "00000000-0000-0000-0000-00000000000"},
    };
    struct rky_snapshot_head head = largest(), read;
    struct rky_s3_metadata meta;
    rky_s3_metadata_write(&head, &meta);
    for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
        echo(&meta);
        change(damage[i].name, damage[i].value);
        ck_assert_msg(!rky_s3_metadata_read(&response, &read), "%s: %s", damage[i].name,
                      damage[i].value != NULL ? damage[i].value : "missing");
        ck_assert_str_eq(read.write_id, "");
    }
}
END_TEST

START_TEST(too_many_ancestors_are_refused)
{
    struct rky_snapshot_head head = largest(), read;
    struct rky_s3_metadata meta;
    char many[RKY_ANCESTORS_MAX * RKY_UUID_TEXT + RKY_UUID_TEXT];
    rky_s3_metadata_write(&head, &meta);
    (void)snprintf(many, sizeof(many), "%s,%s", meta.ancestors, head.write_id);
    echo(&meta);
    change("ancestors", many);
    ck_assert(!rky_s3_metadata_read(&response, &read));
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("s3: metadata");
    TCase *tcase = tcase_create("metadata");
    tcase_add_checked_fixture(tcase, NULL, forget);
    tcase_add_test(tcase, the_largest_head_survives_and_fits);
    tcase_add_test(tcase, a_head_without_job_and_ancestors_survives);
    tcase_add_test(tcase, no_head_is_no_metadata);
    tcase_add_test(tcase, what_is_damaged_is_not_believed);
    tcase_add_test(tcase, too_many_ancestors_are_refused);
    suite_add_tcase(s, tcase);
    return s;
}

int main(void)
{
    return rky_check_main(suite());
}
