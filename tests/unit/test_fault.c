/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fault points: what RKY_FAULT makes a process do, and that nothing in it is silently ignored. Each
 * test lets a child process pass points and looks at how it ends.
 */
#include "config.h"

#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fault.h"
#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"

#ifdef RKY_FAULT_INJECTION

/* A child that passes @p name so often and then ends with the count as its status. */
static pid_t passer(const char *environment, const char *name, int passages)
{
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        (void)setenv("RKY_FAULT", environment, 1);
        /* Complaints are expected here; they would only confuse the test's own output. */
        (void)!freopen("/dev/null", "w", stderr);
        for (int i = 0; i < passages; i++)
            rky_fault_point(name);
        _exit(passages);
    }
    return child;
}

static int wait_for(pid_t child, int flags)
{
    int status = 0;
    ck_assert_int_eq(waitpid(child, &status, flags), child);
    return status;
}

static int status_of(const char *environment, const char *name, int passages)
{
    return wait_for(passer(environment, name, passages), 0);
}

static void assert_ends(const char *environment, const char *name, int passages)
{
    int status = status_of(environment, name, passages);
    ck_assert_msg(WIFEXITED(status) && WEXITSTATUS(status) == passages, "%s: %x", environment,
                  (unsigned)status);
}

static void assert_killed_by(int signal, const char *environment, const char *name, int passages)
{
    int status = status_of(environment, name, passages);
    ck_assert_msg(WIFSIGNALED(status) && WTERMSIG(status) == signal, "%s: %x", environment,
                  (unsigned)status);
}

START_TEST(names_are_listed_once_each)
{
    const char *const *names = rky_fault_names();
    size_t count = 0;
    for (; names[count] != NULL; count++) {
        ck_assert_uint_eq(strspn(names[count], "abcdefghijklmnopqrstuvwxyz_."),
                          strlen(names[count]));
        for (size_t i = 0; i < count; i++)
            ck_assert_str_ne(names[i], names[count]);
    }
    ck_assert_uint_ge(count, 20);
}
END_TEST

START_TEST(without_a_rule_every_point_is_passed)
{
    for (const char *const *name = rky_fault_names(); *name != NULL; name++)
        assert_ends("", *name, 3);
    assert_ends("copy.rows=kill", "copy.begin", 3);
}
END_TEST

START_TEST(every_named_point_can_kill)
{
    for (const char *const *name = rky_fault_names(); *name != NULL; name++) {
        char rule[128];
        (void)snprintf(rule, sizeof(rule), "%s=kill", *name);
        assert_killed_by(SIGKILL, rule, *name, 1);
    }
}
END_TEST

START_TEST(the_nth_passage_kills_and_none_before)
{
    assert_ends("copy.rows=kill:4", "copy.rows", 3);
    assert_killed_by(SIGKILL, "copy.rows=kill:4", "copy.rows", 4);
    assert_killed_by(SIGKILL, "copy.begin=kill:9,copy.rows=kill:2", "copy.rows", 2);
}
END_TEST

#define THREADS 4

static void *pass_ten_times(void *argument)
{
    for (int i = 0; i < 10; i++)
        rky_fault_point(argument);
    return NULL;
}

static int status_of_threads(const char *environment)
{
    static char name[] = "copy.rows";
    pid_t child = fork();
    if (child == 0) {
        pthread_t threads[THREADS];
        (void)setenv("RKY_FAULT", environment, 1);
        for (size_t i = 0; i < THREADS; i++)
            (void)pthread_create(&threads[i], NULL, pass_ten_times, name);
        for (size_t i = 0; i < THREADS; i++)
            (void)pthread_join(threads[i], NULL);
        _exit(7);
    }
    return wait_for(child, 0);
}

START_TEST(passages_are_counted_over_all_threads)
{
    int status = status_of_threads("copy.rows=kill:40");
    ck_assert(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    status = status_of_threads("copy.rows=kill:41");
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 7);
}
END_TEST

START_TEST(a_stopped_process_goes_on_when_it_is_continued)
{
    pid_t child = passer("copy.rows=stop:2", "copy.rows", 3);

    int status = wait_for(child, WUNTRACED);
    ck_assert(WIFSTOPPED(status));
    ck_assert_int_eq(kill(child, SIGCONT), 0);
    status = wait_for(child, 0);

    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 3);
}
END_TEST

START_TEST(a_waiting_process_says_where_it_is_and_goes_on_when_the_file_appears)
{
    char file[4096];
    char reached[4200];
    char rule[4300];
    char *data = NULL;
    size_t length = 0;
    (void)snprintf(file, sizeof(file), "%s/go", rky_test_directory());
    (void)snprintf(reached, sizeof(reached), "%s.reached", file);
    (void)snprintf(rule, sizeof(rule), "copy.rows=wait:%s", file);
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), 20000);
    pid_t child = passer(rule, "copy.rows", 2);

    while (!rky_path_exists(reached)) {
        const struct timespec moment = {0, 1000000};
        ck_assert_int_gt(rky_deadline_left_ms(&deadline), 0);
        (void)nanosleep(&moment, NULL);
    }
    ck_assert_int_eq(waitpid(child, NULL, WNOHANG), 0);
    ck_assert_int_eq(rky_read_file(reached, 100, &data, &length, NULL), 0);
    ck_assert_str_eq(data, "copy.rows");
    rky_free(data);
    ck_assert_int_eq(rky_write_file_atomic(file, "", 0, NULL), 0);

    int status = wait_for(child, 0);
    ck_assert(WIFEXITED(status) && WEXITSTATUS(status) == 2);
}
END_TEST

static const char *const BAD_RULES[] = {
    "copy.rows",
    "copy.rows=",
    "copy.rows=die",
    "copy.rows=killer",
    "copy.rows=kill:",
    "copy.rows=kill:0",
    "copy.rows=kill:-1",
    "copy.rows=kill:1x",
    "copy.rows=kill1",
    "copy.rows=stop:x",
    "copy.rows=wait",
    "copy.rows=wait:",
    "copy.row=kill",
    "=kill",
    "copy.begin=kill:9,copy.row=kill",
    "copy.rows=wait:/no/such/directory/file",
    "copy.begin=kill,copy.begin=kill,copy.begin=kill,copy.begin=kill,copy.begin=kill,"
    "copy.begin=kill,copy.begin=kill,copy.begin=kill,copy.begin=kill,copy.begin=kill,"
    "copy.begin=kill,copy.begin=kill,copy.begin=kill,copy.begin=kill,copy.begin=kill,"
    "copy.begin=kill,copy.begin=kill",
};

START_TEST(a_rule_that_is_not_understood_stops_the_process)
{
    assert_killed_by(SIGABRT, BAD_RULES[_i], "copy.rows", 1);
}
END_TEST

START_TEST(a_point_without_a_row_stops_the_process)
{
    assert_killed_by(SIGABRT, "", "copy.row", 1);
}
END_TEST

#else

START_TEST(without_fault_injection_there_are_no_points)
{
    ck_assert_ptr_null(rky_fault_names()[0]);
    (void)setenv("RKY_FAULT", "copy.rows=kill", 1);
    rky_fault_point("copy.rows");
}
END_TEST

#endif

static Suite *suite(void)
{
    Suite *result = suite_create("fault");
    TCase *tests = tcase_create("fault");
#ifdef RKY_FAULT_INJECTION
    tcase_set_timeout(tests, 30);
    tcase_add_test(tests, names_are_listed_once_each);
    tcase_add_test(tests, without_a_rule_every_point_is_passed);
    tcase_add_test(tests, every_named_point_can_kill);
    tcase_add_test(tests, the_nth_passage_kills_and_none_before);
    tcase_add_test(tests, passages_are_counted_over_all_threads);
    tcase_add_test(tests, a_stopped_process_goes_on_when_it_is_continued);
    tcase_add_test(tests, a_waiting_process_says_where_it_is_and_goes_on_when_the_file_appears);
    tcase_add_loop_test(tests, a_rule_that_is_not_understood_stops_the_process, 0,
                        (int)(sizeof(BAD_RULES) / sizeof(BAD_RULES[0])));
    tcase_add_test(tests, a_point_without_a_row_stops_the_process);
#else
    tcase_add_test(tests, without_fault_injection_there_are_no_points);
#endif
    suite_add_tcase(result, tests);
    return result;
}

int main(void)
{
    return rky_check_main(suite());
}
