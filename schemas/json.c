/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Written into a buffer on the stack where it fits, which most results and events do; else measured
 * by that and written again into memory of that size. So nothing has to grow.
 */
#include "config.h"

#include "schemas/json.h"

#include <string.h>

#include "common/mem.h"

/* A result without tables takes about 800 bytes, one with a table about 1,300. */
enum { SHORT_TEXT = 2048 };

char *rky_json_text(const json_t *value, size_t flags)
{
    char small[SHORT_TEXT];
    flags |= JSON_ENCODE_ANY;
    size_t length = json_dumpb(value, small, sizeof(small), flags);
    char *text = length > 0 ? rky_malloc(length + 1) : NULL;
    if (text == NULL)
        return NULL;
    if (length <= sizeof(small)) {
        memcpy(text, small, length);
    } else if (json_dumpb(value, text, length, flags) != length) {
        rky_free(text);
        return NULL;
    }
    text[length] = '\0';
    return text;
}
