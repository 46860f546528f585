/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages from tables; see man.h. */
#include "config.h"

#include "cli/man.h"

#include <math.h>
#include <string.h>

#include "common/config.h"
#include "common/exitcode.h"

/* roff gives backslashes, dashes, quotes and a leading dot a meaning of their own. */
static void put_roff(FILE *stream, const char *text)
{
    if (*text == '.')
        fputs("\\&", stream);
    for (; *text != '\0'; text++) {
        if (*text == '\\')
            fputs("\\e", stream);
        else if (*text == '-')
            fputs("\\-", stream);
        else if (*text == '\'')
            fputs("\\(aq", stream);
        else
            fputc(*text, stream);
    }
}

/* --- exit codes ---------------------------------------------------------------------------------
 */

struct exit_row {
    enum rky_exit code;
    const char *programs; /**< letters of struct rky_program_row */
    const char *text;
};

static const struct exit_row exits[] = {
    {RKY_EXIT_OK, "rp", "Success, or a duplicate that was skipped."},
    {RKY_EXIT_OK, "w", "Ended as asked; what was not started is delivered to another worker."},
    {RKY_EXIT_FAILED, "rwp", "Failed."},
    {RKY_EXIT_PARTIAL, "rp", "Partial success: at least one table failed, the others are done."},
    {RKY_EXIT_REFUSED, "rp",
     "Refused: a plan that is stale, expired, tampered with, unknown or already applied; a newer "
     "claim on the target; a state file that another process is using."},
    {RKY_EXIT_GATE, "rp", "A check of severity error failed, or the anomaly gate did."},
    {RKY_EXIT_DEAD_LETTERED, "p", "The job was dead-lettered."},
    {RKY_EXIT_CANCELLED, "rp", "The job was cancelled."},
    {RKY_EXIT_USAGE, "rwp", "Wrong command line, or a table that is not known."},
    {RKY_EXIT_UNAVAILABLE, "rwp", "A service that is needed does not answer."},
    {RKY_EXIT_WATCHDOG, "w", "The watchdog ended a worker that did not stop in time."},
    {RKY_EXIT_CONFIG, "rwp",
     "The configuration is wrong, or the state file is corrupt, not Rocky's, or from a newer "
     "version."},
    {RKY_EXIT_WAIT_TIMEOUT, "p", "The time to wait for results was over."},
    {RKY_EXIT_INTERRUPTED, "rwp", "Interrupted by a signal."},
};

void rky_man_exits(const struct rky_program_row *row, FILE *stream)
{
    fputs(".SH EXIT STATUS\n", stream);
    for (size_t i = 0; i < sizeof(exits) / sizeof(exits[0]); i++) {
        if (strchr(exits[i].programs, row->letter) == NULL)
            continue;
        fprintf(stream, ".TP\n.B %d\n", (int)exits[i].code);
        put_roff(stream, exits[i].text);
        fputc('\n', stream);
    }
}

/* --- configuration keys --------------------------------------------------------------------------
 */

static const char *type_text(enum rky_key_type type)
{
    switch (type) {
    case RKY_KEY_STRING:
        return "string";
    case RKY_KEY_SECRET:
        return "string, never printed";
    case RKY_KEY_PATH:
        return "path";
    case RKY_KEY_BOOL:
        return "true or false";
    case RKY_KEY_INTEGER:
        return "integer";
    case RKY_KEY_NUMBER:
        return "number";
    case RKY_KEY_CHOICE:
        return "one of";
    case RKY_KEY_STRINGS:
        return "array of strings";
    case RKY_KEY_TABLES:
        return "array of tables";
    case RKY_KEY_FREE:
        return "any scalar";
    }
    return "value";
}

static void put_choices(FILE *stream, const char *choices)
{
    fputc(' ', stream);
    for (; *choices != '\0'; choices++) {
        char one[2] = {*choices, '\0'};
        if (*choices == '|')
            fputs(", ", stream);
        else
            put_roff(stream, one);
    }
}

static void put_range(FILE *stream, const struct rky_key *key)
{
    if (key->minimum > key->maximum || (key->minimum == 0 && key->maximum == 0))
        return;
    if (isinf(key->maximum) || key->maximum >= 9e15)
        fprintf(stream, ", at least %.15g", key->minimum);
    else
        fprintf(stream, ", %.15g to %.15g", key->minimum, key->maximum);
}

void rky_man_keys(FILE *stream)
{
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    for (size_t i = 0; i < count; i++) {
        const struct rky_key *key = &keys[i];
        fputs(".TP\n.B ", stream);
        put_roff(stream, key->path);
        fputs("\n(", stream);
        fputs(type_text(key->type), stream);
        if (key->type == RKY_KEY_CHOICE && key->choices != NULL)
            put_choices(stream, key->choices);
        put_range(stream, key);
        if (key->default_text != NULL) {
            fputs("; default ", stream);
            put_roff(stream, key->default_text);
        }
        fputs(")\n", stream);
        put_roff(stream, key->help);
        fputc('\n', stream);
        if (key->unserved != NULL) {
            fputs("Not in this build: ", stream);
            put_roff(stream, key->unserved);
            fputs(".\n", stream);
        }
    }
}
