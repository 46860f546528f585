/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Whole cycles of a job with their Nth allocation, their Nth operation on any SQLite file, or their
 * Nth call of the remote broken (cycle_kit.h). All in one process that goes on: what a fault leaves
 * behind is what the next cycle starts from.
 */
#include "config.h"

#include <inttypes.h>
#include <string.h>

#include "common/mem.h"
#include "tests/kit/check_main.h"
#include "tests/kit/fault_vfs.h"
#include "tests/unit/cycle_kit.h"
#include "tests/unit/sync_kit.h"

static void setup(void)
{
    kit_cycles_open(NULL);
}

/* --- allocations ---------------------------------------------------------------------------------
 */

static void arm_memory(uint64_t nth)
{
    rky_mem_fail_nth(nth);
}

static bool disarm_memory(void)
{
    bool struck = rky_mem_failed();
    rky_mem_fail_nth(0);
    return struck;
}

static const struct kit_fault memory = {arm_memory, disarm_memory, "allocation", "out of memory"};

/* Spread over the tests of a loop, so that each has an even share of a long way. */
enum { MEMORY_STEP = 4 };

START_TEST(test_the_cycle_survives_every_failed_allocation)
{
    kit_cycles(&memory, (uint64_t)_i + 1, MEMORY_STEP);
}
END_TEST

/* --- SQLite --------------------------------------------------------------------------------------
 */

static const struct {
    unsigned ops;
    enum rky_fault_kind kind;
    bool persistent;
    const char *what;
} disks[] = {
    {RKY_FAULT_OPEN, RKY_FAULT_EIO, false, "open"},
    {RKY_FAULT_READ, RKY_FAULT_EIO, false, "read"},
    {RKY_FAULT_CHANGES, RKY_FAULT_EIO, false, "change"},
    {RKY_FAULT_CHANGES, RKY_FAULT_ENOSPC, true, "change of a full disk"},
};
static size_t disk;

static void arm_disk(uint64_t nth)
{
    rky_fault_vfs_arm(disks[disk].ops, nth, disks[disk].kind, disks[disk].persistent);
}

static bool disarm_disk(void)
{
    bool struck = rky_fault_vfs_hit();
    rky_fault_vfs_disarm();
    return struck;
}

START_TEST(test_the_cycle_survives_every_failed_operation_on_a_database)
{
    disk = (size_t)_i;
    const struct kit_fault fault = {arm_disk, disarm_disk, disks[disk].what,
                                    "\"table\":\"acme.staging."};
    kit_cycles(&fault, 1, 1);
}
END_TEST

START_TEST(test_a_page_that_cannot_be_read_is_in_no_snapshot)
{
    const char *path = kit_path("pages.db");
    unsigned char *good = NULL, *bytes = NULL;
    size_t good_length = 0, length = 0;
    bool struck = true;
    struct rky_ledger *ledger = kit_open_locked(path);
    assert_ok(rky_ledger_serialize(ledger, &good, &good_length, assert_err_));
    rky_ledger_close(ledger);
    for (uint64_t nth = 1; struck; nth++) {
        struct rky_error err = {0};
        ledger = kit_open_locked(path);
        rky_fault_vfs_arm(RKY_FAULT_READ, nth, RKY_FAULT_EIO, false);
        int rc = rky_ledger_serialize(ledger, &bytes, &length, &err);
        struck = rky_fault_vfs_hit();
        rky_fault_vfs_disarm();
        ck_assert(struck == (rc != 0));
        if (rc == 0) {
            ck_assert_uint_gt(nth, 10);
            ck_assert_uint_eq(length, good_length);
            ck_assert_mem_eq(bytes, good, length);
            rky_free(bytes);
        }
        rky_ledger_close(ledger);
    }
    rky_free(good);
}
END_TEST

/* --- the remote ----------------------------------------------------------------------------------
 */

static const struct {
    int code;
    const char *error_class;
    bool applied;
    int64_t times;
} remotes[] = {
    {RKY_ERR_CONNECTION, "reset", false, 1},  {RKY_ERR_CONNECTION, "reset", true, 1},
    {RKY_ERR_CONNECTION, "reset", false, 2},  {RKY_ERR_CONNECTION, "reset", true, 2},
    {RKY_ERR_CONNECTION, "reset", false, -1}, {RKY_ERR_CONNECTION, "reset", true, -1},
    {RKY_ERR_AUTH, "permission", false, 1},   {RKY_ERR_NOMEM, "nomem", true, 1},
};
static size_t remote;
static int64_t calls_before;
static uint64_t call;

static void arm_remote(uint64_t nth)
{
    call = nth;
    calls_before = rky_remote_memory_calls(kit_cycles_remote(), RKY_MEMORY_OPS);
    kit_break(kit_cycles_remote(), RKY_MEMORY_OPS, (int64_t)nth, remotes[remote].times,
              remotes[remote].applied, remotes[remote].code, remotes[remote].error_class);
}

static bool disarm_remote(void)
{
    int64_t calls = rky_remote_memory_calls(kit_cycles_remote(), RKY_MEMORY_OPS) - calls_before;
    rky_remote_memory_mend(kit_cycles_remote());
    return calls >= (int64_t)call;
}

START_TEST(test_the_cycle_survives_every_failed_call_of_the_remote)
{
    remote = (size_t)_i;
    const struct kit_fault fault = {arm_remote, disarm_remote, remotes[remote].error_class,
                                    "permission"};
    kit_cycles(&fault, 1, 1);
}
END_TEST

static void add(Suite *suite, const char *name, const TTest *test, int loops)
{
    TCase *tests = tcase_create(name);
    tcase_add_checked_fixture(tests, setup, kit_cycles_close);
    tcase_add_loop_test(tests, test, 0, loops);
    tcase_set_timeout(tests, TIMEOUT_S);
    suite_add_tcase(suite, tests);
}

static Suite *suite(void)
{
    Suite *suite = suite_create("sync_faults");
    add(suite, "remote", test_the_cycle_survives_every_failed_call_of_the_remote,
        (int)(sizeof(remotes) / sizeof(remotes[0])));
    add(suite, "disk", test_the_cycle_survives_every_failed_operation_on_a_database,
        (int)(sizeof(disks) / sizeof(disks[0])));
    add(suite, "pages", test_a_page_that_cannot_be_read_is_in_no_snapshot, 1);
    add(suite, "memory", test_the_cycle_survives_every_failed_allocation, MEMORY_STEP);
    return suite;
}

int main(void)
{
    /* Flushes are left out: what a power cut leaves is another test's. */
    rky_fault_vfs_install();
    return rky_check_main(suite());
}
