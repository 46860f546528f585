/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Doctor's look at the clocks. S3 refuses signatures that are a quarter of an hour off; well before
 * that, times in logs and lags stop meaning what they say. Asked are the servers that the state
 * lives on: the Date header of any answer of S3, TIME of Valkey.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cli/doctor.h"
#include "common/http.h"
#include "common/mem.h"
#include "state/valkey.h"

enum { CLOCK_MS = 5000 };
/** Beyond this S3 refuses requests. */
#define REFUSED_US (15LL * 60 * 1000000)
/** The Date header has whole seconds, and the way there takes time. */
#define TOLERATED_US (5LL * 1000000)

static void judge(struct rky_check *check, const char *server, int64_t skew_us, bool signs)
{
    char detail[64];
    (void)snprintf(detail, sizeof(detail), "%s_skew_ms", server);
    rky_check_detail(check, detail, json_integer(skew_us / 1000));
    int64_t off_us = skew_us < 0 ? -skew_us : skew_us;
    if (off_us <= TOLERATED_US)
        return;
    rky_check_find(check, signs && off_us >= REFUSED_US ? RKY_HEALTH_CRITICAL : RKY_HEALTH_WARNING,
                   "let a time service set this machine's clock",
                   "the clock of this machine is %" PRId64 " s %s that of %s%s", off_us / 1000000,
                   skew_us > 0 ? "ahead of" : "behind", server,
                   signs && off_us >= REFUSED_US ? ", which refuses requests then" : "");
}

/* --- S3 ----------------------------------------------------------------------------------- */

static char *endpoint(const struct rky_state_config *config)
{
    if (config->s3_endpoint != NULL)
        return rky_asprintf("%s/", config->s3_endpoint);
    return rky_asprintf("https://s3.%s.amazonaws.com/",
                        config->s3_region != NULL ? config->s3_region : "us-east-1");
}

static bool parse_date(const char *text, int64_t *ret_us)
{
    struct tm tm = {0};
    const char *end = text == NULL ? NULL : strptime(text, "%a, %d %b %Y %H:%M:%S", &tm);
    if (end == NULL)
        return false;
    *ret_us = (int64_t)timegm(&tm) * 1000000;
    return true;
}

static int ask_s3(const struct rky_doctor *doctor, struct rky_http *http, struct rky_check *check,
                  struct rky_error *err)
{
    const struct rky_state_config *config = &doctor->cli->config->state;
    struct rky_clock *clock = doctor->cli->clock;
    struct rky_http_response response = {0};
    struct rky_attempt attempt = {0};
    char *url = endpoint(config);
    if (url == NULL)
        return rky_fail_nomem(err);
    /* Not signed: a refusal has a date as well. */
    const struct rky_http_request request = {
        .method = "GET", .url = url, .deadline = rky_deadline_in(clock, CLOCK_MS)};
    int64_t before = clock->wall_us(clock), theirs = 0;
    int rc = rky_http_call(http, &request, &response, &attempt, err);
    int64_t after = clock->wall_us(clock);
    if (rc == 0 && parse_date(rky_http_response_header(&response, "date"), &theirs))
        /* The header is cut to the second: half of one is its middle. */
        judge(check, "s3", before + (after - before) / 2 - (theirs + 500000), true);
    else if (rc == 0)
        rky_check_find(check, RKY_HEALTH_WARNING, NULL, "the S3 server says no time");
    rky_http_response_done(&response);
    rky_free(url);
    return rc;
}

static int check_s3(const struct rky_doctor *doctor, struct rky_check *check, struct rky_error *err)
{
    const struct rky_http_options options = {.ca_file = doctor->cli->config->state.s3_ca_file,
                                             .clock = doctor->cli->clock};
    struct rky_http *http = NULL;
    int rc = rky_http_new(&options, &http, err);
    if (rc == 0)
        rc = ask_s3(doctor, http, check, err);
    rky_http_free(http);
    return rc;
}

/* --- Valkey ------------------------------------------------------------------------------- */

static int check_valkey(const struct rky_doctor *doctor, struct rky_check *check,
                        struct rky_error *err)
{
    struct rky_clock *clock = doctor->cli->clock;
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT("TIME")};
    struct rky_valkey_reply reply = {0};
    struct rky_attempt attempt = {0};
    int64_t before = clock->wall_us(clock);
    int rc = rky_valkey_command(rky_store_valkey(doctor->store), args, 1,
                                rky_deadline_in(clock, CLOCK_MS), &reply, &attempt, err);
    int64_t after = clock->wall_us(clock);
    if (rc == 0 && reply.type == RKY_VALKEY_ARRAY && reply.count == 2 &&
        reply.items[0].text != NULL && reply.items[1].text != NULL) {
        int64_t theirs = strtoll(reply.items[0].text, NULL, 10) * 1000000 +
                         strtoll(reply.items[1].text, NULL, 10);
        judge(check, "valkey", before + (after - before) / 2 - theirs, false);
    }
    rky_valkey_reply_done(&reply);
    return rc;
}

void rky_check_clock(const struct rky_doctor *doctor, struct rky_check *check)
{
    enum rky_state_backend backend = doctor->cli->config->state.backend;
    struct rky_error err = {0};
    if (backend == RKY_BACKEND_LOCAL) {
        rky_check_find(check, RKY_HEALTH_SKIPPED, NULL,
                       "there is no server whose clock could differ");
        return;
    }
    if (doctor->store == NULL) {
        rky_check_fault(check, RKY_HEALTH_CRITICAL, &doctor->store_fault);
        return;
    }
    /* That a server does not answer is what other checks are for. */
    if (backend != RKY_BACKEND_VALKEY && check_s3(doctor, check, &err) != 0) {
        rky_error_wrap(&err, "the clock of S3 is not known");
        rky_check_fault(check, RKY_HEALTH_WARNING, &err);
    }
    rky_error_clear(&err);
    if (rky_store_valkey(doctor->store) != NULL && check_valkey(doctor, check, &err) != 0) {
        rky_error_wrap(&err, "the clock of Valkey is not known");
        rky_check_fault(check, RKY_HEALTH_WARNING, &err);
    }
    rky_check_find(check, RKY_HEALTH_GOOD, NULL, "this machine's clock agrees with the servers'");
}
