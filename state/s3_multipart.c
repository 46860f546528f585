/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A large body in parts. Any thread.
 *
 * Parts cannot carry a condition; the request that completes the upload does, and decides like a
 * conditional PUT. Its answer may be 200 with an error in the body, because S3 begins to answer
 * before it knows. Whatever goes wrong, the upload is aborted: parts that nobody completes are kept
 * and paid for, and an upload that no longer exists cannot land late. "Uploading and copying
 * objects using multipart upload", Amazon S3 user guide.
 */
#include "config.h"

#include "state/s3_internal.h"

#include <string.h>

#include "common/mem.h"
#include "common/sigv4.h"

#define PART_BYTES ((size_t)16 << 20)
/* Completing copies nothing, but S3 may think about it for minutes. */
#define COMPLETE_MS ((int64_t)300 * 1000)
#define ABORT_MS ((int64_t)5 * 1000)

struct upload {
    struct rky_s3 *s3;
    const char *key;
    const struct rky_remote_put *put;
    struct rky_transfer *transfer;
    char *id;                /**< owned, encoded */
    struct rky_strbuf parts; /**< the list that completes it */
};

static int begin(struct upload *upload, const struct rky_s3_metadata *metadata,
                 struct rky_error *err)
{
    struct rky_http_response response = {0};
    struct rky_s3_request request = {
        .method = "POST",
        .operation = "PUT",
        .action = "s3:PutObject",
        .key = upload->key,
        .query = "uploads=",
        .metadata = metadata,
        .encrypt = true,
        .timeout_ms = rky_s3_timeout_ms(0),
    };
    int rc = rky_s3_call(upload->s3, &request, upload->transfer, &response, err);
    if (rc == 0) {
        struct rky_s3_xml body = {response.body, response.body + response.length};
        char *id = rky_s3_xml_text(body, "UploadId");
        if (id == NULL || id[0] == '\0')
            rc = rky_s3_bad_reply(upload->s3, &request, "has no upload id", upload->transfer, err);
        else if ((upload->id = rky_uri_encode(id, false)) == NULL)
            rc = rky_s3_nomem(upload->transfer, err);
        rky_free(id);
    }
    rky_http_response_done(&response);
    return rc;
}

static int send_part(struct upload *upload, size_t number, size_t offset, struct rky_error *err)
{
    struct rky_http_response response = {0};
    size_t left = upload->put->length - offset;
    size_t length = left < PART_BYTES ? left : PART_BYTES;
    char *query = rky_asprintf("partNumber=%zu&uploadId=%s", number, upload->id);
    if (query == NULL)
        return rky_s3_nomem(upload->transfer, err);
    struct rky_s3_request request = {
        .method = "PUT",
        .operation = "PUT",
        .action = "s3:PutObject",
        .key = upload->key,
        .query = query,
        .timeout_ms = rky_s3_timeout_ms(length),
        .body = (const char *)upload->put->body + offset,
        .length = length,
    };
    int rc = rky_s3_call(upload->s3, &request, upload->transfer, &response, err);
    if (rc == 0) {
        const char *etag = rky_http_response_header(&response, "etag");
        if (etag == NULL)
            rc = rky_s3_bad_reply(upload->s3, &request, "has no ETag", upload->transfer, err);
        rky_strbuf_addf(&upload->parts, "<Part><PartNumber>%zu</PartNumber><ETag>", number);
        rky_s3_xml_escape(&upload->parts, etag != NULL ? etag : "");
        rky_strbuf_add(&upload->parts, "</ETag></Part>");
    }
    rky_http_response_done(&response);
    rky_free(query);
    return rc;
}

/* The ETag stands in the body here. In a header it has quotes, so it gets them. */
static bool read_etag(const struct rky_http_response *response, char ret_etag[RKY_ETAG_MAX])
{
    struct rky_s3_xml body = {response->body, response->body + response->length};
    char *etag = rky_s3_xml_text(body, "ETag");
    size_t length = etag != NULL ? strlen(etag) : 0;
    bool usable = length > 0 && length + 2 < RKY_ETAG_MAX;
    if (usable) {
        bool quoted = etag[0] == '"';
        (void)snprintf(ret_etag, RKY_ETAG_MAX, quoted ? "%s" : "\"%s\"", etag);
    }
    rky_free(etag);
    return usable;
}

static int complete(struct upload *upload, char ret_etag[RKY_ETAG_MAX], struct rky_error *err)
{
    struct rky_http_response response = {0};
    char *query = rky_asprintf("uploadId=%s", upload->id);
    rky_strbuf_add(&upload->parts, "</CompleteMultipartUpload>");
    if (query == NULL || upload->parts.failed) {
        rky_free(query);
        return rky_s3_nomem(upload->transfer, err);
    }
    struct rky_s3_request request = {
        .method = "POST",
        .operation = "PUT",
        .action = "s3:PutObject",
        .key = upload->key,
        .query = query,
        .error_in_body = true,
        .timeout_ms = COMPLETE_MS,
        .body = rky_strbuf_text(&upload->parts),
        .length = upload->parts.length,
    };
    rky_s3_condition(upload->s3, upload->put, &request);
    int rc = rky_s3_call(upload->s3, &request, upload->transfer, &response, err);
    if (rc == 0 && !read_etag(&response, ret_etag))
        rc = rky_s3_bad_reply(upload->s3, &request, "has no usable ETag", upload->transfer, err);
    rky_http_response_done(&response);
    rky_free(query);
    return rc;
}

/* Best effort: what the caller is told stays as it was. */
static void abort_upload(struct upload *upload)
{
    struct rky_http_response response = {0};
    struct rky_attempt attempt = upload->transfer->attempt;
    char *query = rky_asprintf("uploadId=%s", upload->id);
    if (query == NULL)
        return;
    struct rky_s3_request request = {
        .method = "DELETE",
        .operation = "DELETE",
        .action = "s3:AbortMultipartUpload",
        .key = upload->key,
        .query = query,
        .timeout_ms = ABORT_MS,
    };
    struct rky_error ignored = {0};
    if (rky_s3_call(upload->s3, &request, upload->transfer, &response, &ignored) != 0)
        rky_log_write(upload->s3->options.log, RKY_LOG_DEBUG, NULL,
                      "an unfinished upload may be left: %s", ignored.message);
    upload->transfer->attempt = attempt;
    rky_http_response_done(&response);
    rky_free(query);
}

int rky_s3_multipart(struct rky_s3 *s3, const char *key, const struct rky_remote_put *put,
                     const struct rky_s3_metadata *metadata, struct rky_transfer *transfer,
                     char ret_etag[RKY_ETAG_MAX], struct rky_error *err)
{
    struct upload upload = {.s3 = s3, .key = key, .put = put, .transfer = transfer};
    int rc = begin(&upload, metadata, err);
    if (rc != 0)
        return rc;
    rky_strbuf_add(&upload.parts, "<CompleteMultipartUpload>");
    size_t number = 1;
    for (size_t offset = 0; rc == 0 && offset < put->length; offset += PART_BYTES)
        rc = send_part(&upload, number++, offset, err);
    if (rc == 0)
        rc = complete(&upload, ret_etag, err);
    if (rc != 0)
        abort_upload(&upload);
    rky_strbuf_done(&upload.parts);
    rky_free(upload.id);
    return rc;
}
