/* SPDX-License-Identifier: Apache-2.0 */
/*
 * libFuzzer target: any bytes as a message of the jobs topic. What must hold of each is asserted by
 * sample_decode(); the sanitizers watch the rest. How to run it: tests/fuzz/README.md.
 */
#include "config.h"

#include <stddef.h>
#include <stdint.h>

#include "tests/kit/job_sample.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rky_message message = {0};
    sample_parse((const char *)data, size, &message);
    (void)sample_decode(&message);
    rky_message_done(&message);
    return 0;
}
