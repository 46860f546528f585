/* SPDX-License-Identifier: Apache-2.0 */
/* The programs of the project; see programs.h. */
#include "config.h"

#include "cli/programs.h"

#include <string.h>

#include "cli/options.h"
#include "producer/options.h"
#include "worker/options.h"

int rky_program_find(const char *name, const struct rky_program_row **ret_row,
                     struct rky_error *err)
{
    static const struct rky_program_row rows[] = {
        {&rky_cli_program, 'r'},
        {&rky_worker_program, 'w'},
        {&rky_producer_program, 'p'},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strcmp(rows[i].program->name, name) == 0) {
            *ret_row = &rows[i];
            return 0;
        }
    }
    return rky_fail(err, RKY_ERR_USAGE,
                    "there is no program '%s': expected rocky, rocky-worker or rocky-producer",
                    name);
}
