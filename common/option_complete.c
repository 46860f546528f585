/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Completion scripts for bash, zsh and fish from the option tables.
 *
 * All three do the same: walk the words so far to find the command, skipping the values of options,
 * then offer the values of the option before the cursor, or options, or the next command word. They
 * are complete in themselves: completing starts no program of ours.
 */
#include <config.h>

#include <string.h>

#include "common/option_internal.h"

/* --- what all shells need --------------------------------------------------------------------- */

static bool names_a_path(const char *metavariable)
{
    return strstr(metavariable, "FILE") != NULL || strstr(metavariable, "DIR") != NULL ||
           strstr(metavariable, "PATH") != NULL;
}

static bool is_visible(const struct rky_command *row)
{
    return !row->hidden && row->name[0] != '\0';
}

static size_t first_word(const struct rky_command *row)
{
    return strcspn(row->name, " ");
}

/* Whether no visible row above @p row begins with the same word. */
static bool opens_word(const struct rky_program *program, const struct rky_command *row)
{
    size_t length = first_word(row);
    for (const struct rky_command *above = program->commands; above != row; above++) {
        if (is_visible(above) && first_word(above) == length &&
            memcmp(above->name, row->name, length) == 0)
            return false;
    }
    return true;
}

/* Function names know no dashes. */
static void put_identifier(FILE *stream, const char *name)
{
    for (; *name != '\0'; name++)
        (void)fputc(*name == '-' ? '_' : *name, stream);
}

/* Inside single quotes; @p quote is how the shell writes one itself. */
static void put_quoted(FILE *stream, const char *text, size_t length, const char *quote)
{
    for (; length > 0; text++, length--) {
        if (*text == '\'')
            (void)fputs(quote, stream);
        else if (*text == '\\' && quote[0] == '\\') /* fish escapes inside its quotes */
            (void)fputs("\\\\", stream);
        else
            (void)fputc(*text, stream);
    }
}

static const char SH_QUOTE[] = "'\\''";
static const char FISH_QUOTE[] = "\\'";

static void put_choices(FILE *stream, const char *choices)
{
    for (; *choices != '\0'; choices++)
        (void)fputc(*choices == '|' ? ' ' : *choices, stream);
}

/* How a case pattern is written and how patterns are told apart. */
struct pattern_style {
    const char *quote;     /* around a whole pattern */
    const char *separator; /* between two patterns */
};

/* "command:--name" and "command:-n" for each option of a table behind which a value follows. */
static bool put_value_patterns(FILE *stream, const struct rky_option *table, const char *command,
                               const struct pattern_style *style, bool first)
{
    const char *quote = style->quote;
    for (; !rky_option_table_empty(table); table++) {
        if (table->kind == RKY_OPTION_FLAG)
            continue;
        (void)fprintf(stream, "%s%s%s:--%s%s", first ? "" : style->separator, quote, command,
                      table->name, quote);
        if (table->letter != 0)
            (void)fprintf(stream, "%s%s%s:-%c%s", style->separator, quote, command, table->letter,
                          quote);
        first = false;
    }
    return first;
}

/* The same for the whole program. One letter may take a value in one command and none in another,
 * so each pattern names the command. */
static void put_all_value_patterns(FILE *stream, const struct rky_program *program,
                                   const struct pattern_style *style)
{
    char command[128];
    const char *inner = style->quote[0] == '\0' ? "'" : "";
    bool first = put_value_patterns(stream, program->globals, "*", style, true);
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        (void)snprintf(command, sizeof(command), "%s%s%s", inner, row->name, inner);
        if (!row->hidden)
            first = put_value_patterns(stream, row->options, command, style, first);
    }
    if (first)
        (void)fputs("'-'", stream); /* matches nothing and keeps the syntax whole */
}

/* 'run'<separator>'state'<separator>'state delete', first words of groups included. */
static void put_command_names(FILE *stream, const struct rky_program *program,
                              const char *separator)
{
    bool first = true;
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        if (!is_visible(row))
            continue;
        if (opens_word(program, row)) {
            (void)fprintf(stream, "%s'%.*s'", first ? "" : separator, (int)first_word(row),
                          row->name);
            first = false;
        }
        if (row->name[first_word(row)] != '\0')
            (void)fprintf(stream, "%s'%s'", separator, row->name);
    }
    if (first)
        (void)fputs("''", stream);
}

/* --- bash and zsh ----------------------------------------------------------------------------- */

/* What differs between the two. */
struct sh_dialect {
    const char *open;                        /* in front of a case pattern */
    const char *files;                       /* completes file names */
    const char *words_before, *words_behind; /* around a list of plain words */
    const char *list_open, *list_close;      /* around what is added to a list */
    bool described;                          /* lists say what each word means */
};

static const struct sh_dialect BASH = {
    .open = "",
    .files = "compopt -o filenames 2> /dev/null\n        mapfile -t COMPREPLY < <(compgen -f -- "
             "\"$current\")",
    .words_before = "mapfile -t COMPREPLY < <(compgen -W '",
    .words_behind = "' -- \"$current\")",
    .list_open = "'",
    .list_close = "'",
};
static const struct sh_dialect ZSH = {
    .open = "(",
    .files = "_files",
    .words_before = "compadd -- ",
    .words_behind = "",
    .list_open = "(",
    .list_close = ")",
    .described = true,
};

static const struct pattern_style SH_PATTERNS = {"", " | "};
static const struct pattern_style FISH_PATTERNS = {"'", " "};

/* Case branches that complete the value of the option before the cursor. */
static void sh_values(FILE *stream, const struct sh_dialect *sh, const char *command,
                      const struct rky_option *table)
{
    for (; !rky_option_table_empty(table); table++) {
        const struct rky_option alone[] = {*table, {0}};
        if (table->kind == RKY_OPTION_FLAG)
            continue;
        (void)fprintf(stream, "    %s", sh->open);
        (void)put_value_patterns(stream, alone, command, &SH_PATTERNS, true);
        (void)fputs(")\n", stream);
        if (table->choices != NULL) {
            (void)fprintf(stream, "        %s", sh->words_before);
            put_choices(stream, table->choices);
            (void)fprintf(stream, "%s\n", sh->words_behind);
        } else if (names_a_path(table->value)) {
            (void)fprintf(stream, "        %s\n", sh->files);
        }
        (void)fputs("        return\n        ;;\n", stream);
    }
}

static void sh_value_cases(FILE *stream, const struct rky_program *program,
                           const struct sh_dialect *sh)
{
    char command[128];
    (void)fputs("    case $command:$previous in\n", stream);
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        (void)snprintf(command, sizeof(command), "'%s'", row->name);
        if (!row->hidden)
            sh_values(stream, sh, command, row->options);
    }
    sh_values(stream, sh, "*", program->globals);
    (void)fputs("    esac\n", stream);
}

/* The loop that finds the command; @p at expands to the i-th word. */
static void sh_find_command(FILE *stream, const struct rky_program *program,
                            const struct sh_dialect *sh, const char *head, const char *skip)
{
    (void)fprintf(stream, "%s        case $command:$word in\n        %s", head, sh->open);
    put_all_value_patterns(stream, program, &SH_PATTERNS);
    (void)fprintf(stream,
                  ")\n            %s\n            ;;\n        %s*:-*) ;;\n        %s*)\n"
                  "            case ${command:+$command }$word in\n            %s",
                  skip, sh->open, sh->open, sh->open);
    put_command_names(stream, program, " | ");
    (void)fputs(") command=${command:+$command }$word ;;\n            esac\n            ;;\n"
                "        esac\n    done\n",
                stream);
}

/* Words or "word:what it is" rows for one place in the line. */
static void sh_candidate(FILE *stream, const char *prefix, const char *word, size_t length,
                         const char *help)
{
    if (help == NULL) {
        (void)fprintf(stream, " %s%.*s", prefix, (int)length, word);
        return;
    }
    (void)fprintf(stream, "\n            '%s%.*s:", prefix, (int)length, word);
    put_quoted(stream, help, strlen(help), SH_QUOTE);
    (void)fputc('\'', stream);
}

static void sh_options(FILE *stream, const struct rky_option *table, bool described)
{
    for (; !rky_option_table_empty(table); table++)
        sh_candidate(stream, "--", table->name, strlen(table->name),
                     described ? table->help : NULL);
}

/* The words that may follow @p group, or that may open a command when it is NULL. */
static void sh_next_words(FILE *stream, const struct rky_program *program, const char *group,
                          bool described)
{
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        if (!is_visible(row))
            continue;
        const char *help = described ? row->summary : NULL;
        if (group == NULL && opens_word(program, row))
            sh_candidate(stream, "", row->name, first_word(row), help);
        if (group != NULL && first_word(row) == strlen(group) && rky_option_is_under(row, group)) {
            const char *word = row->name + first_word(row) + 1;
            sh_candidate(stream, "", word, strlen(word), help);
        }
    }
}

static bool has_next_words(const struct rky_program *program, const char *group)
{
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        if (is_visible(row) && (group == NULL || rky_option_is_under(row, group)))
            return true;
    }
    return false;
}

/* What may stand behind a command: the next words, its options, file names. */
static void sh_branch(FILE *stream, const struct rky_program *program, const struct sh_dialect *sh,
                      const char *name, const struct rky_command *command)
{
    const char *group = name[0] != '\0' ? name : NULL;
    (void)fprintf(stream, "    %s'%s')\n", sh->open, name);
    if (has_next_words(program, group)) {
        (void)fprintf(stream, "        candidates+=%s", sh->list_open);
        sh_next_words(stream, program, group, sh->described);
        (void)fprintf(stream, "%s\n", sh->list_close);
    }
    if (command != NULL && !rky_option_table_empty(command->options)) {
        (void)fprintf(stream, "        options+=%s", sh->list_open);
        sh_options(stream, command->options, sh->described);
        (void)fprintf(stream, "%s\n", sh->list_close);
    }
    if (command != NULL && names_a_path(command->arguments))
        (void)fputs("        files=yes\n", stream);
    (void)fputs("        ;;\n", stream);
}

static void sh_command_cases(FILE *stream, const struct rky_program *program,
                             const struct sh_dialect *sh)
{
    char group[128];
    (void)fputs("    case $command in\n", stream);
    sh_branch(stream, program, sh, "", rky_option_main_command(program));
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        if (!is_visible(row))
            continue;
        if (opens_word(program, row) && row->name[first_word(row)] != '\0') {
            /* "dev" is no command itself, but words follow it */
            (void)snprintf(group, sizeof(group), "%.*s", (int)first_word(row), row->name);
            sh_branch(stream, program, sh, group, NULL);
        }
        sh_branch(stream, program, sh, row->name, row);
    }
    (void)fputs("    esac\n", stream);
}

static void complete_bash(const struct rky_program *program, FILE *stream)
{
    (void)fprintf(stream, "# bash completion for %s, generated from its option tables\n_",
                  program->name);
    put_identifier(stream, program->name);
    (void)fputs(
        "()\n{\n"
        "    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]}\n"
        "    local command='' candidates='' options='' files='' word i\n"
        "    COMPREPLY=()\n"
        "    # bash splits --name=value into three words\n"
        "    if [[ $previous == = ]]; then previous=${COMP_WORDS[COMP_CWORD - 2]}; fi\n"
        "    if [[ $current == = ]]; then current=''; fi\n",
        stream);
    sh_find_command(stream, program, &BASH,
                    "    for ((i = 1; i < COMP_CWORD; i++)); do\n"
                    "        word=${COMP_WORDS[i]}\n",
                    "if [[ ${COMP_WORDS[i + 1]} == = ]]; then ((i += 2)); else ((i++)); fi");
    sh_value_cases(stream, program, &BASH);
    sh_command_cases(stream, program, &BASH);
    (void)fputs("    options+='", stream);
    sh_options(stream, program->globals, false);
    (void)fputs("'\n"
                "    if [[ $current == -* ]]; then candidates=$options files=''; fi\n"
                "    mapfile -t COMPREPLY < <(compgen -W \"$candidates\" -- \"$current\")\n"
                "    if [[ -n $files ]]; then\n"
                "        compopt -o filenames 2> /dev/null\n"
                "        mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$current\")\n"
                "    fi\n}\ncomplete -F _",
                stream);
    put_identifier(stream, program->name);
    (void)fprintf(stream, " %s\n", program->name);
}

static void complete_zsh(const struct rky_program *program, FILE *stream)
{
    (void)fprintf(stream,
                  "#compdef %s\n# zsh completion for %s, generated from its option tables\n_",
                  program->name, program->name);
    put_identifier(stream, program->name);
    (void)fputs("()\n{\n"
                "    local command='' previous=$words[CURRENT-1] files='' word\n"
                "    local -a candidates options\n"
                "    integer i\n"
                "    if [[ $PREFIX == --*=* ]]; then\n"
                "        previous=${PREFIX%%=*}\n"
                "        compset -P '*='\n"
                "    fi\n",
                stream);
    sh_find_command(stream, program, &ZSH,
                    "    for ((i = 2; i < CURRENT; i++)); do\n        word=$words[i]\n", "((i++))");
    sh_value_cases(stream, program, &ZSH);
    sh_command_cases(stream, program, &ZSH);
    (void)fputs("    options+=(", stream);
    sh_options(stream, program->globals, true);
    (void)fputs(")\n"
                "    if [[ $PREFIX == -* ]]; then\n"
                "        _describe -o option options\n"
                "    else\n"
                "        (( $#candidates )) && _describe command candidates\n"
                "        [[ -n $files ]] && _files\n"
                "    fi\n"
                "}\n"
                "# loaded by the completion system, or sourced by hand\n"
                "if [[ $funcstack[1] == _",
                stream);
    put_identifier(stream, program->name);
    (void)fputs(" ]]; then\n    _", stream);
    put_identifier(stream, program->name);
    (void)fputs(" \"$@\"\nelse\n    compdef _", stream);
    put_identifier(stream, program->name);
    (void)fprintf(stream, " %s\nfi\n", program->name);
}

/* --- fish ------------------------------------------------------------------------------------- */

static void fish_text(FILE *stream, const char *before, const char *text, size_t length)
{
    (void)fprintf(stream, " %s '", before);
    put_quoted(stream, text, length, FISH_QUOTE);
    (void)fputc('\'', stream);
}

/* "complete -c rocky", and where it holds: @p command NULL = everywhere. */
static void fish_begin(FILE *stream, const struct rky_program *program, const char *command,
                       size_t length)
{
    (void)fprintf(stream, "complete -c %s", program->name);
    if (command == NULL)
        return;
    (void)fputs(" -n '__", stream);
    put_identifier(stream, program->name);
    (void)fprintf(stream, "_at \"%.*s\"'", (int)length, command);
}

static void fish_options(FILE *stream, const struct rky_program *program, const char *command,
                         const struct rky_option *table)
{
    for (; !rky_option_table_empty(table); table++) {
        fish_begin(stream, program, command, command != NULL ? strlen(command) : 0);
        (void)fprintf(stream, " -l %s", table->name);
        if (table->letter != 0)
            (void)fprintf(stream, " -s %c", table->letter);
        if (table->kind != RKY_OPTION_FLAG && table->choices != NULL) {
            (void)fputs(" -x -a '", stream);
            put_choices(stream, table->choices);
            (void)fputc('\'', stream);
        } else if (table->kind != RKY_OPTION_FLAG) {
            (void)fputs(names_a_path(table->value) ? " -r -F" : " -x", stream);
        }
        fish_text(stream, "-d", table->help, strlen(table->help));
        (void)fputc('\n', stream);
    }
}

/* What may stand behind a command: files and its options. */
static void fish_behind(FILE *stream, const struct rky_program *program,
                        const struct rky_command *row)
{
    if (names_a_path(row->arguments)) {
        fish_begin(stream, program, row->name, strlen(row->name));
        (void)fputs(" -F\n", stream);
    }
    fish_options(stream, program, row->name, row->options);
}

static void fish_command(FILE *stream, const struct rky_program *program,
                         const struct rky_command *row)
{
    size_t length = first_word(row);
    if (opens_word(program, row)) {
        fish_begin(stream, program, "", 0);
        fish_text(stream, "-a", row->name, length);
        fish_text(stream, "-d", row->summary, strlen(row->summary));
        (void)fputc('\n', stream);
    }
    if (row->name[length] != '\0') {
        const char *word = row->name + length + 1;
        fish_begin(stream, program, row->name, length);
        fish_text(stream, "-a", word, strlen(word));
        fish_text(stream, "-d", row->summary, strlen(row->summary));
        (void)fputc('\n', stream);
    }
    fish_behind(stream, program, row);
}

static void complete_fish(const struct rky_program *program, FILE *stream)
{
    const struct rky_command *main_command = rky_option_main_command(program);
    (void)fprintf(stream, "# fish completion for %s, generated from its option tables\n",
                  program->name);
    (void)fputs("function __", stream);
    put_identifier(stream, program->name);
    (void)fputs("_at\n    set -l command ''\n    set -l skip no\n"
                "    set -l line (commandline -opc)\n"
                "    for word in $line[2..-1]\n"
                "        if test $skip = yes\n            set skip no\n            continue\n"
                "        end\n"
                "        switch \"$command:$word\"\n            case ",
                stream);
    put_all_value_patterns(stream, program, &FISH_PATTERNS);
    (void)fputs("\n                set skip yes\n            case '*:-*'\n            case '*'\n"
                "                switch (string trim -- \"$command $word\")\n"
                "                    case ",
                stream);
    put_command_names(stream, program, " ");
    (void)fputs("\n                        set command (string trim -- \"$command $word\")\n"
                "                end\n        end\n    end\n"
                "    test \"$command\" = \"$argv[1]\"\nend\n",
                stream);
    (void)fprintf(stream, "complete -c %s -f\n", program->name);
    for (const struct rky_command *row = program->commands; row->name != NULL; row++) {
        if (is_visible(row))
            fish_command(stream, program, row);
    }
    if (main_command != NULL)
        fish_behind(stream, program, main_command);
    fish_options(stream, program, NULL, program->globals);
}

int rky_option_completion(const struct rky_program *program, const char *shell, FILE *stream,
                          struct rky_error *err)
{
    if (strcmp(shell, "bash") == 0)
        complete_bash(program, stream);
    else if (strcmp(shell, "zsh") == 0)
        complete_zsh(program, stream);
    else if (strcmp(shell, "fish") == 0)
        complete_fish(program, stream);
    else
        return rky_fail(err, RKY_ERR_USAGE, "no completions for '%s', expected bash, zsh or fish",
                        shell);
    if (fflush(stream) != 0 || ferror(stream))
        return rky_fail(err, RKY_ERR_IO, "cannot write the completions for '%s'", shell);
    return 0;
}
