/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Logging: one line per event to one stream, as text for people or as a JSON object per line.
 *
 * Libraries log at debug only; programs and the job log decisions. Every line passes the redactor,
 * which replaces each registered secret by "***", also where it is percent-encoded or JSON-escaped.
 * Thread-safe.
 */
#ifndef RKY_COMMON_LOG_H
#define RKY_COMMON_LOG_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/error.h"

enum rky_log_level { RKY_LOG_DEBUG, RKY_LOG_INFO, RKY_LOG_WARN, RKY_LOG_ERROR, RKY_LOG_OFF };
enum rky_log_format { RKY_LOG_TEXT, RKY_LOG_JSON };

struct rky_log;

/** @brief @param stream borrowed. @return owned, NULL when memory is out. */
struct rky_log *rky_log_new(FILE *stream, enum rky_log_level level, enum rky_log_format format,
                            struct rky_clock *clock);
void rky_log_free(struct rky_log *log);
void rky_log_set_level(struct rky_log *log, enum rky_log_level level);
void rky_log_set_format(struct rky_log *log, enum rky_log_format format);
bool rky_log_enabled(const struct rky_log *log, enum rky_log_level level);

/** @brief Never print @p secret again through this log. Shorter than 4 bytes is ignored. */
RKY_MUST_CHECK int rky_log_add_secret(struct rky_log *log, const char *secret);
/** @brief A copy of @p text with every registered secret replaced. @param log NULL = no secrets.
 *  @return owned or NULL. */
char *rky_log_redact(const struct rky_log *log, const char *text);

/**
 * @brief Write one line.
 * @param log    NULL = nowhere.
 * @param fields JSON object with ids and figures, taken (also when the level is off); NULL = none.
 *               Text format appends them as key=value. In JSON a field called "at", "level" or
 *               "message" takes the place of the line's own.
 */
void rky_log_write(struct rky_log *log, enum rky_log_level level, json_t *fields,
                   const char *format, ...) RKY_PRINTF(4, 5);

/** @brief "debug", "info", "warn", "error", "off". @return 0 or RKY_ERR_USAGE. */
RKY_MUST_CHECK int rky_log_level_parse(const char *text, enum rky_log_level *ret_level,
                                       struct rky_error *err);

#endif
