/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What an error reply of a Valkey server means for the guard. The protocol has one stable part, the
 * first word; only "ERR" needs a look at more, where a server says in words alone that it is full.
 * Pure: no connection, no policy.
 */
#include "config.h"

#include "state/valkey.h"

#include <string.h>

struct row {
    const char *word; /* the reply starts with it, and a blank or its end follows */
    const char *error_class;
    enum rky_err code;
    enum rky_retry retry;
    bool counts;
};

static const struct row rows[] = {
    /* Starting, restarting, failing over, or held up by somebody's script: it will pass. */
    {"LOADING", "loading", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES, true},
    {"BUSY", "busy", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES, true},
    {"TRYAGAIN", "try_again", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES, true},
    {"CLUSTERDOWN", "cluster_down", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES, true},
    {"MASTERDOWN", "master_down", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES, true},
    {"NOREPLICAS", "no_replicas", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES, true},
    {"READONLY", "read_only", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES, true},
    {"ERR max number of clients reached", "too_many_clients", RKY_ERR_UNAVAILABLE, RKY_RETRY_YES,
     true},
    /* The server works and will not store anything until somebody acts. */
    {"OOM", "oom", RKY_ERR_QUOTA, RKY_RETRY_NO, false},
    {"MISCONF", "misconf", RKY_ERR_QUOTA, RKY_RETRY_NO, false},
    {"NOAUTH", "auth", RKY_ERR_AUTH, RKY_RETRY_NO, false},
    {"WRONGPASS", "auth", RKY_ERR_AUTH, RKY_RETRY_NO, false},
    {"NOPERM", "permission", RKY_ERR_AUTH, RKY_RETRY_NO, false},
    {"DENIED", "permission", RKY_ERR_AUTH, RKY_RETRY_NO, false},
    {"MOVED", "cluster", RKY_ERR_CONFIG, RKY_RETRY_NO, false},
    {"ASK", "cluster", RKY_ERR_CONFIG, RKY_RETRY_NO, false},
    {"CROSSSLOT", "cluster", RKY_ERR_CONFIG, RKY_RETRY_NO, false},
    {"WRONGTYPE", "wrong_type", RKY_ERR_CONFIG, RKY_RETRY_NO, false},
    /* rky_valkey_eval() sends the script in full before anybody sees this. */
    {"NOSCRIPT", "no_script", RKY_ERR_QUERY, RKY_RETRY_FREE, false},
};
static const struct row refused = {"", "server_error", RKY_ERR_QUERY, RKY_RETRY_NO, false};

static const struct row *find_row(const char *error_reply)
{
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        size_t length = strlen(rows[i].word);
        if (strncmp(error_reply, rows[i].word, length) == 0 &&
            (error_reply[length] == ' ' || error_reply[length] == '\0'))
            return &rows[i];
    }
    return &refused;
}

enum rky_err rky_valkey_classify(const char *error_reply, struct rky_attempt *ret_attempt)
{
    const struct row *row = find_row(error_reply);
    *ret_attempt = (struct rky_attempt){
        .error_class = row->error_class,
        .retry = row->retry,
        .counts = row->counts,
        .unapplied = true, /* an error reply is a refusal: the command was not carried out */
    };
    return row->code;
}
