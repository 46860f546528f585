/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The operations of the S3 driver. Any thread.
 *
 * One attempt each; what an answer means is s3_classify.c's business. Two things must stay true: a
 * conditional write is one request with one condition (or one completed upload with one), and an
 * object is reported absent only when S3 says that it is: never for a refusal, which a policy
 * without s3:ListBucket gives for missing objects too.
 */
#include "config.h"

#include "state/remote_s3.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "state/s3_internal.h"

#define MULTIPART_ABOVE ((int64_t)64 << 20)
#define SMALL_OBJECT_MAX ((size_t)1 << 20)
/* Header, trailer and incompressible content on top of the largest state. */
#define ENVELOPE_MAX ((size_t)RKY_SNAPSHOT_RAW_MAX + ((size_t)64 << 20))

char *rky_s3_key(const struct rky_s3 *s3, const struct rky_remote_name *name)
{
    const char *prefix = s3->options.prefix;
    const char *suffix = name->suffix != NULL ? name->suffix : "";
    switch (name->kind) {
    case RKY_REMOTE_HISTORY:
        return rky_asprintf("%s.history/%s/%s", prefix, name->namespace_, suffix);
    case RKY_REMOTE_LEASE:
        return rky_asprintf("%s.lock/%s.json", prefix, name->namespace_);
    case RKY_REMOTE_PROBE:
        return rky_asprintf("%s.probe/%s/%s", prefix, name->namespace_, suffix);
    case RKY_REMOTE_HEAD:
    default:
        return rky_asprintf("%s%s.db", prefix, name->namespace_);
    }
}

static bool is_snapshot(const struct rky_remote_name *name)
{
    return name->kind == RKY_REMOTE_HEAD || name->kind == RKY_REMOTE_HISTORY;
}

/* --- reading -----------------------------------------------------------------------------------
 */

static bool copy_etag(const struct rky_http_response *response, char ret_etag[RKY_ETAG_MAX])
{
    const char *etag = rky_http_response_header(response, "etag");
    size_t length = etag != NULL ? strlen(etag) : 0;
    if (length == 0 || length >= RKY_ETAG_MAX)
        return false;
    memcpy(ret_etag, etag, length + 1);
    return true;
}

/* Whether the answer is one to this request. Some proxies say "not modified" to a request that
 * named no version, or send a part that nobody asked for: that would be a state without its bytes.
 */
static bool answers(const struct rky_s3_request *request, long status)
{
    switch (status) {
    case 200:
        return true;
    case 206:
        return request->range != NULL;
    case 304:
        return request->if_none_match != NULL;
    default:
        return false;
    }
}

/* What the headers of a 200, 206 or 304 tell. */
static int describe(const struct rky_s3 *s3, const struct rky_s3_request *request,
                    const struct rky_http_response *response, struct rky_transfer *transfer,
                    struct rky_remote_object *ret_object, struct rky_error *err)
{
    const char *length = rky_http_response_header(response, "content-length");
    bool not_modified = response->status == 304;
    if (!answers(request, response->status))
        return rky_s3_bad_reply(s3, request, "is none to this request", transfer, err);
    if (!copy_etag(response, ret_object->etag)) {
        /* Some servers leave it out of a 304: it is the one that was asked for. */
        if (!not_modified)
            return rky_s3_bad_reply(s3, request, "has no usable ETag", transfer, err);
        strncpy(ret_object->etag, request->if_none_match, RKY_ETAG_MAX - 1);
    }
    ret_object->exists = true;
    ret_object->not_modified = not_modified;
    ret_object->has_head = rky_s3_metadata_read(response, &ret_object->head);
    ret_object->modified_us = rky_http_response_time_us(response, "last-modified");
    if (length != NULL && response->status == 200)
        ret_object->length = (size_t)strtoull(length, NULL, 10);
    return 0;
}

/* A HEAD is answered without a body, so a refusal has no reason and "no such bucket" looks like "no
 * such object". One byte of the same object gives the reason, under the same permission. */
static int ask_why(struct rky_s3 *s3, struct rky_s3_request *head, struct rky_transfer *transfer,
                   struct rky_http_response *ret_response, struct rky_error *err)
{
    head->method = "GET";
    head->range = "bytes=0-0";
    head->answer_limit = SMALL_OBJECT_MAX;
    rky_http_response_done(ret_response);
    memset(ret_response, 0, sizeof(*ret_response));
    rky_error_clear(err);
    return rky_s3_call(s3, head, transfer, ret_response, err);
}

static int s3_head(struct rky_remote *remote, const struct rky_remote_name *name,
                   struct rky_transfer *transfer, struct rky_remote_object *ret_object,
                   struct rky_error *err)
{
    struct rky_s3 *s3 = (struct rky_s3 *)remote;
    struct rky_http_response response = {0};
    char *key = rky_s3_key(s3, name);
    if (key == NULL)
        return rky_s3_nomem(transfer, err);
    struct rky_s3_request request = {
        .method = "HEAD",
        .operation = "HEAD",
        .action = "s3:GetObject",
        .key = key,
        .timeout_ms = rky_s3_timeout_ms(0),
    };
    int rc = rky_s3_call(s3, &request, transfer, &response, err);
    if (response.status == 400 || response.status == 403 || response.status == 404)
        rc = ask_why(s3, &request, transfer, &response, err);
    if (rc == 0 && response.status != 404)
        rc = describe(s3, &request, &response, transfer, ret_object, err);
    rky_http_response_done(&response);
    rky_free(key);
    return rc;
}

static int s3_get(struct rky_remote *remote, const struct rky_remote_name *name,
                  const char *if_none_match, struct rky_transfer *transfer,
                  struct rky_remote_object *ret_object, struct rky_error *err)
{
    struct rky_s3 *s3 = (struct rky_s3 *)remote;
    struct rky_http_response response = {0};
    char *key = rky_s3_key(s3, name);
    if (key == NULL)
        return rky_s3_nomem(transfer, err);
    struct rky_s3_request request = {
        .method = "GET",
        .operation = "GET",
        .action = "s3:GetObject",
        .key = key,
        .if_none_match = if_none_match,
        .answer_limit = is_snapshot(name) ? ENVELOPE_MAX : SMALL_OBJECT_MAX,
    };
    int rc = rky_s3_call(s3, &request, transfer, &response, err);
    if (rc == 0 && response.status != 404)
        rc = describe(s3, &request, &response, transfer, ret_object, err);
    if (rc == 0 && response.status == 200) {
        ret_object->body = (unsigned char *)response.body;
        ret_object->length = response.length;
        response.body = NULL;
    }
    rky_http_response_done(&response);
    rky_free(key);
    return rc;
}

/* --- writing -----------------------------------------------------------------------------------
 */

void rky_s3_condition(const struct rky_s3 *s3, const struct rky_remote_put *put,
                      struct rky_s3_request *request)
{
    if (!s3->options.conditional)
        return;
    if (put->condition == RKY_IF_ABSENT)
        request->if_none_match = "*";
    else if (put->condition == RKY_IF_ETAG)
        request->if_match = put->etag;
}

static int put_whole(struct rky_s3 *s3, const char *key, const struct rky_remote_put *put,
                     const struct rky_s3_metadata *metadata, struct rky_transfer *transfer,
                     char ret_etag[RKY_ETAG_MAX], struct rky_error *err)
{
    struct rky_http_response response = {0};
    struct rky_s3_request request = {
        .method = "PUT",
        .operation = "PUT",
        .action = "s3:PutObject",
        .key = key,
        .metadata = metadata,
        .encrypt = true,
        .timeout_ms = rky_s3_timeout_ms(put->length),
        .body = put->body,
        .length = put->length,
    };
    rky_s3_condition(s3, put, &request);
    int rc = rky_s3_call(s3, &request, transfer, &response, err);
    if (rc == 0 && !copy_etag(&response, ret_etag))
        rc = rky_s3_bad_reply(s3, &request, "has no usable ETag", transfer, err);
    rky_http_response_done(&response);
    return rc;
}

static int s3_put(struct rky_remote *remote, const struct rky_remote_name *name,
                  const struct rky_remote_put *put, struct rky_transfer *transfer,
                  char ret_etag[RKY_ETAG_MAX], struct rky_error *err)
{
    struct rky_s3 *s3 = (struct rky_s3 *)remote;
    struct rky_s3_metadata metadata;
    int64_t above = s3->options.multipart_above > 0 ? s3->options.multipart_above : MULTIPART_ABOVE;
    char *key = rky_s3_key(s3, name);
    if (key == NULL)
        return rky_s3_nomem(transfer, err);
    ret_etag[0] = '\0';
    rky_s3_metadata_write(put->head, &metadata);
    int rc = (int64_t)put->length > above
                 ? rky_s3_multipart(s3, key, put, &metadata, transfer, ret_etag, err)
                 : put_whole(s3, key, put, &metadata, transfer, ret_etag, err);
    rky_free(key);
    return rc;
}

/* Some servers delete whatever the condition says (MinIO does), so the version is looked at first:
 * what is left to them is the moment between the two requests. */
static int check_version(struct rky_remote *remote, const struct rky_remote_name *name,
                         const char *key, const char *etag, struct rky_transfer *transfer,
                         struct rky_error *err)
{
    const char *bucket = ((struct rky_s3 *)remote)->options.bucket;
    struct rky_remote_object object = {0};
    int rc = s3_head(remote, name, transfer, &object, err);
    if (rc == 0 && (!object.exists || strcmp(object.etag, etag) != 0)) {
        rc = object.exists ? RKY_ERR_CONFLICT : RKY_ERR_NOT_FOUND;
        transfer->attempt.error_class = object.exists ? "conflict" : "deleted";
        (void)rky_fail(err, (enum rky_err)rc, "DELETE of 's3://%s/%s' found %s", bucket, key,
                       object.exists ? "another version than expected" : "the object gone");
    }
    rky_remote_object_done(&object);
    return rc;
}

static int s3_remove(struct rky_remote *remote, const struct rky_remote_name *name,
                     const char *etag, struct rky_transfer *transfer, struct rky_error *err)
{
    struct rky_s3 *s3 = (struct rky_s3 *)remote;
    struct rky_http_response response = {0};
    char *key = rky_s3_key(s3, name);
    if (key == NULL)
        return rky_s3_nomem(transfer, err);
    struct rky_s3_request request = {
        .method = "DELETE",
        .operation = "DELETE",
        .action = "s3:DeleteObject",
        .key = key,
        .if_match = s3->options.conditional ? etag : NULL,
        .timeout_ms = rky_s3_timeout_ms(0),
    };
    int rc = request.if_match != NULL ? check_version(remote, name, key, etag, transfer, err) : 0;
    if (rc == 0)
        rc = rky_s3_call(s3, &request, transfer, &response, err);
    rky_http_response_done(&response);
    rky_free(key);
    return rc;
}

/* --- life --------------------------------------------------------------------------------------
 */

static char *s3_uri(struct rky_remote *remote, const struct rky_remote_name *name)
{
    struct rky_s3 *s3 = (struct rky_s3 *)remote;
    char *key = rky_s3_key(s3, name);
    char *uri = key != NULL ? rky_asprintf("s3://%s/%s", s3->options.bucket, key) : NULL;
    rky_free(key);
    return uri;
}

static void s3_free(struct rky_remote *remote)
{
    struct rky_s3 *s3 = (struct rky_s3 *)remote;
    rky_s3_site_done(&s3->site);
    (void)pthread_mutex_destroy(&s3->lock);
    rky_free(s3);
}

static const struct rky_remote_ops s3_ops = {
    .name = "s3",
    .head = s3_head,
    .get = s3_get,
    .get_durable = NULL,
    .put = s3_put,
    .remove = s3_remove,
    .list = rky_s3_list,
    .uri = s3_uri,
    .free = s3_free,
};

static int choose_region(struct rky_s3 *s3, struct rky_error *err)
{
    const char *chosen = s3->options.region;
    char *found = NULL;
    int rc = 0;
    if (chosen == NULL || chosen[0] == '\0')
        chosen = found = rky_credentials_region(s3->options.credentials);
    if (chosen == NULL || chosen[0] == '\0')
        chosen = "us-east-1";
    if (strlen(chosen) >= sizeof(s3->region) ||
        strspn(chosen, "abcdefghijklmnopqrstuvwxyz0123456789-_") != strlen(chosen))
        rc = rky_fail(err, RKY_ERR_CONFIG, "state.s3_region '%.64s' is not the name of a region",
                      chosen);
    else
        memcpy(s3->region, chosen, strlen(chosen) + 1);
    rky_free(found);
    return rc;
}

int rky_remote_s3_new(const struct rky_remote_s3_options *options, struct rky_remote **ret_remote,
                      struct rky_error *err)
{
    struct rky_s3 *s3 = rky_calloc(1, sizeof(*s3));
    if (s3 == NULL)
        return rky_fail_nomem(err);
    s3->base.ops = &s3_ops;
    s3->options = *options;
    if (s3->options.prefix == NULL)
        s3->options.prefix = "";
    int rc = choose_region(s3, err);
    if (rc == 0)
        rc = rky_s3_site_init(&s3->site, options->bucket, options->endpoint, options->path_style,
                              err);
    if (rc == 0 && pthread_mutex_init(&s3->lock, NULL) != 0) {
        rky_s3_site_done(&s3->site);
        rc = rky_fail_nomem(err);
    }
    if (rc != 0) {
        rky_free(s3);
        return rc;
    }
    *ret_remote = &s3->base;
    return 0;
}
