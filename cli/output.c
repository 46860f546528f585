/* SPDX-License-Identifier: Apache-2.0 */
/* How a command ends; see output.h. */
#include "config.h"

#include "cli/output.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/text.h"
#include "common/exitcode.h"
#include "common/ids.h"
#include "common/mem.h"

/** Version of the output format, the same for all commands. */
#define OUTPUT_VERSION 1

json_t *rky_cli_envelope(const struct rky_cli *cli)
{
    json_t *object = json_object();
    int bad = json_object_set_new(object, "version", json_integer(OUTPUT_VERSION));
    bad |= json_object_set_new(object, "command", rky_cli_text_json(cli->command));
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

int rky_cli_print_text(const char *text, struct rky_error *err)
{
    return printf("%s\n", text) < 0 ? rky_fail_errno(err, errno, "writing to standard output") : 0;
}

int rky_cli_print(json_t *object, struct rky_error *err)
{
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text == NULL)
        return rky_fail_nomem(err);
    int rc = rky_cli_print_text(text, err);
    /* The text is jansson's, allocated by its malloc. */
    free(text);
    return rc;
}

json_t *rky_cli_text_json(const char *text)
{
    if (text == NULL)
        return json_null();
    size_t length = strlen(text);
    if (rky_utf8_valid(text, length))
        return json_stringn(text, length);
    /* Only what is no ASCII is in doubt; a message stays readable without it. */
    char *ascii = rky_strdup(text);
    for (char *p = ascii; p != NULL && *p != '\0'; p++)
        *p = (unsigned char)*p < 0x80 ? *p : '?';
    json_t *value = ascii == NULL ? NULL : json_string(ascii);
    rky_free(ascii);
    return value;
}

json_t *rky_cli_time_json(int64_t wall_us)
{
    char text[RKY_TIME_TEXT_MAX];
    if (wall_us == 0)
        return json_null();
    rky_time_format(wall_us, text);
    return json_string(text);
}

static json_t *redacted_json(const struct rky_cli *cli, const char *text)
{
    char *redacted = rky_log_redact(cli->log, text);
    json_t *value = redacted == NULL ? NULL : rky_cli_text_json(redacted);
    rky_free(redacted);
    return value;
}

json_t *rky_cli_error_json(const struct rky_cli *cli, const struct rky_error *err)
{
    json_t *object = json_object();
    int bad = json_object_set_new(object, "code", json_string(rky_err_name(err->code)));
    bad |= json_object_set_new(object, "message", redacted_json(cli, err->message));
    bad |= json_object_set_new(object, "hint",
                               err->hint[0] == '\0' ? json_null() : redacted_json(cli, err->hint));
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

static void print_clean(const struct rky_cli *cli, const char *before, const char *text)
{
    char *redacted = rky_log_redact(cli->log, text);
    struct rky_strbuf buffer = {0};
    rky_text_clean(&buffer, redacted == NULL ? "out of memory" : redacted);
    fprintf(stderr, "%s%s\n", before, rky_strbuf_text(&buffer));
    rky_strbuf_done(&buffer);
    rky_free(redacted);
}

void rky_cli_complain(const struct rky_cli *cli, const struct rky_error *err)
{
    fprintf(stderr, "%srocky: %s", rky_paint_on(cli->color_err, RKY_PAINT_RED),
            rky_paint_off(cli->color_err, RKY_PAINT_RED));
    print_clean(cli, "", err->message);
    if (err->hint[0] != '\0')
        print_clean(cli, "  hint: ", err->hint);
}

int rky_cli_end_with(const struct rky_cli *cli, const struct rky_error *err, enum rky_exit code)
{
    rky_cli_complain(cli, err);
    if (cli->json) {
        json_t *object = rky_cli_envelope(cli);
        if (json_object_set_new(object, "error", rky_cli_error_json(cli, err)) != 0) {
            json_decref(object);
            object = NULL;
        }
        struct rky_error print_error = {0};
        if (rky_cli_print(object, &print_error) != 0)
            rky_cli_complain(cli, &print_error);
    }
    return (int)code;
}

int rky_cli_end(const struct rky_cli *cli, int rc, const struct rky_error *err)
{
    if (rc == 0)
        return RKY_EXIT_OK;
    return rky_cli_end_with(cli, err, rky_exit_of_error(err->code));
}
