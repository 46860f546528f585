/* SPDX-License-Identifier: Apache-2.0 */
/* The conformance suite of the warehouse seam, run against the SQLite driver. */
#include "config.h"

#include "tests/conformance/adapter_sqlite_fixture.h"
#include "tests/kit/check_main.h"

int main(void)
{
    Suite *suite = suite_create("adapter/sqlite");
    adapter_suite_add(suite, &sqlite_fixture);
    adapter_model_add(suite, &sqlite_fixture);
    return rky_check_main(suite);
}
