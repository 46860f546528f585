/* SPDX-License-Identifier: Apache-2.0 */
/* The world of the measurements: from the configuration file, as the programs make it. */
#include "config.h"

#include "tests/bench/state_kit.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#include "common/mem.h"

void die(const char *what, const char *why)
{
    (void)fprintf(stderr, "state_figures: %s: %s\n", what, why);
    exit(1);
}

void must(const char *what, int rc, const struct rky_error *err)
{
    if (rc != 0)
        die(what, err->message);
}

/* --- the world ---------------------------------------------------------------------------------
 */

void open_world(struct world *world, const char *config_path)
{
    struct rky_error err = {0};
    struct rky_problems problems = {0};
    must("configuration", rky_config_load(config_path, &world->config, &problems, &err), &err);
    rky_problems_done(&problems);
    const struct rky_store_options options = {
        .config = &world->config->state, .clock = rky_clock_real(), .worker_id = "bench"};
    must("store", rky_store_new(&options, &world->store, &err), &err);
}

void close_world(struct world *world)
{
    rky_store_free(world->store);
    rky_config_free(world->config);
}

struct rky_workspace *open_workspace(const struct world *world, const char *namespace_)
{
    struct rky_error err = {0};
    struct rky_workspace *workspace = NULL;
    const struct rky_workspace_options options = {
        .config = &world->config->state, .namespace_ = namespace_, .clock = rky_clock_real()};
    must("workspace", rky_workspace_new(&options, &workspace, &err), &err);
    return workspace;
}

struct rky_sync *open_sync(const struct world *world, struct rky_workspace *workspace)
{
    struct rky_error err = {0};
    struct rky_sync *sync = NULL;
    const struct rky_sync_options options = {.store = world->store,
                                             .workspace = workspace,
                                             .run_id = "",
                                             .job_id = "",
                                             .worker_id = "bench",
                                             .clock = rky_clock_real()};
    must("sync", rky_sync_new(&options, &sync, &err), &err);
    must("lock", rky_sync_lock(sync, &err), &err);
    must("download", rky_sync_download(sync, &err), &err);
    return sync;
}

/* --- content -----------------------------------------------------------------------------------
 */

static void begin(struct rky_ledger *ledger)
{
    struct rky_error err = {0};
    must("begin", rky_ledger_begin(ledger, &err), &err);
}

static void commit(struct rky_ledger *ledger)
{
    struct rky_error err = {0};
    int64_t generation = 0;
    must("bump", rky_ledger_bump(ledger, &generation, &err), &err);
    must("commit", rky_ledger_commit(ledger, &err), &err);
}

static char *owned(const char *text)
{
    return (char *)(uintptr_t)text; /* borrowed for the length of a call */
}

/* Every table has a commit of its own; the run is that of all tables that it copied. */
static void put_table(struct rky_ledger *ledger, int64_t number, int64_t value, const char *run_id)
{
    struct rky_error err = {0};
    char table[96], cursor[40], commit_id[RKY_UUID_TEXT];
    (void)snprintf(table, sizeof(table), "warehouse.staging__acme__shop.table_%05lld",
                   (long long)number);
    (void)snprintf(cursor, sizeof(cursor), "2026-11-21T10:%02lld:%02lld.%06lldZ",
                   (long long)(value / 60 % 60), (long long)(value % 60), (long long)value);
    rky_uuid_v7(rky_clock_real(), commit_id);
    const struct rky_watermark watermark = {.table = table,
                                            .cursor_column = owned("_fivetran_synced"),
                                            .cursor_type = owned("text"),
                                            .value = cursor,
                                            .commit_id = commit_id,
                                            .run_id = owned(run_id),
                                            .job_id = owned(run_id),
                                            .source = table,
                                            .pipeline = owned("bronze"),
                                            .updated_at_us = INT64_C(1795262400000000) + value};
    must("watermark", rky_ledger_watermark_put(ledger, &watermark, &err), &err);
    must("count",
         rky_ledger_count_add(ledger, table, run_id, 1000 + value % 77, watermark.updated_at_us,
                              false, NULL, &err),
         &err);
}

void grow(struct rky_ledger *ledger, size_t bytes)
{
    struct rky_error err = {0};
    char run_id[RKY_UUID_TEXT];
    rky_uuid_v7(rky_clock_real(), run_id);
    for (int64_t table = 0;;) {
        unsigned char *raw = NULL;
        size_t length = 0;
        must("serialize", rky_ledger_serialize(ledger, &raw, &length, &err), &err);
        rky_free(raw);
        if (length >= bytes)
            return;
        begin(ledger);
        for (int64_t i = 0; i < 10; i++, table++)
            put_table(ledger, table, table * 7919, run_id);
        commit(ledger);
    }
}

void change(struct rky_ledger *ledger, int64_t round)
{
    char run_id[RKY_UUID_TEXT];
    rky_uuid_v7(rky_clock_real(), run_id);
    begin(ledger);
    put_table(ledger, round % 50, round, run_id);
    commit(ledger);
}

/* --- clocks ------------------------------------------------------------------------------------
 */

double now_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e6 + (double)now.tv_nsec / 1e3;
}

double cpu_us(void)
{
    struct rusage usage;
    (void)getrusage(RUSAGE_SELF, &usage);
    return ((double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec) * 1e6 +
           (double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec;
}

static int by_value(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;
    return (a > b) - (a < b);
}

double median(double *values, size_t count)
{
    qsort(values, count, sizeof(*values), by_value);
    return values[count / 2];
}

/* --- plain requests ----------------------------------------------------------------------------
 */

struct plain {
    CURL *handle;
    struct curl_slist *headers;
    struct rky_strbuf answer;
};

static size_t take(char *bytes, size_t size, size_t count, void *context)
{
    struct rky_strbuf *answer = context;
    rky_strbuf_addn(answer, bytes, size * count);
    return size * count;
}

struct plain *plain_new(void)
{
    struct plain *plain = calloc(1, sizeof(*plain));
    if (plain == NULL || (plain->handle = curl_easy_init()) == NULL ||
        (plain->headers = curl_slist_append(NULL, "Expect:")) == NULL)
        die("libcurl", "it does not start");
    (void)curl_easy_setopt(plain->handle, CURLOPT_HTTPHEADER, plain->headers);
    (void)curl_easy_setopt(plain->handle, CURLOPT_WRITEFUNCTION, take);
    (void)curl_easy_setopt(plain->handle, CURLOPT_WRITEDATA, &plain->answer);
    return plain;
}

static void perform(struct plain *plain, const char *url)
{
    long status = 0;
    rky_strbuf_done(&plain->answer);
    (void)curl_easy_setopt(plain->handle, CURLOPT_URL, url);
    CURLcode code = curl_easy_perform(plain->handle);
    (void)curl_easy_getinfo(plain->handle, CURLINFO_RESPONSE_CODE, &status);
    if (code != CURLE_OK || status != 200)
        die(url, code != CURLE_OK ? curl_easy_strerror(code) : "refused");
}

void plain_put(struct plain *plain, const char *url, const void *bytes, size_t length)
{
    (void)curl_easy_setopt(plain->handle, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)length);
    (void)curl_easy_setopt(plain->handle, CURLOPT_POSTFIELDS, bytes);
    (void)curl_easy_setopt(plain->handle, CURLOPT_CUSTOMREQUEST, "PUT");
    perform(plain, url);
}

int64_t plain_count(struct plain *plain, const char *url, const char *what)
{
    (void)curl_easy_setopt(plain->handle, CURLOPT_CUSTOMREQUEST, NULL);
    (void)curl_easy_setopt(plain->handle, CURLOPT_HTTPGET, 1L);
    perform(plain, url);
    json_t *counts = json_loadb(plain->answer.data, plain->answer.length, 0, NULL);
    if (!json_is_integer(json_object_get(counts, what)))
        die("the store's counts", "not as expected");
    int64_t value = json_integer_value(json_object_get(counts, what));
    json_decref(counts);
    return value;
}

void plain_free(struct plain *plain)
{
    curl_easy_cleanup(plain->handle);
    curl_slist_free_all(plain->headers);
    rky_strbuf_done(&plain->answer);
    free(plain);
}
