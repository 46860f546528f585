/* SPDX-License-Identifier: Apache-2.0 */
/* One client of the S3 stand-in; see s3_wire_kit.h. */
#include "config.h"

#include "tests/conformance/s3_wire_kit.h"

#include <stdio.h>
#include <string.h>

struct wire_world wire;

#define TRANSFER_MS 30000

void wire_setup(void)
{
    char id[RKY_UUID_TEXT];
    rky_uuid_v4(id);
    (void)snprintf(wire.ns, sizeof(wire.ns), "t-%s", id);
    wire.name = (struct rky_remote_name){.kind = RKY_REMOTE_HEAD, .namespace_ = wire.ns};
}

void wire_begin(void)
{
    struct rky_clock *clock = rky_clock_real();
    rky_error_clear(&wire.err);
    wire.err.hint[0] = '\0';
    rky_remote_object_done(&wire.object);
    wire.transfer =
        (struct rky_transfer){.clock = clock, .deadline = rky_deadline_in(clock, TRANSFER_MS)};
}

void wire_open_client(const struct rky_s3_server *server,
                      const struct rky_s3_client_options *options)
{
    rky_s3_client_open(&wire.client, server, options);
}

int wire_put(const struct rky_remote_name *where, const void *body, size_t length,
             enum rky_remote_if condition, const char *base)
{
    const struct rky_remote_put what = {
        .body = body, .length = length, .condition = condition, .etag = base};
    wire_begin();
    return wire.client.remote->ops->put(wire.client.remote, where, &what, &wire.transfer, wire.etag,
                                        &wire.err);
}

int wire_create(void)
{
    return wire_put(&wire.name, "body", 4, RKY_IF_ABSENT, NULL);
}

int wire_get(void)
{
    wire_begin();
    return wire.client.remote->ops->get(wire.client.remote, &wire.name, NULL, &wire.transfer,
                                        &wire.object, &wire.err);
}

int wire_look(void)
{
    wire_begin();
    return wire.client.remote->ops->head(wire.client.remote, &wire.name, &wire.transfer,
                                         &wire.object, &wire.err);
}

int wire_list(size_t *ret_count)
{
    struct rky_remote_list found = {0};
    wire_begin();
    int rc = wire.client.remote->ops->list(wire.client.remote, RKY_REMOTE_HISTORY, wire.ns,
                                           &wire.transfer, &found, &wire.err);
    *ret_count = found.count;
    for (size_t i = 1; i < found.count; i++)
        ck_assert(strcmp(found.items[i - 1].suffix, found.items[i].suffix) < 0);
    rky_remote_list_done(&found);
    return rc;
}

void wire_expect_fault(int rc, int code, const char *error_class)
{
    ck_assert_msg(rc == code, "%s instead of %s: %s", rky_err_name(rc), rky_err_name(code),
                  wire.err.message);
    ck_assert_pstr_eq(wire.transfer.attempt.error_class, error_class);
    ck_assert_ptr_nonnull(strstr(wire.err.message, "'s3://"));
    ck_assert_ptr_null(strstr(wire.err.message, RKY_S3_SECRET_KEY));
}

void wire_expect_text(const char *text, const char *part)
{
    ck_assert_msg(strstr(text, part) != NULL, "'%s' is not in '%s'", part, text);
}

void wire_fault(const struct rky_s3_server *server, const char *text)
{
    json_decref(rky_s3_admin(server, "POST", "faults", text));
}

json_t *wire_stored(const struct rky_s3_server *server)
{
    json_t *all = rky_s3_admin(server, "GET", "objects", NULL);
    json_t *objects = json_object_get(all, "objects");
    json_t *entry = NULL, *found = NULL;
    size_t i = 0;
    json_array_foreach(objects, i, entry)
    {
        if (strstr(json_string_value(json_object_get(entry, "key")), wire.ns) != NULL)
            found = json_incref(entry);
    }
    json_decref(all);
    ck_assert_ptr_nonnull(found);
    return found;
}
