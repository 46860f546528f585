/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Leases in Valkey. Keys `<prefix>{<ns>}:lock` (the holder as text, with its time to live) and
 * `<prefix>{<ns>}:fence` (the greatest token handed out, for ever), channel
 * `<prefix>{<ns>}:released`. Each operation is one script, so that nothing comes between looking
 * and writing; a holder is told apart by its nonce, so that a script whose reply was lost may be
 * sent again. A failover may lose the last writes: then a token or the whole lock is forgotten,
 * which is why callers know a floor and the target checks tokens itself.
 */
#include "config.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "common/mem.h"
#include "state/lease_internal.h"
#include "state/valkey_internal.h"

/* KEYS: lock, fence; ARGV: holder without token, |nonce|, time to live, floor. */
static const char take_script[] = "local value = redis.call('GET', KEYS[1])\n"
                                  "if value then\n"
                                  "  if string.find(value, ARGV[2], 1, true) then\n"
                                  "    redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
                                  "    return {1, value, ARGV[3]}\n"
                                  "  end\n"
                                  "  return {0, value, redis.call('PTTL', KEYS[1])}\n"
                                  "end\n"
                                  "local token = redis.call('INCR', KEYS[2])\n"
                                  "if token <= tonumber(ARGV[4]) then\n"
                                  "  redis.call('SET', KEYS[2], ARGV[4])\n"
                                  "  token = redis.call('INCR', KEYS[2])\n"
                                  "end\n"
                                  "value = ARGV[1] .. string.format('%.0f', token)\n"
                                  "redis.call('SET', KEYS[1], value, 'PX', ARGV[3])\n"
                                  "return {1, value, ARGV[3]}\n";
/* KEYS: lock; ARGV: |nonce|, time to live. */
static const char renew_script[] =
    "local value = redis.call('GET', KEYS[1])\n"
    "if not value or not string.find(value, ARGV[1], 1, true) then return 0 end\n"
    "return redis.call('PEXPIRE', KEYS[1], ARGV[2])\n";
/* KEYS: lock, fence; ARGV: |nonce|, token, holder with that token. */
static const char raise_script[] =
    "local value = redis.call('GET', KEYS[1])\n"
    "if not value or not string.find(value, ARGV[1], 1, true) then return 0 end\n"
    "local fence = tonumber(redis.call('GET', KEYS[2]) or '0') or 0\n"
    "if fence < tonumber(ARGV[2]) then redis.call('SET', KEYS[2], ARGV[2]) end\n"
    "local left = redis.call('PTTL', KEYS[1])\n"
    "if left > 0 then redis.call('SET', KEYS[1], ARGV[3], 'PX', left) end\n"
    "return 1\n";
/* KEYS: lock; ARGV: |nonce| ('' = whatever is there), channel. A user without the right to publish
 * still gives back; those who wait then find out a little later. */
static const char release_script[] =
    "local value = redis.call('GET', KEYS[1])\n"
    "if not value then return 0 end\n"
    "if ARGV[1] ~= '' and not string.find(value, ARGV[1], 1, true) then return 2 end\n"
    "redis.call('DEL', KEYS[1])\n"
    "redis.pcall('PUBLISH', ARGV[2], 'released')\n"
    "return 1\n";

struct driver {
    struct rky_lease_driver base;
    struct rky_valkey *valkey; /* borrowed */
    char *prefix;
    struct rky_valkey_script take, renew, raise, release;
};

/* The names of one namespace. */
struct names {
    char *lock, *fence, *channel;
};

static struct driver *driver_of(struct rky_lease_driver *driver)
{
    return (struct driver *)driver;
}

static void names_done(struct names *names)
{
    rky_free(names->lock);
    rky_free(names->fence);
    rky_free(names->channel);
}

static int make_names(const struct driver *driver, const char *namespace_, struct names *ret_names,
                      struct rky_error *err)
{
    struct names names = {
        .lock = rky_asprintf("%s{%s}:lock", driver->prefix, namespace_),
        .fence = rky_asprintf("%s{%s}:fence", driver->prefix, namespace_),
        .channel = rky_asprintf("%s{%s}:released", driver->prefix, namespace_),
    };
    if (names.lock == NULL || names.fence == NULL || names.channel == NULL) {
        names_done(&names);
        return rky_fail_nomem(err);
    }
    *ret_names = names;
    return 0;
}

/* "|nonce|", which is found in a value of that holder and in no other. */
struct mark {
    char text[RKY_UUID_TEXT + 2];
};
static struct mark mark_of(const struct rky_lease_holder *holder)
{
    struct mark mark;
    (void)snprintf(mark.text, sizeof(mark.text), "|%s|", holder->nonce);
    return mark;
}

struct number {
    char text[24];
};
static struct number number_of(int64_t value)
{
    struct number number;
    (void)snprintf(number.text, sizeof(number.text), "%" PRId64, value);
    return number;
}

static int eval(struct driver *driver, const struct rky_valkey_script *script, size_t key_count,
                const struct rky_valkey_arg *args, size_t count, struct rky_transfer *transfer,
                struct rky_valkey_reply *ret_reply, struct rky_error *err)
{
    return rky_valkey_eval(driver->valkey, script, key_count, args, count, transfer->deadline,
                           ret_reply, &transfer->attempt, err);
}

/* Read {taken, value, left} of the script. */
static int read_take(struct driver *driver, const char *namespace_,
                     const struct rky_valkey_reply *reply, struct rky_lease_holder *holder,
                     struct rky_transfer *transfer, struct rky_lease_holder *ret_other,
                     struct rky_error *err)
{
    if (reply->type != RKY_VALKEY_ARRAY || reply->count != 3 ||
        reply->items[0].type != RKY_VALKEY_INTEGER || reply->items[1].type != RKY_VALKEY_STRING)
        return rky_valkey_fail(
            err, &transfer->attempt, RKY_ERR_CONNECTION, RKY_VALKEY_TRANSIENT("protocol"),
            "valkey '%s': a script answered oddly", rky_valkey_uri(driver->valkey));
    struct rky_lease_holder found = {.left_ms = reply->items[2].integer};
    rky_lease_parse(reply->items[1].text, &found);
    if (reply->items[0].integer == 1) {
        holder->token = found.token;
        return 0;
    }
    *ret_other = found;
    return rky_lease_held(err, &transfer->attempt, namespace_, &found);
}

static int valkey_take(struct rky_lease_driver *base, const char *namespace_,
                       struct rky_lease_holder *holder, int64_t floor, int64_t ttl_ms,
                       struct rky_transfer *transfer, struct rky_lease_holder *ret_other,
                       struct rky_error *err)
{
    struct driver *driver = driver_of(base);
    struct rky_valkey_reply reply = {0};
    struct names names = {0};
    char text[RKY_LEASE_TEXT_MAX];
    struct mark mark = mark_of(holder);
    struct number ttl = number_of(ttl_ms), least = number_of(floor);
    int rc = make_names(driver, namespace_, &names, err);
    if (rc != 0)
        return rc;
    rky_lease_text(holder, false, text);
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT(names.lock), RKY_VALKEY_TEXT(names.fence),
                                          RKY_VALKEY_TEXT(text),       RKY_VALKEY_TEXT(mark.text),
                                          RKY_VALKEY_TEXT(ttl.text),   RKY_VALKEY_TEXT(least.text)};
    rc = eval(driver, &driver->take, 2, args, 6, transfer, &reply, err);
    if (rc == 0)
        rc = read_take(driver, namespace_, &reply, holder, transfer, ret_other, err);
    rky_valkey_reply_done(&reply);
    names_done(&names);
    return rc;
}

static int valkey_renew(struct rky_lease_driver *base, const char *namespace_,
                        const struct rky_lease_holder *holder, int64_t ttl_ms,
                        struct rky_transfer *transfer, struct rky_error *err)
{
    struct driver *driver = driver_of(base);
    struct rky_valkey_reply reply = {0};
    struct names names = {0};
    struct mark mark = mark_of(holder);
    struct number ttl = number_of(ttl_ms);
    int rc = make_names(driver, namespace_, &names, err);
    if (rc != 0)
        return rc;
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT(names.lock), RKY_VALKEY_TEXT(mark.text),
                                          RKY_VALKEY_TEXT(ttl.text)};
    rc = eval(driver, &driver->renew, 1, args, 3, transfer, &reply, err);
    if (rc == 0 && reply.integer != 1)
        rc = rky_lease_gone(err, &transfer->attempt, namespace_);
    rky_valkey_reply_done(&reply);
    names_done(&names);
    return rc;
}

static int valkey_raise(struct rky_lease_driver *base, const char *namespace_,
                        const struct rky_lease_holder *holder, int64_t token,
                        struct rky_transfer *transfer, struct rky_error *err)
{
    struct driver *driver = driver_of(base);
    struct rky_valkey_reply reply = {0};
    struct names names = {0};
    struct rky_lease_holder raised = *holder;
    char text[RKY_LEASE_TEXT_MAX];
    struct mark mark = mark_of(holder);
    struct number greatest = number_of(token);
    int rc = make_names(driver, namespace_, &names, err);
    if (rc != 0)
        return rc;
    raised.token = token > holder->token ? token : holder->token;
    rky_lease_text(&raised, true, text);
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT(names.lock), RKY_VALKEY_TEXT(names.fence),
                                          RKY_VALKEY_TEXT(mark.text),
                                          RKY_VALKEY_TEXT(greatest.text), RKY_VALKEY_TEXT(text)};
    rc = eval(driver, &driver->raise, 2, args, 5, transfer, &reply, err);
    if (rc == 0 && reply.integer != 1)
        rc = rky_lease_gone(err, &transfer->attempt, namespace_);
    rky_valkey_reply_done(&reply);
    names_done(&names);
    return rc;
}

/* @param ret_verdict 0 nobody has it, 1 given back, 2 somebody else has it. */
static int give_back(struct driver *driver, const char *namespace_, const char *mark,
                     struct rky_transfer *transfer, int64_t *ret_verdict, struct rky_error *err)
{
    struct rky_valkey_reply reply = {0};
    struct names names = {0};
    int rc = make_names(driver, namespace_, &names, err);
    if (rc != 0)
        return rc;
    const struct rky_valkey_arg args[] = {
        RKY_VALKEY_TEXT(names.lock), {mark, strlen(mark)}, RKY_VALKEY_TEXT(names.channel)};
    rc = eval(driver, &driver->release, 1, args, 3, transfer, &reply, err);
    if (rc == 0)
        *ret_verdict = reply.integer;
    rky_valkey_reply_done(&reply);
    names_done(&names);
    return rc;
}

static int valkey_release(struct rky_lease_driver *base, const char *namespace_,
                          const struct rky_lease_holder *holder, struct rky_transfer *transfer,
                          struct rky_error *err)
{
    int64_t verdict = 0;
    struct mark mark = mark_of(holder);
    int rc = give_back(driver_of(base), namespace_, mark.text, transfer, &verdict, err);
    return rc == 0 && verdict != 1 ? rky_lease_gone(err, &transfer->attempt, namespace_) : rc;
}

static int valkey_break(struct rky_lease_driver *base, const char *namespace_,
                        const struct rky_lease_holder *holder, struct rky_transfer *transfer,
                        struct rky_error *err)
{
    int64_t verdict = 0;
    struct mark mark = mark_of(holder);
    /* A value that is not of our form has no nonce to compare. */
    if (holder->nonce[0] == '\0')
        mark.text[0] = '\0';
    int rc = give_back(driver_of(base), namespace_, mark.text, transfer, &verdict, err);
    return rc == 0 && verdict == 2 ? rky_lease_gone(err, &transfer->attempt, namespace_) : rc;
}

static int valkey_inspect(struct rky_lease_driver *base, const char *namespace_,
                          struct rky_transfer *transfer, struct rky_lease_holder *ret_holder,
                          struct rky_error *err)
{
    struct driver *driver = driver_of(base);
    struct rky_valkey_reply value = {0}, left = {0};
    struct names names = {0};
    int rc = make_names(driver, namespace_, &names, err);
    if (rc != 0)
        return rc;
    const struct rky_valkey_arg get[] = {RKY_VALKEY_TEXT("GET"), RKY_VALKEY_TEXT(names.lock)};
    const struct rky_valkey_arg pttl[] = {RKY_VALKEY_TEXT("PTTL"), RKY_VALKEY_TEXT(names.lock)};
    rc = rky_valkey_command(driver->valkey, get, 2, transfer->deadline, &value, &transfer->attempt,
                            err);
    if (rc == 0)
        rc = rky_valkey_command(driver->valkey, pttl, 2, transfer->deadline, &left,
                                &transfer->attempt, err);
    if (rc == 0 && value.type != RKY_VALKEY_STRING) {
        rc = RKY_ERR_NOT_FOUND;
    } else if (rc == 0) {
        ret_holder->left_ms = left.integer;
        rky_lease_parse(value.text, ret_holder);
    }
    rky_valkey_reply_done(&value);
    rky_valkey_reply_done(&left);
    names_done(&names);
    return rc;
}

/* --- waiting ---------------------------------------------------------------------------------- */

struct watch {
    struct driver *driver;
    const char *lock;
    struct rky_transfer *transfer;
};

/* Given back between the refused attempt and the subscription? That message was not heard. */
static bool is_free(void *context)
{
    const struct watch *watch = context;
    const struct rky_valkey_arg args[] = {RKY_VALKEY_TEXT("EXISTS"), RKY_VALKEY_TEXT(watch->lock)};
    struct rky_valkey_reply reply = {0};
    struct rky_attempt attempt = {0};
    int rc = rky_valkey_command(watch->driver->valkey, args, 2, watch->transfer->deadline, &reply,
                                &attempt, NULL);
    bool free_now = rc == 0 && reply.type == RKY_VALKEY_INTEGER && reply.integer == 0;
    rky_valkey_reply_done(&reply);
    return free_now;
}

static void valkey_wait(struct rky_lease_driver *base, const char *namespace_, int64_t wait_ms,
                        struct rky_transfer *transfer)
{
    struct driver *driver = driver_of(base);
    struct names names = {0};
    /* Without memory there is no message: the caller looks again at once, and fails there. */
    if (make_names(driver, namespace_, &names, NULL) != 0)
        return;
    struct watch watch = {.driver = driver, .lock = names.lock, .transfer = transfer};
    rky_valkey_listen(driver->valkey, names.channel, wait_ms, transfer->stop, is_free, &watch);
    names_done(&names);
}

static void valkey_free(struct rky_lease_driver *base)
{
    struct driver *driver = driver_of(base);
    rky_free(driver->prefix);
    rky_free(driver);
}

static const struct rky_lease_ops valkey_ops = {
    .name = "valkey",
    .take = valkey_take,
    .renew = valkey_renew,
    .raise = valkey_raise,
    .release = valkey_release,
    .inspect = valkey_inspect,
    .break_ = valkey_break,
    .wait = valkey_wait,
    .free = valkey_free,
};

int rky_lease_valkey_new(struct rky_valkey *valkey, const char *prefix, struct rky_clock *clock,
                         struct rky_lease_driver **ret_driver, struct rky_error *err)
{
    (void)clock; /* the server's clock counts */
    struct driver *driver = rky_calloc(1, sizeof(*driver));
    if (driver == NULL)
        return rky_fail_nomem(err);
    driver->base.ops = &valkey_ops;
    driver->valkey = valkey;
    driver->prefix = rky_strdup(prefix != NULL ? prefix : "");
    if (driver->prefix == NULL) {
        rky_free(driver);
        return rky_fail_nomem(err);
    }
    rky_valkey_script_init(&driver->take, take_script);
    rky_valkey_script_init(&driver->renew, renew_script);
    rky_valkey_script_init(&driver->raise, raise_script);
    rky_valkey_script_init(&driver->release, release_script);
    *ret_driver = &driver->base;
    return 0;
}
