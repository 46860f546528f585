/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Settings of a Valkey server that decide whether what is in it stays there: eviction may drop a
 * state, a lease or its fence when memory runs short; without persistence a restart drops them all.
 * Many managed servers do not show their settings; that is told, not held against them.
 */
#include "config.h"

#include <string.h>

#include "cli/doctor.h"
#include "cli/output.h"
#include "common/mem.h"
#include "state/valkey.h"

/* @return owned value, NULL when the server does not tell. */
static char *setting(struct rky_valkey *valkey, const char *name, struct rky_deadline deadline)
{
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT("CONFIG"), RKY_VALKEY_TEXT("GET"),
                                          RKY_VALKEY_TEXT(name)};
    struct rky_valkey_reply reply = {0};
    struct rky_attempt attempt = {0};
    struct rky_error refused = {0};
    char *value = NULL;
    if (rky_valkey_command(valkey, args, sizeof(args) / sizeof(args[0]), deadline, &reply, &attempt,
                           &refused) == 0 &&
        reply.type == RKY_VALKEY_ARRAY && reply.count == 2 && reply.items[1].text != NULL)
        value = rky_strdup(reply.items[1].text);
    rky_valkey_reply_done(&reply);
    return value;
}

static void check_eviction(const char *policy, bool only_copy, struct rky_check *check)
{
    if (policy == NULL || strcmp(policy, "noeviction") == 0)
        return;
    /* State, lease and fence carry no time to live but the lease's own. */
    bool any_key = strncmp(policy, "allkeys-", 8) == 0;
    if (!any_key && !only_copy)
        return;
    rky_check_find(check, any_key && only_copy ? RKY_HEALTH_CRITICAL : RKY_HEALTH_WARNING,
                   only_copy ? "set maxmemory-policy to noeviction, or use backend \"tiered\""
                             : "set maxmemory-policy to noeviction or volatile-ttl",
                   any_key ? "Valkey evicts any key when its memory is full (maxmemory-policy %s): "
                             "states, leases and fences with it"
                           : "Valkey evicts keys with a time to live when its memory is full "
                             "(maxmemory-policy %s): leases are such keys",
                   policy);
}

void rky_valkey_settings_check(const struct rky_doctor *doctor, struct rky_check *check,
                               struct rky_deadline deadline)
{
    struct rky_valkey *valkey = rky_store_valkey(doctor->store);
    bool only_copy = doctor->cli->config->state.backend == RKY_BACKEND_VALKEY;
    char *policy = setting(valkey, "maxmemory-policy", deadline);
    char *save = setting(valkey, "save", deadline);
    char *append = setting(valkey, "appendonly", deadline);
    rky_check_detail(check, "maxmemory_policy", rky_cli_text_json(policy));
    check_eviction(policy, only_copy, check);
    if (only_copy && save != NULL && *save == '\0' && append != NULL && strcmp(append, "no") == 0)
        rky_check_find(check, RKY_HEALTH_WARNING,
                       "set appendonly yes, or use backend \"tiered\": the next run then finds its "
                       "place in the target, but history and plans are gone",
                       "Valkey keeps nothing on disk (save is empty, appendonly is no): a restart "
                       "of the server loses the state");
    rky_free(policy);
    rky_free(save);
    rky_free(append);
}
