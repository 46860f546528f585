/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Checking JSON against a shape. Unknown fields are ignored, so that a newer minor version of the
 * other side is understood; everything that the shape names must be as it says. What is accepted
 * is exactly what the printed schema (shape_schema.c) accepts.
 *
 * Recursion is bounded by the tables, which have no cycles, not by the value. Text from the value
 * goes into messages only cut and with everything but printable ASCII replaced.
 */
#include "config.h"

#include "schemas/shape.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "schemas/shape_format.h"

/* Where we are, innermost first; rendered as a JSON pointer only when something is wrong. */
struct place {
    const struct place *parent;
    const char *name; /* NULL = an array's index */
    size_t index;
};

#define POINTER_MAX 256
#define FOUND_MAX 48

static void add_char(char *text, size_t size, size_t *length, char c)
{
    if (*length + 1 < size) {
        text[(*length)++] = c;
        text[*length] = '\0';
    }
}

static void add_escaped(char *text, size_t size, size_t *length, const char *raw)
{
    for (; *raw != '\0'; raw++) {
        if (*raw == '~' || *raw == '/') {
            add_char(text, size, length, '~');
            add_char(text, size, length, *raw == '~' ? '0' : '1');
        } else {
            add_char(text, size, length, *raw >= 0x20 && *raw < 0x7f ? *raw : '?');
        }
    }
}

static void add_place(char *text, size_t size, size_t *length, const struct place *place)
{
    if (place == NULL)
        return;
    add_place(text, size, length, place->parent);
    add_char(text, size, length, '/');
    if (place->name != NULL) {
        add_escaped(text, size, length, place->name);
    } else {
        char digits[24];
        (void)snprintf(digits, sizeof(digits), "%zu", place->index);
        add_escaped(text, size, length, digits);
    }
}

static void point_at(const struct place *place, char ret_pointer[POINTER_MAX])
{
    size_t length = 0;
    ret_pointer[0] = '\0';
    add_place(ret_pointer, POINTER_MAX, &length, place);
}

static void describe_string(const json_t *value, char text[FOUND_MAX])
{
    size_t length = 0;
    text[0] = '\0';
    add_char(text, FOUND_MAX, &length, '\'');
    for (const char *raw = json_string_value(value); *raw != '\0' && length < FOUND_MAX - 5; raw++)
        add_char(text, FOUND_MAX, &length, *raw >= 0x20 && *raw < 0x7f ? *raw : '?');
    if (length == FOUND_MAX - 5) {
        for (int i = 0; i < 3; i++)
            add_char(text, FOUND_MAX, &length, '.');
    }
    add_char(text, FOUND_MAX, &length, '\'');
}

/* A short value is shown, of an object or array only that it is one. */
static void describe(const json_t *value, char text[FOUND_MAX])
{
    const char *plain = "nothing";
    switch (json_typeof(value)) {
    case JSON_STRING:
        describe_string(value, text);
        return;
    case JSON_INTEGER:
        (void)snprintf(text, FOUND_MAX, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        return;
    case JSON_REAL:
        (void)snprintf(text, FOUND_MAX, "%.15g", json_real_value(value));
        return;
    case JSON_OBJECT:
        plain = "an object";
        break;
    case JSON_ARRAY:
        plain = "an array";
        break;
    case JSON_TRUE:
        plain = "true";
        break;
    case JSON_FALSE:
        plain = "false";
        break;
    case JSON_NULL:
        plain = "null";
        break;
    }
    (void)snprintf(text, FOUND_MAX, "%s", plain);
}

static int wrong(const struct place *place, const char *expected, const json_t *value,
                 struct rky_error *err)
{
    char pointer[POINTER_MAX];
    char found[FOUND_MAX] = "nothing";
    point_at(place, pointer);
    if (value != NULL)
        describe(value, found);
    return rky_fail(err, RKY_ERR_DECODE, "at '%s': expected %s, found %s", pointer, expected,
                    found);
}

/* Whatever stands there, it may be a secret. */
static int unwanted(const struct place *place, struct rky_error *err)
{
    char pointer[POINTER_MAX];
    point_at(place, pointer);
    return rky_fail(err, RKY_ERR_DECODE, "at '%s': this field is not allowed here", pointer);
}

static int too_many(const struct place *place, size_t most, size_t count, const char *what,
                    struct rky_error *err)
{
    char pointer[POINTER_MAX];
    point_at(place, pointer);
    return rky_fail(err, RKY_ERR_DECODE, "at '%s': expected at most %zu %s, found %zu", pointer,
                    most, what, count);
}

/* JSON Schema counts 1.0 as an integer, and so do we. */
static bool is_integer(const json_t *value)
{
    return json_is_integer(value) ||
           (json_is_real(value) && floor(json_real_value(value)) == json_real_value(value));
}

static int check_number(const struct rky_shape *shape, const json_t *value,
                        const struct place *place, struct rky_error *err)
{
    bool integer = shape->type == RKY_SHAPE_INTEGER;
    if (integer ? !is_integer(value) : !json_is_number(value))
        return wrong(place, integer ? "an integer" : "a number", value, err);
    double number = json_number_value(value);
    bool bounded = shape->minimum < 0 || shape->maximum > 0;
    if (bounded && (number < shape->minimum || number > shape->maximum)) {
        char expected[80];
        (void)snprintf(expected, sizeof(expected), "%s from %.0f to %.0f",
                       integer ? "an integer" : "a number", shape->minimum, shape->maximum);
        return wrong(place, expected, value, err);
    }
    return 0;
}

static int wrong_choice(const struct rky_shape *shape, const json_t *value,
                        const struct place *place, struct rky_error *err)
{
    char expected[320] = "";
    size_t length = 0;
    const char *separator = "one of ";
    for (const char *const *choice = shape->choices; *choice != NULL; choice++) {
        int more =
            snprintf(expected + length, sizeof(expected) - length, "%s'%s'", separator, *choice);
        if (more < 0 || (size_t)more >= sizeof(expected) - length)
            break;
        length += (size_t)more;
        separator = ", ";
    }
    return wrong(place, expected, value, err);
}

static int check_string(const struct rky_shape *shape, const json_t *value,
                        const struct place *place, struct rky_error *err)
{
    if (!json_is_string(value))
        return wrong(place, "a string", value, err);
    const char *text = json_string_value(value);
    size_t length = json_string_length(value);
    if (shape->choices != NULL) {
        for (const char *const *choice = shape->choices; *choice != NULL; choice++) {
            if (strlen(*choice) == length && memcmp(*choice, text, length) == 0)
                return 0;
        }
        return wrong_choice(shape, value, place, err);
    }
    size_t characters = rky_code_points(text, length);
    if (shape->max_length > 0 && characters > shape->max_length)
        return too_many(place, shape->max_length, characters, "characters", err);
    if (shape->format != NULL && !rky_format_match(rky_format_find(shape->format), text, length)) {
        char expected[80];
        (void)snprintf(expected, sizeof(expected), "the format '%s'", shape->format);
        return wrong(place, expected, value, err);
    }
    return 0;
}

static int check_value(const struct rky_shape *shape, bool nullable, json_t *value,
                       const struct place *place, struct rky_error *err);

static int check_fields(const struct rky_shape *shape, json_t *object, const struct place *place,
                        struct rky_error *err)
{
    int rc = 0;
    for (const struct rky_shape_field *field = shape->fields;
         rc == 0 && field != NULL && field->name != NULL; field++) {
        struct place here = {.parent = place, .name = field->name};
        json_t *value = json_object_get(object, field->name);
        if (value == NULL && field->required)
            rc = wrong(&here, "a value", NULL, err);
        else if (value != NULL)
            rc = check_value(field->shape, field->nullable, value, &here, err);
    }
    return rc;
}

static int check_map(const struct rky_shape *shape, json_t *object, const struct place *place,
                     struct rky_error *err)
{
    if (shape->max_length > 0 && json_object_size(object) > shape->max_length)
        return too_many(place, shape->max_length, json_object_size(object), "fields", err);
    const struct rky_format *names =
        shape->key_format != NULL ? rky_format_find(shape->key_format) : NULL;
    const char *name = NULL;
    json_t *value = NULL;
    json_object_foreach(object, name, value)
    {
        struct place here = {.parent = place, .name = name};
        if (names != NULL && !rky_format_match(names, name, strlen(name))) {
            char pointer[POINTER_MAX];
            point_at(&here, pointer);
            return rky_fail(err, RKY_ERR_DECODE,
                            "at '%s': expected a field name of the format '%s'", pointer,
                            names->name);
        }
        int rc = check_value(shape->of, shape->of_nullable, value, &here, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int check_array(const struct rky_shape *element, bool nullable, size_t max_length,
                       json_t *array, const struct place *place, struct rky_error *err)
{
    if (max_length > 0 && json_array_size(array) > max_length)
        return too_many(place, max_length, json_array_size(array), "elements", err);
    for (size_t i = 0; i < json_array_size(array); i++) {
        struct place here = {.parent = place, .index = i};
        int rc = check_value(element, nullable, json_array_get(array, i), &here, err);
        if (rc != 0)
            return rc;
    }
    return 0;
}

static int check_object(const struct rky_shape *shape, json_t *value, const struct place *place,
                        struct rky_error *err)
{
    if (!json_is_object(value))
        return wrong(place, "an object", value, err);
    return shape->of != NULL ? check_map(shape, value, place, err)
                             : check_fields(shape, value, place, err);
}

static int check_strings(json_t *value, const struct place *place, struct rky_error *err)
{
    static const struct rky_shape string = {.type = RKY_SHAPE_STRING};
    if (json_is_string(value))
        return 0;
    if (!json_is_array(value))
        return wrong(place, "a string or an array of strings", value, err);
    return check_array(&string, false, 0, value, place, err);
}

static int check_value(const struct rky_shape *shape, bool nullable, json_t *value,
                       const struct place *place, struct rky_error *err)
{
    if (nullable && json_is_null(value))
        return 0;
    switch (shape->type) {
    case RKY_SHAPE_STRING:
        return check_string(shape, value, place, err);
    case RKY_SHAPE_INTEGER:
    case RKY_SHAPE_NUMBER:
        return check_number(shape, value, place, err);
    case RKY_SHAPE_BOOL:
        return json_is_boolean(value) ? 0 : wrong(place, "true or false", value, err);
    case RKY_SHAPE_OBJECT:
        return check_object(shape, value, place, err);
    case RKY_SHAPE_ARRAY:
        if (!json_is_array(value))
            return wrong(place, "an array", value, err);
        return check_array(shape->of, shape->of_nullable, shape->max_length, value, place, err);
    case RKY_SHAPE_ANY:
        return 0;
    case RKY_SHAPE_FORBIDDEN:
        return unwanted(place, err);
    case RKY_SHAPE_STRINGS:
        return check_strings(value, place, err);
    }
    return 0;
}

int rky_shape_check(const struct rky_shape *shape, json_t *value, struct rky_error *err)
{
    return check_value(shape, false, value, NULL, err);
}
