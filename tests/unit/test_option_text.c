/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What is generated from option tables: help, manual page, and completions. The bash script is run
 * by bash; the other two are compared, because a build machine need not have those shells.
 */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/option.h"
#include "tests/kit/check_main.h"
#include "tests/unit/option_tables.h"

static char *text;
static size_t text_length;
static FILE *stream;

static void open_stream(void)
{
    stream = open_memstream(&text, &text_length);
}

static void close_stream(void)
{
    (void)fclose(stream);
    free(text);
}

static void assert_written(const char *expected)
{
    ck_assert_int_eq(fflush(stream), 0);
    ck_assert_str_eq(text, expected);
}

static void assert_holds(const char *part)
{
    ck_assert_int_eq(fflush(stream), 0);
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is not in:\n%s", part, text);
}

static void assert_lacks(const char *part)
{
    ck_assert_int_eq(fflush(stream), 0);
    ck_assert_msg(strstr(text, part) == NULL, "'%s' is in:\n%s", part, text);
}

static const struct rky_command *command(const char *name)
{
    const struct rky_command *row = OPTION_COMMANDS;
    while (strcmp(row->name, name) != 0)
        row++;
    return row;
}

#define GLOBAL_ROWS                                                 \
    "  -c, --config FILE           read this configuration\n"       \
    "  -o, --output table|json     how to print: 'table' or json\n" \
    "  -q, --quiet                 show no progress\n"              \
    "  -h, --help                  show this help\n"                \
    "  -V, --version               show the version\n"

START_TEST(help_of_a_program_lists_commands_and_options)
{
    rky_option_help(&OPTION_PROGRAM, NULL, stream);
    assert_written("Usage: tool [OPTION]... COMMAND [ARGUMENT]...\n"
                   "does what a tool does\n"
                   "\n"
                   "Commands:\n"
                   "  run                         plan and apply in one\n"
                   "  apply PLAN_ID               execute a plan\n"
                   "  state                       show the watermarks\n"
                   "  state delete                forget a table's watermark\n"
                   "  dev broker                  serve a broker\n"
                   "  show [NAME...]              show things\n"
                   "  show all                    show everything\n"
                   "  load NAME [FILE]            load a file\n"
                   "  many NAME...                one or more\n"
                   "  any [NAME...]               none or more\n"
                   "\n"
                   "Options of every command:\n" GLOBAL_ROWS "\n"
                   "'tool COMMAND --help' explains one command.\n");
}
END_TEST

START_TEST(help_of_a_command_explains_it_and_wraps_its_lines)
{
    rky_option_help(&OPTION_PROGRAM, command("run"), stream);
    assert_written(
        "Usage: tool run [OPTION]...\n"
        "plan and apply in one\n"
        "\n"
        "Copies the new rows of every table and records how far it came, so that the next\n"
        "run goes on there.\n"
        "\n"
        ".Second paragraph with C:\\path, it's well-made.\n"
        "\n"
        "Options:\n"
        "  -f, --filter K=V            only these; repeat to narrow further\n"
        "      --full                  copy every table whole, whatever its watermark\n"
        "                              says, and take all the time that needs\n"
        "\n"
        "Options of every command:\n" GLOBAL_ROWS);
}
END_TEST

START_TEST(help_of_a_command_names_its_arguments_and_what_lies_below_it)
{
    rky_option_help(&OPTION_PROGRAM, command("load"), stream);
    assert_written("Usage: tool load [OPTION]... NAME [FILE]\n"
                   "load a file\n"
                   "\n"
                   "Options of every command:\n" GLOBAL_ROWS);
    rewind(stream);
    rky_option_help(&OPTION_PROGRAM, command("state"), stream);
    assert_holds("show the watermarks\n"
                 "\n"
                 "Commands:\n"
                 "  state delete                forget a table's watermark\n"
                 "\n"
                 "Options:\n"
                 "  -a, --all                   show all\n");
}
END_TEST

START_TEST(help_of_a_program_that_is_its_own_command)
{
    rky_option_help(&OPTION_DAEMON, NULL, stream);
    assert_written("Usage: daemon [OPTION]... [FILE]\n"
                   "serves\n"
                   "\n"
                   "Serves until it is told to stop.\n"
                   "\n"
                   "Commands:\n"
                   "  check                       check and end\n"
                   "\n"
                   "Options:\n"
                   "      --once                  end when the queue is empty\n"
                   "\n"
                   "General options:\n" GLOBAL_ROWS);
}
END_TEST

START_TEST(a_long_option_pushes_its_text_to_the_next_line)
{
    static const struct rky_option globals[] = {
        {"a-rather-long-option", 0, RKY_OPTION_VALUE, "NAME", NULL, "what it does"},
        {"just-fits-here", 'j', RKY_OPTION_VALUE, "ABC", NULL, "what it does"},
        {0},
    };
    static const struct rky_command commands[] = {{.name = "", .arguments = ""}, {0}};
    static const struct rky_program program = {"p", "s", globals, commands};
    rky_option_help(&program, NULL, stream);
    assert_holds("      --a-rather-long-option NAME\n"
                 "                              what it does\n"
                 "  -j, --just-fits-here ABC    what it does\n");
}
END_TEST

START_TEST(the_manual_page_is_escaped_roff)
{
    rky_option_man(&OPTION_PROGRAM, stream);
    assert_holds(
        ".SH COMMANDS\n"
        ".SS \"tool run\"\n"
        "plan and apply in one\n"
        ".PP\n"
        "Copies the new rows of every table and records how far it came, so that the next\n"
        "run goes on there.\n"
        ".PP\n"
        "\\&.Second paragraph with C:\\epath, it\\(aqs well\\-made.\n"
        ".TP\n"
        "\\fB\\-f\\fR, \\fB\\-\\-filter\\fR \\fIK=V\\fR\n"
        "only these; repeat to narrow further\n"
        ".TP\n"
        "\\fB\\-\\-full\\fR\n");
    assert_holds(".SS \"tool apply \\fIPLAN_ID\\fR\"\nexecute a plan\n.TP\n");
    assert_holds(".SH OPTIONS\n"
                 ".TP\n"
                 "\\fB\\-c\\fR, \\fB\\-\\-config\\fR \\fIFILE\\fR\n"
                 "read this configuration\n"
                 ".TP\n"
                 "\\fB\\-o\\fR, \\fB\\-\\-output\\fR \\fItable|json\\fR\n"
                 "how to print: \\(aqtable\\(aq or json\n");
    assert_lacks("secret");
    assert_lacks("hidden");
    assert_lacks("DESCRIPTION");
}
END_TEST

START_TEST(the_manual_page_of_a_program_that_is_its_own_command)
{
    rky_option_man(&OPTION_DAEMON, stream);
    assert_holds(".SH DESCRIPTION\n"
                 "Serves until it is told to stop.\n"
                 ".SH COMMANDS\n"
                 ".SS \"daemon check\"\n"
                 "check and end\n"
                 ".SH OPTIONS\n"
                 ".TP\n"
                 "\\fB\\-\\-once\\fR\n"
                 "end when the queue is empty\n"
                 ".TP\n"
                 "\\fB\\-c\\fR");
}
END_TEST

/* --- completions ------------------------------------------------------------------------------ */

static const struct {
    const struct rky_program *program;
    const char *line; /* the words as bash splits them; the last one is being typed */
    const char *offered;
} BASH_ROWS[] = {
    {&OPTION_PROGRAM, "tool ''", "run apply state dev show load many any"},
    {&OPTION_PROGRAM, "tool s", "state show"},
    {&OPTION_PROGRAM, "tool -", "--config --output --quiet --help --version"},
    {&OPTION_PROGRAM, "tool --o", "--output"},
    {&OPTION_PROGRAM, "tool run --f", "--filter --full"},
    {&OPTION_PROGRAM, "tool run --q", "--quiet"},
    {&OPTION_PROGRAM, "tool run ''", ""},
    {&OPTION_PROGRAM, "tool state ''", "delete"},
    {&OPTION_PROGRAM, "tool state -", "--all --config --output --quiet --help --version"},
    {&OPTION_PROGRAM, "tool state delete --t", "--table"},
    {&OPTION_PROGRAM, "tool state delete ''", ""},
    {&OPTION_PROGRAM, "tool dev ''", "broker"},
    {&OPTION_PROGRAM, "tool -o ''", "table json"},
    {&OPTION_PROGRAM, "tool --output j", "json"},
    {&OPTION_PROGRAM, "tool --output =", "table json"},
    {&OPTION_PROGRAM, "tool run --output = t", "table"},
    /* the value of an option is no command, wherever it stands */
    {&OPTION_PROGRAM, "tool --config run ''", "run apply state dev show load many any"},
    {&OPTION_PROGRAM, "tool --config = run state ''", "delete"},
    {&OPTION_PROGRAM, "tool --config = run ''", "run apply state dev show load many any"},
    /* -q takes a value in apply alone */
    {&OPTION_PROGRAM, "tool -q run --fi", "--filter"},
    {&OPTION_PROGRAM, "tool apply -q ''", ""},
    {&OPTION_PROGRAM, "tool --config known", "known.toml"},
    {&OPTION_PROGRAM, "tool load kno", "known.toml"},
    {&OPTION_PROGRAM, "tool load --q", "--quiet"},
    {&OPTION_DAEMON, "daemon ch", "check"},
    {&OPTION_DAEMON, "daemon kno", "known.toml"},
    {&OPTION_DAEMON, "daemon --o", "--once --output"},
    {&OPTION_DAEMON, "daemon --once kno", "known.toml"},
};

/* Ask bash itself, in a directory with one known file. */
START_TEST(bash_completes)
{
    char command_line[16384];
    char answer[4096] = "";
    const char *directory = rky_test_directory();
    const char *name = BASH_ROWS[_i].program->name;
    ck_assert_int_eq(rky_option_completion(BASH_ROWS[_i].program, "bash", stream, NULL), 0);
    (void)snprintf(command_line, sizeof(command_line), "%s/script", directory);
    FILE *script = fopen(command_line, "w");
    ck_assert_uint_eq(fwrite(text, 1, text_length, script), text_length);
    (void)fclose(script);
    (void)snprintf(
        command_line, sizeof(command_line),
        "cd '%s' && : > known.toml && bash --norc -c 'set -u; source ./script || exit 1\n"
        "complete -p %s > /dev/null || exit 1\nCOMP_WORDS=(%s)\n"
        "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n_%s\n"
        "if ((${#COMPREPLY[@]})); then echo -n \"${COMPREPLY[*]}\"; fi'",
        directory, name, "\"${@:1}\"", name);
    /* The words travel as arguments of bash, so that no quoting is needed around them. */
    size_t used = strlen(command_line);
    (void)snprintf(command_line + used, sizeof(command_line) - used, " bash %s",
                   BASH_ROWS[_i].line);

    FILE *bash = popen(command_line, "r");
    size_t got = fread(answer, 1, sizeof(answer) - 1, bash);
    answer[got] = '\0';
    ck_assert_int_eq(pclose(bash), 0);

    ck_assert_msg(strcmp(answer, BASH_ROWS[_i].offered) == 0, "[%s] offers [%s]",
                  BASH_ROWS[_i].line, answer);
}
END_TEST

START_TEST(zsh_gets_a_function_with_every_word_and_its_meaning)
{
    ck_assert_int_eq(rky_option_completion(&OPTION_PROGRAM, "zsh", stream, NULL), 0);
    assert_holds("#compdef tool\n");
    assert_holds("(*:--config | *:-c | *:--output | *:-o | 'run':--filter | 'run':-f | "
                 "'apply':--quality | 'apply':-q | 'state delete':--table | 'state delete':-t)");
    assert_holds("('run' | 'apply' | 'state' | 'state delete' | 'dev' | 'dev broker' | 'show' | "
                 "'show all' | 'load' | 'many' | 'any') command=");
    assert_holds("    (*:--config | *:-c)\n        _files\n");
    assert_holds("    (*:--output | *:-o)\n        compadd -- table json\n");
    assert_holds("    ('state')\n"
                 "        candidates+=(\n"
                 "            'delete:forget a table'\\''s watermark')\n"
                 "        options+=(\n"
                 "            '--all:show all')\n"
                 "        ;;\n");
    assert_holds("    ('dev')\n        candidates+=(\n            'broker:serve a broker')\n");
    assert_holds("    ('load')\n        files=yes\n        ;;\n");
    assert_lacks("secret");
    assert_lacks("hidden");
}
END_TEST

START_TEST(fish_gets_a_line_for_every_word_with_its_meaning)
{
    ck_assert_int_eq(rky_option_completion(&OPTION_PROGRAM, "fish", stream, NULL), 0);
    assert_holds("            case '*:--config' '*:-c' '*:--output' '*:-o' 'run:--filter' "
                 "'run:-f' 'apply:--quality' 'apply:-q' 'state delete:--table' "
                 "'state delete:-t'\n");
    assert_holds("complete -c tool -f\n");
    assert_holds("complete -c tool -n '__tool_at \"\"' -a 'run' -d 'plan and apply in one'\n");
    assert_holds("complete -c tool -n '__tool_at \"run\"' -l filter -s f -x -d 'only these; ");
    assert_holds("complete -c tool -n '__tool_at \"state\"' -a 'delete' -d 'forget a table\\'s "
                 "watermark'\n");
    assert_holds("complete -c tool -n '__tool_at \"dev\"' -a 'broker' -d 'serve a broker'\n");
    assert_holds("complete -c tool -n '__tool_at \"load\"' -F\n");
    assert_holds("complete -c tool -l config -s c -r -F -d 'read this configuration'\n");
    assert_holds("complete -c tool -l output -s o -x -a 'table json' -d ");
    assert_lacks("secret");
    assert_lacks("hidden");

    rewind(stream);
    ck_assert_int_eq(rky_option_completion(&OPTION_DAEMON, "fish", stream, NULL), 0);
    assert_holds("complete -c daemon -n '__daemon_at \"\"' -F\n");
    assert_holds("complete -c daemon -n '__daemon_at \"\"' -l once -d ");
}
END_TEST

START_TEST(quotes_and_backslashes_stay_text)
{
    static const struct rky_option globals[] = {
        {"path", 0, RKY_OPTION_FLAG, NULL, NULL, "it's C:\\x"}, {0}};
    static const struct rky_command commands[] = {{.name = "", .arguments = ""}, {0}};
    static const struct rky_program program = {"p", "s", globals, commands};
    ck_assert_int_eq(rky_option_completion(&program, "fish", stream, NULL), 0);
    assert_holds("complete -c p -l path -d 'it\\'s C:\\\\x'\n");
    ck_assert_int_eq(rky_option_completion(&program, "zsh", stream, NULL), 0);
    assert_holds("'--path:it'\\''s C:\\x')\n");
}
END_TEST

START_TEST(names_with_dashes_and_tables_without_values_stay_valid)
{
    static const struct rky_option globals[] = {{"help", 'h', RKY_OPTION_FLAG, NULL, NULL, "x"},
                                                {0}};
    static const struct rky_command commands[] = {{.name = "", .arguments = ""}, {0}};
    static const struct rky_program program = {"a-b", "s", globals, commands};
    static const char *const shells[] = {"bash", "zsh", "fish"};
    for (size_t i = 0; i < 3; i++)
        ck_assert_int_eq(rky_option_completion(&program, shells[i], stream, NULL), 0);
    assert_holds("complete -F _a_b a-b\n");
    assert_holds("#compdef a-b\n");
    assert_holds("function __a_b_at\n");
    assert_holds("        '-')\n");
    assert_holds("            case '-'\n");
}
END_TEST

START_TEST(another_shell_is_refused_and_a_full_disk_is_told)
{
    struct rky_error err = {0};
    ck_assert_int_eq(rky_option_completion(&OPTION_PROGRAM, "tcsh", stream, &err), RKY_ERR_USAGE);
    ck_assert_str_eq(err.message, "no completions for 'tcsh', expected bash, zsh or fish");

    rky_error_clear(&err);
    FILE *full = fopen("/dev/full", "w");
    ck_assert_int_eq(rky_option_completion(&OPTION_PROGRAM, "fish", full, &err), RKY_ERR_IO);
    ck_assert_str_eq(err.message, "cannot write the completions for 'fish'");
    (void)fclose(full);
}
END_TEST

static Suite *suite(void)
{
    Suite *result = suite_create("option_text");
    TCase *tests = tcase_create("option_text");
    tcase_add_checked_fixture(tests, open_stream, close_stream);
    tcase_add_test(tests, help_of_a_program_lists_commands_and_options);
    tcase_add_test(tests, help_of_a_command_explains_it_and_wraps_its_lines);
    tcase_add_test(tests, help_of_a_command_names_its_arguments_and_what_lies_below_it);
    tcase_add_test(tests, help_of_a_program_that_is_its_own_command);
    tcase_add_test(tests, a_long_option_pushes_its_text_to_the_next_line);
    tcase_add_test(tests, the_manual_page_is_escaped_roff);
    tcase_add_test(tests, the_manual_page_of_a_program_that_is_its_own_command);
    tcase_add_loop_test(tests, bash_completes, 0, (int)(sizeof(BASH_ROWS) / sizeof(BASH_ROWS[0])));
    tcase_add_test(tests, zsh_gets_a_function_with_every_word_and_its_meaning);
    tcase_add_test(tests, fish_gets_a_line_for_every_word_with_its_meaning);
    tcase_add_test(tests, quotes_and_backslashes_stay_text);
    tcase_add_test(tests, names_with_dashes_and_tables_without_values_stay_valid);
    tcase_add_test(tests, another_shell_is_refused_and_a_full_disk_is_told);
    suite_add_tcase(result, tests);
    return result;
}

int main(void)
{
    return rky_check_main(suite());
}
