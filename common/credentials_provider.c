/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What every credential provider needs: how to say that it has nothing, was refused or is out of
 * order, how to ask an endpoint, and the one door through which keys enter the program. Behind that
 * door no secret can reach the log.
 */
#include "config.h"

#include "common/credentials_internal.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "common/fsutil.h"

/* A token of EKS is about 1 KB, keys less. */
enum { ANSWER_MAX = 64 * 1024, TOKEN_MAX = 64 * 1024 };

const char *rky_provider_getenv(const struct rky_credentials *credentials, const char *name)
{
    const char *value = credentials->getenv(credentials->getenv_context, name);
    return value != NULL && value[0] != '\0' ? value : NULL;
}

int rky_provider_none(struct rky_provider_call *call, const char *format, ...)
{
    va_list values;
    rky_strbuf_addf(&call->reasons, "%s%s: ", call->reasons.length > 0 ? "; " : "", call->provider);
    va_start(values, format);
    rky_strbuf_addv(&call->reasons, format, values);
    va_end(values);
    return RKY_ERR_NOT_FOUND;
}

static int fail_with(struct rky_provider_call *call, enum rky_err code, const char *format,
                     va_list values) RKY_PRINTF(3, 0);
static int fail_with(struct rky_provider_call *call, enum rky_err code, const char *format,
                     va_list values)
{
    struct rky_strbuf text = {0};
    rky_strbuf_addv(&text, format, values);
    rky_fail(call->err, code, "%s", rky_strbuf_text(&text));
    rky_strbuf_done(&text);
    return code;
}

int rky_provider_refused(struct rky_provider_call *call, const char *format, ...)
{
    va_list values;
    *call->attempt = (struct rky_attempt){.error_class = "credentials_refused"};
    va_start(values, format);
    int rc = fail_with(call, RKY_ERR_AUTH, format, values);
    va_end(values);
    return rc;
}

int rky_provider_unavailable(struct rky_provider_call *call, int64_t retry_after_ms,
                             const char *format, ...)
{
    va_list values;
    *call->attempt = (struct rky_attempt){.error_class = "credentials_unavailable",
                                          .retry = RKY_RETRY_YES,
                                          .counts = true,
                                          .retry_after_ms = retry_after_ms};
    va_start(values, format);
    int rc = fail_with(call, RKY_ERR_CONNECTION, format, values);
    va_end(values);
    if (call->err != NULL)
        call->err->transient = true;
    return rc;
}

int rky_provider_nomem(struct rky_provider_call *call)
{
    *call->attempt = (struct rky_attempt){.error_class = "no_memory"};
    return rky_fail_nomem(call->err);
}

int rky_provider_secret(struct rky_provider_call *call, const char *secret)
{
    struct rky_log *log = call->credentials->log;
    if (log == NULL || secret == NULL)
        return 0;
    return rky_log_add_secret(log, secret) == 0 ? 0 : rky_provider_nomem(call);
}

static bool transient_status(long status)
{
    return status >= 500 || status == 429 || status == 408;
}

int rky_provider_ask(struct rky_provider_call *call, struct rky_http_request *request,
                     int64_t timeout_ms, struct rky_http_response *ret_response, bool *ret_silent)
{
    struct rky_credentials *credentials = call->credentials;
    struct rky_http_response response = {0};
    struct rky_attempt attempt = {0};
    struct rky_error err = {0};
    int64_t left_ms = rky_deadline_left_ms(&call->transfer->deadline);
    request->deadline =
        rky_deadline_in(call->transfer->clock, left_ms < timeout_ms ? left_ms : timeout_ms);
    request->response_limit = ANSWER_MAX;
    int rc = rky_http_call(credentials->http, request, &response, &attempt, &err);
    if (rc == RKY_ERR_NOMEM)
        return rky_provider_nomem(call);
    if (rc != 0 && ret_silent != NULL && attempt.error_class != NULL &&
        strcmp(attempt.error_class, "connect") == 0) {
        *ret_silent = true;
        return RKY_ERR_NOT_FOUND;
    }
    if (rc != 0 && attempt.retry == RKY_RETRY_NO) {
        rc = rky_provider_refused(call, "%s", err.message);
        if (err.hint[0] != '\0')
            rky_error_hint(call->err, "%s", err.hint);
        return rc;
    }
    if (rc != 0)
        return rky_provider_unavailable(call, 0, "%s", err.message);
    if (transient_status(response.status)) {
        rc = rky_provider_unavailable(call, rky_http_retry_after_ms(&response, credentials->clock),
                                      "the endpoint answered HTTP %ld", response.status);
        rky_http_response_done(&response);
        return rc;
    }
    *ret_response = response;
    return 0;
}

/* Anything that could not stand in a header: white space, control characters, not ASCII. */
static bool printable(const char *text)
{
    for (; *text != '\0'; text++) {
        if (!isgraph((unsigned char)*text))
            return false;
    }
    return true;
}

static bool missing(const char *text)
{
    return text == NULL || text[0] == '\0';
}

static int check_answer(struct rky_provider_call *call, const struct rky_provider_answer *answer,
                        int64_t *ret_expires_us)
{
    *ret_expires_us = 0;
    if (missing(answer->access_key) || missing(answer->secret_key))
        return rky_provider_refused(call, "expected an access key and a secret key, got %s",
                                    missing(answer->access_key) ? "no access key"
                                                                : "no secret key");
    if (!printable(answer->access_key) || !printable(answer->secret_key) ||
        (answer->session_token != NULL && !printable(answer->session_token)))
        return rky_provider_refused(call, "the access key, the secret key or the session token has "
                                          "white space or characters that no key has");
    if (answer->expiration == NULL)
        return 0;
    int64_t now_us = call->credentials->clock->wall_us(call->credentials->clock);
    if (rky_time_parse(answer->expiration, ret_expires_us) != 0 || *ret_expires_us <= 0)
        return rky_provider_refused(call, "expected a time of expiry, got something else");
    if (*ret_expires_us <= now_us) {
        char text[RKY_TIME_TEXT_MAX];
        rky_time_format(*ret_expires_us, text);
        int rc = rky_provider_unavailable(call, 0, "the keys expired already at %s", text);
        rky_error_hint(call->err, "check the clock of this machine");
        return rc;
    }
    return 0;
}

int rky_provider_accept(struct rky_provider_call *call, const struct rky_provider_answer *answer,
                        struct rky_aws_keys *ret_keys)
{
    struct rky_aws_keys keys = {.provider = call->provider};
    int rc = rky_provider_secret(call, answer->secret_key);
    if (rc == 0)
        rc = rky_provider_secret(call, answer->session_token);
    if (rc == 0)
        rc = check_answer(call, answer, &keys.expires_us);
    if (rc != 0)
        return rc;
    keys.access_key = rky_strdup(answer->access_key);
    keys.secret_key = rky_strdup(answer->secret_key);
    if (!missing(answer->session_token))
        keys.session_token = rky_strdup(answer->session_token);
    if (keys.access_key == NULL || keys.secret_key == NULL ||
        (!missing(answer->session_token) && keys.session_token == NULL)) {
        rky_aws_keys_done(&keys);
        return rky_provider_nomem(call);
    }
    *ret_keys = keys;
    return 0;
}

int rky_provider_json_keys(struct rky_provider_call *call, const struct rky_http_response *response,
                           struct rky_aws_keys *ret_keys)
{
    json_t *root = json_loadb(response->body, response->length, JSON_REJECT_DUPLICATES, NULL);
    const char *code = json_string_value(json_object_get(root, "Code"));
    int rc = 0;
    /* An answer that is no JSON is one that was cut or came from somebody else: ask again. */
    if (!json_is_object(root))
        rc = rky_provider_unavailable(call, 0,
                                      "expected a JSON object with keys, got %zu bytes "
                                      "of something else",
                                      response->length);
    else if (code != NULL && strcmp(code, "Success") != 0)
        rc = rky_provider_unavailable(call, 0, "the endpoint has no keys at the moment");
    if (rc == 0) {
        struct rky_provider_answer answer = {
            .access_key = json_string_value(json_object_get(root, "AccessKeyId")),
            .secret_key = json_string_value(json_object_get(root, "SecretAccessKey")),
            .session_token = json_string_value(json_object_get(root, "Token")),
            .expiration = json_string_value(json_object_get(root, "Expiration")),
        };
        rc = rky_provider_accept(call, &answer, ret_keys);
    }
    json_decref(root);
    return rc;
}

int rky_provider_token_file(struct rky_provider_call *call, const char *path, char **ret_token)
{
    struct rky_error err = {0};
    char *token = NULL;
    size_t length = 0;
    int rc = rky_read_file(path, TOKEN_MAX, &token, &length, &err);
    if (rc == RKY_ERR_NOMEM)
        return rky_provider_nomem(call);
    if (rc == RKY_ERR_QUOTA) /* out of descriptors: that passes */
        return rky_provider_unavailable(call, 0, "%s", err.message);
    if (rc != 0)
        return rky_provider_refused(call, "%s", err.message);
    while (length > 0 && isspace((unsigned char)token[length - 1]))
        token[--length] = '\0';
    rc = rky_provider_secret(call, token);
    if (rc == 0 && (length == 0 || strlen(token) != length || !printable(token)))
        rc = rky_provider_refused(call, "token file '%s': expected one token, got %s", path,
                                  length == 0 ? "nothing" : "something else");
    if (rc != 0) {
        explicit_bzero(token, length);
        rky_free(token);
        return rc;
    }
    *ret_token = token;
    return 0;
}
