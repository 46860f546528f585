/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rocky state export and import: the state as one file, out and in again.
 *
 * A snapshot is what travels to the backends, checksums, encryption and all; `--format sqlite` is
 * the plain ledger for other tools. Export reads only and waits for nobody.
 */
#include "config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/context.h"
#include "cli/output.h"
#include "cli/state_replace.h"
#include "cli/state_session.h"
#include "cli/text.h"
#include "common/fsutil.h"
#include "common/mem.h"

/** More than a state may have would be refused anyway. */
#define FILE_MAX ((size_t)RKY_SNAPSHOT_RAW_MAX)

struct export
{
    const char *file; /**< NULL = standard output */
    const char *format;
    struct rky_snapshot_head head;
    unsigned char *bytes;
    size_t length;
    char sha256[RKY_SHA256_HEX];
};

/* --- export ------------------------------------------------------------------------------- */

static int take_options(const struct rky_cli *cli, struct export *export, struct rky_error *err)
{
    const char *format = rky_parsed_value(cli->parsed, "format");
    export->file = rky_parsed_value(cli->parsed, "file");
    export->format = format == NULL ? "snapshot" : format;
    if (export->file != NULL && strcmp(export->file, "-") == 0)
        export->file = NULL;
    if (export->file != NULL)
        return 0;
    if (cli->json)
        return rky_fail(err, RKY_ERR_USAGE,
                        "standard output cannot take the state and JSON at "
                        "once: name a file with --file");
    if (isatty(STDOUT_FILENO))
        return rky_fail(err, RKY_ERR_USAGE,
                        "a state is no text for a terminal: name a file with "
                        "--file, or redirect standard output");
    return 0;
}

static void name_writer(const struct rky_cli *cli, struct rky_snapshot_head *head)
{
    head->created_at_us = cli->clock->wall_us(cli->clock);
    (void)snprintf(head->worker_id, sizeof(head->worker_id), "%s", cli->config->worker.id);
    (void)snprintf(head->version, sizeof(head->version), "%s", PACKAGE_VERSION);
    (void)gethostname(head->host, sizeof(head->host) - 1);
}

static int serialize(const struct rky_cli *cli, struct rky_ledger *ledger, struct export *export,
                     struct rky_error *err)
{
    struct rky_snapshot_key key = {0};
    unsigned char *raw = NULL;
    size_t raw_length = 0;
    int rc = rky_ledger_serialize(ledger, &raw, &raw_length, err);
    if (rc == 0)
        rc = rky_ledger_head(ledger, &export->head, err);
    if (rc == 0 && strcmp(export->format, "sqlite") == 0) {
        export->bytes = raw;
        export->length = raw_length;
        raw = NULL;
    } else if (rc == 0) {
        name_writer(cli, &export->head);
        rc = rky_snapshot_key_parse(cli->config->state.encryption_key, &key, err);
        if (rc == 0)
            rc = rky_snapshot_encode(&export->head, raw, raw_length, &key, &export->bytes,
                                     &export->length, err);
    }
    rky_free(raw);
    if (rc == 0)
        rky_sha256_hex(export->bytes, export->length, export->sha256);
    return rc;
}

static int write_out(const struct export *export, struct rky_error *err)
{
    if (export->file != NULL)
        return rky_write_file_atomic(export->file, export->bytes, export->length, err);
    if (fwrite(export->bytes, 1, export->length, stdout) != export->length || fflush(stdout) != 0)
        return rky_fail_errno(err, errno, "writing to standard output");
    return 0;
}

static int print_export(const struct rky_cli *cli, const struct export *export,
                        struct rky_error *err)
{
    char size[RKY_NUMBER_TEXT_MAX];
    if (export->file == NULL)
        return 0;
    if (!cli->json) {
        printf("wrote generation %" PRId64 " of namespace '%s' to '%s' (%s, %s bytes)\n",
               export->head.generation, cli->namespace_, export->file, export->format,
               rky_number_text((int64_t) export->length, size));
        return 0;
    }
    json_t *object = rky_cli_envelope(cli);
    int bad = json_object_set_new(object, "namespace", json_string(cli->namespace_));
    bad |= json_object_set_new(object, "lineage", json_string(export->head.lineage));
    bad |= json_object_set_new(object, "generation", json_integer(export->head.generation));
    bad |= json_object_set_new(object, "file", rky_cli_text_json(export->file));
    bad |= json_object_set_new(object, "format", json_string(export->format));
    bad |= json_object_set_new(object, "bytes", json_integer((json_int_t) export->length));
    bad |= json_object_set_new(object, "sha256", json_string(export->sha256));
    if (bad != 0) {
        json_decref(object);
        return rky_fail_nomem(err);
    }
    return rky_cli_print(object, err);
}

int rky_cmd_state_export(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    struct rky_cli *cli = program;
    struct rky_error err = {0};
    struct rky_state_session state = {0};
    struct export export = {0};
    int rc = rky_cli_select(cli, true, &err);
    if (rc == 0)
        rc = take_options(cli, &export, &err);
    if (rc == 0)
        rc = rky_state_open_read(cli, &state, &err);
    if (rc == 0)
        rc = serialize(cli, rky_state_ledger(&state), &export, &err);
    if (rc == 0)
        rc = write_out(&export, &err);
    if (rc == 0)
        rc = print_export(cli, &export, &err);
    rky_state_close(&state);
    rky_free(export.bytes);
    return rky_cli_end(cli, rc, &err);
}

/* --- import ------------------------------------------------------------------------------- */

/* A ledger whose last commits are still in its journal is more than its file. */
static int check_whole(const char *path, struct rky_error *err)
{
    static const char *const endings[] = {"-wal", "-journal"};
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
        struct stat info;
        char *journal = rky_asprintf("%s%s", path, endings[i]);
        if (journal == NULL)
            return rky_fail_nomem(err);
        bool there = stat(journal, &info) == 0 && info.st_size > 0;
        rky_free(journal);
        if (!there)
            continue;
        (void)rky_fail(err, RKY_ERR_REFUSED,
                       "'%s' has a journal '%s%s' beside it: the file alone is not the whole state",
                       path, path, endings[i]);
        rky_error_hint(err, "'rocky --state-path FILE state export' with backend 'local' writes a "
                            "whole one");
        return RKY_ERR_REFUSED;
    }
    return 0;
}

static int import(struct rky_cli *cli, struct rky_state_session *state,
                  struct rky_replacement *replacement, struct rky_error *err)
{
    const char *path = rky_parsed_value(cli->parsed, "file");
    struct rky_incoming incoming = {0};
    char *bytes = NULL, *from = NULL;
    size_t length = 0;
    if (path == NULL) {
        (void)rky_fail(err, RKY_ERR_USAGE, "'rocky state import' needs --file");
        rky_error_hint(err, "'rocky state export' writes such a file");
        return RKY_ERR_USAGE;
    }
    int rc = check_whole(path, err);
    if (rc == 0)
        rc = rky_read_file(path, FILE_MAX, &bytes, &length, err);
    if (rc == 0)
        rc = rky_incoming_take(cli, bytes, length, &incoming, err);
    rky_free(bytes);
    if (rc != 0 && err->code == RKY_ERR_STATE_FILE)
        rky_error_wrap(err, "'%s' cannot be imported", path);
    if (rc == 0)
        rc = rky_cli_adapters(cli, err);
    if (rc == 0) {
        from = rky_asprintf("file '%s'", path);
        rc = from == NULL ? rky_fail_nomem(err)
                          : rky_state_open_replace(
                                cli, state,
                                incoming.head.generation > 0 ? incoming.head.generation : 1, err);
    }
    if (rc == 0)
        rc = rky_state_replace(state, &incoming, "state import", from, replacement, err);
    rky_free(from);
    rky_incoming_done(&incoming);
    return rc;
}

int rky_cmd_state_import(const struct rky_parsed *parsed, void *program)
{
    (void)parsed;
    return rky_replace_command(program, import);
}
