/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What all remotes share: releasing what they return, and the two calls that look at a vtable.
 */
#include "config.h"

#include "state/remote.h"

#include <string.h>

#include "common/mem.h"

void rky_remote_object_done(struct rky_remote_object *object)
{
    rky_free(object->body);
    memset(object, 0, sizeof(*object));
}

void rky_remote_list_done(struct rky_remote_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        rky_free(list->items[i].suffix);
    rky_free(list->items);
    *list = (struct rky_remote_list){0};
}

void rky_remote_free(struct rky_remote *remote)
{
    if (remote != NULL)
        remote->ops->free(remote);
}

int rky_remote_get_durable(struct rky_remote *remote, const struct rky_remote_name *name,
                           struct rky_transfer *transfer, struct rky_remote_object *ret_object,
                           struct rky_error *err)
{
    if (remote->ops->get_durable != NULL)
        return remote->ops->get_durable(remote, name, transfer, ret_object, err);
    return remote->ops->get(remote, name, NULL, transfer, ret_object, err);
}
