/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Log lines: built in memory, redacted value by value, written with one write().
 *
 * Values are redacted before they are escaped, never the finished line: a secret that happens to
 * contain quotes or commas cannot tear the line's own syntax. Control characters are escaped, so
 * one event is one line and nobody's data reaches the terminal as an escape sequence. One mutex
 * covers the list of secrets and the stream; level and format are read without it.
 */
#include <config.h>

#include "common/log.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "common/ids.h"
#include "common/mem.h"
#include "common/redact.h"

struct rky_log {
    FILE *stream; /* borrowed */
    struct rky_clock *clock;
    _Atomic int level;
    _Atomic int format;
    pthread_mutex_t mutex;
    pthread_mutex_t *lock; /* &mutex: a log that is const for its reader still has to be locked */
    struct rky_redactor secrets;
};

static const char *const LEVEL_NAMES[] = {
    [RKY_LOG_DEBUG] = "debug", [RKY_LOG_INFO] = "info", [RKY_LOG_WARN] = "warn",
    [RKY_LOG_ERROR] = "error", [RKY_LOG_OFF] = "off",
};

/* Padded, so that messages stand below each other. */
static const char *const LEVEL_TITLES[] = {
    [RKY_LOG_DEBUG] = "DEBUG",
    [RKY_LOG_INFO] = "INFO ",
    [RKY_LOG_WARN] = "WARN ",
    [RKY_LOG_ERROR] = "ERROR",
};

int rky_log_level_parse(const char *text, enum rky_log_level *ret_level, struct rky_error *err)
{
    for (size_t i = 0; i < sizeof(LEVEL_NAMES) / sizeof(LEVEL_NAMES[0]); i++) {
        if (strcmp(text, LEVEL_NAMES[i]) == 0) {
            *ret_level = (enum rky_log_level)i;
            return 0;
        }
    }
    return rky_fail(err, RKY_ERR_USAGE,
                    "log level '%s' is unknown, expected debug, info, warn, error or off", text);
}

struct rky_log *rky_log_new(FILE *stream, enum rky_log_level level, enum rky_log_format format,
                            struct rky_clock *clock)
{
    struct rky_log *log = rky_calloc(1, sizeof(*log));
    if (log == NULL)
        return NULL;
    log->stream = stream;
    log->clock = clock;
    atomic_init(&log->level, (int)level);
    atomic_init(&log->format, (int)format);
    RKY_ASSERT(pthread_mutex_init(&log->mutex, NULL) == 0);
    log->lock = &log->mutex;
    return log;
}

void rky_log_free(struct rky_log *log)
{
    if (log == NULL)
        return;
    rky_redactor_done(&log->secrets);
    (void)pthread_mutex_destroy(&log->mutex);
    rky_free(log);
}

void rky_log_set_level(struct rky_log *log, enum rky_log_level level)
{
    atomic_store(&log->level, (int)level);
}

void rky_log_set_format(struct rky_log *log, enum rky_log_format format)
{
    atomic_store(&log->format, (int)format);
}

bool rky_log_enabled(const struct rky_log *log, enum rky_log_level level)
{
    return log != NULL && level != RKY_LOG_OFF && (int)level >= atomic_load(&log->level);
}

int rky_log_add_secret(struct rky_log *log, const char *secret)
{
    (void)pthread_mutex_lock(log->lock);
    int rc = rky_redactor_add(&log->secrets, secret);
    (void)pthread_mutex_unlock(log->lock);
    return rc;
}

char *rky_log_redact(const struct rky_log *log, const char *text)
{
    struct rky_strbuf buffer = {0};
    if (log == NULL)
        return rky_strdup(text);
    (void)pthread_mutex_lock(log->lock);
    rky_redact(&log->secrets, text, strlen(text), &buffer);
    (void)pthread_mutex_unlock(log->lock);
    return rky_strbuf_take(&buffer);
}

/* --- escaping --------------------------------------------------------------------------------- */

/* The inside of a JSON string. What is no UTF-8 becomes U+FFFD, so that every line can be read. */
static void add_escaped(struct rky_strbuf *line, const char *text, size_t length, bool quotes)
{
    while (length > 0) {
        unsigned char c = (unsigned char)*text;
        size_t step = rky_utf8_next(text, length);
        if (step == 0)
            rky_strbuf_add(line, "\xef\xbf\xbd");
        else if (c == '\n')
            rky_strbuf_add(line, "\\n");
        else if (c == '\t')
            rky_strbuf_add(line, "\\t");
        else if (c < 0x20 || c == 0x7f)
            rky_strbuf_addf(line, "\\u%04x", c);
        else if (quotes && (c == '"' || c == '\\'))
            rky_strbuf_addf(line, "\\%c", c);
        else
            rky_strbuf_addn(line, text, step);
        step = step == 0 ? 1 : step;
        text += step;
        length -= step;
    }
}

/* Text of @p length bytes without secrets; the caller frees it also when it failed. */
static struct rky_strbuf redacted(const struct rky_log *log, const char *text, size_t length)
{
    struct rky_strbuf clean = {0};
    rky_redact(&log->secrets, text, length, &clean);
    return clean;
}

static void add_json_string(const struct rky_log *log, struct rky_strbuf *line, const char *text,
                            size_t length)
{
    struct rky_strbuf clean = redacted(log, text, length);
    line->failed = line->failed || clean.failed;
    rky_strbuf_addc(line, '"');
    add_escaped(line, rky_strbuf_text(&clean), clean.length, true);
    rky_strbuf_addc(line, '"');
    rky_strbuf_done(&clean);
}

static void add_json(const struct rky_log *log, struct rky_strbuf *line, json_t *value);

static void add_json_members(const struct rky_log *log, struct rky_strbuf *line, json_t *object)
{
    const char *separator = "";
    const char *key = NULL;
    json_t *member = NULL;
    json_object_foreach(object, key, member)
    {
        rky_strbuf_add(line, separator);
        add_json_string(log, line, key, strlen(key));
        rky_strbuf_addc(line, ':');
        add_json(log, line, member);
        separator = ",";
    }
}

static void add_json_array(const struct rky_log *log, struct rky_strbuf *line, json_t *array)
{
    size_t i = 0;
    json_t *element = NULL;
    rky_strbuf_addc(line, '[');
    json_array_foreach(array, i, element)
    {
        if (i > 0)
            rky_strbuf_addc(line, ',');
        add_json(log, line, element);
    }
    rky_strbuf_addc(line, ']');
}

/* Numbers are figures, not text: they are not searched for secrets. */
static void add_json(const struct rky_log *log, struct rky_strbuf *line, json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        rky_strbuf_addc(line, '{');
        add_json_members(log, line, value);
        rky_strbuf_addc(line, '}');
        break;
    case JSON_ARRAY:
        add_json_array(log, line, value);
        break;
    case JSON_STRING:
        add_json_string(log, line, json_string_value(value), json_string_length(value));
        break;
    case JSON_INTEGER:
        rky_strbuf_addf(line, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
        break;
    case JSON_REAL: {
        char number[64];
        size_t used = json_dumpb(value, number, sizeof(number), JSON_ENCODE_ANY);
        rky_strbuf_addn(line, number, used <= sizeof(number) ? used : 0);
        break;
    }
    case JSON_TRUE:
        rky_strbuf_add(line, "true");
        break;
    case JSON_FALSE:
        rky_strbuf_add(line, "false");
        break;
    case JSON_NULL:
        rky_strbuf_add(line, "null");
        break;
    }
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Whether a value can stand behind key= without quotes and be told apart from what follows. */
static bool is_plain(const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c <= 0x20 || c == 0x7f || c == '"' || c == '=' || c == '\\')
            return false;
    }
    return length > 0 && rky_utf8_valid(text, length);
}

static void add_text_field(const struct rky_log *log, struct rky_strbuf *line, const char *key,
                           json_t *value)
{
    struct rky_strbuf clean_key = redacted(log, key, strlen(key));
    line->failed = line->failed || clean_key.failed;
    rky_strbuf_addc(line, ' ');
    add_escaped(line, rky_strbuf_text(&clean_key), clean_key.length, true);
    rky_strbuf_addc(line, '=');
    rky_strbuf_done(&clean_key);
    if (json_is_string(value) && is_plain(json_string_value(value), json_string_length(value)))
        rky_redact(&log->secrets, json_string_value(value), json_string_length(value), line);
    else
        add_json(log, line, value);
}

static void build_text(const struct rky_log *log, struct rky_strbuf *line, const char *at,
                       enum rky_log_level level, const struct rky_strbuf *message, json_t *fields)
{
    struct rky_strbuf clean = redacted(log, rky_strbuf_text(message), message->length);
    line->failed = line->failed || clean.failed;
    rky_strbuf_addf(line, "%s %s ", at, LEVEL_TITLES[level]);
    add_escaped(line, rky_strbuf_text(&clean), clean.length, false);
    rky_strbuf_done(&clean);

    const char *key = NULL;
    json_t *value = NULL;
    json_object_foreach(fields, key, value)
    {
        add_text_field(log, line, key, value);
    }
}

/* A field named like one of ours takes its place: an event that is logged keeps its own "at". */
static void build_json(const struct rky_log *log, struct rky_strbuf *line, const char *at,
                       enum rky_log_level level, const struct rky_strbuf *message, json_t *fields)
{
    rky_strbuf_addc(line, '{');
    if (json_object_get(fields, "at") == NULL)
        rky_strbuf_addf(line, "\"at\":\"%s\",", at);
    if (json_object_get(fields, "level") == NULL)
        rky_strbuf_addf(line, "\"level\":\"%s\",", LEVEL_NAMES[level]);
    if (json_object_get(fields, "message") == NULL) {
        rky_strbuf_add(line, "\"message\":");
        add_json_string(log, line, rky_strbuf_text(message), message->length);
        if (json_object_size(fields) > 0)
            rky_strbuf_addc(line, ',');
    }
    add_json_members(log, line, fields);
    rky_strbuf_addc(line, '}');
}

/* Failing to log is no reason to fail the work that is logged, so nothing is reported from here. */
static void write_line(FILE *stream, const char *line, size_t length)
{
    int fd = fileno(stream);
    if (fd < 0) { /* a memory stream */
        (void)fwrite(line, 1, length, stream);
        (void)fflush(stream);
        return;
    }
    (void)fflush(stream); /* what others printed before stays before */
    while (length > 0) {
        ssize_t done = write(fd, line, length);
        if (done < 0 && errno == EINTR)
            continue;
        if (done <= 0)
            return;
        line += done;
        length -= (size_t)done;
    }
}

void rky_log_write(struct rky_log *log, enum rky_log_level level, json_t *fields,
                   const char *format, ...)
{
    static const char lost[] = "a log line was lost: out of memory\n";
    static const char lost_json[] =
        "{\"level\":\"error\",\"message\":\"a log line was lost: out of memory\"}\n";
    struct rky_strbuf message = {0};
    struct rky_strbuf line = {0};
    char at[RKY_TIME_TEXT_MAX];
    va_list values;

    if (!rky_log_enabled(log, level))
        goto out;
    bool json = atomic_load(&log->format) == RKY_LOG_JSON;
    va_start(values, format);
    rky_strbuf_addv(&message, format, values);
    va_end(values);

    (void)pthread_mutex_lock(log->lock);
    /* Under the mutex, so that the times in the stream never go backwards. */
    rky_time_format(log->clock->wall_us(log->clock), at);
    if (json)
        build_json(log, &line, at, level, &message, fields);
    else
        build_text(log, &line, at, level, &message, fields);
    rky_strbuf_addc(&line, '\n');
    if (!message.failed && !line.failed)
        write_line(log->stream, line.data, line.length);
    else if (json)
        write_line(log->stream, lost_json, sizeof(lost_json) - 1);
    else
        write_line(log->stream, lost, sizeof(lost) - 1);
    (void)pthread_mutex_unlock(log->lock);

out:
    rky_strbuf_done(&line);
    rky_strbuf_done(&message);
    json_decref(fields);
}
