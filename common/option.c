/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parsing a command line against the tables.
 *
 * One walk from left to right. The command decides which options exist, so its own options are
 * known only behind it; the globals are known everywhere. The first word of a command of two words
 * is remembered until the second one comes, with global options allowed between them. Whatever is
 * wrong is reported at the first place where it is wrong, with the nearest thing that is right.
 */
#include <config.h>

#include "common/option.h"

#include <stdint.h>
#include <string.h>

#include "common/ids.h"
#include "common/mem.h"
#include "common/option_internal.h"

struct parser {
    const struct rky_program *program;
    struct rky_parsed *parsed;
    struct rky_error *err;
    char **next; /* the argument after the current one */
    char **end;
    const char *group; /* first word of commands of two words, until the second one came */
    bool own_options;  /* an option of the command itself was given: its name cannot grow */
    bool asked;        /* --help or --version: nothing else has to be complete */
    size_t option_capacity;
    size_t value_capacity;
};

/* --- the tables ------------------------------------------------------------------------------- */

const struct rky_command *rky_option_main_command(const struct rky_program *program)
{
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        if (row->name[0] == '\0')
            return row;
    }
    return NULL;
}

bool rky_option_table_empty(const struct rky_option *table)
{
    return table == NULL || table->name == NULL;
}

const char *rky_option_metavariable(const struct rky_option *option)
{
    return option->choices != NULL ? option->choices : option->value;
}

struct rky_arity rky_option_arity(const char *arguments)
{
    struct rky_arity arity = {0, 0};
    bool open = false;
    for (const char *at = arguments; *at != '\0';) {
        size_t length = strcspn(at, " ");
        arity.most++;
        if (*at != '[')
            arity.least++;
        open = open || memmem(at, length, "...", 3) != NULL;
        at += length;
        at += strspn(at, " ");
    }
    if (open)
        arity.most = SIZE_MAX;
    return arity;
}

static const struct rky_option *find_long(const struct rky_option *table, const char *name,
                                          size_t length)
{
    for (; !rky_option_table_empty(table); table++) {
        if (strlen(table->name) == length && memcmp(table->name, name, length) == 0)
            return table;
    }
    return NULL;
}

static const struct rky_option *find_letter(const struct rky_option *table, char letter)
{
    for (; !rky_option_table_empty(table); table++) {
        if (table->letter == letter)
            return table;
    }
    return NULL;
}

/* The command called @p first, or "@p first @p second". */
static const struct rky_command *find_command(const struct rky_program *program, const char *first,
                                              const char *second)
{
    size_t length = strlen(first);
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        if (second == NULL ? strcmp(row->name, first) == 0
                           : strncmp(row->name, first, length) == 0 && row->name[length] == ' ' &&
                                 strcmp(row->name + length + 1, second) == 0)
            return row;
    }
    return NULL;
}

bool rky_option_is_under(const struct rky_command *row, const char *group)
{
    size_t length = strlen(group);
    return strncmp(row->name, group, length) == 0 && row->name[length] == ' ';
}

static bool is_group(const struct rky_program *program, const char *word)
{
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        if (rky_option_is_under(row, word))
            return true;
    }
    return false;
}

/* --- saying what is wrong --------------------------------------------------------------------- */

/* "rocky state delete", for messages and hints. */
static const char *command_text(const struct parser *parser, char *buffer, size_t size)
{
    const struct rky_command *command = parser->parsed->command;
    const char *name = command != NULL ? command->name : parser->group;
    (void)snprintf(buffer, size, "%s%s%s", parser->program->name,
                   name != NULL && name[0] != '\0' ? " " : "", name != NULL ? name : "");
    return buffer;
}

/* A NULL-terminated list of borrowed names that grows. */
struct names {
    const char **items;
    size_t count, capacity;
};

static int names_add(struct names *names, const char *name, struct rky_error *err)
{
    int rc = rky_array_reserve(&names->items, &names->capacity, names->count + 2,
                               sizeof(*names->items), err);
    if (rc != 0)
        return rc;
    names->items[names->count++] = name;
    names->items[names->count] = NULL;
    return 0;
}

static int names_add_options(struct names *names, const struct rky_option *table,
                             struct rky_error *err)
{
    int rc = 0;
    for (; rc == 0 && !rky_option_table_empty(table); table++)
        rc = names_add(names, table->name, err);
    return rc;
}

static const struct rky_option *own_table(const struct parser *parser)
{
    return parser->parsed->command != NULL ? parser->parsed->command->options : NULL;
}

/* The one command that knows an option which stands in the wrong place. */
static const struct rky_command *owner_of(const struct rky_program *program, const char *name,
                                          size_t length)
{
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        if (!row->hidden && find_long(row->options, name, length) != NULL)
            return row;
    }
    return NULL;
}

static int fail_unknown_option(struct parser *parser, const char *name, size_t length)
{
    char of[128];
    struct names names = {0};
    char *word = rky_strndup(name, length);
    int rc = word != NULL ? 0 : rky_fail_nomem(parser->err);
    if (rc == 0)
        rc = names_add_options(&names, parser->program->globals, parser->err);
    if (rc == 0)
        rc = names_add_options(&names, own_table(parser), parser->err);
    if (rc != 0)
        goto out;

    rc = rky_fail(parser->err, RKY_ERR_USAGE, "'%s' has no option '--%s'",
                  command_text(parser, of, sizeof(of)), word);
    const char *nearest = names.count > 0 ? rky_nearest(word, names.items) : NULL;
    const struct rky_command *owner = owner_of(parser->program, name, length);
    if (nearest != NULL)
        rky_error_hint(parser->err, "did you mean '--%s'?", nearest);
    else if (owner != NULL && parser->parsed->command == NULL)
        rky_error_hint(parser->err, "'--%s' is an option of '%s %s' and goes behind it", word,
                       parser->program->name, owner->name);
    else
        rky_error_hint(parser->err, "'%s --help' lists the options", of);

out:
    rky_free(word);
    rky_free(names.items);
    return rc;
}

/* @param group NULL: @p word should have been a command; else the second word of one. */
static int fail_unknown_command(struct parser *parser, const char *group, const char *word)
{
    struct names names = {0};
    int rc = 0;
    for (const struct rky_command *row = parser->program->commands; rc == 0 && row->name != NULL;
         row++) {
        if (row->hidden)
            continue;
        if (group == NULL)
            rc = names_add(&names, row->name, parser->err);
        else if (rky_option_is_under(row, group))
            rc = names_add(&names, row->name + strlen(group) + 1, parser->err);
    }
    if (rc != 0)
        goto out;

    const char *space = group != NULL ? " " : "";
    const char *shown = group != NULL ? group : "";
    rc = rky_fail(parser->err, RKY_ERR_USAGE, "'%s%s%s' has no command '%s'", parser->program->name,
                  space, shown, word);
    const char *nearest = names.count > 0 ? rky_nearest(word, names.items) : NULL;
    if (nearest != NULL)
        rky_error_hint(parser->err, "did you mean '%s%s%s %s'?", parser->program->name, space,
                       shown, nearest);
    else
        rky_error_hint(parser->err, "'%s --help' lists the commands", parser->program->name);

out:
    rky_free(names.items);
    return rc;
}

/* --- options ---------------------------------------------------------------------------------- */

static int record(struct parser *parser, const struct rky_option *option, const char *value)
{
    struct rky_parsed *parsed = parser->parsed;
    size_t wanted = parsed->option_count + 1;
    int rc = rky_array_reserve(&parsed->options, &parser->option_capacity, wanted,
                               sizeof(*parsed->options), parser->err);
    if (rc == 0)
        rc = rky_array_reserve(&parsed->values, &parser->value_capacity, wanted,
                               sizeof(*parsed->values), parser->err);
    if (rc != 0)
        return rc;
    parsed->options[parsed->option_count] = option;
    parsed->values[parsed->option_count++] = value;
    if (strcmp(option->name, "help") == 0 || strcmp(option->name, "version") == 0)
        parser->asked = true;
    return 0;
}

static bool is_choice(const char *choices, const char *value)
{
    size_t length = strlen(value);
    for (const char *at = choices;; at++) {
        size_t size = strcspn(at, "|");
        if (size == length && memcmp(at, value, size) == 0)
            return true;
        at += size;
        if (*at == '\0')
            return false;
    }
}

/* @p value is what was written with the option, NULL when the next argument should be it. */
static int take_option(struct parser *parser, const struct rky_option *option, const char *value)
{
    if (option->kind == RKY_OPTION_FLAG) {
        if (value == NULL)
            return record(parser, option, NULL);
        return rky_fail(parser->err, RKY_ERR_USAGE, "option '--%s' takes no value, found '%s'",
                        option->name, value);
    }
    /* What begins with two dashes is far more likely the next option than a value. */
    if (value == NULL && parser->next < parser->end && strncmp(*parser->next, "--", 2) != 0)
        value = *parser->next++;
    if (value == NULL) {
        int rc = rky_fail(parser->err, RKY_ERR_USAGE, "option '--%s' needs a value: %s",
                          option->name, rky_option_metavariable(option));
        if (parser->next < parser->end)
            rky_error_hint(parser->err, "a value that begins with dashes is written as '--%s=%s'",
                           option->name, *parser->next);
        return rc;
    }
    if (option->choices != NULL && !is_choice(option->choices, value))
        return rky_fail(parser->err, RKY_ERR_USAGE,
                        "option '--%s' does not take '%s', expected one of %s", option->name, value,
                        option->choices);
    return record(parser, option, value);
}

static int take_long(struct parser *parser, const char *text)
{
    size_t length = strcspn(text, "=");
    const struct rky_option *option = find_long(own_table(parser), text, length);
    if (option != NULL)
        parser->own_options = true;
    else
        option = find_long(parser->program->globals, text, length);
    if (option == NULL)
        return fail_unknown_option(parser, text, length);
    return take_option(parser, option, text[length] == '=' ? text + length + 1 : NULL);
}

/* "-q", "-qo json", "-ojson", "-o=json". */
static int take_letters(struct parser *parser, const char *text)
{
    char of[128];
    for (; *text != '\0'; text++) {
        const struct rky_option *option = find_letter(own_table(parser), *text);
        if (option != NULL)
            parser->own_options = true;
        else
            option = find_letter(parser->program->globals, *text);
        if (option == NULL) {
            int rc = rky_fail(parser->err, RKY_ERR_USAGE, "'%s' has no option '-%c'",
                              command_text(parser, of, sizeof(of)), *text);
            rky_error_hint(parser->err, "'%s --help' lists the options", of);
            return rc;
        }
        if (option->kind != RKY_OPTION_FLAG) {
            const char *value = text[1] == '=' ? text + 2 : text[1] != '\0' ? text + 1 : NULL;
            return take_option(parser, option, value);
        }
        int rc = take_option(parser, option, text[1] == '=' ? text + 2 : NULL);
        if (rc != 0)
            return rc;
    }
    return 0;
}

/* --- words ------------------------------------------------------------------------------------ */

static void add_argument(struct parser *parser, const char *word)
{
    parser->parsed->arguments[parser->parsed->argument_count++] = word;
}

/* The second word of a command, or an argument of the command that the first word is by itself. */
static int take_second_word(struct parser *parser, const char *word)
{
    const struct rky_command *longer = find_command(parser->program, parser->group, word);
    const struct rky_command *shorter = parser->parsed->command;
    if (longer != NULL && !parser->own_options) {
        parser->parsed->command = longer;
        parser->group = NULL;
        return 0;
    }
    if (longer != NULL)
        return rky_fail(parser->err, RKY_ERR_USAGE, "'%s' has to stand directly behind '%s %s'",
                        word, parser->program->name, parser->group);
    if (shorter == NULL || rky_option_arity(shorter->arguments).most == 0)
        return fail_unknown_command(parser, parser->group, word);
    parser->group = NULL;
    add_argument(parser, word);
    return 0;
}

static int take_word(struct parser *parser, const char *word)
{
    struct rky_parsed *parsed = parser->parsed;
    if (parser->group != NULL)
        return take_second_word(parser, word);
    bool undecided = parsed->command == NULL ||
                     (parsed->command->name[0] == '\0' && parsed->argument_count == 0);
    if (undecided && !parser->own_options) {
        const struct rky_command *command = find_command(parser->program, word, NULL);
        bool group = is_group(parser->program, word);
        if (group)
            parser->group = word;
        if (group || (command != NULL && word[0] != '\0')) {
            parsed->command = command;
            return 0;
        }
    }
    if (parsed->command == NULL)
        return fail_unknown_command(parser, NULL, word);
    add_argument(parser, word);
    return 0;
}

/* --- the whole line --------------------------------------------------------------------------- */

static int walk(struct parser *parser)
{
    bool options = true;
    int rc = 0;
    while (rc == 0 && parser->next < parser->end) {
        const char *word = *parser->next++;
        if (!options || word[0] != '-' || word[1] == '\0')
            rc = take_word(parser, word);
        else if (strcmp(word, "--") == 0)
            options = false;
        else if (word[1] == '-')
            rc = take_long(parser, word + 2);
        else
            rc = take_letters(parser, word + 1);
    }
    return rc;
}

static int fail_no_command(struct parser *parser)
{
    char of[128];
    (void)command_text(parser, of, sizeof(of));
    int rc = rky_fail(parser->err, RKY_ERR_USAGE, "'%s' needs a command", of);
    rky_error_hint(parser->err, "'%s --help' lists the commands", parser->program->name);
    return rc;
}

static int check_arguments(struct parser *parser)
{
    const struct rky_parsed *parsed = parser->parsed;
    const char *wanted = parsed->command->arguments;
    struct rky_arity arity = rky_option_arity(wanted);
    char of[128];
    (void)command_text(parser, of, sizeof(of));
    if (parsed->argument_count < arity.least)
        return rky_fail(parser->err, RKY_ERR_USAGE, "'%s' needs %s", of, wanted);
    if (parsed->argument_count <= arity.most)
        return 0;
    const char *surplus = parsed->arguments[arity.most];
    if (arity.most == 0)
        return rky_fail(parser->err, RKY_ERR_USAGE, "'%s' takes no argument, found '%s'", of,
                        surplus);
    return rky_fail(parser->err, RKY_ERR_USAGE, "'%s' takes only %s, found '%s' as well", of,
                    wanted, surplus);
}

int rky_option_parse(const struct rky_program *program, int argc, char **argv,
                     struct rky_parsed *ret_parsed, struct rky_error *err)
{
    size_t words = argc > 1 ? (size_t)argc - 1 : 0;
    struct rky_parsed parsed = {.program = program, .command = rky_option_main_command(program)};
    struct parser parser = {.program = program, .parsed = &parsed, .err = err};
    parser.end = argv + argc;
    parser.next = parser.end - words;

    *ret_parsed = (struct rky_parsed){0};
    parsed.arguments = rky_calloc(words, sizeof(*parsed.arguments));
    int rc = parsed.arguments != NULL ? walk(&parser) : rky_fail_nomem(err);
    if (rc == 0 && !parser.asked)
        rc = parsed.command == NULL ? fail_no_command(&parser) : check_arguments(&parser);
    if (rc == 0)
        *ret_parsed = parsed;
    else
        rky_parsed_done(&parsed);
    return rc;
}

void rky_parsed_done(struct rky_parsed *parsed)
{
    rky_free(parsed->options);
    rky_free(parsed->values);
    rky_free(parsed->arguments);
    *parsed = (struct rky_parsed){0};
}

bool rky_parsed_has(const struct rky_parsed *parsed, const char *name)
{
    for (size_t i = 0; i < parsed->option_count; i++) {
        if (strcmp(parsed->options[i]->name, name) == 0)
            return true;
    }
    return false;
}

const char *rky_parsed_value(const struct rky_parsed *parsed, const char *name)
{
    for (size_t i = parsed->option_count; i > 0; i--) {
        if (strcmp(parsed->options[i - 1]->name, name) == 0)
            return parsed->values[i - 1];
    }
    return NULL;
}

const char *rky_parsed_nth(const struct rky_parsed *parsed, const char *name, size_t n)
{
    for (size_t i = 0; i < parsed->option_count; i++) {
        if (strcmp(parsed->options[i]->name, name) == 0 && n-- == 0)
            return parsed->values[i];
    }
    return NULL;
}
