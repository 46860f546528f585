/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines in both formats, redaction, threads, and running out of memory. */
#include "config.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/log.h"
#include "common/mem.h"
#include "tests/kit/check_main.h"

#define AT_US INT64_C(1795255200000000)
#define AT "2026-11-21T10:00:00.000Z"

/* A log into memory, at a time that stands still. */
static struct rky_fake_clock fake;
static struct rky_log *log_under_test;
static FILE *stream;
static char *written;
static size_t written_length;

static void open_log(void)
{
    rky_fake_clock_init(&fake, AT_US);
    stream = open_memstream(&written, &written_length);
    log_under_test = rky_log_new(stream, RKY_LOG_DEBUG, RKY_LOG_TEXT, &fake.base);
    ck_assert_ptr_nonnull(log_under_test);
}

static void close_log(void)
{
    rky_log_free(log_under_test);
    (void)fclose(stream);
    free(written);
}

static json_t *fields(const char *json)
{
    json_error_t error;
    json_t *object = json_loads(json, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    ck_assert_msg(object != NULL, "%s: %s", json, error.text);
    return object;
}

static void secret(const char *text)
{
    ck_assert_int_eq(rky_log_add_secret(log_under_test, text), 0);
}

START_TEST(a_text_line_has_time_level_message_and_fields)
{
    rky_log_write(log_under_test, RKY_LOG_DEBUG, NULL, "a");
    rky_log_write(log_under_test, RKY_LOG_INFO, NULL, "copied %d rows", 7);
    rky_log_write(log_under_test, RKY_LOG_WARN, fields("{}"), "b");
    rky_log_write(log_under_test, RKY_LOG_ERROR,
                  fields("{\"table\": \"a.b.c\", \"rows\": 12, \"ok\": true}"), "c");
    ck_assert_str_eq(written, AT " DEBUG a\n" AT " INFO  copied 7 rows\n" AT " WARN  b\n" AT
                                 " ERROR c table=a.b.c rows=12 ok=true\n");
}
END_TEST

START_TEST(text_values_are_quoted_only_where_they_must)
{
    rky_log_write(log_under_test, RKY_LOG_INFO,
                  fields("{\"a\": \"with space\", \"b\": \"\", \"c\": \"x=y\", \"d\": \"q\\\"q\", "
                         "\"e\": \"back\\\\slash\", \"f\": \"new\\nline\", \"g\": \"\xc3\xa4\", "
                         "\"h\": [1, \"two\", null], \"i\": {\"k\": 1.5}, \"j k\": false, "
                         "\"l\": \"nul\\u0000\"}"),
                  "m");
    ck_assert_str_eq(written, AT " INFO  m a=\"with space\" b=\"\" c=\"x=y\" d=\"q\\\"q\" "
                                 "e=\"back\\\\slash\" f=\"new\\nline\" g=\xc3\xa4 "
                                 "h=[1,\"two\",null] i={\"k\":1.5} j k=false l=\"nul\\u0000\"\n");
}
END_TEST

START_TEST(an_event_is_one_line_and_sends_no_escapes_to_the_terminal)
{
    rky_log_write(log_under_test, RKY_LOG_INFO, NULL, "a\nb\tc\rd\x1b[31me\x7f\xff.");
    ck_assert_str_eq(written, AT " INFO  a\\nb\\tc\\u000dd\\u001b[31me\\u007f\xef\xbf\xbd.\n");
}
END_TEST

START_TEST(a_json_line_is_one_object_that_reads_back)
{
    rky_log_set_format(log_under_test, RKY_LOG_JSON);
    json_t *expected =
        fields("{\"at\": \"" AT "\", \"level\": \"warn\", \"message\": \"it's \\\"x\\\"\\n\", "
               "\"text\": \"a\\\\b\\u0001\xc3\xa4\\u0000\", \"count\": -9223372036854775808, "
               "\"ratio\": 0.1, \"big\": 1e300, \"on\": true, \"off\": false, \"none\": null, "
               "\"list\": [1, [], {}], \"object\": {\"a\": {\"b\": \"c\"}, \"d\": 2}}");
    json_t *own = json_deep_copy(expected);
    (void)json_object_del(own, "at");
    (void)json_object_del(own, "level");
    (void)json_object_del(own, "message");

    rky_log_write(log_under_test, RKY_LOG_WARN, own, "it's \"%s\"\n", "x");

    ck_assert_int_eq(written[written_length - 1], '\n');
    json_t *line = json_loads(written, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    ck_assert_ptr_nonnull(line);
    ck_assert(json_equal(line, expected));
    ck_assert_int_eq(strncmp(written, "{\"at\":\"" AT "\",\"level\":\"warn\",\"message\":", 58), 0);
    json_decref(line);
    json_decref(expected);
}
END_TEST

START_TEST(a_json_line_without_fields_is_whole)
{
    rky_log_set_format(log_under_test, RKY_LOG_JSON);
    rky_log_write(log_under_test, RKY_LOG_INFO, NULL, "m");
    rky_log_write(log_under_test, RKY_LOG_INFO, fields("{}"), "%s", "");
    ck_assert_str_eq(written, "{\"at\":\"" AT "\",\"level\":\"info\",\"message\":\"m\"}\n"
                              "{\"at\":\"" AT "\",\"level\":\"info\",\"message\":\"\"}\n");
}
END_TEST

START_TEST(fields_of_the_same_name_take_the_place_of_the_lines_own)
{
    rky_log_set_format(log_under_test, RKY_LOG_JSON);
    rky_log_write(log_under_test, RKY_LOG_INFO, fields("{\"at\": \"then\"}"), "m");
    rky_log_write(log_under_test, RKY_LOG_INFO, fields("{\"message\": 1, \"level\": 2, \"at\": 3}"),
                  "m");
    ck_assert_str_eq(written, "{\"level\":\"info\",\"message\":\"m\",\"at\":\"then\"}\n"
                              "{\"message\":1,\"level\":2,\"at\":3}\n");
}
END_TEST

START_TEST(lines_below_the_level_are_not_written_and_their_fields_are_freed)
{
    json_t *kept = json_pack("{s:i}", "a", 1);
    rky_log_set_level(log_under_test, RKY_LOG_WARN);
    ck_assert(!rky_log_enabled(log_under_test, RKY_LOG_INFO));
    ck_assert(rky_log_enabled(log_under_test, RKY_LOG_WARN));
    rky_log_write(log_under_test, RKY_LOG_INFO, json_incref(kept), "no");
    rky_log_write(NULL, RKY_LOG_ERROR, json_incref(kept), "no");
    ck_assert_uint_eq(kept->refcount, 1);

    rky_log_set_level(log_under_test, RKY_LOG_OFF);
    ck_assert(!rky_log_enabled(log_under_test, RKY_LOG_ERROR));
    ck_assert(!rky_log_enabled(log_under_test, RKY_LOG_OFF));
    ck_assert(!rky_log_enabled(NULL, RKY_LOG_ERROR));
    rky_log_write(log_under_test, RKY_LOG_OFF, json_incref(kept), "no");
    ck_assert_uint_eq(kept->refcount, 1);
    json_decref(kept);

    (void)fflush(stream);
    ck_assert_uint_eq(written_length, 0);
}
END_TEST

START_TEST(fields_that_somebody_else_holds_are_not_changed)
{
    json_t *shared = fields("{\"url\": \"p4ssword\"}");
    secret("p4ssword");
    rky_log_write(log_under_test, RKY_LOG_INFO, json_incref(shared), "m");
    ck_assert_str_eq(written, AT " INFO  m url=***\n");
    ck_assert_str_eq(json_string_value(json_object_get(shared, "url")), "p4ssword");
    json_decref(shared);
}
END_TEST

START_TEST(levels_have_names)
{
    static const char *const names[] = {"debug", "info", "warn", "error", "off"};
    struct rky_error err = {0};
    enum rky_log_level level = RKY_LOG_OFF;
    for (size_t i = 0; i < 5; i++) {
        ck_assert_int_eq(rky_log_level_parse(names[i], &level, &err), 0);
        ck_assert_uint_eq(level, i);
    }
    ck_assert_int_eq(rky_log_level_parse("loud", &level, &err), RKY_ERR_USAGE);
    ck_assert_int_eq(level, RKY_LOG_OFF);
    ck_assert_str_eq(err.message,
                     "log level 'loud' is unknown, expected debug, info, warn, error or off");
}
END_TEST

/* --- redaction -------------------------------------------------------------------------------- */

static const struct {
    const char *secrets[3];
    const char *text;
    const char *clean;
} REDACT_ROWS[] = {
    {{"hunter2"}, "", ""},
    {{"hunter2"}, "nothing here", "nothing here"},
    {{"hunter2"}, "hunter2", "***"},
    {{"hunter2"}, "a hunter2 and hunter2hunter2 b", "a *** and ****** b"},
    {{"hunter2"}, "hunter", "hunter"},
    {{"hunter2"}, "hunterhunter2", "hunter***"},
    {{"aab-"}, "aaab-", "a***"},
    {{"abc"}, "abc", "abc"}, /* shorter than four bytes */
    {{""}, "abc", "abc"},
    {{"abcd", "abcdef"}, "abcdef abcd", "*** ***"},
    {{"abcdef", "abcd"}, "abcdef abcd", "*** ***"},
    {{"same", "same"}, "same", "***"},
    /* percent-encoded: all of it, some of it, in either case */
    {{"p@ss/w:rd"}, "postgres://u:p%40ss%2Fw%3Ard@h", "postgres://u:***@h"},
    {{"p@ss/w:rd"}, "p%40ss%2fw:rd", "***"},
    {{"p@ss/w:rd"}, "p%40ss%2w:rd", "p%40ss%2w:rd"},
    {{"p@ss/w:rd"}, "%70%40%73%73%2F%77%3A%72%64", "***"},
    {{"p@ss/w:rd"}, "p%40ss%2Fw%3Ar%6", "p%40ss%2Fw%3Ar%6"},
    {{"two words"}, "two+words two%20words two words", "*** *** ***"},
    {{" lead"}, "a=+lead", "a=***"},
    {{"a+b@c"}, "a+b%40c a%2Bb%40c a+b@c", "*** *** ***"},
    {{"50%25"}, "50%25 50%2525 50%", "*** *** 50%"},
    {{"sch\xc3\xb6n"}, "sch%C3%B6n", "***"},
    /* JSON-escaped */
    {{"a\"b\\c"}, "{\"k\":\"a\\\"b\\\\c\"}", "{\"k\":\"***\"}"},
    {{"a/b/c"}, "a\\/b\\/c", "***"},
    {{"line\nline"}, "line\\nline line\\u000aline", "*** ***"},
    {{"tab\there"}, "tab\\there tab\\u0009here", "*** ***"},
    {{"\b\f\r\n"}, "\\b\\f\\r\\n", "***"},
    {{"key=value"}, "key\\u003dvalue key\\u003Dvalue", "*** ***"},
    {{"key=value"},
     "key\\u803dvalue key\\u00zdvalue key\\u003",
     "key\\u803dvalue key\\u00zdvalue key\\u003"},
    {{"back\\slash"}, "back\\slash", "***"},
    {{"ends\\"}, "ends\\", "***"},
    {{"hunter2"}, "\\hunter2 %hunter2 %4hunter2", "\\*** %*** %4***"},
};

START_TEST(secrets_are_replaced_in_every_spelling)
{
    for (size_t i = 0; i < 3 && REDACT_ROWS[_i].secrets[i] != NULL; i++)
        secret(REDACT_ROWS[_i].secrets[i]);
    char *clean = rky_log_redact(log_under_test, REDACT_ROWS[_i].text);
    ck_assert_str_eq(clean, REDACT_ROWS[_i].clean);
    rky_free(clean);
}
END_TEST

START_TEST(without_a_log_there_are_no_secrets)
{
    char *clean = rky_log_redact(NULL, "hunter2");
    ck_assert_str_eq(clean, "hunter2");
    rky_free(clean);
}
END_TEST

START_TEST(secrets_leave_neither_messages_nor_fields_nor_keys)
{
    secret("hunter2");
    secret("quo\"te");
    for (int format = RKY_LOG_TEXT; format <= RKY_LOG_JSON; format++) {
        rky_log_set_format(log_under_test, (enum rky_log_format)format);
        rky_log_write(log_under_test, RKY_LOG_INFO,
                      fields("{\"a\": \"xhunter2x\", \"hunter2\": 1, \"list\": [\"hunter2\", "
                             "{\"quo\\\"te\": \"a quo\\\"te\"}]}"),
                      "hunter2 and quo\"te and hunt%%65r2");
    }
    ck_assert_ptr_null(strstr(written, "hunter2"));
    ck_assert_ptr_null(strstr(written, "te\""));
    ck_assert_str_eq(written,
                     AT " INFO  *** and *** and *** a=x***x ***=1 list=[\"***\",{\"***\":\"a "
                        "***\"}]\n{\"at\":\"" AT
                        "\",\"level\":\"info\",\"message\":\"*** and *** and ***\",\"a\":\"x***x\","
                        "\"***\":1,\"list\":[\"***\",{\"***\":\"a ***\"}]}\n");
}
END_TEST

START_TEST(a_secret_cannot_tear_the_syntax_of_a_line)
{
    secret("\":\"");
    secret("level");
    secret("b\":1,\"c");
    rky_log_set_format(log_under_test, RKY_LOG_JSON);
    rky_log_write(log_under_test, RKY_LOG_INFO, fields("{\"b\": 1, \"c\": \"d\"}"), "m");
    ck_assert_str_eq(written, "{\"at\":\"" AT
                              "\",\"level\":\"info\",\"message\":\"m\",\"b\":1,\"c\":\"d\"}\n");
}
END_TEST

/* --- streams and threads ---------------------------------------------------------------------- */

/* A sequenced-packet socket keeps the borders of writes, so one read is one write. */
START_TEST(a_whole_line_is_one_write_behind_what_was_printed_before)
{
    int pair[2];
    ck_assert_int_eq(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair), 0);
    FILE *out = fdopen(pair[0], "w");
    struct rky_log *log = rky_log_new(out, RKY_LOG_INFO, RKY_LOG_TEXT, &fake.base);
    char *longer = malloc(20001);
    memset(longer, 'x', 20000);
    longer[20000] = '\0';
    char *got = calloc(1, 40000);

    (void)fputs("before", out);
    rky_log_write(log, RKY_LOG_INFO, NULL, "%s", longer);

    ck_assert_int_eq(read(pair[1], got, 40000), 6);
    ssize_t length = read(pair[1], got, 40000);
    ck_assert_int_eq(length, (ssize_t)strlen(AT " INFO  ") + 20001);
    ck_assert_int_eq(got[length - 1], '\n');
    rky_log_free(log);
    (void)fclose(out);
    (void)close(pair[1]);
    free(longer);
    free(got);
}
END_TEST

START_TEST(a_stream_that_cannot_be_written_harms_nobody)
{
    FILE *full = fopen("/dev/full", "w");
    ck_assert_ptr_nonnull(full);
    struct rky_log *log = rky_log_new(full, RKY_LOG_INFO, RKY_LOG_TEXT, &fake.base);
    rky_log_write(log, RKY_LOG_INFO, NULL, "m");
    rky_log_free(log);
    (void)fclose(full);
}
END_TEST

#define THREADS 4
#define LINES 500

static void *write_lines(void *argument)
{
    struct rky_log *log = argument;
    for (int i = 0; i < LINES; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "secret-%d", i % 50);
        if (i % 10 == 0 && rky_log_add_secret(log, text) != 0)
            return log;
        rky_log_set_level(log, RKY_LOG_INFO);
        rky_log_write(log, RKY_LOG_INFO, json_pack("{s:i}", "i", i), "line of a thread");
        rky_free(rky_log_redact(log, "text"));
    }
    return NULL;
}

START_TEST(threads_do_not_mix_their_lines)
{
    pthread_t threads[THREADS];
    for (size_t i = 0; i < THREADS; i++)
        ck_assert_int_eq(pthread_create(&threads[i], NULL, write_lines, log_under_test), 0);
    for (size_t i = 0; i < THREADS; i++) {
        void *failed = NULL;
        ck_assert_int_eq(pthread_join(threads[i], &failed), 0);
        ck_assert_ptr_null(failed);
    }
    size_t count = 0;
    char *rest = NULL;
    for (char *line = strtok_r(written, "\n", &rest); line != NULL;
         line = strtok_r(NULL, "\n", &rest), count++)
        ck_assert_int_eq(strncmp(line, AT " INFO  line of a thread i=", 49), 0);
    ck_assert_uint_eq(count, (size_t)THREADS * LINES);
}
END_TEST

/* --- out of memory ---------------------------------------------------------------------------- */

/* Every allocation of a line fails once: the line is whole, or its loss is said. */
START_TEST(a_line_that_memory_is_missing_for_is_reported_as_lost)
{
    static const char *const whole[] = {
        AT " INFO  message a=*** key=\"a *** b\" list=[\"***\",{\"k\":1}]\n",
        "{\"at\":\"" AT "\",\"level\":\"info\",\"message\":\"message\",\"a\":\"***\","
        "\"key\":\"a *** b\",\"list\":[\"***\",{\"k\":1}]}\n"};
    static const char *const lost[] = {
        "a log line was lost: out of memory\n",
        "{\"level\":\"error\",\"message\":\"a log line was lost: out of memory\"}\n"};
    secret("hunter2");
    rky_log_set_format(log_under_test, (enum rky_log_format)_i);

    uint64_t nth = 1;
    for (bool failed = true; failed; nth++) {
        json_t *own = fields("{\"a\": \"hunter2\", \"key\": \"a hunter2 b\", "
                             "\"list\": [\"hunter2\", {\"k\": 1}]}");
        (void)fflush(stream);
        size_t before = written_length;
        rky_mem_fail_nth(nth);
        rky_log_write(log_under_test, RKY_LOG_INFO, own, "%s", "message");
        failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        ck_assert_str_eq(written + before, failed ? lost[_i] : whole[_i]);
    }
    ck_assert_uint_gt(nth, 5);
}
END_TEST

START_TEST(a_log_a_secret_and_a_copy_report_missing_memory)
{
    rky_mem_fail_nth(1);
    ck_assert_ptr_null(rky_log_new(stream, RKY_LOG_INFO, RKY_LOG_TEXT, &fake.base));

    for (uint64_t nth = 1; nth <= 2; nth++) {
        rky_mem_fail_nth(nth);
        ck_assert_int_eq(rky_log_add_secret(log_under_test, "hunter2"), RKY_ERR_NOMEM);
    }
    rky_mem_fail_nth(0);
    secret("hunter2");
    rky_mem_fail_nth(1);
    ck_assert_ptr_null(rky_log_redact(log_under_test, "a hunter2 b"));
    rky_mem_fail_nth(0);
    rky_log_free(NULL);
}
END_TEST

static Suite *suite(void)
{
    Suite *result = suite_create("log");
    TCase *tests = tcase_create("log");
    tcase_add_checked_fixture(tests, open_log, close_log);
    tcase_add_test(tests, a_text_line_has_time_level_message_and_fields);
    tcase_add_test(tests, text_values_are_quoted_only_where_they_must);
    tcase_add_test(tests, an_event_is_one_line_and_sends_no_escapes_to_the_terminal);
    tcase_add_test(tests, a_json_line_is_one_object_that_reads_back);
    tcase_add_test(tests, a_json_line_without_fields_is_whole);
    tcase_add_test(tests, fields_of_the_same_name_take_the_place_of_the_lines_own);
    tcase_add_test(tests, lines_below_the_level_are_not_written_and_their_fields_are_freed);
    tcase_add_test(tests, fields_that_somebody_else_holds_are_not_changed);
    tcase_add_test(tests, levels_have_names);
    tcase_add_loop_test(tests, secrets_are_replaced_in_every_spelling, 0,
                        (int)(sizeof(REDACT_ROWS) / sizeof(REDACT_ROWS[0])));
    tcase_add_test(tests, without_a_log_there_are_no_secrets);
    tcase_add_test(tests, secrets_leave_neither_messages_nor_fields_nor_keys);
    tcase_add_test(tests, a_secret_cannot_tear_the_syntax_of_a_line);
    tcase_add_test(tests, a_whole_line_is_one_write_behind_what_was_printed_before);
    tcase_add_test(tests, a_stream_that_cannot_be_written_harms_nobody);
    tcase_add_test(tests, threads_do_not_mix_their_lines);
    tcase_add_loop_test(tests, a_line_that_memory_is_missing_for_is_reported_as_lost, RKY_LOG_TEXT,
                        RKY_LOG_JSON + 1);
    tcase_add_test(tests, a_log_a_secret_and_a_copy_report_missing_memory);
    suite_add_tcase(result, tests);
    return result;
}

int main(void)
{
    return rky_check_main(suite());
}
