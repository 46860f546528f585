/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Printing a shape as JSON Schema 2020-12. Only keywords that every validator asserts are used:
 * `pattern` instead of `format`, no look-around, shared parts written out instead of referenced,
 * so that each file stands alone.
 *
 * Many dialects let `$` match before a final line break, which is why a pattern comes with a `not`
 * for it. That `not` says `type: string` because a bare `not: {pattern}` would refuse null.
 */
#include "config.h"

#include <math.h>
#include <string.h>

#include "common/mem.h"
#include "schemas/shape.h"
#include "schemas/shape_format.h"

#define DIALECT "https://json-schema.org/draft/2020-12/schema"
#define ID_PREFIX "urn:rocky-workers:schema:"

static json_t *schema_of(const struct rky_shape *shape, bool nullable, const char *description);

/* Adds and takes @p value; false when memory is out, also when @p value is NULL for that reason. */
static bool put(json_t *object, const char *name, json_t *value)
{
    return json_object_set_new(object, name, value) == 0;
}

static const char *keyword_type(enum rky_shape_type type)
{
    switch (type) {
    case RKY_SHAPE_STRING:
    case RKY_SHAPE_STRINGS:
        return "string";
    case RKY_SHAPE_INTEGER:
        return "integer";
    case RKY_SHAPE_NUMBER:
        return "number";
    case RKY_SHAPE_BOOL:
        return "boolean";
    case RKY_SHAPE_OBJECT:
        return "object";
    case RKY_SHAPE_ARRAY:
        return "array";
    case RKY_SHAPE_ANY:
    case RKY_SHAPE_FORBIDDEN:
        break;
    }
    return NULL;
}

static bool put_type(json_t *schema, const struct rky_shape *shape, bool nullable)
{
    const char *type = keyword_type(shape->type);
    bool strings = shape->type == RKY_SHAPE_STRINGS;
    if (!strings && !nullable)
        return put(schema, "type", json_string(type));
    json_t *types = json_array();
    bool ok = types != NULL && json_array_append_new(types, json_string(type)) == 0;
    if (ok && strings)
        ok = json_array_append_new(types, json_string("array")) == 0;
    if (ok && nullable)
        ok = json_array_append_new(types, json_string("null")) == 0;
    if (!ok) {
        json_decref(types);
        return false;
    }
    return put(schema, "type", types);
}

static bool put_choices(json_t *schema, const struct rky_shape *shape, bool nullable)
{
    json_t *choices = json_array();
    bool ok = choices != NULL;
    for (const char *const *choice = shape->choices; ok && *choice != NULL; choice++)
        ok = json_array_append_new(choices, json_string(*choice)) == 0;
    if (ok && nullable)
        ok = json_array_append_new(choices, json_null()) == 0;
    if (!ok) {
        json_decref(choices);
        return false;
    }
    return put(schema, "enum", choices);
}

/* {"not": {"type": "string", "pattern": ...}} */
static bool put_without(json_t *schema, const char *pattern)
{
    json_t *not = json_object();
    if (not == NULL || !put(not, "type", json_string("string")) ||
        !put(not, "pattern", json_string(pattern))) {
        json_decref(not );
        return false;
    }
    return put(schema, "not", not );
}

static bool put_format(json_t *schema, const struct rky_format *format)
{
    bool ok = true;
    char *pattern = NULL;
    if (format->parts != NULL) {
        pattern = rky_format_pattern(format);
        ok = pattern != NULL && put(schema, "pattern", json_string(pattern)) &&
             put_without(schema, "\\n");
    }
    if (ok && format->max_length > 0)
        ok = put(schema, "minLength", json_integer((json_int_t)format->min_length)) &&
             put(schema, "maxLength", json_integer((json_int_t)format->max_length));
    if (ok && format->without != NULL) {
        rky_free(pattern);
        pattern = rky_asprintf("[%s]", format->without);
        ok = pattern != NULL && put_without(schema, pattern);
    }
    rky_free(pattern);
    return ok;
}

static bool put_string(json_t *schema, const struct rky_shape *shape, bool nullable)
{
    if (shape->choices != NULL)
        return put_choices(schema, shape, nullable);
    if (shape->max_length > 0 &&
        !put(schema, "maxLength", json_integer((json_int_t)shape->max_length)))
        return false;
    return shape->format == NULL || put_format(schema, rky_format_find(shape->format));
}

/* Whole bounds as integers, so that they are printed without an exponent. */
static bool put_bound(json_t *schema, const char *name, double bound)
{
    return put(schema, name,
               floor(bound) == bound ? json_integer((json_int_t)bound) : json_real(bound));
}

static bool put_fields(json_t *schema, const struct rky_shape *shape)
{
    json_t *properties = json_object();
    json_t *required = json_array();
    bool ok = properties != NULL && required != NULL;
    for (const struct rky_shape_field *field = shape->fields;
         ok && field != NULL && field->name != NULL; field++) {
        json_t *property = schema_of(field->shape, field->nullable, field->description);
        ok = put(properties, field->name, property);
        if (ok && field->required)
            ok = json_array_append_new(required, json_string(field->name)) == 0;
    }
    ok = ok && json_object_set(schema, "properties", properties) == 0 &&
         json_object_set(schema, "required", required) == 0;
    json_decref(properties);
    json_decref(required);
    return ok;
}

static bool put_map(json_t *schema, const struct rky_shape *shape)
{
    if (shape->key_format != NULL) {
        json_t *names = json_object();
        if (names == NULL || !put_format(names, rky_format_find(shape->key_format))) {
            json_decref(names);
            return false;
        }
        if (!put(schema, "propertyNames", names))
            return false;
    }
    if (shape->max_length > 0 &&
        !put(schema, "maxProperties", json_integer((json_int_t)shape->max_length)))
        return false;
    return put(schema, "additionalProperties", schema_of(shape->of, shape->of_nullable, NULL));
}

static bool put_keywords(json_t *schema, const struct rky_shape *shape, bool nullable)
{
    static const struct rky_shape string = {.type = RKY_SHAPE_STRING};
    switch (shape->type) {
    case RKY_SHAPE_STRING:
        return put_string(schema, shape, nullable);
    case RKY_SHAPE_STRINGS:
        return put(schema, "items", schema_of(&string, false, NULL));
    case RKY_SHAPE_INTEGER:
    case RKY_SHAPE_NUMBER:
        if (shape->minimum >= 0 && shape->maximum <= 0)
            return true;
        return put_bound(schema, "minimum", shape->minimum) &&
               put_bound(schema, "maximum", shape->maximum);
    case RKY_SHAPE_OBJECT:
        return shape->of != NULL ? put_map(schema, shape) : put_fields(schema, shape);
    case RKY_SHAPE_ARRAY:
        if (shape->max_length > 0 &&
            !put(schema, "maxItems", json_integer((json_int_t)shape->max_length)))
            return false;
        return put(schema, "items", schema_of(shape->of, shape->of_nullable, NULL));
    case RKY_SHAPE_BOOL:
    case RKY_SHAPE_ANY:
    case RKY_SHAPE_FORBIDDEN:
        break;
    }
    return true;
}

static json_t *schema_of(const struct rky_shape *shape, bool nullable, const char *description)
{
    if (shape->type == RKY_SHAPE_FORBIDDEN)
        return json_false();
    if (description == NULL)
        description = shape->description;
    json_t *schema = json_object();
    if (schema == NULL ||
        (description != NULL && !put(schema, "description", json_string(description))) ||
        (shape->type != RKY_SHAPE_ANY && !put_type(schema, shape, nullable)) ||
        !put_keywords(schema, shape, nullable)) {
        json_decref(schema);
        return NULL;
    }
    return schema;
}

json_t *rky_shape_schema(const struct rky_published_shape *published)
{
    char *id = rky_asprintf(ID_PREFIX "%s:1", published->name);
    json_t *body = schema_of(published->shape, false, NULL);
    json_t *schema = json_object();
    bool ok = id != NULL && body != NULL && schema != NULL &&
              put(schema, "$schema", json_string(DIALECT)) && put(schema, "$id", json_string(id)) &&
              put(schema, "title", json_string(published->shape->title)) &&
              json_object_update(schema, body) == 0;
    json_decref(body);
    rky_free(id);
    if (!ok) {
        json_decref(schema);
        return NULL;
    }
    return schema;
}
