/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guard of a leg around a driver: each call of the seam becomes attempts of rky_guard_run().
 * Writes go through remote_commit.c, which knows what a lost reply means. The driver's verdict on
 * an attempt comes in the transfer and is handed to the guard. No policy here; any thread.
 */
#include "config.h"

#include "state/remote_commit.h"

#include "common/mem.h"

struct guarded {
    struct rky_remote base;
    struct rky_remote *inner;
    struct rky_leg *leg;
};

/* One call of the seam as the guard's attempts see it; each uses its own part. */
struct call {
    struct guarded *guarded;
    const struct rky_remote_name *name;
    const char *etag; /* if_none_match of get(), condition of remove() */
    struct rky_remote_object *ret_object;
    enum rky_remote_kind kind;
    const char *namespace_;
    struct rky_remote_list *ret_list;
};

/* Before and after an attempt: the driver leaves its verdict in the transfer, the guard wants it as
 * an argument. */
static int classified(int rc, struct rky_transfer *transfer, struct rky_attempt *ret_attempt)
{
    if (rc != 0)
        *ret_attempt = transfer->attempt;
    return rc;
}

static int run(struct call *call, struct rky_transfer *transfer, rky_attempt_fn *fn,
               struct rky_error *err)
{
    return rky_guard_run(call->guarded->leg, transfer, -1, fn, call, err);
}

/* --- reads, lists, removal --------------------------------------------------------------------
 */

static int attempt_head(void *context, int64_t number, struct rky_transfer *transfer,
                        struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct call *call = context;
    struct rky_remote *inner = call->guarded->inner;
    (void)number;
    transfer->attempt = (struct rky_attempt){0};
    return classified(inner->ops->head(inner, call->name, transfer, call->ret_object, err),
                      transfer, ret_attempt);
}

static int attempt_get(void *context, int64_t number, struct rky_transfer *transfer,
                       struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct call *call = context;
    struct rky_remote *inner = call->guarded->inner;
    (void)number;
    transfer->attempt = (struct rky_attempt){0};
    return classified(
        inner->ops->get(inner, call->name, call->etag, transfer, call->ret_object, err), transfer,
        ret_attempt);
}

static int attempt_list(void *context, int64_t number, struct rky_transfer *transfer,
                        struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct call *call = context;
    struct rky_remote *inner = call->guarded->inner;
    (void)number;
    transfer->attempt = (struct rky_attempt){0};
    return classified(
        inner->ops->list(inner, call->kind, call->namespace_, transfer, call->ret_list, err),
        transfer, ret_attempt);
}

static int attempt_remove(void *context, int64_t number, struct rky_transfer *transfer,
                          struct rky_attempt *ret_attempt, struct rky_error *err)
{
    struct call *call = context;
    struct rky_remote *inner = call->guarded->inner;
    struct rky_error failure = {0};
    transfer->attempt = (struct rky_attempt){0};
    int rc = inner->ops->remove(inner, call->name, call->etag, transfer, &failure);
    /* Gone after an attempt whose reply was lost: that is what was asked for. */
    if (rc == RKY_ERR_NOT_FOUND && number > 1)
        return 0;
    if (rc != 0 && err != NULL)
        *err = failure;
    return classified(rc, transfer, ret_attempt);
}

static int guarded_head(struct rky_remote *remote, const struct rky_remote_name *name,
                        struct rky_transfer *transfer, struct rky_remote_object *ret_object,
                        struct rky_error *err)
{
    struct call call = {
        .guarded = (struct guarded *)remote, .name = name, .ret_object = ret_object};
    return run(&call, transfer, attempt_head, err);
}

static int guarded_get(struct rky_remote *remote, const struct rky_remote_name *name,
                       const char *if_none_match, struct rky_transfer *transfer,
                       struct rky_remote_object *ret_object, struct rky_error *err)
{
    struct call call = {.guarded = (struct guarded *)remote,
                        .name = name,
                        .etag = if_none_match,
                        .ret_object = ret_object};
    int rc = run(&call, transfer, attempt_get, err);
    if (rc == 0 && ret_object->body != NULL)
        rky_transfer_add_bytes(transfer, call.guarded->leg->name, (int64_t)ret_object->length);
    return rc;
}

static int guarded_remove(struct rky_remote *remote, const struct rky_remote_name *name,
                          const char *etag, struct rky_transfer *transfer, struct rky_error *err)
{
    struct call call = {.guarded = (struct guarded *)remote, .name = name, .etag = etag};
    return run(&call, transfer, attempt_remove, err);
}

static int guarded_list(struct rky_remote *remote, enum rky_remote_kind kind,
                        const char *namespace_, struct rky_transfer *transfer,
                        struct rky_remote_list *ret_list, struct rky_error *err)
{
    struct call call = {.guarded = (struct guarded *)remote,
                        .kind = kind,
                        .namespace_ = namespace_,
                        .ret_list = ret_list};
    return run(&call, transfer, attempt_list, err);
}

static int guarded_put(struct rky_remote *remote, const struct rky_remote_name *name,
                       const struct rky_remote_put *put, struct rky_transfer *transfer,
                       char ret_etag[RKY_ETAG_MAX], struct rky_error *err)
{
    struct guarded *guarded = (struct guarded *)remote;
    int rc = rky_remote_commit(guarded->inner, guarded->leg, name, put, transfer, ret_etag, err);
    if (rc == 0)
        rky_transfer_add_bytes(transfer, guarded->leg->name, (int64_t)put->length);
    return rc;
}

static char *guarded_uri(struct rky_remote *remote, const struct rky_remote_name *name)
{
    struct rky_remote *inner = ((struct guarded *)remote)->inner;
    return inner->ops->uri(inner, name);
}

static void guarded_free(struct rky_remote *remote)
{
    rky_remote_free(((struct guarded *)remote)->inner);
    rky_free(remote);
}

static const struct rky_remote_ops guarded_ops = {
    .name = "guarded",
    .head = guarded_head,
    .get = guarded_get,
    .put = guarded_put,
    .remove = guarded_remove,
    .list = guarded_list,
    .uri = guarded_uri,
    .free = guarded_free,
};

int rky_remote_guarded(struct rky_remote *inner, struct rky_leg *leg,
                       struct rky_remote **ret_remote, struct rky_error *err)
{
    struct guarded *guarded = rky_calloc(1, sizeof(*guarded));
    if (guarded == NULL) {
        rky_remote_free(inner);
        return rky_fail_nomem(err);
    }
    guarded->base.ops = &guarded_ops;
    guarded->inner = inner;
    guarded->leg = leg;
    *ret_remote = &guarded->base;
    return 0;
}
