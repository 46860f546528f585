/* SPDX-License-Identifier: Apache-2.0 */
/* Manual pages from tables; see man.h. */
#include "config.h"

#include "cli/man.h"

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

/* --- exit codes --------------------------------------------------------------------------- */

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
    {RKY_EXIT_DOCTOR_CRITICAL, "r", "A check of 'rocky doctor' is critical."},
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

/* --- configuration keys ------------------------------------------------------------------- */

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

/** Limits beyond this are there to keep arithmetic safe and tell a reader nothing. */
#define UNBOUNDED 1e12

static void put_range(FILE *stream, const struct rky_key *key)
{
    if (key->minimum > key->maximum || (key->minimum == 0 && key->maximum == 0))
        return;
    if (key->maximum < UNBOUNDED && key->minimum > -UNBOUNDED)
        fprintf(stream, ", %.15g to %.15g", key->minimum, key->maximum);
}

static void put_key(FILE *stream, const struct rky_key *key)
{
    fputs(".TP\n.B ", stream);
    put_roff(stream, key->path);
    fprintf(stream, "\n(%s", rky_key_type_name(key->type));
    if (key->type == RKY_KEY_CHOICE && key->choices != NULL)
        put_choices(stream, key->choices);
    put_range(stream, key);
    if (key->required != NULL) {
        fputs("; required ", stream);
        put_roff(stream, key->required);
    }
    if (key->default_text != NULL) {
        fputs("; default ", stream);
        put_roff(stream, key->default_text);
    }
    fputs(")\n", stream);
    put_roff(stream, key->help);
    fputs(".\n", stream);
    if (key->type == RKY_KEY_SECTION && key->choices != NULL) {
        fputs("Keys as in ", stream);
        put_roff(stream, key->choices);
        fputs(".\n", stream);
    }
    if (key->unserved != NULL) {
        fputs("This build cannot serve", stream);
        if (strcmp(key->unserved, "any") == 0)
            fputs(" any value", stream);
        else
            put_choices(stream, key->unserved);
        fputs(".\n", stream);
    }
}

void rky_man_keys(FILE *stream)
{
    size_t count = 0;
    const struct rky_key *keys = rky_config_keys(&count);
    for (size_t i = 0; i < count; i++)
        put_key(stream, &keys[i]);
}
