/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Command lines from tables: the same rows parse, print --help, and generate the options part of
 * the man pages and the shell completions.
 *
 * Global options are taken before and after the command alike. `--name value` and `--name=value`
 * mean the same; `--` ends options. An unknown option or command is RKY_ERR_USAGE with the nearest
 * known one as hint.
 */
#ifndef RKY_COMMON_OPTION_H
#define RKY_COMMON_OPTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "common/error.h"

enum rky_option_kind {
    RKY_OPTION_FLAG,  /**< no value */
    RKY_OPTION_VALUE, /**< one value, the last wins */
    RKY_OPTION_LIST,  /**< repeatable */
};

struct rky_option {
    const char *name; /**< long name without dashes; NULL ends a table */
    char letter;      /**< short form or 0 */
    enum rky_option_kind kind;
    const char *value;   /**< metavariable ("FILE", "K=V"), NULL for flags */
    const char *choices; /**< "table|json": anything else is a usage error; NULL = free */
    const char *help;    /**< one sentence, lower case, no full stop */
};

struct rky_parsed;
struct rky_command {
    const char *name;      /**< "run", "state delete"; NULL ends a table; "" = the program itself */
    const char *arguments; /**< "PLAN_ID", "" = none; a trailing "..." allows more */
    const char *summary;   /**< one line for the list of commands */
    const char *description; /**< paragraphs for --help and the man page, NULL = summary only */
    const struct rky_option *options;                           /**< of this command, NULL = none */
    int (*run)(const struct rky_parsed *parsed, void *program); /**< returns an exit code */
    bool hidden; /**< not in help, man page or completions */
};

struct rky_program {
    const char *name;
    const char *summary;
    const struct rky_option *globals;
    const struct rky_command *commands;
};

/** Result of parsing; owned by the caller, filled by rky_option_parse(). */
struct rky_parsed {
    const struct rky_program *program;
    const struct rky_command *command; /**< NULL when only --help or --version was asked for */
    const struct rky_option **options; /**< as given, in order */
    const char **values;               /**< parallel to options; NULL for flags */
    size_t option_count;
    const char **arguments;
    size_t argument_count;
};

/** @brief @param argv borrowed and must outlive the result. @return 0, RKY_ERR_USAGE,
 * RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_option_parse(const struct rky_program *program, int argc, char **argv,
                                    struct rky_parsed *ret_parsed, struct rky_error *err);
void rky_parsed_done(struct rky_parsed *parsed);

bool rky_parsed_has(const struct rky_parsed *parsed, const char *name);
/** @brief The last value given, NULL when absent. */
const char *rky_parsed_value(const struct rky_parsed *parsed, const char *name);
/** @brief The nth value of a repeatable option, NULL behind the last. */
const char *rky_parsed_nth(const struct rky_parsed *parsed, const char *name, size_t n);

/** @brief --help of a command, or of the program when @p command is NULL. */
void rky_option_help(const struct rky_program *program, const struct rky_command *command,
                     FILE *stream);
/** @brief The commands and options part of the manual page, in man(7) macros. */
void rky_option_man(const struct rky_program *program, FILE *stream);
/** @brief A completion script. @param shell "bash", "zsh" or "fish". */
RKY_MUST_CHECK int rky_option_completion(const struct rky_program *program, const char *shell,
                                         FILE *stream, struct rky_error *err);

#endif
