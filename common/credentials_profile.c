/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Keys, a role or a region from a profile in ~/.aws/credentials and ~/.aws/config. Source: AWS SDKs
 * and Tools reference guide, "Shared config and credentials files".
 *
 * The credentials file goes before the config file; within a file the last setting wins. The files
 * belong to many programs: lines that mean nothing to us are passed over, never refused.
 */
#include "config.h"

#include "common/credentials_internal.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

#include "common/fsutil.h"

#define FILE_MAX ((size_t)1024 * 1024)

static const struct {
    const char *name;
    size_t offset;
} settings[] = {
    {"aws_access_key_id", offsetof(struct rky_profile, access_key)},
    {"aws_secret_access_key", offsetof(struct rky_profile, secret_key)},
    {"aws_session_token", offsetof(struct rky_profile, session_token)},
    {"region", offsetof(struct rky_profile, region)},
    {"role_arn", offsetof(struct rky_profile, role_arn)},
    {"web_identity_token_file", offsetof(struct rky_profile, web_identity_token_file)},
    {"role_session_name", offsetof(struct rky_profile, role_session_name)},
};
enum { SETTINGS = sizeof(settings) / sizeof(settings[0]) };

/* Ways to keys that need a browser, a program or another role. */
static const char *const unsupported[] = {"credential_process", "credential_source",
                                          "source_profile",     "sso_session",
                                          "sso_start_url",      "login_session"};

static char **slot(struct rky_profile *profile, size_t which)
{
    return (char **)(void *)((char *)profile + settings[which].offset);
}

void rky_profile_done(struct rky_profile *profile)
{
    for (size_t i = 0; i < SETTINGS; i++) {
        char *text = *slot(profile, i);
        if (text != NULL)
            explicit_bzero(text, strlen(text));
        rky_free(text);
    }
    rky_free(profile->unsupported);
    *profile = (struct rky_profile){0};
}

/* A piece of the file. */
struct span {
    const char *start;
    size_t length;
};

static struct span trim(const char *start, size_t length)
{
    while (length > 0 && isspace((unsigned char)*start)) {
        start++;
        length--;
    }
    while (length > 0 && isspace((unsigned char)start[length - 1]))
        length--;
    return (struct span){start, length};
}

static bool same(struct span span, const char *text)
{
    return span.length == strlen(text) && strncmp(span.start, text, span.length) == 0;
}

/* "[name]" and, in the config file, "[profile name]", the name perhaps in quotes. */
static bool our_section(struct span line, const char *name, bool config)
{
    const char *end = memchr(line.start, ']', line.length);
    if (end == NULL)
        return false;
    struct span title = trim(line.start + 1, (size_t)(end - line.start) - 1);
    if (config && !same(title, "default")) {
        if (title.length < 8 || strncmp(title.start, "profile", 7) != 0 ||
            !isspace((unsigned char)title.start[7]))
            return false;
        title = trim(title.start + 7, title.length - 7);
    }
    if (title.length >= 2 && (title.start[0] == '"' || title.start[0] == '\'') &&
        title.start[title.length - 1] == title.start[0])
        title = (struct span){title.start + 1, title.length - 2};
    return same(title, name);
}

/* A comment begins behind white space; there is at least a '=' before the value. */
static struct span without_comment(struct span value)
{
    for (size_t i = 0; i < value.length; i++) {
        if ((value.start[i] == '#' || value.start[i] == ';') &&
            isspace((unsigned char)*(value.start + i - 1)))
            return trim(value.start, i);
    }
    return value;
}

static int replace(char **text, struct span value)
{
    char *copy = rky_strndup(value.start, value.length);
    if (copy == NULL)
        return RKY_ERR_NOMEM;
    if (*text != NULL)
        explicit_bzero(*text, strlen(*text));
    rky_free(*text);
    *text = copy;
    return 0;
}

static int take_setting(struct span line, struct rky_profile *fresh)
{
    const char *equals = memchr(line.start, '=', line.length);
    if (equals == NULL)
        return 0;
    struct span name = trim(line.start, (size_t)(equals - line.start));
    struct span value =
        without_comment(trim(equals + 1, line.length - (size_t)(equals - line.start) - 1));
    for (size_t i = 0; i < SETTINGS; i++) {
        if (same(name, settings[i].name))
            return value.length == 0 ? 0 : replace(slot(fresh, i), value);
    }
    for (size_t i = 0; i < sizeof(unsupported) / sizeof(unsupported[0]); i++) {
        if (same(name, unsupported[i]))
            return replace(&fresh->unsupported, name);
    }
    return 0;
}

/* What an earlier file said stays. Keys come in pairs: never one from each file. */
static void merge(struct rky_profile *profile, struct rky_profile *fresh)
{
    bool keys = profile->access_key != NULL || profile->secret_key != NULL;
    for (size_t i = 0; i < SETTINGS; i++) {
        char **into = slot(profile, i);
        char **from = slot(fresh, i);
        bool key = into == &profile->access_key || into == &profile->secret_key ||
                   into == &profile->session_token;
        if (*into == NULL && !(key && keys)) {
            *into = *from;
            *from = NULL;
        }
    }
    if (profile->unsupported == NULL) {
        profile->unsupported = fresh->unsupported;
        fresh->unsupported = NULL;
    }
    profile->found = profile->found || fresh->found;
}

int rky_profile_parse(const char *text, const char *name, bool config, struct rky_profile *profile)
{
    struct rky_profile fresh = {0};
    bool ours = false;
    int rc = 0;
    if (strncmp(text, "\xef\xbb\xbf", 3) == 0)
        text += 3;
    while (*text != '\0' && rc == 0) {
        size_t length = strcspn(text, "\n");
        struct span line = trim(text, length);
        /* An indented line belongs to the setting above it, which is none of ours. */
        bool nested = isspace((unsigned char)text[0]) && line.length > 0;
        if (line.length > 0 && line.start[0] == '[' && !nested) {
            ours = our_section(line, name, config);
            fresh.found = fresh.found || ours;
        } else if (ours && !nested && line.length > 0 && line.start[0] != '#' &&
                   line.start[0] != ';') {
            rc = take_setting(line, &fresh);
        }
        text += length;
        text += *text == '\n';
    }
    if (rc == 0)
        merge(profile, &fresh);
    rky_profile_done(&fresh);
    return rc;
}

const char *rky_profile_name(const struct rky_credentials *credentials)
{
    const char *name = rky_provider_getenv(credentials, "AWS_PROFILE");
    return name != NULL ? name : "default";
}

static int load_file(const struct rky_credentials *credentials, const char *variable,
                     const char *file, bool config, struct rky_profile *profile,
                     struct rky_error *err)
{
    const char *own = rky_provider_getenv(credentials, variable);
    const char *home = rky_provider_getenv(credentials, "HOME");
    char *text = NULL;
    size_t length = 0;
    struct rky_error read_error = {0};
    if (own == NULL && home == NULL)
        return 0;
    char *path = own != NULL ? rky_strdup(own) : rky_asprintf("%s/.aws/%s", home, file);
    if (path == NULL)
        return rky_fail_nomem(err);
    int rc = rky_read_file(path, FILE_MAX, &text, &length, &read_error);
    rky_free(path);
    if (rc == RKY_ERR_NOT_FOUND)
        return 0;
    if (rc != 0)
        return rky_fail(err, (enum rky_err)rc, "%s", read_error.message);
    if (rky_profile_parse(text, rky_profile_name(credentials), config, profile) != 0)
        rc = rky_fail_nomem(err);
    explicit_bzero(text, length);
    rky_free(text);
    return rc;
}

int rky_profile_load(const struct rky_credentials *credentials, struct rky_profile *ret_profile,
                     struct rky_error *err)
{
    struct rky_profile profile = {0};
    int rc =
        load_file(credentials, "AWS_SHARED_CREDENTIALS_FILE", "credentials", false, &profile, err);
    if (rc == 0)
        rc = load_file(credentials, "AWS_CONFIG_FILE", "config", true, &profile, err);
    if (rc != 0) {
        rky_profile_done(&profile);
        return rc;
    }
    *ret_profile = profile;
    return 0;
}

static int use_profile(struct rky_provider_call *call, const struct rky_profile *profile,
                       struct rky_aws_keys *ret_keys)
{
    const char *name = rky_profile_name(call->credentials);
    if (profile->access_key != NULL || profile->secret_key != NULL) {
        struct rky_provider_answer answer = {profile->access_key, profile->secret_key,
                                             profile->session_token, NULL};
        return rky_provider_accept(call, &answer, ret_keys);
    }
    if (profile->role_arn != NULL && profile->web_identity_token_file != NULL)
        return rky_provider_assume_role(call, profile->role_arn, profile->web_identity_token_file,
                                        profile->role_session_name, ret_keys);
    if (profile->unsupported != NULL) {
        int rc = rky_provider_refused(call, "profile '%s' uses '%s', which is not supported", name,
                                      profile->unsupported);
        rky_error_hint(call->err, "give keys, or role_arn with web_identity_token_file; "
                                  "'aws configure export-credentials --format env' prints keys");
        return rc;
    }
    return rky_provider_none(call, "profile '%s' has no keys", name);
}

int rky_provider_profile(struct rky_provider_call *call, struct rky_aws_keys *ret_keys)
{
    const char *wanted = rky_provider_getenv(call->credentials, "AWS_PROFILE");
    struct rky_profile profile = {0};
    struct rky_error err = {0};
    int rc = rky_profile_load(call->credentials, &profile, &err);
    if (rc == RKY_ERR_NOMEM)
        return rky_provider_nomem(call);
    if (rc != 0)
        return rky_provider_refused(call, "%s", err.message);
    if (profile.found)
        rc = use_profile(call, &profile, ret_keys);
    else if (wanted != NULL) /* asked for by name: the next provider is not what was meant */
        rc =
            rky_provider_refused(call, "AWS_PROFILE is '%s', but no file has that profile", wanted);
    else
        rc = rky_provider_none(call, "no profile 'default'");
    rky_profile_done(&profile);
    return rc;
}
