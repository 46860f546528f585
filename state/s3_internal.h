/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the S3 driver share, and what its tests look at. Nobody else includes it.
 *
 *   remote_s3.c    the operations of the seam
 *   s3_request.c   one signed request and what its answer means
 *   s3_address.c   URL, host and path of an object
 *   s3_classify.c  the fault table
 *   s3_explain.c   the fault in words, with the fix
 *   s3_metadata.c  the head of a snapshot as x-amz-meta-*
 *   s3_multipart.c large bodies in parts
 *   s3_list.c      what a namespace has
 *   s3_xml.c       the little XML that S3 answers with
 */
#ifndef RKY_STATE_S3_INTERNAL_H
#define RKY_STATE_S3_INTERNAL_H

#include <pthread.h>

#include "state/remote_s3.h"

/* --- XML ---------------------------------------------------------------------------------------
 */

/** Bytes not yet looked at. */
struct rky_s3_xml {
    const char *at, *end;
};
/** @brief The content of the next element of that name, wherever it is nested; the cursor goes
 *         behind it. @return false when there is none. */
bool rky_s3_xml_next(struct rky_s3_xml *cursor, const char *name, struct rky_s3_xml *ret_inside);
/** @brief Text of the first element of that name, entities replaced. @return owned; NULL when there
 *         is none, when it is no UTF-8, or when memory is out. */
char *rky_s3_xml_text(struct rky_s3_xml document, const char *name);
/** @brief The same into a fixed buffer, cut to fit; "" when there is none. */
void rky_s3_xml_copy(struct rky_s3_xml document, const char *name, char *ret_text, size_t size);
/** @brief Append text with what XML needs escaped. */
void rky_s3_xml_escape(struct rky_strbuf *buffer, const char *text);

/* --- metadata ----------------------------------------------------------------------------------
 */

enum { RKY_S3_METADATA_MAX = 10 };
/** Headers that mirror a head. Their names are constant, the texts of the head are borrowed. */
struct rky_s3_metadata {
    struct rky_http_header headers[RKY_S3_METADATA_MAX];
    size_t count;
    char generation[24], fence[24], schema_version[24], min_reader_version[24];
    char ancestors[RKY_ANCESTORS_MAX * RKY_UUID_TEXT];
};
/** @param head NULL = no headers. */
void rky_s3_metadata_write(const struct rky_snapshot_head *head, struct rky_s3_metadata *ret_meta);
/** @brief The head that the headers of an answer tell. @return false when they tell none. */
bool rky_s3_metadata_read(const struct rky_http_response *response,
                          struct rky_snapshot_head *ret_head);

/* --- where -------------------------------------------------------------------------------------
 */

/** Everything about the place that does not change. */
struct rky_s3_site {
    const char *bucket; /**< borrowed */
    bool custom;        /**< an endpoint was given; else AWS */
    bool path_style;
    bool tls;
    char *authority; /**< owned; of the endpoint: host, and port unless it is the scheme's own */
    char *base_path; /**< owned; of the endpoint, without a slash at its end */
};
/** @brief Read the endpoint and choose the style. @return 0, RKY_ERR_CONFIG or RKY_ERR_NOMEM. */
RKY_MUST_CHECK int rky_s3_site_init(struct rky_s3_site *site, const char *bucket,
                                    const char *endpoint, bool path_style, struct rky_error *err);
void rky_s3_site_done(struct rky_s3_site *site);

/** One request's place. Owned texts. */
struct rky_s3_address {
    char *url, *host, *path;
};
/** @param key NULL = the bucket. @param query encoded, NULL = none. */
RKY_MUST_CHECK int rky_s3_address_make(const struct rky_s3_site *site, const char *region,
                                       const char *key, const char *query,
                                       struct rky_s3_address *ret_address, struct rky_error *err);
void rky_s3_address_done(struct rky_s3_address *address);

/* --- the driver --------------------------------------------------------------------------------
 */

enum { RKY_S3_REGION_MAX = 64 };
struct rky_s3 {
    struct rky_remote base;
    struct rky_remote_s3_options options;
    struct rky_s3_site site;
    pthread_mutex_t lock; /**< guards what is below */
    char region[RKY_S3_REGION_MAX];
    bool region_learned;
    int64_t skew_us; /**< server's clock minus ours, as far as it matters */
};

/** One request. All borrowed. */
struct rky_s3_request {
    const char *method;    /**< of HTTP */
    const char *operation; /**< for rky_s3_classify(): "PUT", "GET", "HEAD", "DELETE", "LIST" */
    const char *action;    /**< the permission it needs: "s3:PutObject" */
    const char *key;       /**< NULL = the bucket */
    const char *query;     /**< encoded */
    const char *if_match, *if_none_match;
    const char *range;
    const struct rky_s3_metadata *metadata;
    bool encrypt;        /**< this request says how the object is encrypted */
    bool error_in_body;  /**< a 200 may carry an <Error> */
    size_t answer_limit; /**< 0 = 1 MiB */
    int64_t timeout_ms;  /**< of this request; 0 = as long as the transfer has */
    const void *body;
    size_t length;
};
/**
 * @brief Sign, send, classify into transfer->attempt. One request; renews credentials, corrects the
 *        clock and learns the region for the next one.
 * @param ret_response zeroed by the caller, released by the caller.
 * @return 0 for an answer that is no fault (look at its status), else the error.
 */
RKY_MUST_CHECK int rky_s3_call(struct rky_s3 *s3, const struct rky_s3_request *request,
                               struct rky_transfer *transfer,
                               struct rky_http_response *ret_response, struct rky_error *err);

/** What an answer that is a fault said. */
struct rky_s3_complaint {
    long status;
    char code[64];
    char message[256];
    char request_id[80];
};
/** @brief Record the fault in words. @param code of rky_s3_classify(). */
void rky_s3_explain(const struct rky_s3 *s3, const struct rky_s3_request *request,
                    const struct rky_s3_complaint *complaint, const struct rky_attempt *attempt,
                    enum rky_err code, struct rky_error *err);

/** @brief A fault that is not an answer's: memory, or a reply that lacks what it must have. */
int rky_s3_nomem(struct rky_transfer *transfer, struct rky_error *err);
int rky_s3_bad_reply(const struct rky_s3 *s3, const struct rky_s3_request *request,
                     const char *what, struct rky_transfer *transfer, struct rky_error *err);

/** @brief A time limit that grows with the body. */
int64_t rky_s3_timeout_ms(size_t length);

/** @brief put() of a large body. */
RKY_MUST_CHECK int rky_s3_multipart(struct rky_s3 *s3, const char *key,
                                    const struct rky_remote_put *put,
                                    const struct rky_s3_metadata *metadata,
                                    struct rky_transfer *transfer, char ret_etag[RKY_ETAG_MAX],
                                    struct rky_error *err);
/** @brief list() of the seam. */
RKY_MUST_CHECK int rky_s3_list(struct rky_remote *remote, enum rky_remote_kind kind,
                               const char *namespace_, struct rky_transfer *transfer,
                               struct rky_remote_list *ret_list, struct rky_error *err);

/** @brief Key of an object; without a suffix, what all keys of that kind begin with. Owned. */
char *rky_s3_key(const struct rky_s3 *s3, const struct rky_remote_name *name);
/** @brief The headers of a conditional write. */
void rky_s3_condition(const struct rky_s3 *s3, const struct rky_remote_put *put,
                      struct rky_s3_request *request);

#endif
