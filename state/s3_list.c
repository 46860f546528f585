/* SPDX-License-Identifier: Apache-2.0 */
/*
 * All objects of a namespace below one prefix, page by page (ListObjectsV2). Any thread.
 *
 * The list is complete or there is none: a page that breaks off, or that leads back to itself, is
 * an error. "ListObjectsV2", Amazon S3 API reference.
 */
#include "config.h"

#include "state/s3_internal.h"

#include <stdlib.h>
#include <string.h>

#include "common/mem.h"
#include "common/sigv4.h"

#define LIST_MAX 1000000
#define PAGE_MAX ((size_t)8 << 20)

struct listing {
    struct rky_s3 *s3;
    char *prefix;       /**< owned; keys begin with it, suffixes are the rest */
    char *continuation; /**< owned; NULL = first page */
    bool more;
    struct rky_remote_list list;
    size_t capacity;
};

/* Keys that others put below the prefix are shown as they are; a "folder" of a console is none.
 * @return 0, RKY_ERR_NOMEM or RKY_ERR_DECODE. */
static int add_entry(struct listing *listing, struct rky_s3_xml contents)
{
    char size[24], modified[RKY_TIME_TEXT_MAX];
    size_t prefix = strlen(listing->prefix);
    char *key = rky_s3_xml_text(contents, "Key");
    bool foreign = key != NULL && strncmp(key, listing->prefix, prefix) != 0;
    int rc = 0;
    if (key == NULL || foreign || listing->list.count == LIST_MAX)
        rc = RKY_ERR_DECODE;
    if (rc != 0 || key[prefix] == '\0')
        goto out;
    rc = rky_array_reserve(&listing->list.items, &listing->capacity, listing->list.count + 1,
                           sizeof(listing->list.items[0]), NULL);
    if (rc != 0)
        goto out;
    struct rky_remote_entry *entry = &listing->list.items[listing->list.count];
    rky_s3_xml_copy(contents, "Size", size, sizeof(size));
    rky_s3_xml_copy(contents, "LastModified", modified, sizeof(modified));
    *entry = (struct rky_remote_entry){.suffix = rky_strdup(key + prefix),
                                       .size = (int64_t)strtoll(size, NULL, 10)};
    if (rky_time_parse(modified, &entry->modified_us) != 0)
        entry->modified_us = 0;
    if (entry->suffix != NULL)
        listing->list.count++;
    else
        rc = RKY_ERR_NOMEM;
out:
    rky_free(key);
    return rc;
}

/* The page must say whether there are more, and then how to go on, and not in circles. */
static int read_page(struct listing *listing, const struct rky_http_response *response)
{
    struct rky_s3_xml document = {response->body, response->body + response->length};
    struct rky_s3_xml page, rest, contents;
    char truncated[8];
    int rc = 0;
    if (!rky_s3_xml_next(&document, "ListBucketResult", &page))
        return RKY_ERR_DECODE;
    rest = page;
    while (rc == 0 && rky_s3_xml_next(&rest, "Contents", &contents))
        rc = add_entry(listing, contents);
    rky_s3_xml_copy(page, "IsTruncated", truncated, sizeof(truncated));
    listing->more = strcmp(truncated, "true") == 0;
    char *next = listing->more ? rky_s3_xml_text(page, "NextContinuationToken") : NULL;
    bool circle =
        next != NULL && listing->continuation != NULL && strcmp(next, listing->continuation) == 0;
    if (rc == 0 && (circle || (listing->more ? next == NULL : strcmp(truncated, "false") != 0)))
        rc = RKY_ERR_DECODE;
    rky_free(listing->continuation);
    listing->continuation = next;
    return rc;
}

static char *page_query(const struct listing *listing)
{
    char *prefix = rky_uri_encode(listing->prefix, false);
    char *token = listing->continuation != NULL ? rky_uri_encode(listing->continuation, false)
                                                : rky_strdup("");
    char *query = NULL;
    if (prefix != NULL && token != NULL)
        query = rky_asprintf("list-type=2&prefix=%s%s%s", prefix,
                             token[0] != '\0' ? "&continuation-token=" : "", token);
    rky_free(prefix);
    rky_free(token);
    return query;
}

static int get_page(struct listing *listing, struct rky_transfer *transfer, struct rky_error *err)
{
    struct rky_http_response response = {0};
    char *query = page_query(listing);
    if (query == NULL)
        return rky_s3_nomem(transfer, err);
    struct rky_s3_request request = {
        .method = "GET",
        .operation = "LIST",
        .action = "s3:ListBucket",
        .query = query,
        .answer_limit = PAGE_MAX,
        .timeout_ms = rky_s3_timeout_ms(0),
    };
    int rc = rky_s3_call(listing->s3, &request, transfer, &response, err);
    if (rc == 0) {
        rc = read_page(listing, &response);
        if (rc == RKY_ERR_NOMEM)
            rc = rky_s3_nomem(transfer, err);
        else if (rc != 0)
            rc = rky_s3_bad_reply(listing->s3, &request, "is no whole listing", transfer, err);
    }
    rky_http_response_done(&response);
    rky_free(query);
    return rc;
}

static int by_suffix(const void *a, const void *b)
{
    const struct rky_remote_entry *left = a, *right = b;
    return strcmp(left->suffix, right->suffix);
}

int rky_s3_list(struct rky_remote *remote, enum rky_remote_kind kind, const char *namespace_,
                struct rky_transfer *transfer, struct rky_remote_list *ret_list,
                struct rky_error *err)
{
    struct rky_remote_name name = {kind, namespace_, NULL};
    struct listing listing = {.s3 = (struct rky_s3 *)remote, .more = true};
    listing.prefix = rky_s3_key(listing.s3, &name);
    int rc = listing.prefix == NULL ? rky_s3_nomem(transfer, err) : 0;
    while (rc == 0 && listing.more)
        rc = get_page(&listing, transfer, err);
    if (rc == 0) {
        if (listing.list.count > 1)
            qsort(listing.list.items, listing.list.count, sizeof(listing.list.items[0]), by_suffix);
        *ret_list = listing.list;
    } else {
        rky_remote_list_done(&listing.list);
    }
    rky_free(listing.prefix);
    rky_free(listing.continuation);
    return rc;
}
