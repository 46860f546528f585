/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The option tables as text for people: --help, and the same for the manual page.
 *
 * Both are written by one walk with two ways to put a word on the stream. Lines are wrapped here,
 * also in the manual source, so that a changed sentence is a small difference.
 */
#include <config.h>

#include <string.h>

#include "common/option_internal.h"

#define LINE_WIDTH 80
#define TEXT_COLUMN 30

typedef void put_function(FILE *stream, const char *text, size_t length);

static void put_plain(FILE *stream, const char *text, size_t length)
{
    (void)fwrite(text, 1, length, stream);
}

/* roff gives a leading dot, quotes, dashes and backslashes a meaning of their own. */
static void put_roff(FILE *stream, const char *text, size_t length)
{
    if (length > 0 && text[0] == '.')
        (void)fputs("\\&", stream);
    for (; length > 0; text++, length--) {
        switch (*text) {
        case '\\':
            (void)fputs("\\e", stream);
            break;
        case '-':
            (void)fputs("\\-", stream);
            break;
        case '\'':
            (void)fputs("\\(aq", stream);
            break;
        default:
            (void)fputc(*text, stream);
        }
    }
}

/* One paragraph, from column @p column on, later lines indented. @return what follows it. */
static const char *put_paragraph(FILE *stream, const char *text, size_t column, size_t indent,
                                 put_function *put)
{
    static const char blanks[] = " \n";
    bool first = true;
    text += strspn(text, blanks);
    while (*text != '\0') {
        size_t length = strcspn(text, blanks);
        if (!first && column + 1 + length > LINE_WIDTH) {
            (void)fprintf(stream, "\n%*s", (int)indent, "");
            column = indent;
        } else if (!first) {
            (void)fputc(' ', stream);
            column++;
        }
        put(stream, text, length);
        column += length;
        first = false;
        text += length;
        bool ends = strncmp(text, "\n\n", 2) == 0;
        text += strspn(text, blanks);
        if (ends)
            break;
    }
    (void)fputc('\n', stream);
    return text;
}

/* --- help ------------------------------------------------------------------------------------- */

/* A term on the left and what it means on the right, below it when the term is long. */
static void help_row(FILE *stream, const char *term, const char *text)
{
    int used = fprintf(stream, "  %s", term);
    if (used < 0)
        return;
    if (used > TEXT_COLUMN - 2) {
        (void)fputc('\n', stream);
        used = 0;
    }
    (void)fprintf(stream, "%*s", TEXT_COLUMN - used, "");
    (void)put_paragraph(stream, text, TEXT_COLUMN, TEXT_COLUMN, put_plain);
}

static void help_options(FILE *stream, const char *title, const struct rky_option *table)
{
    char term[256];
    if (rky_option_table_empty(table))
        return;
    (void)fprintf(stream, "\n%s:\n", title);
    for (; table->name != NULL; table++) {
        char letter[] = {'-', table->letter, ',', '\0'};
        bool value = table->kind != RKY_OPTION_FLAG;
        (void)snprintf(term, sizeof(term), "%3s --%s%s%s", table->letter != 0 ? letter : "",
                       table->name, value ? " " : "", value ? rky_option_metavariable(table) : "");
        help_row(stream, term, table->help);
    }
}

static void help_commands(FILE *stream, const struct rky_program *program, const char *group)
{
    bool titled = false;
    char term[256];
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        if (row->hidden || row->name[0] == '\0' ||
            (group != NULL && !rky_option_is_under(row, group)))
            continue;
        if (!titled)
            (void)fputs("\nCommands:\n", stream);
        titled = true;
        (void)snprintf(term, sizeof(term), "%s%s%s", row->name, row->arguments[0] ? " " : "",
                       row->arguments);
        help_row(stream, term, row->summary);
    }
}

static void help_description(FILE *stream, const struct rky_command *command)
{
    const char *text = command->description != NULL ? command->description : "";
    while (*text != '\0') {
        (void)fputc('\n', stream);
        text = put_paragraph(stream, text, 0, 0, put_plain);
    }
}

static void help_program(const struct rky_program *program, FILE *stream)
{
    (void)fprintf(stream, "Usage: %s [OPTION]... COMMAND [ARGUMENT]...\n", program->name);
    (void)put_paragraph(stream, program->summary, 0, 0, put_plain);
    help_commands(stream, program, NULL);
    help_options(stream, "Options of every command", program->globals);
    (void)fprintf(stream, "\n'%s COMMAND --help' explains one command.\n", program->name);
}

void rky_option_help(const struct rky_program *program, const struct rky_command *command,
                     FILE *stream)
{
    if (command == NULL)
        command = rky_option_main_command(program);
    if (command == NULL) {
        help_program(program, stream);
        return;
    }
    bool is_main = command->name[0] == '\0';
    (void)fprintf(stream, "Usage: %s%s%s [OPTION]...%s%s\n", program->name, is_main ? "" : " ",
                  command->name, command->arguments[0] ? " " : "", command->arguments);
    (void)put_paragraph(stream, is_main ? program->summary : command->summary, 0, 0, put_plain);
    help_description(stream, command);
    help_commands(stream, program, is_main ? NULL : command->name);
    help_options(stream, "Options", command->options);
    help_options(stream, is_main ? "General options" : "Options of every command",
                 program->globals);
}

/* --- manual page ------------------------------------------------------------------------------ */

static void man_text(FILE *stream, const char *text)
{
    for (bool first = true; *text != '\0'; first = false) {
        if (!first)
            (void)fputs(".PP\n", stream);
        text = put_paragraph(stream, text, 0, 0, put_roff);
    }
}

static void man_options(FILE *stream, const struct rky_option *table)
{
    for (; !rky_option_table_empty(table); table++) {
        (void)fputs(".TP\n", stream);
        if (table->letter != 0)
            (void)fprintf(stream, "\\fB\\-%c\\fR, ", table->letter);
        (void)fputs("\\fB\\-\\-", stream);
        put_roff(stream, table->name, strlen(table->name));
        (void)fputs("\\fR", stream);
        if (table->kind != RKY_OPTION_FLAG) {
            const char *value = rky_option_metavariable(table);
            (void)fputs(" \\fI", stream);
            put_roff(stream, value, strlen(value));
            (void)fputs("\\fR", stream);
        }
        (void)fputc('\n', stream);
        man_text(stream, table->help);
    }
}

static void man_command(FILE *stream, const struct rky_program *program,
                        const struct rky_command *command)
{
    (void)fputs(".SS \"", stream);
    put_roff(stream, program->name, strlen(program->name));
    (void)fputc(' ', stream);
    put_roff(stream, command->name, strlen(command->name));
    if (command->arguments[0] != '\0') {
        (void)fputs(" \\fI", stream);
        put_roff(stream, command->arguments, strlen(command->arguments));
        (void)fputs("\\fR", stream);
    }
    (void)fputs("\"\n", stream);
    man_text(stream, command->summary);
    if (command->description != NULL) {
        (void)fputs(".PP\n", stream);
        man_text(stream, command->description);
    }
    man_options(stream, command->options);
}

void rky_option_man(const struct rky_program *program, FILE *stream)
{
    const struct rky_command *main_command = rky_option_main_command(program);
    bool titled = false;
    if (main_command != NULL && main_command->description != NULL) {
        (void)fputs(".SH DESCRIPTION\n", stream);
        man_text(stream, main_command->description);
    }
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        if (row->hidden || row->name[0] == '\0')
            continue;
        if (!titled)
            (void)fputs(".SH COMMANDS\n", stream);
        titled = true;
        man_command(stream, program, row);
    }
    (void)fputs(".SH OPTIONS\n", stream);
    if (main_command != NULL)
        man_options(stream, main_command->options);
    man_options(stream, program->globals);
}
