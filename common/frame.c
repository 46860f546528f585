/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of a program; see frame.h. */
#include <config.h>

#include "common/frame.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "common/exitcode.h"
#include "common/ids.h"
#include "common/mem.h"

/* A command line that does not parse may still say in which form it wants to hear so. */
static bool wants_json(int argc, char *const *argv)
{
    bool json = false;
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        const char *value = NULL;
        if ((strcmp(argv[i], "--output") == 0 || strcmp(argv[i], "-o") == 0) && i + 1 < argc)
            value = argv[++i];
        else if (strncmp(argv[i], "--output=", 9) == 0)
            value = argv[i] + 9;
        if (value != NULL)
            json = strcmp(value, "json") == 0;
    }
    return json;
}

static int make_log(struct rky_frame *frame, enum rky_log_level level, struct rky_error *err)
{
    const char *text = rky_parsed_value(&frame->parsed, "log-level");
    const char *format = rky_parsed_value(&frame->parsed, "log-format");
    int rc = text == NULL ? 0 : rky_log_level_parse(text, &level, err);
    if (rc != 0)
        return rc;
    if (text == NULL && frame->quiet)
        level = RKY_LOG_WARN;
    bool json = format != NULL && strcmp(format, "json") == 0;
    frame->log = rky_log_new(stderr, level, json ? RKY_LOG_JSON : RKY_LOG_TEXT, frame->clock);
    return frame->log != NULL ? 0 : rky_fail_nomem(err);
}

int rky_frame_begin(struct rky_frame *frame, const struct rky_program *program, int argc,
                    char **argv, enum rky_log_level log_level)
{
    struct rky_error err = {0};
    *frame = (struct rky_frame){
        .program = program, .clock = rky_clock_real(), .json = wants_json(argc, argv)};
    int rc = rky_option_parse(program, argc, argv, &frame->parsed, &err);
    if (rc != 0)
        return rky_frame_fail(frame, &err);
    if (rky_parsed_has(&frame->parsed, "help")) {
        rky_option_help(program, frame->parsed.command, stdout);
        return RKY_EXIT_OK;
    }
    if (rky_parsed_has(&frame->parsed, "version")) {
        (void)printf("%s %s\n", program->name, PACKAGE_VERSION);
        return RKY_EXIT_OK;
    }
    frame->command = frame->parsed.command->name;
    frame->quiet = rky_parsed_has(&frame->parsed, "quiet");
    rc = make_log(frame, log_level, &err);
    return rc == 0 ? -1 : rky_frame_fail(frame, &err);
}

int rky_frame_load(struct rky_frame *frame, struct rky_error *err)
{
    const char *path = rky_parsed_value(&frame->parsed, "config");
    int rc =
        rky_config_load(path != NULL ? path : "rocky.toml", &frame->config, &frame->problems, err);
    if (rc == RKY_ERR_NOT_FOUND) {
        err->code = RKY_ERR_CONFIG;
        rky_error_hint(err, "name the configuration with --config FILE");
        rc = RKY_ERR_CONFIG;
    }
    if (rc != 0) {
        /* With one problem the failure itself says it. */
        if (frame->problems.error_count > 1)
            rky_problems_print(&frame->problems, stderr);
        return rc;
    }
    for (size_t i = 0; i < frame->config->secrets.count; i++) {
        rc = rky_log_add_secret(frame->log, frame->config->secrets.items[i]);
        if (rc != 0)
            return rky_fail_nomem(err);
    }
    for (size_t i = 0; i < frame->problems.count; i++) {
        const struct rky_problem *problem = &frame->problems.items[i];
        rky_log_write(frame->log, RKY_LOG_WARN, NULL, "%s:%d: %s: %s", problem->file, problem->line,
                      problem->key, problem->message);
    }
    return 0;
}

/* --- how it ends --------------------------------------------------------------------------------
 */

/* Redacted, and with whatever is no UTF-8 left out of JSON. */
static json_t *clean_json(const struct rky_frame *frame, const char *text)
{
    char *clean = frame->log != NULL ? rky_log_redact(frame->log, text) : rky_strdup(text);
    for (char *c = clean; c != NULL && *c != '\0' && !rky_utf8_valid(clean, strlen(clean)); c++) {
        if ((unsigned char)*c >= 0x80)
            *c = '?';
    }
    json_t *value = clean == NULL ? NULL : json_string(clean);
    rky_free(clean);
    return value;
}

json_t *rky_frame_error_json(const struct rky_frame *frame, const struct rky_error *err)
{
    return json_pack("{s:s, s:o, s:o}", "code", rky_err_name(err->code), "message",
                     clean_json(frame, err->message), "hint",
                     err->hint[0] != '\0' ? clean_json(frame, err->hint) : json_null());
}

int rky_frame_print(json_t *object, struct rky_error *err)
{
    char *text = object == NULL ? NULL : json_dumps(object, JSON_COMPACT);
    json_decref(object);
    if (text == NULL)
        return rky_fail_nomem(err);
    int printed = printf("%s\n", text);
    free(text);
    return printed < 0 || fflush(stdout) != 0
               ? rky_fail_errno(err, errno, "writing to standard output")
               : 0;
}

static void complain(const struct rky_frame *frame, const char *before, const char *text)
{
    char *redacted = frame->log != NULL ? rky_log_redact(frame->log, text) : rky_strdup(text);
    (void)fprintf(stderr, "%s%s\n", before, redacted != NULL ? redacted : "out of memory");
    rky_free(redacted);
}

int rky_frame_fail(const struct rky_frame *frame, const struct rky_error *err)
{
    struct rky_error print_error = {0};
    (void)fprintf(stderr, "%s: ", frame->program->name);
    complain(frame, "", err->message);
    if (err->hint[0] != '\0')
        complain(frame, "  hint: ", err->hint);
    if (frame->json &&
        rky_frame_print(json_pack("{s:i, s:s?, s:o}", "version", 1, "command", frame->command,
                                  "error", rky_frame_error_json(frame, err)),
                        &print_error) != 0)
        complain(frame, "", print_error.message);
    return (int)rky_exit_of_error(err->code);
}

void rky_frame_done(struct rky_frame *frame)
{
    rky_problems_done(&frame->problems);
    rky_config_free(frame->config);
    rky_parsed_done(&frame->parsed);
    rky_log_free(frame->log);
}
