/* SPDX-License-Identifier: Apache-2.0 */
/* Finding libcurl's functions at run time. Any thread; no state of its own. */
#include "config.h"

#include "common/http_curl.h"

#include <dlfcn.h>
#include <stddef.h>
#include <string.h>

static const struct {
    const char *name;
    size_t offset;
} functions[] = {
    {"curl_global_init", offsetof(struct rky_curl, global_init)},
    {"curl_global_cleanup", offsetof(struct rky_curl, global_cleanup)},
    {"curl_easy_init", offsetof(struct rky_curl, easy_init)},
    {"curl_easy_cleanup", offsetof(struct rky_curl, easy_cleanup)},
    {"curl_easy_reset", offsetof(struct rky_curl, easy_reset)},
    {"curl_easy_setopt", offsetof(struct rky_curl, easy_setopt)},
    {"curl_easy_perform", offsetof(struct rky_curl, easy_perform)},
    {"curl_easy_getinfo", offsetof(struct rky_curl, easy_getinfo)},
    {"curl_easy_strerror", offsetof(struct rky_curl, easy_strerror)},
    {"curl_slist_append", offsetof(struct rky_curl, slist_append)},
    {"curl_slist_free_all", offsetof(struct rky_curl, slist_free_all)},
};

static int refuse(const char *library, struct rky_error *err)
{
    const char *reason = dlerror();
    int rc = rky_fail(err, RKY_ERR_CONFIG, "cannot load '%s': %s", library,
                      reason != NULL ? reason : "unknown reason");
    rky_error_hint(err, "install the package libcurl4 (version 7.88 or later)");
    return rc;
}

int rky_curl_load(const char *library, struct rky_curl *ret_curl, struct rky_error *err)
{
    struct rky_curl curl = {0};
    /* Never closed again: loading a second time only counts. */
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (handle == NULL)
        return refuse(library, err);
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        void *found = dlsym(handle, functions[i].name);
        if (found == NULL)
            return refuse(library, err);
        /* POSIX lets an object pointer from dlsym() hold a function; C has no cast for it. */
        memcpy((char *)&curl + functions[i].offset, &found, sizeof(found));
    }
    *ret_curl = curl;
    return 0;
}
