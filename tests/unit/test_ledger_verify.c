/* SPDX-License-Identifier: Apache-2.0 */
/* Files that came from elsewhere: only a whole ledger and nothing but a ledger is taken for one. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/unit/snapshot_kit.h"

static char path[4352];
static unsigned char *raw;
static size_t raw_length;
static struct rky_snapshot_head head;

static void setup(void)
{
    kit_snapshot_source(&head, &raw, &raw_length);
    (void)snprintf(path, sizeof(path), "%s", kit_path("received.db"));
    assert_ok(rky_ledger_install(path, raw, raw_length, assert_err_));
}

static void teardown(void)
{
    rky_free(raw);
}

static void assert_good(const struct rky_snapshot_head *expected)
{
    struct rky_snapshot_head found;
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_CORRUPT;
    assert_ok(rky_ledger_verify_file(path, "acme", expected, &fault, &found, assert_err_));
    ck_assert_int_eq(fault, RKY_SNAPSHOT_GOOD);
    ck_assert_str_eq(found.write_id, head.write_id);
    ck_assert_int_eq(found.generation, head.generation);
    ck_assert_int_eq(found.fence, 7);
    ck_assert_uint_eq(found.ancestor_count, 3);
}

static void assert_refused(enum rky_snapshot_fault expected, const char *words)
{
    struct rky_error err = {0};
    struct rky_snapshot_head found;
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
    int rc = rky_ledger_verify_file(path, "acme", NULL, &fault, &found, &err);
    ck_assert_msg(rc == RKY_ERR_STATE_FILE, "%d: %s", rc, err.message);
    ck_assert_msg(fault == expected, "%s: %s", rky_snapshot_fault_class(fault), err.message);
    ck_assert_msg(strstr(err.message, words) != NULL, "'%s' does not say '%s'", err.message, words);
    ck_assert_ptr_nonnull(strstr(err.message, path));
    ck_assert_str_ne(err.hint, "");
}

START_TEST(test_what_was_serialized_is_a_ledger)
{
    assert_good(NULL);
    assert_good(&head);
    struct rky_ledger *ledger = kit_open_locked(path);
    kit_begin(ledger);
    ck_assert_int_eq(kit_commit(ledger), 4);
    rky_ledger_close(ledger);
}
END_TEST

START_TEST(test_verifying_leaves_the_file_as_it_is)
{
    char *bytes = NULL;
    size_t length = 0;
    assert_good(&head);
    assert_ok(rky_read_file(path, 1U << 26, &bytes, &length, assert_err_));
    ck_assert_uint_eq(length, raw_length);
    ck_assert_mem_eq(bytes, raw, length);
    rky_free(bytes);
    char beside[4400];
    (void)snprintf(beside, sizeof(beside), "%s-shm", path);
    ck_assert(!rky_path_exists(beside));
    ck_assert_int_eq(chmod(path, 0400), 0);
    assert_good(&head);
}
END_TEST

START_TEST(test_any_namespace_is_good_when_none_is_expected)
{
    struct rky_snapshot_head found;
    enum rky_snapshot_fault fault;
    assert_ok(rky_ledger_verify_file(path, NULL, NULL, &fault, &found, assert_err_));
    ck_assert_str_eq(found.namespace_, "acme");
    assert_ok(rky_ledger_verify_file(path, NULL, NULL, &fault, NULL, assert_err_));
}
END_TEST

START_TEST(test_other_namespace_is_told_from_damage)
{
    kit_sql(path, "UPDATE meta SET namespace = 'globex'");
    assert_refused(RKY_SNAPSHOT_WRONG_STATE, "'globex'");
}
END_TEST

START_TEST(test_newer_schema_is_told_from_damage)
{
    kit_sql(path, "PRAGMA user_version = 3; CREATE TABLE later (x)");
    assert_refused(RKY_SNAPSHOT_NEWER, "schema version 3");
}
END_TEST

START_TEST(test_older_schema_is_good)
{
    const char *source = getenv("top_srcdir");
    char golden[4352];
    unsigned char *bytes = NULL;
    size_t length = 0;
    struct rky_snapshot_head found;
    enum rky_snapshot_fault fault;
    ck_assert_msg(source != NULL, "run by make check, or with top_srcdir set");
    (void)snprintf(golden, sizeof(golden), "%s/tests/golden/ledger-v1.db", source);
    assert_ok(rky_read_file(golden, 1U << 26, (char **)&bytes, &length, assert_err_));
    bytes[18] = bytes[19] = 1;
    assert_ok(rky_ledger_install(path, bytes, length, assert_err_));
    assert_ok(rky_ledger_verify_file(path, "acme", NULL, &fault, &found, assert_err_));
    ck_assert_int_eq(found.schema_version, 1);
    ck_assert_int_eq(found.min_reader_version, 1);
    ck_assert_uint_eq(found.ancestor_count, 0);
    rky_free(bytes);
}
END_TEST

START_TEST(test_head_has_to_be_that_of_the_content)
{
    for (int which = 0; which < 9; which++) {
        struct rky_snapshot_head other = head;
        struct rky_error err = {0};
        enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
        switch (which) {
        case 0:
            other.generation++;
            break;
        case 1:
            other.write_id[0] ^= 1;
            break;
        case 2:
            other.lineage[0] ^= 1;
            break;
        case 3:
            other.fence++;
            break;
        case 4:
            other.schema_version++;
            break;
        case 5:
            other.min_reader_version++;
            break;
        case 6:
            other.ancestor_count--;
            break;
        case 7:
            other.ancestors[1][0] ^= 1;
            break;
        default:
            other.namespace_[0] = 'b';
            break;
        }
        ck_assert_int_eq(rky_ledger_verify_file(path, "acme", &other, &fault, NULL, &err),
                         RKY_ERR_STATE_FILE);
        ck_assert_int_eq(fault, RKY_SNAPSHOT_CORRUPT);
        ck_assert_ptr_nonnull(strstr(err.message, "generation"));
    }
}
END_TEST

/* --- files that are none --- */

START_TEST(test_missing_file_is_not_found)
{
    struct rky_error err = {0};
    enum rky_snapshot_fault fault = RKY_SNAPSHOT_CORRUPT;
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(rky_ledger_verify_file(path, "acme", NULL, &fault, NULL, &err),
                     RKY_ERR_NOT_FOUND);
    ck_assert_int_eq(fault, RKY_SNAPSHOT_GOOD);
}
END_TEST

START_TEST(test_what_is_no_file_or_too_short_is_refused)
{
    ck_assert_int_eq(unlink(path), 0);
    ck_assert_int_eq(mkdir(path, 0700), 0);
    assert_refused(RKY_SNAPSHOT_CORRUPT, "not a regular file");
    ck_assert_int_eq(rmdir(path), 0);
    ck_assert_int_eq(mkfifo(path, 0600), 0);
    assert_refused(RKY_SNAPSHOT_CORRUPT, "not a regular file");
    ck_assert_int_eq(unlink(path), 0);
    kit_write_file(path, "", 0);
    assert_refused(RKY_SNAPSHOT_CORRUPT, "too short");
    kit_write_file(path, raw, 99);
    assert_refused(RKY_SNAPSHOT_CORRUPT, "too short");
    kit_write_file(path, raw, 4096);
    assert_refused(RKY_SNAPSHOT_CORRUPT, "size");
    kit_write_file(path, raw, raw_length - 1);
    assert_refused(RKY_SNAPSHOT_CORRUPT, "size");
}
END_TEST

START_TEST(test_header_that_lies_is_refused)
{
    static const struct {
        size_t at;
        unsigned char value;
        const char *words;
    } ROWS[] = {
        {0, 's', "not an SQLite database"},
        {16, 0x08, "size"},
        {16, 0x30, "page size"},
        {18, 2, "journal"},
        {19, 2, "journal"},
        {31, 0xff, "size"},
        {59, 3, "UTF-8"},
        {20, 77, "corrupt"}, /* reserved bytes of each page */
    };
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        unsigned char before = raw[ROWS[i].at];
        raw[ROWS[i].at] = ROWS[i].value;
        kit_write_file(path, raw, raw_length);
        assert_refused(RKY_SNAPSHOT_CORRUPT, ROWS[i].words);
        raw[ROWS[i].at] = before;
    }
}
END_TEST

/* --- a schema that is not ours --- */

static const char *const HOSTILE[] = {
    "CREATE TRIGGER t AFTER INSERT ON jobs BEGIN DELETE FROM watermarks; END",
    "CREATE TRIGGER t AFTER UPDATE ON meta BEGIN SELECT load_extension('x'); END",
    "CREATE VIEW v AS SELECT * FROM meta",
    "CREATE TABLE extra (x)",
    "CREATE TABLE extra (x, y AS (x || x))",
    "CREATE INDEX extra ON runs (pipeline)",
    "CREATE INDEX extra ON runs (abs(started_at))",
    "ALTER TABLE runs ADD COLUMN extra TEXT",
    "ALTER TABLE runs ADD COLUMN extra TEXT AS (lower(pipeline)) VIRTUAL",
    "DROP TABLE audit",
    "DROP INDEX jobs_by_key",
    "DROP TABLE meta; CREATE VIEW meta AS SELECT 1 AS id, 'acme' AS namespace, "
    "'3f2504e0-4f89-41d3-9a0c-0305e82c3301' AS lineage, 1 AS generation, "
    "'3f2504e0-4f89-41d3-9a0c-0305e82c3301' AS write_id, 0 AS fence, '' AS ancestors, 1 AS m",
    "DROP TABLE tombstones; CREATE TABLE tombstones (table_name, seq, reason, created_at)",
    "ANALYZE",
    "CREATE TABLE extra (x INTEGER PRIMARY KEY AUTOINCREMENT)",
    "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES "
    "('table', 'extra', 'extra', 0, 'CREATE VIRTUAL TABLE extra USING nosuch(1)')",
    "PRAGMA writable_schema = ON; INSERT INTO sqlite_schema VALUES "
    "('table', 'extra', 'extra', 0, 'CREATE VIRTUAL TABLE extra USING dbstat')",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, 'fence      INTEGER "
    "NOT NULL', 'fence      INTEGER NOT NULL CHECK (fence > 0 OR load_extension(1))') "
    "WHERE name = 'meta'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') "
    "WHERE name = 'plans'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = sql || char(0) || 'x' "
    "WHERE name = 'plans'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'CREATE TABLE plans (' || "
    "hex(zeroblob(200000)) || ')' WHERE name = 'plans'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = NULL WHERE name = 'plans'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = 'DELETE FROM jobs' "
    "WHERE name = 'plans'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET tbl_name = 'jobs' WHERE name = 'plans'",
    "PRAGMA writable_schema = ON; DELETE FROM sqlite_schema",
};
enum { HOSTILE_COUNT = sizeof(HOSTILE) / sizeof(HOSTILE[0]) };

START_TEST(test_schema_of_anybody_else_is_refused)
{
    kit_sql(path, HOSTILE[_i]);
    assert_refused(RKY_SNAPSHOT_CORRUPT, "is corrupt");
}
END_TEST

START_TEST(test_marks_of_another_program_are_refused)
{
    kit_sql(path, "PRAGMA application_id = 7");
    assert_refused(RKY_SNAPSHOT_CORRUPT, "another program");
    kit_sql(path, "PRAGMA application_id = 0x524b594c; PRAGMA user_version = 0");
    assert_refused(RKY_SNAPSHOT_CORRUPT, "no schema version");
    kit_sql(path, "PRAGMA user_version = -1");
    assert_refused(RKY_SNAPSHOT_CORRUPT, "no schema version");
    /* The tables of version 2 under the name of version 1. */
    kit_sql(path, "PRAGMA user_version = 1");
    assert_refused(RKY_SNAPSHOT_CORRUPT, "schema");
}
END_TEST

/* --- content that cannot be --- */

static const char *const DAMAGED[] = {
    "DELETE FROM meta",
    "PRAGMA ignore_check_constraints = ON; INSERT INTO meta SELECT 2, namespace, lineage, "
    "generation, write_id, fence, ancestors, min_reader_version FROM meta",
    "UPDATE meta SET lineage = 'none'",
    "UPDATE meta SET write_id = ''",
    "UPDATE meta SET namespace = 'No Namespace'",
    "UPDATE meta SET namespace = hex(zeroblob(100))",
    "UPDATE meta SET generation = -1",
    "UPDATE meta SET fence = -1",
    "UPDATE meta SET min_reader_version = 0",
    "UPDATE meta SET min_reader_version = 3",
    "UPDATE meta SET ancestors = 'x'",
    "UPDATE meta SET ancestors = ' ' || ancestors",
    "UPDATE meta SET ancestors = ancestors || ' '",
    "UPDATE meta SET ancestors = replace(ancestors, ' ', ',')",
    "UPDATE meta SET ancestors = substr(ancestors, 1, 36) || ' ' || substr(ancestors, 1, 35)",
    "UPDATE meta SET ancestors = replace(hex(zeroblob(17)), '00', write_id || ' ')",
    "UPDATE jobs SET result = 'a' || char(0) || 'b'",
    "UPDATE watermarks SET value = char(0)",
    "UPDATE audit SET action = char(0); INSERT INTO audit (at, action) VALUES (1, char(0))",
    "UPDATE jobs SET result = hex(zeroblob(33 * 1024 * 1024))",
    /* rows that STRICT would not let in */
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') "
    "WHERE name = 'meta'; PRAGMA writable_schema = RESET; UPDATE meta SET generation = 'x'; "
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET sql = sql || ' STRICT' "
    "WHERE name = 'meta'",
    /* two tables in the same pages, pages of nobody, an index without its rows */
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = (SELECT rootpage FROM "
    "sqlite_schema WHERE name = 'runs') WHERE name = 'audit'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 99999 WHERE name = 'audit'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 0 WHERE name = 'audit'",
    "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage = 1 WHERE name = 'audit'",
};
enum { DAMAGED_COUNT = sizeof(DAMAGED) / sizeof(DAMAGED[0]) };

START_TEST(test_content_that_cannot_be_is_refused)
{
    kit_sql(path, DAMAGED[_i]);
    assert_refused(RKY_SNAPSHOT_CORRUPT, "is corrupt");
}
END_TEST

/* An interior page whose last child is itself. */
START_TEST(test_page_cycle_is_refused)
{
    unsigned char *bytes = NULL;
    size_t length = 0;
    kit_sql(path, "WITH n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000) "
                  "INSERT INTO runs SELECT i, 'run' || i, 'run', 'success', 'p', NULL, NULL, NULL, "
                  "NULL, i, i, 0, 0, 0 FROM n");
    assert_ok(rky_read_file(path, 1U << 26, (char **)&bytes, &length, assert_err_));
    size_t root = (size_t)kit_sql_int(path, "SELECT rootpage FROM sqlite_schema "
                                            "WHERE name = 'runs'");
    unsigned char *page = bytes + (root - 1) * 4096;
    ck_assert_int_eq(page[0], 5); /* interior */
    page[8] = page[9] = 0;
    page[10] = (unsigned char)(root >> 8);
    page[11] = (unsigned char)root;
    kit_write_file(path, bytes, length);
    assert_refused(RKY_SNAPSHOT_CORRUPT, "is corrupt");
    rky_free(bytes);
}
END_TEST

/* Nothing at all may happen to us, whatever the file holds; and what passes says what it said. */
START_TEST(test_any_flipped_byte_is_survived)
{
    size_t refused = 0;
    for (size_t at = (size_t)_i; at < raw_length; at += 251) {
        struct rky_error err = {0};
        enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
        raw[at] ^= 0x41;
        kit_write_file(path, raw, raw_length);
        int rc = rky_ledger_verify_file(path, "acme", &head, &fault, NULL, &err);
        ck_assert_msg(rc == 0 || rc == RKY_ERR_STATE_FILE, "byte %zu: %d %s", at, rc, err.message);
        ck_assert_int_eq(rc == 0, fault == RKY_SNAPSHOT_GOOD);
        refused += rc != 0;
        raw[at] ^= 0x41;
    }
    ck_assert_uint_gt(refused, 0);
}
END_TEST

START_TEST(test_each_failing_allocation_is_reported)
{
    for (uint64_t nth = 1;; nth++) {
        struct rky_error err = {0};
        struct rky_snapshot_head found;
        enum rky_snapshot_fault fault = RKY_SNAPSHOT_GOOD;
        rky_mem_fail_nth(nth);
        int rc = rky_ledger_verify_file(path, "acme", &head, &fault, &found, &err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        ck_assert_int_eq(fault, RKY_SNAPSHOT_GOOD);
        if (!failed) {
            ck_assert_int_eq(rc, 0);
            break;
        }
        /* In doubt there is a journal, and the file is opened as if there were one. */
        ck_assert_msg(rc == RKY_ERR_NOMEM || rc == 0, "%d %s", rc, err.message);
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *suite = suite_create("ledger verify");
    TCase *files = tcase_create("files");
    tcase_set_timeout(files, TIMEOUT_S);
    tcase_add_checked_fixture(files, setup, teardown);
    tcase_add_test(files, test_what_was_serialized_is_a_ledger);
    tcase_add_test(files, test_verifying_leaves_the_file_as_it_is);
    tcase_add_test(files, test_any_namespace_is_good_when_none_is_expected);
    tcase_add_test(files, test_other_namespace_is_told_from_damage);
    tcase_add_test(files, test_newer_schema_is_told_from_damage);
    tcase_add_test(files, test_older_schema_is_good);
    tcase_add_test(files, test_head_has_to_be_that_of_the_content);
    tcase_add_test(files, test_missing_file_is_not_found);
    tcase_add_test(files, test_what_is_no_file_or_too_short_is_refused);
    tcase_add_test(files, test_header_that_lies_is_refused);
    tcase_add_loop_test(files, test_schema_of_anybody_else_is_refused, 0, HOSTILE_COUNT);
    tcase_add_test(files, test_marks_of_another_program_are_refused);
    tcase_add_loop_test(files, test_content_that_cannot_be_is_refused, 0, DAMAGED_COUNT);
    tcase_add_test(files, test_page_cycle_is_refused);
    tcase_add_loop_test(files, test_any_flipped_byte_is_survived, 0, 4);
    tcase_add_test(files, test_each_failing_allocation_is_reported);
    suite_add_tcase(suite, files);
    return suite;
}

int main(void)
{
    return rky_check_main(suite());
}
