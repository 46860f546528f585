/* SPDX-License-Identifier: Apache-2.0 */
#include "config.h"

#include "tests/unit/config_kit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/kit/check_main.h"

char *problems_of(const char *text)
{
    struct rky_config *config = NULL;
    struct rky_problems problems = {0};
    struct rky_error err = {0};
    char *printed = NULL;
    size_t length = 0;

    int rc = rky_config_parse(text, strlen(text), "c.toml", "/srv", &config, &problems, &err);
    ck_assert_int_eq(rc, problems.error_count > 0 ? RKY_ERR_CONFIG : RKY_OK);
    ck_assert_int_eq(rc, err.code);
    ck_assert_int_eq(rc == RKY_OK, config != NULL);
    FILE *stream = open_memstream(&printed, &length);
    ck_assert_ptr_nonnull(stream);
    rky_problems_print(&problems, stream);
    ck_assert_int_eq(fclose(stream), 0);
    rky_problems_done(&problems);
    rky_config_free(config);
    return printed;
}

void check_problem_row(const struct problem_row *row)
{
    char *printed = problems_of(row->text);
    ck_assert_msg(strcmp(printed, row->problems) == 0, "%s:\n%s", row->name, printed);
    free(printed);
}

struct rky_config *config_of(const char *text)
{
    struct rky_config *config = NULL;
    struct rky_problems problems = {0};
    struct rky_error err = {0};
    int rc = rky_config_parse(text, strlen(text), "c.toml", "/srv", &config, &problems, &err);
    ck_assert_msg(rc == RKY_OK, "%s", err.message);
    rky_problems_done(&problems);
    return config;
}
