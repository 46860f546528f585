/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the parts of the configuration loader share; nobody else includes it.
 *
 * Functions here return 0 or RKY_ERR_NOMEM unless they say otherwise: what is wrong with the file
 * is a problem in the list, not an error, so that one load reports everything.
 */
#ifndef RKY_COMMON_CONFIG_INTERNAL_H
#define RKY_COMMON_CONFIG_INTERNAL_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "common/config.h"
#include "common/mem.h"

/** One load in progress. */
struct rky_walk {
    struct rky_config *config;
    struct rky_problems *problems;
    json_t *root;            /**< values, as toml.h describes them */
    const json_t *positions; /**< their positions */
    struct rky_error *err;
};

/** A value in the file and the way to it, on the stack of the walk. */
struct rky_place {
    const struct rky_place *parent;
    const char *name; /**< key, NULL for an element of an array */
    size_t index;     /**< of an element */
    json_t *value;    /**< not changed; jansson's iterators want it so */
    const json_t *position;
};

/** What was given for a key: the text of it, whatever type it was written in. */
struct rky_given {
    char *text;
    bool interpolated; /**< a reference stood in it */
    bool secret;       /**< must not be shown in a message */
};

/* --- config_problems.c --------------------------------------------------------------------- */

/** @brief Add a problem at a value (or, @p at_key, at its key). */
RKY_MUST_CHECK int rky_walk_problem(struct rky_walk *walk, const struct rky_place *place,
                                    bool at_key, const char *hint, const char *format, ...)
    RKY_PRINTF(5, 6);
/** @brief Add a problem at the value that @p segments lead to, or at the deepest table on the way
 *         that was written. Empty segments are passed over; "3" is an element of an array. */
RKY_MUST_CHECK int rky_rule_problem(struct rky_walk *walk, enum rky_problem_severity severity,
                                    const char *const *segments, const char *hint,
                                    const char *format, ...) RKY_PRINTF(5, 6);
#define RKY_SHOWN_MAX 100
/** @brief A value as messages show it: quoted and shortened, or not at all. @return borrowed. */
const char *rky_shown(const char *text, bool secret, char ret_text[RKY_SHOWN_MAX]);
/** @brief By line and column, the order of the file. */
void rky_problems_sort(struct rky_problems *problems);

/* --- config_slot.c: values of a struct by the rows of the table ---------------------------- */

/** What is wrong with a text as the value of a key. */
enum rky_fit { RKY_FIT_OK, RKY_FIT_TYPE, RKY_FIT_RANGE, RKY_FIT_CHOICE, RKY_FIT_EMPTY };

/** @brief Whether a text is a value of this (scalar) key. */
enum rky_fit rky_key_fits(const struct rky_key *key, const char *text);
/** @brief Whether @p word stands in a list like "a|b|c". */
bool rky_choice_listed(const char *choices, const char *word);
/** @brief Copy the choices, NULL-terminated, for rky_nearest(). @return count. */
size_t rky_choices_split(const char *choices, char *scratch, size_t size, const char **ret_items,
                         size_t capacity);
/** @brief Keep a text that fits. Paths become absolute below @p directory. */
RKY_MUST_CHECK int rky_slot_store(const struct rky_key *key, void *base, const char *directory,
                                  const char *text, struct rky_error *err);
void rky_slot_mark_written(const struct rky_key *key, void *base);
/** @brief Make a zeroed struct hold the documented defaults. */
RKY_MUST_CHECK int rky_slot_defaults(enum rky_key_owner owner, void *base, const char *directory,
                                     struct rky_error *err);
/** @brief Release what the struct's rows own; the struct itself stays. */
void rky_slot_release(enum rky_key_owner owner, void *base);
/** @brief Deep copy into a zeroed struct; release it also after a failure. */
RKY_MUST_CHECK int rky_slot_copy(enum rky_key_owner owner, void *target, const void *source,
                                 struct rky_error *err);
/** @brief Append one zeroed element to the list that @p key is. @return borrowed or NULL. */
void *rky_slot_append(const struct rky_key *key, void *base);
size_t rky_owner_size(enum rky_key_owner owner);
/** @brief The struct a section is, or where any other key's value is. Borrowed. */
void *rky_slot_member(const struct rky_key *key, void *base);
/** @brief Release one key's value and set it to nothing. */
void rky_slot_clear(const struct rky_key *key, void *base);
/** @brief Elements and count of a list. */
void *rky_slot_list(const struct rky_key *key, const void *base, size_t *ret_count);

/* --- config_interpolate.c ------------------------------------------------------------------ */

/**
 * @brief Fill in the references of a string.
 * @param ret_given text is NULL when problems were added; the caller frees the text.
 */
RKY_MUST_CHECK int rky_walk_expand(struct rky_walk *walk, const struct rky_place *place,
                                   struct rky_given *ret_given);
/** @brief Remember a text that logs must not show, and the password of a URL. */
RKY_MUST_CHECK int rky_secret_add(struct rky_walk *walk, const char *text);
RKY_MUST_CHECK int rky_secret_add_userinfo(struct rky_walk *walk, const char *text);

/* --- config_value.c ------------------------------------------------------------------------ */

/** @brief "a string", "an integer", ... as messages say it. */
const char *rky_key_expects(enum rky_key_type type);
/** @brief What the value was written as where the tree has only a string for it: "a date", "nan";
 *         NULL for any other. */
const char *rky_place_kind(const struct rky_place *place);
RKY_MUST_CHECK int rky_walk_wrong_type(struct rky_walk *walk, const struct rky_place *place,
                                       const char *expected);
/** @brief Add a problem when @p text is a value that this build cannot serve. */
RKY_MUST_CHECK int rky_walk_served(struct rky_walk *walk, const struct rky_place *place,
                                   const struct rky_key *key, const char *text);
/** @brief Read, check and keep one value. */
RKY_MUST_CHECK int rky_walk_scalar(struct rky_walk *walk, const struct rky_place *place,
                                   const struct rky_key *key, void *base);
RKY_MUST_CHECK int rky_walk_strings(struct rky_walk *walk, const struct rky_place *place,
                                    const struct rky_key *key, void *base);

/* --- config_walk.c, config_kafka.c --------------------------------------------------------- */

struct rky_place rky_place_element(const struct rky_place *array, size_t index);
/** @brief A member of a table; value and position are NULL when it is not written. */
struct rky_place rky_place_member(const struct rky_place *table, const char *name);
/** @brief Read the whole tree into the configuration, by the table. */
RKY_MUST_CHECK int rky_walk_file(struct rky_walk *walk);
/** @brief Flatten [queue.kafka]. */
RKY_MUST_CHECK int rky_walk_kafka(struct rky_walk *walk, const struct rky_place *place,
                                  const struct rky_key *key, void *base);

/* --- config_rules.c, config_pipeline.c, config_state.c: what one row cannot say --------------- */

/** The segments of a key for a rule, as an array that ends with NULL. */
#define RKY_AT(...) ((const char *const[]){__VA_ARGS__, NULL})

RKY_MUST_CHECK int rky_rules_check(struct rky_walk *walk);
RKY_MUST_CHECK int rky_rules_pipeline(struct rky_walk *walk, struct rky_pipeline_config *pipeline);
RKY_MUST_CHECK int rky_rules_state(struct rky_walk *walk, const struct rky_state_config *state);
/** @brief Add a problem unless the key is written, right or wrong. @param why what needs it. */
RKY_MUST_CHECK int rky_rule_require(struct rky_walk *walk, const char *const *segments,
                                    const char *why);
/** @brief "host", "host:port", "[::1]:port". */
bool rky_rule_is_address(const char *text, size_t length, bool port_needed);

/** @brief The place for a pipeline's digest, still empty. NULL when memory is out. */
struct rky_pipeline_digest *rky_pipeline_digest_new(void);
void rky_pipeline_digest_free(struct rky_pipeline_digest *digest);

#endif
