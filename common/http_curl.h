/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libcurl's functions, found at run time. Linking the library costs every command 8 ms at its
 * start, also those that never talk HTTP, so it is loaded when the first client is made and stays
 * loaded for the life of the process: unloading a library that has started threads is not safe.
 * Only common/http*.c include this.
 */
#ifndef RKY_COMMON_HTTP_CURL_H
#define RKY_COMMON_HTTP_CURL_H

#define CURL_DISABLE_TYPECHECK
#include <curl/curl.h>

#include "common/error.h"

#define RKY_CURL_LIBRARY "libcurl.so.4"

struct rky_curl {
    __typeof__(curl_global_init) *global_init;
    __typeof__(curl_global_cleanup) *global_cleanup;
    __typeof__(curl_easy_init) *easy_init;
    __typeof__(curl_easy_cleanup) *easy_cleanup;
    __typeof__(curl_easy_reset) *easy_reset;
    __typeof__(curl_easy_setopt) *easy_setopt;
    __typeof__(curl_easy_perform) *easy_perform;
    __typeof__(curl_easy_getinfo) *easy_getinfo;
    __typeof__(curl_easy_strerror) *easy_strerror;
    __typeof__(curl_slist_append) *slist_append;
    __typeof__(curl_slist_free_all) *slist_free_all;
};

/** @brief Load the library and find every function. @param library file name, RKY_CURL_LIBRARY but
 *         in tests. @return 0 or RKY_ERR_CONFIG naming the package to install. */
RKY_MUST_CHECK int rky_curl_load(const char *library, struct rky_curl *ret_curl,
                                 struct rky_error *err);

#endif
