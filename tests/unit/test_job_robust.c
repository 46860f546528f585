/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Decoding and encoding under hostile conditions: the fuzzer's corpus, random damage to good
 * messages, and every single allocation failing in turn.
 */
#include "config.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fsutil.h"
#include "common/mem.h"
#include "schemas/job.h"
#include "tests/kit/check_main.h"
#include "tests/kit/job_sample.h"

#define MUTATIONS 20000
#define FILES_MAX 256

/* From the make file. */
static const char corpus[] = RKY_CORPUS_DIR;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* All files of the corpus, sorted; owned texts. */
static size_t corpus_files(char *ret_paths[FILES_MAX])
{
    size_t count = 0;
    DIR *directory = opendir(corpus);
    ck_assert_msg(directory != NULL, "no corpus in '%s'", corpus);
    for (struct dirent *entry = readdir(directory); entry != NULL; entry = readdir(directory)) {
        if (entry->d_name[0] == '.')
            continue;
        ck_assert_uint_lt(count, FILES_MAX);
        ret_paths[count++] = rky_path_join(corpus, entry->d_name);
    }
    (void)closedir(directory);
    qsort(ret_paths, count, sizeof(ret_paths[0]), by_name);
    return count;
}

/* xorshift: the same numbers on every machine. */
static uint32_t next_random(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return *state;
}

/* Change, drop, repeat or insert a few bytes; sometimes a piece that means something. */
static size_t damage(char *bytes, size_t length, size_t capacity, uint32_t *state)
{
    static const char *const pieces[] = {"\"",   "{",  "}",    "[",     "]",   "\\u0000",
                                         "null", "-1", "1e99", "\xff",  "\n",  "\xc3\xa9",
                                         ":",    "\\", "true", "\"v\"", ",",   "9999999999",
                                         "sql",  "x-", " ",    "\n\n",  "key", "ce_type"};
    uint32_t rounds = next_random(state) % 4 + 1;
    while (rounds-- > 0 && length > 2) {
        size_t at = next_random(state) % length;
        size_t most = length - at < 16 ? length - at : 16;
        size_t some = next_random(state) % most + 1;
        const char *piece = pieces[next_random(state) % (sizeof(pieces) / sizeof(pieces[0]))];
        size_t piece_length = strlen(piece);
        switch (next_random(state) % 4) {
        case 0:
            bytes[at] = (char)next_random(state);
            break;
        case 1:
            memmove(bytes + at, bytes + at + some, length - at - some);
            length -= some;
            break;
        case 2:
            if (length + some > capacity)
                break;
            memmove(bytes + at + some, bytes + at, length - at);
            length += some;
            break;
        default:
            if (length + piece_length > capacity)
                break;
            memmove(bytes + at + piece_length, bytes + at, length - at);
            memcpy(bytes + at, piece, piece_length);
            length += piece_length;
            break;
        }
    }
    return length;
}

START_TEST(files_of_the_corpus_are_judged_as_their_names_say)
{
    char *paths[FILES_MAX] = {NULL};
    size_t count = corpus_files(paths);
    ck_assert_uint_ge(count, 10);
    for (size_t i = 0; i < count; i++) {
        struct rky_message message = {0};
        char *bytes = NULL;
        size_t length = 0;
        ck_assert_int_eq(rky_read_file(paths[i], 1 << 22, &bytes, &length, NULL), 0);
        sample_parse(bytes, length, &message);
        bool good = strstr(paths[i], "/good-") != NULL;
        ck_assert_msg((sample_decode(&message) == 0) == good, "%s", paths[i]);
        rky_message_done(&message);
        rky_free(bytes);
        rky_free(paths[i]);
    }
}
END_TEST

START_TEST(no_damage_to_a_message_gets_past_the_rules)
{
    char *paths[FILES_MAX] = {NULL};
    size_t count = corpus_files(paths);
    uint32_t state = 20261121;
    size_t taken = 0;
    size_t refused = 0;
    for (size_t i = 0; i < count; i++) {
        char *bytes = NULL;
        size_t length = 0;
        ck_assert_int_eq(rky_read_file(paths[i], 1 << 22, &bytes, &length, NULL), 0);
        size_t capacity = length + 256;
        char *broken = malloc(capacity);
        ck_assert_ptr_nonnull(broken);
        for (size_t round = 0; round < MUTATIONS / count + 1; round++) {
            struct rky_message message = {0};
            memcpy(broken, bytes, length);
            sample_parse(broken, damage(broken, length, capacity, &state), &message);
            if (sample_decode(&message) == 0)
                taken++;
            else
                refused++;
            rky_message_done(&message);
        }
        free(broken);
        rky_free(bytes);
        rky_free(paths[i]);
    }
    /* Both ways must be well travelled, or the damage is too small or too great to tell much. */
    ck_assert_uint_ge(taken + refused, MUTATIONS);
    ck_assert_uint_gt(taken, MUTATIONS / 50);
    ck_assert_uint_gt(refused, MUTATIONS / 4);
}
END_TEST

static void full_message(struct rky_message *ret_message)
{
    sample_message(ret_message);
    sample_set_header(ret_message, "x-idempotency-key", "k");
    sample_set_header(ret_message, "traceparent",
                      "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
}

START_TEST(decoding_out_of_memory_anywhere_asks_to_try_again)
{
    struct rky_message message = {0};
    full_message(&message);
    for (uint64_t nth = 1;; nth++) {
        struct rky_job job = {0};
        struct rky_rejection rejection = {0};
        struct rky_error err = {0};
        rky_mem_fail_nth(nth);
        int rc = rky_job_decode(&message, &job, &rejection, &err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        /* Never a dead letter: nothing is wrong with the message. */
        ck_assert_int_eq(rc, failed ? RKY_ERR_NOMEM : 0);
        ck_assert_int_eq(err.code, rc);
        ck_assert(!failed || (job.namespace_ == NULL && job.filter.terms == NULL));
        rky_job_done(&job);
        if (!failed) {
            ck_assert_uint_ge(nth, 8);
            break;
        }
    }
    rky_message_done(&message);
}
END_TEST

START_TEST(encoding_out_of_memory_anywhere_is_reported)
{
    struct rky_message message = {0};
    struct rky_job job = {0};
    struct rky_rejection rejection = {0};
    full_message(&message);
    ck_assert_int_eq(rky_job_decode(&message, &job, &rejection, NULL), 0);
    rky_message_done(&message);

    json_set_alloc_funcs(rky_malloc, rky_free);
    for (uint64_t nth = 1;; nth++) {
        struct rky_message encoded = {0};
        struct rky_error err = {0};
        rky_mem_fail_nth(nth);
        int rc = rky_job_encode(&job, "/x", rky_clock_real(), &encoded, &err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        ck_assert_msg(rc == (failed ? RKY_ERR_NOMEM : 0), "allocation %lu: %d %s",
                      (unsigned long)nth, rc, encoded.value);
        ck_assert_int_eq(err.code, rc);
        rky_message_done(&encoded);
        if (!failed) {
            ck_assert_uint_gt(nth, 50);
            break;
        }
    }
    json_set_alloc_funcs(malloc, free);
    rky_job_done(&job);
}
END_TEST

START_TEST(a_line_out_of_memory_anywhere_is_reported)
{
    static const char line[] =
        "{\"type\":\"run\",\"pipeline\":\"bronze\",\"filter\":{\"client\":\"acme\"},"
        "\"requested_by\":\"cli\",\"idempotency_key\":\"k\","
        "\"traceparent\":\"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01\"}";
    for (uint64_t nth = 1;; nth++) {
        struct rky_job job = {0};
        struct rky_error err = {0};
        rky_mem_fail_nth(nth);
        int rc = rky_job_from_line(line, strlen(line), rky_clock_real(), &job, &err);
        bool failed = rky_mem_failed();
        rky_mem_fail_nth(0);
        ck_assert_int_eq(rc, failed ? RKY_ERR_NOMEM : 0);
        ck_assert_int_eq(err.code, rc);
        rky_job_done(&job);
        if (!failed) {
            ck_assert_uint_ge(nth, 8);
            break;
        }
    }
}
END_TEST

static Suite *suite(void)
{
    Suite *s = suite_create("job_robust");
    TCase *t = tcase_create("robust");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, files_of_the_corpus_are_judged_as_their_names_say);
    tcase_add_test(t, no_damage_to_a_message_gets_past_the_rules);
    tcase_add_test(t, decoding_out_of_memory_anywhere_asks_to_try_again);
    tcase_add_test(t, encoding_out_of_memory_anywhere_is_reported);
    tcase_add_test(t, a_line_out_of_memory_anywhere_is_reported);
    suite_add_tcase(s, t);
    return s;
}

int main(void)
{
    return rky_check_main(suite());
}
