/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One value of rocky.toml: its type, its references filled in, whether it fits and is served, and
 * where it is kept.
 *
 * Whatever type a value is written in, it passes on as text, so that a number from the file, one
 * from the environment and a documented default take the same way.
 */
#include <config.h>

#include "common/config_internal.h"

#include <string.h>

static const char *json_kind(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "a table";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a string";
    case JSON_INTEGER:
        return "an integer";
    case JSON_REAL:
        return "a number with a fraction";
    case JSON_TRUE:
        return "true";
    case JSON_FALSE:
        return "false";
    case JSON_NULL:
        break;
    }
    return "nothing";
}

const char *rky_key_expects(enum rky_key_type type)
{
    switch (type) {
    case RKY_KEY_STRING:
    case RKY_KEY_SECRET:
    case RKY_KEY_PATH:
    case RKY_KEY_CHOICE:
        return "a string";
    case RKY_KEY_BOOL:
        return "true or false";
    case RKY_KEY_INTEGER:
        return "an integer";
    case RKY_KEY_NUMBER:
        return "a number";
    case RKY_KEY_STRINGS:
        return "an array of strings";
    case RKY_KEY_TABLES:
        return "an array of tables";
    case RKY_KEY_FREE:
    case RKY_KEY_NAMED:
    case RKY_KEY_SECTION:
        break;
    }
    return "a table";
}

int rky_walk_wrong_type(struct rky_walk *walk, const struct rky_place *place, const char *expected)
{
    const char *kind = rky_place_kind(place);
    return rky_walk_problem(walk, place, false, NULL, "expected %s, found %s", expected,
                            kind != NULL ? kind : json_kind(place->value));
}

const char *rky_place_kind(const struct rky_place *place)
{
    return json_string_value(json_object_get(place->position, "is"));
}

/* --- scalars ------------------------------------------------------------------------------- */

#define CHOICES_MAX 12

static int bad_choice(struct rky_walk *walk, const struct rky_place *place,
                      const struct rky_key *key, const struct rky_given *given)
{
    char scratch[128];
    char shown[RKY_SHOWN_MAX];
    const char *choices[CHOICES_MAX];
    char hint[160] = "";
    struct rky_strbuf list = {0};

    size_t count = rky_choices_split(key->choices, scratch, sizeof(scratch), choices, CHOICES_MAX);
    for (size_t i = 0; i < count; i++)
        rky_strbuf_addf(&list, "%s'%s'", i == 0 ? "" : (i + 1 < count ? ", " : " or "), choices[i]);
    const char *nearest = given->secret ? NULL : rky_nearest(given->text, choices);
    if (nearest != NULL)
        (void)snprintf(hint, sizeof(hint), "did you mean '%s'?", nearest);
    int rc = list.failed ? RKY_ERR_NOMEM
                         : rky_walk_problem(walk, place, false, hint, "expected %s, found %s",
                                            rky_strbuf_text(&list),
                                            rky_shown(given->text, given->secret, shown));
    rky_strbuf_done(&list);
    return rc;
}

static int does_not_fit(struct rky_walk *walk, const struct rky_place *place,
                        const struct rky_key *key, const struct rky_given *given, enum rky_fit fit)
{
    char shown[RKY_SHOWN_MAX];
    if (fit == RKY_FIT_CHOICE)
        return bad_choice(walk, place, key, given);
    if (fit == RKY_FIT_EMPTY)
        return rky_walk_problem(walk, place, false, NULL, "must not be empty");
    if (fit == RKY_FIT_RANGE)
        return rky_walk_problem(walk, place, false, NULL, "expected %.10g to %.10g, found %s",
                                key->minimum, key->maximum,
                                given->secret ? rky_shown("", true, shown) : given->text);
    return rky_walk_problem(walk, place, false, NULL, "expected %s, found %s",
                            rky_key_expects(key->type),
                            rky_shown(given->text, given->secret, shown));
}

int rky_walk_served(struct rky_walk *walk, const struct rky_place *place, const struct rky_key *key,
                    const char *text)
{
    struct rky_strbuf hint = {0};
    if (!rky_choice_listed(key->unserved, text))
        return RKY_OK;
    const char *separator = "";
    for (const char *at = key->choices; at != NULL && *at != '\0';) {
        char word[32];
        size_t length = strcspn(at, "|");
        (void)snprintf(word, sizeof(word), "%.*s", (int)length, at);
        if (!rky_choice_listed(key->unserved, word)) {
            rky_strbuf_addf(&hint, "%s'%s'", separator[0] == '\0' ? "available: " : separator,
                            word);
            separator = ", ";
        }
        at += length + (at[length] == '|' ? 1 : 0);
    }
    int rc = hint.failed ? RKY_ERR_NOMEM
                         : rky_walk_problem(walk, place, false, rky_strbuf_text(&hint),
                                            "'%s' is not available in this build", text);
    rky_strbuf_done(&hint);
    return rc;
}

/* The text of a value whose type is right for the key; NULL after a problem. */
static int give(struct rky_walk *walk, const struct rky_place *place, const struct rky_key *key,
                struct rky_given *ret_given)
{
    const json_t *value = place->value;
    bool is_text = key->type == RKY_KEY_STRING || key->type == RKY_KEY_SECRET ||
                   key->type == RKY_KEY_PATH || key->type == RKY_KEY_CHOICE ||
                   key->type == RKY_KEY_STRINGS;
    bool is_number = key->type == RKY_KEY_NUMBER;

    if (json_is_string(value) && rky_place_kind(place) == NULL) {
        int rc = rky_walk_expand(walk, place, ret_given);
        /* A number or boolean may come from outside, but then by a reference only. */
        if (rc == RKY_OK && ret_given->text != NULL && !is_text && !ret_given->interpolated) {
            rky_free(ret_given->text);
            ret_given->text = NULL;
            rc = rky_walk_wrong_type(walk, place, rky_key_expects(key->type));
        }
        return rc;
    }
    if (json_is_integer(value) && (key->type == RKY_KEY_INTEGER || is_number))
        ret_given->text = rky_asprintf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
    else if (json_is_real(value) && is_number)
        ret_given->text = rky_asprintf("%.17g", json_real_value(value));
    else if (json_is_boolean(value) && key->type == RKY_KEY_BOOL)
        ret_given->text = rky_strdup(json_is_true(value) ? "true" : "false");
    else
        return rky_walk_wrong_type(
            walk, place, key->type == RKY_KEY_STRINGS ? "a string" : rky_key_expects(key->type));
    return ret_given->text != NULL ? RKY_OK : RKY_ERR_NOMEM;
}

int rky_walk_scalar(struct rky_walk *walk, const struct rky_place *place, const struct rky_key *key,
                    void *base)
{
    struct rky_given given = {0};
    int rc = give(walk, place, key, &given);
    if (rc != RKY_OK || given.text == NULL)
        return rc;
    if (key->type == RKY_KEY_SECRET) {
        given.secret = true;
        /* The address of a server that takes no password is no secret, and errors have to name it.
         */
        if (strstr(given.text, "://") == NULL || strchr(given.text, '@') != NULL)
            rc = rky_secret_add(walk, given.text);
    }
    if (rc == RKY_OK)
        rc = rky_secret_add_userinfo(walk, given.text);
    enum rky_fit fit = rky_key_fits(key, given.text);
    if (rc == RKY_OK && fit != RKY_FIT_OK)
        rc = does_not_fit(walk, place, key, &given, fit);
    else if (rc == RKY_OK)
        rc = rky_slot_store(key, base, walk->config->directory, given.text, walk->err);
    if (rc == RKY_OK && fit == RKY_FIT_OK)
        rc = rky_walk_served(walk, place, key, given.text);
    rky_free(given.text);
    return rc;
}

int rky_walk_strings(struct rky_walk *walk, const struct rky_place *place,
                     const struct rky_key *key, void *base)
{
    int rc = RKY_OK;
    if (!json_is_array(place->value))
        return rky_walk_wrong_type(walk, place, rky_key_expects(key->type));
    rky_slot_clear(key, base);
    for (size_t i = 0; i < json_array_size(place->value) && rc == RKY_OK; i++) {
        struct rky_place element = rky_place_element(place, i);
        rc = rky_walk_scalar(walk, &element, key, base);
    }
    return rc;
}
