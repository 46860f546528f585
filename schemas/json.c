/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Measured first, then written into a buffer of that size, so that nothing has to grow.
 */
#include "config.h"

#include "schemas/json.h"

#include "common/mem.h"

char *rky_json_text(const json_t *value, size_t flags)
{
    flags |= JSON_ENCODE_ANY;
    size_t length = json_dumpb(value, NULL, 0, flags);
    char *text = length > 0 ? rky_malloc(length + 1) : NULL;
    if (text == NULL)
        return NULL;
    if (json_dumpb(value, text, length, flags) != length) {
        rky_free(text);
        return NULL;
    }
    text[length] = '\0';
    return text;
}
