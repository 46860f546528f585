/* SPDX-License-Identifier: Apache-2.0 */
/* Parsing command lines: every form that is taken and every mistake that is told. */
#include "config.h"

#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "common/option.h"
#include "tests/kit/check_main.h"
#include "tests/unit/option_tables.h"

#define WORDS_MAX 12

/* argv from words; the parser may keep pointers into it. */
static int parse(const struct rky_program *program, const char *const *words,
                 struct rky_parsed *ret_parsed, struct rky_error *err)
{
    static char room[WORDS_MAX + 1][128];
    static char *argv[WORDS_MAX + 2];
    int argc = 1;
    argv[0] = room[0];
    for (; words[argc - 1] != NULL; argc++) {
        (void)snprintf(room[argc], sizeof(room[0]), "%s", words[argc - 1]);
        argv[argc] = room[argc];
    }
    argv[argc] = NULL;
    return rky_option_parse(program, argc, argv, ret_parsed, err);
}

/* --- what is taken ---------------------------------------------------------------------------- */

/* A line, and the command, options ("name=value", in order) and arguments it means. */
static const struct {
    const struct rky_program *program;
    const char *words[WORDS_MAX];
    const char *command; /* NULL = none */
    const char *options[WORDS_MAX];
    const char *arguments[WORDS_MAX];
} GOOD[] = {
    {&OPTION_PROGRAM, {"run"}, "run", {NULL}, {NULL}},
    {&OPTION_PROGRAM, {"apply", "id"}, "apply", {NULL}, {"id"}},
    /* globals before and behind, in all spellings */
    {&OPTION_PROGRAM, {"-o", "json", "run"}, "run", {"output=json"}, {NULL}},
    {&OPTION_PROGRAM, {"run", "-ojson"}, "run", {"output=json"}, {NULL}},
    {&OPTION_PROGRAM, {"run", "-o=json"}, "run", {"output=json"}, {NULL}},
    {&OPTION_PROGRAM, {"run", "--output=json"}, "run", {"output=json"}, {NULL}},
    {&OPTION_PROGRAM, {"--output", "json", "run"}, "run", {"output=json"}, {NULL}},
    {&OPTION_PROGRAM, {"--config=", "run"}, "run", {"config="}, {NULL}},
    {&OPTION_PROGRAM, {"--config=a=b", "run"}, "run", {"config=a=b"}, {NULL}},
    {&OPTION_PROGRAM, {"--config", "-", "run"}, "run", {"config=-"}, {NULL}},
    {&OPTION_PROGRAM, {"--config", "-x", "run"}, "run", {"config=-x"}, {NULL}},
    {&OPTION_PROGRAM, {"--config=--x", "run"}, "run", {"config=--x"}, {NULL}},
    {&OPTION_PROGRAM, {"-q", "run", "-q"}, "run", {"quiet", "quiet"}, {NULL}},
    {&OPTION_PROGRAM, {"run", "-qo", "json"}, "run", {"quiet", "output=json"}, {NULL}},
    {&OPTION_PROGRAM, {"run", "-qqojson"}, "run", {"quiet", "quiet", "output=json"}, {NULL}},
    /* the command's own, mixed with globals */
    {&OPTION_PROGRAM,
     {"run", "-f", "a=1", "-o", "table", "--filter", "b=2", "--full"},
     "run",
     {"filter=a=1", "output=table", "filter=b=2", "full"},
     {NULL}},
    /* its own option hides a global one of the same name or letter */
    {&OPTION_PROGRAM, {"apply", "-q", "v", "id"}, "apply", {"quality=v"}, {"id"}},
    /* two words; globals may stand between them */
    {&OPTION_PROGRAM, {"state"}, "state", {NULL}, {NULL}},
    {&OPTION_PROGRAM, {"state", "--all"}, "state", {"all"}, {NULL}},
    {&OPTION_PROGRAM, {"state", "delete", "-t", "x"}, "state delete", {"table=x"}, {NULL}},
    {&OPTION_PROGRAM,
     {"-q", "state", "--config", "c", "delete", "-q"},
     "state delete",
     {"quiet", "config=c", "quiet"},
     {NULL}},
    {&OPTION_PROGRAM, {"dev", "broker"}, "dev broker", {NULL}, {NULL}},
    {&OPTION_PROGRAM, {"dev", "-q", "broker"}, "dev broker", {"quiet"}, {NULL}},
    {&OPTION_PROGRAM, {"dev", "secret"}, "dev secret", {NULL}, {NULL}},
    /* the first word is a command that takes arguments by itself */
    {&OPTION_PROGRAM, {"show", "it"}, "show", {NULL}, {"it"}},
    {&OPTION_PROGRAM, {"show", "all"}, "show all", {NULL}, {NULL}},
    {&OPTION_PROGRAM, {"show", "it", "all"}, "show", {NULL}, {"it", "all"}},
    {&OPTION_PROGRAM, {"show", "--", "all"}, "show all", {NULL}, {NULL}},
    /* -- ends options, - is a word */
    {&OPTION_PROGRAM, {"apply", "--", "--id"}, "apply", {NULL}, {"--id"}},
    {&OPTION_PROGRAM, {"--", "apply", "--"}, "apply", {NULL}, {"--"}},
    {&OPTION_PROGRAM, {"apply", "-"}, "apply", {NULL}, {"-"}},
    {&OPTION_PROGRAM, {"apply", ""}, "apply", {NULL}, {""}},
    /* how many arguments */
    {&OPTION_PROGRAM, {"load", "a"}, "load", {NULL}, {"a"}},
    {&OPTION_PROGRAM, {"load", "a", "b"}, "load", {NULL}, {"a", "b"}},
    {&OPTION_PROGRAM, {"many", "a"}, "many", {NULL}, {"a"}},
    {&OPTION_PROGRAM, {"many", "a", "b", "c"}, "many", {NULL}, {"a", "b", "c"}},
    {&OPTION_PROGRAM, {"any"}, "any", {NULL}, {NULL}},
    {&OPTION_PROGRAM, {"any", "a", "b"}, "any", {NULL}, {"a", "b"}},
    /* asking for help or the version needs nothing else to be complete */
    {&OPTION_PROGRAM, {"--help"}, NULL, {"help"}, {NULL}},
    {&OPTION_PROGRAM, {"-V"}, NULL, {"version"}, {NULL}},
    {&OPTION_PROGRAM, {"apply", "-h"}, "apply", {"help"}, {NULL}},
    {&OPTION_PROGRAM, {"run", "x", "-h"}, "run", {"help"}, {"x"}},
    {&OPTION_PROGRAM, {"dev", "--help"}, NULL, {"help"}, {NULL}},
    {&OPTION_PROGRAM, {"--help", "state", "delete"}, "state delete", {"help"}, {NULL}},
    /* a program that is its own command */
    {&OPTION_DAEMON, {NULL}, "", {NULL}, {NULL}},
    {&OPTION_DAEMON, {"--once", "-c", "f"}, "", {"once", "config=f"}, {NULL}},
    {&OPTION_DAEMON, {"file", "--once"}, "", {"once"}, {"file"}},
    {&OPTION_DAEMON, {""}, "", {NULL}, {""}},
    {&OPTION_DAEMON, {"check"}, "check", {NULL}, {NULL}},
    {&OPTION_DAEMON, {"--", "check"}, "check", {NULL}, {NULL}},
    {&OPTION_DAEMON, {"--once", "check"}, "", {"once"}, {"check"}},
};

static void assert_option(const struct rky_parsed *parsed, size_t i, const char *expected)
{
    char text[256];
    const char *value = parsed->values[i];
    (void)snprintf(text, sizeof(text), "%s%s%s", parsed->options[i]->name, value != NULL ? "=" : "",
                   value != NULL ? value : "");
    ck_assert_str_eq(text, expected);
}

START_TEST(a_line_is_taken)
{
    struct rky_error err = {0};
    struct rky_parsed parsed;

    int rc = parse(GOOD[_i].program, GOOD[_i].words, &parsed, &err);

    ck_assert_msg(rc == 0, "%s", err.message);
    ck_assert_ptr_eq(parsed.program, GOOD[_i].program);
    if (GOOD[_i].command == NULL)
        ck_assert_ptr_null(parsed.command);
    else
        ck_assert_str_eq(parsed.command->name, GOOD[_i].command);
    size_t options = 0;
    for (; GOOD[_i].options[options] != NULL; options++) {
        ck_assert_uint_lt(options, parsed.option_count);
        assert_option(&parsed, options, GOOD[_i].options[options]);
    }
    ck_assert_uint_eq(parsed.option_count, options);
    size_t arguments = 0;
    for (; GOOD[_i].arguments[arguments] != NULL; arguments++) {
        ck_assert_uint_lt(arguments, parsed.argument_count);
        ck_assert_str_eq(parsed.arguments[arguments], GOOD[_i].arguments[arguments]);
    }
    ck_assert_uint_eq(parsed.argument_count, arguments);
    rky_parsed_done(&parsed);
}
END_TEST

START_TEST(values_are_found_by_name)
{
    static const char *const words[] = {"run", "-f",  "a=1", "-q",    "-o", "json",
                                        "-f",  "b=2", "-o",  "table", NULL};
    struct rky_parsed parsed;
    ck_assert_int_eq(parse(&OPTION_PROGRAM, words, &parsed, NULL), 0);

    ck_assert(rky_parsed_has(&parsed, "quiet"));
    ck_assert(rky_parsed_has(&parsed, "output"));
    ck_assert(!rky_parsed_has(&parsed, "full"));
    ck_assert(!rky_parsed_has(&parsed, "nonsense"));
    ck_assert_str_eq(rky_parsed_value(&parsed, "output"), "table");
    ck_assert_str_eq(rky_parsed_value(&parsed, "filter"), "b=2");
    ck_assert_ptr_null(rky_parsed_value(&parsed, "quiet"));
    ck_assert_ptr_null(rky_parsed_value(&parsed, "config"));
    ck_assert_str_eq(rky_parsed_nth(&parsed, "filter", 0), "a=1");
    ck_assert_str_eq(rky_parsed_nth(&parsed, "filter", 1), "b=2");
    ck_assert_ptr_null(rky_parsed_nth(&parsed, "filter", 2));
    rky_parsed_done(&parsed);
    ck_assert_ptr_null(rky_parsed_value(&parsed, "output"));
    rky_parsed_done(&parsed);
}
END_TEST

START_TEST(an_empty_argv_is_a_missing_command)
{
    struct rky_error err = {0};
    struct rky_parsed parsed;
    char *argv[] = {NULL};
    ck_assert_int_eq(rky_option_parse(&OPTION_PROGRAM, 0, argv, &parsed, &err), RKY_ERR_USAGE);
    ck_assert_str_eq(err.message, "'tool' needs a command");
}
END_TEST

/* --- what is refused -------------------------------------------------------------------------- */

static const struct {
    const struct rky_program *program;
    const char *words[WORDS_MAX];
    const char *message;
    const char *hint;
} BAD[] = {
    {&OPTION_PROGRAM, {NULL}, "'tool' needs a command", "'tool --help' lists the commands"},
    {&OPTION_PROGRAM, {"-q"}, "'tool' needs a command", "'tool --help' lists the commands"},
    {&OPTION_PROGRAM, {"dev"}, "'tool dev' needs a command", "'tool --help' lists the commands"},
    /* commands */
    {&OPTION_PROGRAM, {"aply", "id"}, "'tool' has no command 'aply'", "did you mean 'tool apply'?"},
    {&OPTION_PROGRAM,
     {"xyzzy"},
     "'tool' has no command 'xyzzy'",
     "'tool --help' lists the commands"},
    {&OPTION_PROGRAM, {""}, "'tool' has no command ''", "'tool --help' lists the commands"},
    {&OPTION_PROGRAM,
     {"state", "delet"},
     "'tool state' has no command 'delet'",
     "did you mean 'tool state delete'?"},
    {&OPTION_PROGRAM,
     {"state", "xyzzy"},
     "'tool state' has no command 'xyzzy'",
     "'tool --help' lists the commands"},
    {&OPTION_PROGRAM,
     {"dev", "brokr"},
     "'tool dev' has no command 'brokr'",
     "did you mean 'tool dev broker'?"},
    /* a hidden command is not suggested */
    {&OPTION_PROGRAM,
     {"dev", "secrt"},
     "'tool dev' has no command 'secrt'",
     "'tool --help' lists the commands"},
    {&OPTION_PROGRAM,
     {"hiden"},
     "'tool' has no command 'hiden'",
     "'tool --help' lists the commands"},
    {&OPTION_PROGRAM,
     {"state", "--all", "delete"},
     "'delete' has to stand directly behind 'tool state'",
     ""},
    {&OPTION_PROGRAM,
     {"state", "-a", "delete"},
     "'delete' has to stand directly behind 'tool state'",
     ""},
    /* options */
    {&OPTION_PROGRAM,
     {"--ouput", "json", "run"},
     "'tool' has no option '--ouput'",
     "did you mean '--output'?"},
    {&OPTION_PROGRAM,
     {"run", "--ouput=json"},
     "'tool run' has no option '--ouput'",
     "did you mean '--output'?"},
    {&OPTION_PROGRAM,
     {"run", "--fliter=x"},
     "'tool run' has no option '--fliter'",
     "did you mean '--filter'?"},
    {&OPTION_PROGRAM,
     {"run", "--xyzzy"},
     "'tool run' has no option '--xyzzy'",
     "'tool run --help' lists the options"},
    {&OPTION_PROGRAM,
     {"state", "delete", "--xyzzy"},
     "'tool state delete' has no option '--xyzzy'",
     "'tool state delete --help' lists the options"},
    {&OPTION_PROGRAM,
     {"--xyzzy"},
     "'tool' has no option '--xyzzy'",
     "'tool --help' lists the options"},
    {&OPTION_PROGRAM,
     {"--filter", "a=1", "run"},
     "'tool' has no option '--filter'",
     "'--filter' is an option of 'tool run' and goes behind it"},
    {&OPTION_PROGRAM,
     {"dev", "--filter", "a=1"},
     "'tool dev' has no option '--filter'",
     "'--filter' is an option of 'tool run' and goes behind it"},
    /* a hidden command's option is not given away */
    {&OPTION_PROGRAM,
     {"--hushhush"},
     "'tool' has no option '--hushhush'",
     "'tool --help' lists the options"},
    {&OPTION_PROGRAM,
     {"run", "--out", "json"},
     "'tool run' has no option '--out'",
     "'tool run --help' lists the options"},
    {&OPTION_PROGRAM,
     {"run", "-x"},
     "'tool run' has no option '-x'",
     "'tool run --help' lists the options"},
    {&OPTION_PROGRAM,
     {"run", "-qx"},
     "'tool run' has no option '-x'",
     "'tool run --help' lists the options"},
    {&OPTION_PROGRAM, {"-f", "x"}, "'tool' has no option '-f'", "'tool --help' lists the options"},
    /* values */
    {&OPTION_PROGRAM, {"run", "--config"}, "option '--config' needs a value: FILE", ""},
    {&OPTION_PROGRAM, {"run", "-qc"}, "option '--config' needs a value: FILE", ""},
    {&OPTION_PROGRAM, {"run", "--output"}, "option '--output' needs a value: table|json", ""},
    {&OPTION_PROGRAM,
     {"--config", "--quiet", "run"},
     "option '--config' needs a value: FILE",
     "a value that begins with dashes is written as '--config=--quiet'"},
    {&OPTION_PROGRAM, {"run", "--quiet=yes"}, "option '--quiet' takes no value, found 'yes'", ""},
    {&OPTION_PROGRAM, {"run", "--quiet="}, "option '--quiet' takes no value, found ''", ""},
    {&OPTION_PROGRAM, {"run", "-q=1"}, "option '--quiet' takes no value, found '1'", ""},
    {&OPTION_PROGRAM,
     {"run", "--output", "xml"},
     "option '--output' does not take 'xml', expected one of table|json",
     ""},
    {&OPTION_PROGRAM,
     {"run", "-ojso"},
     "option '--output' does not take 'jso', expected one of table|json",
     ""},
    {&OPTION_PROGRAM,
     {"run", "--output="},
     "option '--output' does not take '', expected one of table|json",
     ""},
    {&OPTION_PROGRAM,
     {"run", "--output=table|json"},
     "option '--output' does not take 'table|json', expected one of table|json",
     ""},
    /* arguments */
    {&OPTION_PROGRAM, {"apply"}, "'tool apply' needs PLAN_ID", ""},
    {&OPTION_PROGRAM, {"load"}, "'tool load' needs NAME [FILE]", ""},
    {&OPTION_PROGRAM, {"many"}, "'tool many' needs NAME...", ""},
    {&OPTION_PROGRAM, {"run", "x"}, "'tool run' takes no argument, found 'x'", ""},
    {&OPTION_PROGRAM,
     {"apply", "a", "b"},
     "'tool apply' takes only PLAN_ID, found 'b' as well",
     ""},
    {&OPTION_PROGRAM,
     {"load", "a", "b", "c", "d"},
     "'tool load' takes only NAME [FILE], found 'c' as well",
     ""},
    {&OPTION_DAEMON, {"a", "b"}, "'daemon' takes only [FILE], found 'b' as well", ""},
    {&OPTION_DAEMON, {"--onse"}, "'daemon' has no option '--onse'", "did you mean '--once'?"},
};

START_TEST(a_mistake_is_told_with_the_way_out)
{
    struct rky_error err = {0};
    struct rky_parsed parsed;

    int rc = parse(BAD[_i].program, BAD[_i].words, &parsed, &err);

    ck_assert_int_eq(rc, RKY_ERR_USAGE);
    ck_assert_str_eq(err.message, BAD[_i].message);
    ck_assert_str_eq(err.hint, BAD[_i].hint);
    /* Nothing to free, and freeing it does no harm. */
    ck_assert_uint_eq(parsed.option_count, 0);
    ck_assert_ptr_null(parsed.arguments);
    rky_parsed_done(&parsed);
    ck_assert_int_eq(parse(BAD[_i].program, BAD[_i].words, &parsed, NULL), RKY_ERR_USAGE);
}
END_TEST

/* --- out of memory ---------------------------------------------------------------------------- */

/* Each allocation fails once: out of memory is reported and nothing leaks (the sanitizer looks). */
static void fail_everywhere(const struct rky_program *program, const char *const *words,
                            int expected, uint64_t least)
{
    uint64_t nth = 1;
    for (bool failed = true; failed; nth++) {
        struct rky_error err = {0};
        struct rky_parsed parsed;
        rky_mem_fail_nth(nth);
        int rc = parse(program, words, &parsed, &err);
        failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        ck_assert_int_eq(rc, failed ? RKY_ERR_NOMEM : expected);
        ck_assert_int_eq(err.code, rc);
        rky_parsed_done(&parsed);
    }
    ck_assert_uint_gt(nth, least);
}

START_TEST(missing_memory_is_reported_wherever_it_is_missing)
{
    static const char *const good[] = {"run", "-qqqqq", "-qqqqq", "-f", "a", "-f", "b", NULL};
    static const char *const bad_option[] = {"run", "--fliter", "a", NULL};
    static const char *const bad_command[] = {"xyzzy", NULL};
    static const char *const bad_second[] = {"state", "delet", NULL};
    fail_everywhere(&OPTION_PROGRAM, good, 0, 5);
    fail_everywhere(&OPTION_PROGRAM, bad_option, RKY_ERR_USAGE, 3);
    fail_everywhere(&OPTION_PROGRAM, bad_command, RKY_ERR_USAGE, 2);
    fail_everywhere(&OPTION_PROGRAM, bad_second, RKY_ERR_USAGE, 2);
}
END_TEST

static Suite *suite(void)
{
    Suite *result = suite_create("option");
    TCase *tests = tcase_create("option");
    tcase_add_loop_test(tests, a_line_is_taken, 0, (int)(sizeof(GOOD) / sizeof(GOOD[0])));
    tcase_add_test(tests, values_are_found_by_name);
    tcase_add_test(tests, an_empty_argv_is_a_missing_command);
    tcase_add_loop_test(tests, a_mistake_is_told_with_the_way_out, 0,
                        (int)(sizeof(BAD) / sizeof(BAD[0])));
    tcase_add_test(tests, missing_memory_is_reported_wherever_it_is_missing);
    suite_add_tcase(result, tests);
    return result;
}

int main(void)
{
    return rky_check_main(suite());
}
