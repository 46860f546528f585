/* SPDX-License-Identifier: Apache-2.0 */
/* Keys from AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN. They never expire as
 * far as we know: nobody can change our environment. */
#include "config.h"

#include "common/credentials_internal.h"

int rky_provider_environment(struct rky_provider_call *call, struct rky_aws_keys *ret_keys)
{
    const struct rky_credentials *credentials = call->credentials;
    struct rky_provider_answer answer = {
        .access_key = rky_provider_getenv(credentials, "AWS_ACCESS_KEY_ID"),
        .secret_key = rky_provider_getenv(credentials, "AWS_SECRET_ACCESS_KEY"),
        .session_token = rky_provider_getenv(credentials, "AWS_SESSION_TOKEN"),
    };
    if (answer.access_key == NULL && answer.secret_key == NULL)
        return rky_provider_none(call, "AWS_ACCESS_KEY_ID is not set");
    /* Half a pair is a mistake, not a wish for the next provider. */
    if (answer.access_key == NULL || answer.secret_key == NULL)
        return rky_provider_refused(call,
                                    "expected both AWS_ACCESS_KEY_ID and "
                                    "AWS_SECRET_ACCESS_KEY, got only the %s",
                                    answer.secret_key == NULL ? "first" : "second");
    return rky_provider_accept(call, &answer, ret_keys);
}
