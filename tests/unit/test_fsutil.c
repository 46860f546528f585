/* SPDX-License-Identifier: Apache-2.0 */
/* Paths, whole files, directories and lock files. */
#include "config.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/fsutil.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"

static char path_room[8][4096];

/* A path in the test's own directory; @p slot keeps several apart. */
static const char *in_directory(int slot, const char *name)
{
    (void)snprintf(path_room[slot], sizeof(path_room[slot]), "%s/%s", rky_test_directory(), name);
    return path_room[slot];
}

static void put_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    ck_assert_ptr_nonnull(file);
    ck_assert_int_ge(fputs(text, file), 0);
    ck_assert_int_eq(fclose(file), 0);
}

static size_t count_entries(void)
{
    char command[4200];
    size_t count = 0;
    (void)snprintf(command, sizeof(command), "ls -A '%s'", rky_test_directory());
    FILE *list = popen(command, "r");
    for (int c = fgetc(list); c != EOF; c = fgetc(list))
        count += c == '\n';
    (void)pclose(list);
    return count;
}

START_TEST(paths_are_joined_unless_they_are_absolute)
{
    static const struct {
        const char *directory, *path, *joined;
    } rows[] = {
        {"/a", "b", "/a/b"}, {"/a/", "b", "/a/b"}, {"a", "b/c", "a/b/c"}, {"/a", "/b", "/b"},
        {"", "b", "b"},      {".", "b", "./b"},    {"/", "b", "/b"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *joined = rky_path_join(rows[i].directory, rows[i].path);
        ck_assert_str_eq(joined, rows[i].joined);
        rky_free(joined);
    }
    rky_mem_fail_nth(1);
    ck_assert_ptr_null(rky_path_join("a", "b"));
}
END_TEST

START_TEST(the_directory_part_of_a_path)
{
    static const struct {
        const char *path, *directory;
    } rows[] = {
        {"a", "."},     {"a/b", "a"},        {"a/b/c", "a/b"}, {"/a", "/"},
        {"/", "/"},     {"//", "/"},         {"a/b/", "a"},    {"a//b", "a"},
        {"/a/b", "/a"}, {"//a//b//", "//a"}, {"", "."},        {"a/", "."},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        char *directory = rky_path_dirname(rows[i].path);
        ck_assert_msg(strcmp(directory, rows[i].directory) == 0, "%s: %s", rows[i].path, directory);
        rky_free(directory);
    }
}
END_TEST

START_TEST(directories_are_made_with_their_parents_and_private)
{
    struct rky_error err = {0};
    const char *deep = in_directory(0, "a//b/c/");
    struct stat st;

    ck_assert_int_eq(rky_mkdir_p(deep, &err), 0);
    ck_assert_int_eq(rky_mkdir_p(deep, &err), 0);

    ck_assert_int_eq(stat(in_directory(1, "a/b/c"), &st), 0);
    ck_assert(S_ISDIR(st.st_mode));
    ck_assert_uint_eq(st.st_mode & 0777U, 0700);
    ck_assert_int_eq(rky_mkdir_p("/", &err), 0);
    ck_assert_int_eq(rky_mkdir_p(".", &err), 0);
}
END_TEST

START_TEST(a_file_in_the_way_of_a_directory_is_named)
{
    struct rky_error err = {0};
    char expected[5000];
    put_file(in_directory(0, "file"), "x");

    ck_assert_int_eq(rky_mkdir_p(in_directory(1, "file/sub"), &err), RKY_ERR_IO);
    (void)snprintf(expected, sizeof(expected), "cannot create directory '%s': Not a directory",
                   path_room[0]);
    ck_assert_str_eq(err.message, expected);

    rky_error_clear(&err);
    ck_assert_int_eq(rky_mkdir_p(path_room[0], &err), RKY_ERR_IO);
    ck_assert_str_eq(err.message, expected);

    rky_error_clear(&err);
    ck_assert_int_eq(rky_mkdir_p("", &err), RKY_ERR_IO);
    rky_error_clear(&err);
    rky_mem_fail_nth(1);
    ck_assert_int_eq(rky_mkdir_p(in_directory(1, "new"), &err), RKY_ERR_NOMEM);
    ck_assert(!rky_path_exists(path_room[1]));
}
END_TEST

START_TEST(a_directory_that_cannot_be_made_says_why)
{
    struct rky_error err = {0};
    ck_assert_int_eq(rky_mkdir_p("/proc/no/such", &err), RKY_ERR_IO);
    ck_assert_str_eq(err.message, "cannot create directory '/proc/no': No such file or directory");

    /* Looking whether it is there all the same must not replace the reason. */
    char expected[5000];
    const char *link = in_directory(0, "link");
    ck_assert_int_eq(symlink("nowhere", link), 0);
    rky_error_clear(&err);
    ck_assert_int_eq(rky_mkdir_p(link, &err), RKY_ERR_IO);
    (void)snprintf(expected, sizeof(expected), "cannot create directory '%s': Not a directory",
                   link);
    ck_assert_str_eq(err.message, expected);
}
END_TEST

START_TEST(a_file_is_read_whole)
{
    const char *path = in_directory(0, "file");
    char *data = NULL;
    size_t length = 42;
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 100000; i++)
        (void)fputc(i % 251, file);
    (void)fclose(file);

    ck_assert_int_eq(rky_read_file(path, 100000, &data, &length, NULL), 0);

    ck_assert_uint_eq(length, 100000);
    for (size_t i = 0; i < length; i++)
        ck_assert_int_eq((unsigned char)data[i], (int)(i % 251));
    ck_assert_int_eq(data[length], '\0');
    rky_free(data);
}
END_TEST

START_TEST(an_empty_file_reads_as_empty_text)
{
    char *data = NULL;
    size_t length = 42;
    put_file(in_directory(0, "empty"), "");
    ck_assert_int_eq(rky_read_file(path_room[0], 0, &data, &length, NULL), 0);
    ck_assert_uint_eq(length, 0);
    ck_assert_str_eq(data, "");
    rky_free(data);
}
END_TEST

START_TEST(what_cannot_be_read_is_refused_and_the_results_untouched)
{
    struct rky_error err = {0};
    char expected[5000];
    char *data = NULL;
    size_t length = 42;
    put_file(in_directory(0, "four"), "four");

    ck_assert_int_eq(rky_read_file(path_room[0], 3, &data, &length, &err), RKY_ERR_DECODE);
    (void)snprintf(expected, sizeof(expected), "'%s' is larger than 3 bytes", path_room[0]);
    ck_assert_str_eq(err.message, expected);

    rky_error_clear(&err);
    ck_assert_int_eq(rky_read_file(in_directory(1, "none"), 3, &data, &length, &err),
                     RKY_ERR_NOT_FOUND);
    (void)snprintf(expected, sizeof(expected), "'%s' does not exist", path_room[1]);
    ck_assert_str_eq(err.message, expected);

    rky_error_clear(&err);
    ck_assert_int_eq(rky_read_file(in_directory(1, "four/x"), 3, &data, &length, &err), RKY_ERR_IO);
    rky_error_clear(&err);
    ck_assert_int_eq(rky_read_file(rky_test_directory(), 3, &data, &length, &err), RKY_ERR_IO);
    (void)snprintf(expected, sizeof(expected), "cannot read '%s': Is a directory",
                   rky_test_directory());
    ck_assert_str_eq(err.message, expected);

    rky_error_clear(&err);
    rky_mem_fail_nth(1);
    ck_assert_int_eq(rky_read_file(path_room[0], 4, &data, &length, &err), RKY_ERR_NOMEM);
    ck_assert_ptr_null(data);
    ck_assert_uint_eq(length, 42);
}
END_TEST

START_TEST(an_endless_file_is_read_to_the_limit_only)
{
    struct rky_error err = {0};
    char *data = NULL;
    size_t length = 0;
    ck_assert_int_eq(rky_read_file("/dev/zero", 1000000, &data, &length, &err), RKY_ERR_DECODE);
}
END_TEST

START_TEST(a_file_is_replaced_and_nothing_is_left_beside_it)
{
    struct rky_error err = {0};
    const char *path = in_directory(0, "file");
    char *data = NULL;
    size_t length = 0;
    struct stat st;

    ck_assert_int_eq(rky_write_file_atomic(path, "old", 3, &err), 0);
    ck_assert_int_eq(rky_write_file_atomic(path, "new\0er", 6, &err), 0);

    ck_assert_int_eq(rky_read_file(path, 100, &data, &length, &err), 0);
    ck_assert_uint_eq(length, 6);
    ck_assert_mem_eq(data, "new\0er", 6);
    ck_assert_int_eq(stat(path, &st), 0);
    ck_assert_uint_eq(st.st_mode & 0777U, 0600);
    ck_assert_uint_eq(count_entries(), 1);
    rky_free(data);
}
END_TEST

START_TEST(a_file_without_a_directory_part_is_written_where_we_are)
{
    ck_assert_int_eq(chdir(rky_test_directory()), 0);
    ck_assert_int_eq(rky_write_file_atomic("plain", "x", 1, NULL), 0);
    ck_assert(rky_path_exists(in_directory(0, "plain")));
    ck_assert_int_eq(chdir("/"), 0);
}
END_TEST

START_TEST(a_replacement_that_fails_leaves_the_old_content)
{
    struct rky_error err = {0};
    char expected[5000];
    ck_assert_int_eq(mkdir(in_directory(0, "taken"), 0700), 0);

    ck_assert_int_eq(rky_write_file_atomic(path_room[0], "x", 1, &err), RKY_ERR_IO);
    (void)snprintf(expected, sizeof(expected), "cannot replace '%s': Is a directory", path_room[0]);
    ck_assert_str_eq(err.message, expected);
    ck_assert_uint_eq(count_entries(), 1);

    rky_error_clear(&err);
    ck_assert_int_eq(rky_write_file_atomic(in_directory(1, "no/such"), "x", 1, &err), RKY_ERR_IO);
    (void)snprintf(expected, sizeof(expected),
                   "cannot create a file beside '%s': No such file or directory", path_room[1]);
    ck_assert_str_eq(err.message, expected);
}
END_TEST

START_TEST(a_replacement_that_does_not_fit_leaves_the_old_content)
{
    struct rky_error err = {0};
    const struct rlimit limit = {1000, 1000};
    char expected[5000];
    char large[2000] = "";
    char *data = NULL;
    size_t length = 0;
    const char *path = in_directory(0, "file");
    put_file(path, "old");
    ck_assert_int_eq(setrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, SIG_IGN);

    ck_assert_int_eq(rky_write_file_atomic(path, large, sizeof(large), &err), RKY_ERR_IO);

    (void)snprintf(expected, sizeof(expected), "cannot write '%s': File too large", path);
    ck_assert_str_eq(err.message, expected);
    ck_assert_int_eq(rky_read_file(path, 100, &data, &length, NULL), 0);
    ck_assert_str_eq(data, "old");
    ck_assert_uint_eq(count_entries(), 1);
    rky_free(data);
}
END_TEST

START_TEST(a_replacement_without_memory_leaves_nothing_half_done)
{
    const char *path = in_directory(0, "file");
    put_file(path, "old");
    for (uint64_t nth = 1; nth <= 2; nth++) {
        struct rky_error err = {0};
        rky_mem_fail_nth(nth);
        ck_assert_int_eq(rky_write_file_atomic(path, "new", 3, &err), RKY_ERR_NOMEM);
        rky_mem_fail_nth(0);
        ck_assert_uint_eq(count_entries(), 1);
    }
}
END_TEST

/* --- locks ------------------------------------------------------------------------------------ */

static char child_ready(int fd)
{
    char byte = 0;
    ck_assert_int_eq(read(fd, &byte, 1), 1);
    return byte;
}

/* A process that holds the lock until it is killed. */
static pid_t holder_of(const char *path)
{
    int ready[2];
    ck_assert_int_eq(pipe(ready), 0);
    pid_t child = fork();
    ck_assert_int_ge(child, 0);
    if (child == 0) {
        struct rky_file_lock lock;
        bool held =
            rky_file_lock_open(&lock, path, NULL) == 0 && rky_file_lock_try(&lock, NULL) == 0;
        (void)!write(ready[1], held ? "y" : "n", 1);
        for (;;)
            (void)pause();
    }
    ck_assert_int_eq(child_ready(ready[0]), 'y');
    (void)close(ready[0]);
    (void)close(ready[1]);
    return child;
}

static void end_process(pid_t child)
{
    int status = 0;
    ck_assert_int_eq(kill(child, SIGKILL), 0);
    ck_assert_int_eq(waitpid(child, &status, 0), child);
}

START_TEST(a_lock_is_held_by_one_and_names_its_holder)
{
    struct rky_error err = {0};
    struct rky_file_lock lock;
    char expected[5000];
    const char *path = in_directory(0, "s.db.lock");
    pid_t child = holder_of(path);

    ck_assert_int_eq(rky_file_lock_open(&lock, path, &err), 0);
    ck_assert_int_eq(rky_file_lock_try(&lock, &err), RKY_ERR_LOCKED);
    (void)snprintf(expected, sizeof(expected), "'%s' is in use by process %ld",
                   in_directory(1, "s.db"), (long)child);
    ck_assert_str_eq(err.message, expected);
    ck_assert(err.transient);
    ck_assert_str_ne(err.hint, "");
    ck_assert(!lock.held);

    /* However the holder dies, its lock goes with it; the file stays. */
    end_process(child);
    ck_assert_int_eq(rky_file_lock_try(&lock, NULL), 0);
    ck_assert(lock.held);
    ck_assert_int_eq(rky_file_lock_try(&lock, NULL), 0);
    rky_file_lock_close(&lock);
    ck_assert(rky_path_exists(path));
}
END_TEST

START_TEST(a_lock_file_holds_the_pid_of_its_last_holder)
{
    struct rky_file_lock lock;
    char expected[32];
    char *data = NULL;
    size_t length = 0;
    const char *path = in_directory(0, "f.lock");
    put_file(path, "99999999999999\n");
    (void)snprintf(expected, sizeof(expected), "%ld\n", (long)getpid());

    ck_assert_int_eq(rky_file_lock_open(&lock, path, NULL), 0);
    ck_assert_int_eq(rky_file_lock_try(&lock, NULL), 0);
    rky_file_lock_release(&lock);
    ck_assert(!lock.held);
    rky_file_lock_release(&lock);

    ck_assert_int_eq(rky_read_file(path, 100, &data, &length, NULL), 0);
    ck_assert_str_eq(data, expected);
    rky_free(data);
    rky_file_lock_close(&lock);
}
END_TEST

START_TEST(a_holder_that_is_not_written_down_yet_is_another_process)
{
    struct rky_error err = {0};
    struct rky_file_lock first;
    struct rky_file_lock second;
    char expected[5000];
    const char *path = in_directory(0, "plain");
    ck_assert_int_eq(rky_file_lock_open(&first, path, NULL), 0);
    ck_assert_int_eq(rky_file_lock_open(&second, path, NULL), 0);
    ck_assert_int_eq(rky_file_lock_try(&first, NULL), 0);
    ck_assert_int_eq(truncate(path, 0), 0);

    ck_assert_int_eq(rky_file_lock_try(&second, &err), RKY_ERR_LOCKED);

    (void)snprintf(expected, sizeof(expected), "'%s' is in use by another process", path);
    ck_assert_str_eq(err.message, expected);
    rky_file_lock_close(&first);
    rky_file_lock_close(&second);
}
END_TEST

/* The file has the pid of the last holder until the next one wrote its own. */
START_TEST(a_process_that_ended_is_not_named_as_the_holder)
{
    struct rky_error err = {0};
    struct rky_file_lock first;
    struct rky_file_lock second;
    char expected[5000], pid[32];
    const char *path = in_directory(0, "f.lock");
    pid_t child = holder_of(path);
    end_process(child);
    ck_assert_int_eq(rky_file_lock_open(&first, path, NULL), 0);
    ck_assert_int_eq(rky_file_lock_open(&second, path, NULL), 0);
    ck_assert_int_eq(rky_file_lock_try(&first, NULL), 0);
    (void)snprintf(pid, sizeof(pid), "%ld\n", (long)child);
    put_file(path, pid);

    ck_assert_int_eq(rky_file_lock_try(&second, &err), RKY_ERR_LOCKED);

    (void)snprintf(expected, sizeof(expected), "'%s' is in use by another process",
                   in_directory(1, "f"));
    ck_assert_str_eq(err.message, expected);
    rky_file_lock_close(&first);
    rky_file_lock_close(&second);
}
END_TEST

START_TEST(a_lock_does_not_pass_to_a_program_that_is_started)
{
    struct rky_file_lock lock;
    ck_assert_int_eq(rky_file_lock_open(&lock, in_directory(0, "f.lock"), NULL), 0);
    ck_assert_int_ne(fcntl(lock.fd, F_GETFD) & FD_CLOEXEC, 0);
    rky_file_lock_close(&lock);
}
END_TEST

START_TEST(waiting_ends_at_the_deadline)
{
    struct rky_error err = {0};
    struct rky_file_lock first;
    struct rky_file_lock second;
    struct rky_clock *clock = rky_clock_real();
    ck_assert_int_eq(rky_file_lock_open(&first, in_directory(0, "f.lock"), NULL), 0);
    ck_assert_int_eq(rky_file_lock_open(&second, path_room[0], NULL), 0);
    ck_assert_int_eq(rky_file_lock_try(&first, NULL), 0);

    int64_t begin = clock->mono_ms(clock);
    ck_assert_int_eq(rky_file_lock_wait(&second, 60, &err), RKY_ERR_LOCKED);
    ck_assert_int_ge(clock->mono_ms(clock) - begin, 60);

    ck_assert_int_eq(err.code, RKY_ERR_LOCKED);
    rky_file_lock_close(&first);
    rky_file_lock_close(&second);
}
END_TEST

static void *release_soon(void *argument)
{
    const struct timespec moment = {0, 50000000};
    (void)nanosleep(&moment, NULL);
    rky_file_lock_release(argument);
    return NULL;
}

START_TEST(waiting_ends_when_the_holder_lets_go)
{
    struct rky_error err = {0};
    struct rky_file_lock first;
    struct rky_file_lock second;
    pthread_t thread;
    ck_assert_int_eq(rky_file_lock_open(&first, in_directory(0, "f.lock"), NULL), 0);
    ck_assert_int_eq(rky_file_lock_open(&second, path_room[0], NULL), 0);
    ck_assert_int_eq(rky_file_lock_try(&first, NULL), 0);
    ck_assert_int_eq(pthread_create(&thread, NULL, release_soon, &first), 0);

    ck_assert_int_eq(rky_file_lock_wait(&second, 60000, &err), 0);

    ck_assert(second.held);
    ck_assert_int_eq(err.code, RKY_OK);
    ck_assert_int_eq(pthread_join(thread, NULL), 0);
    rky_file_lock_close(&first);
    rky_file_lock_close(&second);
}
END_TEST

START_TEST(a_lock_that_cannot_be_opened_can_still_be_closed)
{
    struct rky_error err = {0};
    struct rky_file_lock lock = {0};
    rky_file_lock_close(&lock);

    ck_assert_int_eq(rky_file_lock_open(&lock, in_directory(0, "no/such"), &err), RKY_ERR_IO);
    ck_assert_int_eq(lock.fd, -1);
    rky_file_lock_close(&lock);
    rky_mem_fail_nth(1);
    ck_assert_int_eq(rky_file_lock_open(&lock, in_directory(0, "f"), NULL), RKY_ERR_NOMEM);
    rky_file_lock_close(&lock);
    ck_assert(!rky_path_exists(path_room[0]));
}
END_TEST

START_TEST(a_descriptor_that_cannot_be_locked_says_why)
{
    struct rky_error err = {0};
    struct rky_file_lock lock;
    ck_assert_int_eq(rky_file_lock_open(&lock, in_directory(0, "f.lock"), NULL), 0);
    (void)close(lock.fd);
    ck_assert_int_eq(rky_file_lock_wait(&lock, 60000, &err), RKY_ERR_IO);
    ck_assert_ptr_nonnull(strstr(err.message, "cannot lock '"));
    lock.fd = open("/dev/null", O_RDONLY);
    rky_file_lock_close(&lock);
}
END_TEST

static Suite *suite(void)
{
    Suite *result = suite_create("fsutil");
    TCase *tests = tcase_create("files");
    tcase_add_test(tests, paths_are_joined_unless_they_are_absolute);
    tcase_add_test(tests, the_directory_part_of_a_path);
    tcase_add_test(tests, directories_are_made_with_their_parents_and_private);
    tcase_add_test(tests, a_file_in_the_way_of_a_directory_is_named);
    tcase_add_test(tests, a_directory_that_cannot_be_made_says_why);
    tcase_add_test(tests, a_file_is_read_whole);
    tcase_add_test(tests, an_empty_file_reads_as_empty_text);
    tcase_add_test(tests, what_cannot_be_read_is_refused_and_the_results_untouched);
    tcase_add_test(tests, an_endless_file_is_read_to_the_limit_only);
    tcase_add_test(tests, a_file_is_replaced_and_nothing_is_left_beside_it);
    tcase_add_test(tests, a_file_without_a_directory_part_is_written_where_we_are);
    tcase_add_test(tests, a_replacement_that_fails_leaves_the_old_content);
    tcase_add_test(tests, a_replacement_that_does_not_fit_leaves_the_old_content);
    tcase_add_test(tests, a_replacement_without_memory_leaves_nothing_half_done);
    suite_add_tcase(result, tests);

    TCase *locks = tcase_create("locks");
    tcase_add_test(locks, a_lock_is_held_by_one_and_names_its_holder);
    tcase_add_test(locks, a_lock_file_holds_the_pid_of_its_last_holder);
    tcase_add_test(locks, a_holder_that_is_not_written_down_yet_is_another_process);
    tcase_add_test(locks, a_process_that_ended_is_not_named_as_the_holder);
    tcase_add_test(locks, a_lock_does_not_pass_to_a_program_that_is_started);
    tcase_add_test(locks, waiting_ends_at_the_deadline);
    tcase_add_test(locks, waiting_ends_when_the_holder_lets_go);
    tcase_add_test(locks, a_lock_that_cannot_be_opened_can_still_be_closed);
    tcase_add_test(locks, a_descriptor_that_cannot_be_locked_says_why);
    suite_add_tcase(result, locks);
    return result;
}

int main(void)
{
    return rky_check_main(suite());
}
