/* SPDX-License-Identifier: Apache-2.0 */
/* Lists of owned texts, declared in mem.h. */
#include <config.h>

#include "common/mem.h"

#include <string.h>

int rky_strings_add(struct rky_strings *strings, const char *text, struct rky_error *err)
{
    char *copy = rky_strdup(text);
    char **grown =
        copy != NULL ? rky_reallocarray(strings->items, strings->count + 1, sizeof(*strings->items))
                     : NULL;
    if (grown == NULL) {
        rky_free(copy);
        return rky_fail_nomem(err);
    }
    strings->items = grown;
    strings->items[strings->count++] = copy;
    return RKY_OK;
}

bool rky_strings_has(const struct rky_strings *strings, const char *text)
{
    for (size_t i = 0; i < strings->count; i++) {
        if (strcmp(strings->items[i], text) == 0)
            return true;
    }
    return false;
}

void rky_strings_done(struct rky_strings *strings)
{
    for (size_t i = 0; i < strings->count; i++)
        rky_free(strings->items[i]);
    rky_free(strings->items);
    *strings = (struct rky_strings){0};
}
