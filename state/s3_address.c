/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where an object is: URL, Host header and signed path, for AWS and for other endpoints, with the
 * bucket in the host's name or in the path. Pure; any thread.
 *
 * The host is written exactly as libcurl will send it, because it is signed: without the port that
 * the scheme has anyway. "Virtual hosting of buckets" and "Bucket naming rules", Amazon S3 user
 * guide.
 */
#include "config.h"

#include "state/s3_internal.h"

#include <arpa/inet.h>
#include <string.h>

#include "common/mem.h"
#include "common/sigv4.h"

/* Whether a bucket's name can be part of a host name that a certificate covers: a dot would need a
 * wildcard of two levels, which there is not. */
static bool fits_host(const char *bucket, bool tls)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-.";
    size_t length = strlen(bucket);
    if (length < 3 || length > 63 || strspn(bucket, letters) != length)
        return false;
    return !tls || strchr(bucket, '.') == NULL;
}

/* No name can stand before these. */
static bool is_address(const char *authority)
{
    char host[64];
    struct in_addr v4;
    size_t length = strcspn(authority, ":");
    if (authority[0] == '[')
        return true;
    if (length == 0 || length >= sizeof(host))
        return false;
    memcpy(host, authority, length);
    host[length] = '\0';
    return strcmp(host, "localhost") == 0 || inet_pton(AF_INET, host, &v4) == 1;
}

static int bad_endpoint(const char *what, struct rky_error *err)
{
    (void)rky_fail(err, RKY_ERR_CONFIG, "state.s3_endpoint %s", what);
    rky_error_hint(err, "write it as \"https://host\" or \"https://host:port\"");
    return RKY_ERR_CONFIG;
}

static int parse_endpoint(struct rky_s3_site *site, const char *endpoint, struct rky_error *err)
{
    site->tls = strncmp(endpoint, "https://", 8) == 0;
    if (!site->tls && strncmp(endpoint, "http://", 7) != 0)
        return bad_endpoint("begins with neither 'https://' nor 'http://'", err);
    const char *authority = endpoint + (site->tls ? 8 : 7);
    size_t length = strcspn(authority, "/?#");
    const char *path = authority + length;
    size_t path_length = strlen(path);
    if (memchr(authority, '@', length) != NULL)
        return bad_endpoint("holds a user or password, which S3 does not take there", err);
    if (strpbrk(path, "?#") != NULL)
        return bad_endpoint("holds a query", err);
    if (length == 0)
        return bad_endpoint("names no host", err);
    const char *port = site->tls ? ":443" : ":80";
    size_t port_length = strlen(port);
    if (length > port_length && memcmp(authority + length - port_length, port, port_length) == 0)
        length -= port_length;
    while (path_length > 0 && path[path_length - 1] == '/')
        path_length--;
    site->authority = rky_strndup(authority, length);
    site->base_path = rky_strndup(path, path_length);
    return site->authority == NULL || site->base_path == NULL ? rky_fail_nomem(err) : 0;
}

int rky_s3_site_init(struct rky_s3_site *site, const char *bucket, const char *endpoint,
                     bool path_style, struct rky_error *err)
{
    memset(site, 0, sizeof(*site));
    site->bucket = bucket;
    site->custom = endpoint != NULL && endpoint[0] != '\0';
    site->tls = true;
    int rc = site->custom ? parse_endpoint(site, endpoint, err) : 0;
    if (rc != 0) {
        rky_s3_site_done(site);
        return rc;
    }
    site->path_style = path_style || !fits_host(bucket, site->tls) ||
                       (site->custom && is_address(site->authority));
    return 0;
}

void rky_s3_site_done(struct rky_s3_site *site)
{
    rky_free(site->authority);
    rky_free(site->base_path);
    site->authority = site->base_path = NULL;
}

static char *make_host(const struct rky_s3_site *site, const char *region)
{
    const char *dot = site->path_style ? "" : ".";
    const char *bucket = site->path_style ? "" : site->bucket;
    if (site->custom)
        return rky_asprintf("%s%s%s", bucket, dot, site->authority);
    return rky_asprintf("%s%ss3.%s.amazonaws.com%s", bucket, dot, region,
                        strncmp(region, "cn-", 3) == 0 ? ".cn" : "");
}

static char *make_path(const struct rky_s3_site *site, const char *key)
{
    const char *base = site->custom ? site->base_path : "";
    char *bucket = rky_uri_encode(site->bucket, false);
    char *object = rky_uri_encode(key != NULL ? key : "", true);
    char *path = NULL;
    if (bucket != NULL && object != NULL && site->path_style)
        path = rky_asprintf("%s/%s%s%s", base, bucket, key != NULL ? "/" : "", object);
    else if (bucket != NULL && object != NULL)
        path = rky_asprintf("%s/%s", base, object);
    rky_free(bucket);
    rky_free(object);
    return path;
}

int rky_s3_address_make(const struct rky_s3_site *site, const char *region, const char *key,
                        const char *query, struct rky_s3_address *ret_address,
                        struct rky_error *err)
{
    bool asks = query != NULL && query[0] != '\0';
    ret_address->url = NULL;
    ret_address->host = make_host(site, region);
    ret_address->path = make_path(site, key);
    if (ret_address->host != NULL && ret_address->path != NULL)
        ret_address->url =
            rky_asprintf("%s://%s%s%s%s", site->tls ? "https" : "http", ret_address->host,
                         ret_address->path, asks ? "?" : "", asks ? query : "");
    if (ret_address->url != NULL)
        return 0;
    rky_s3_address_done(ret_address);
    return rky_fail_nomem(err);
}

void rky_s3_address_done(struct rky_s3_address *address)
{
    rky_free(address->url);
    rky_free(address->host);
    rky_free(address->path);
    memset(address, 0, sizeof(*address));
}
