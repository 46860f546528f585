/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Making and freeing tasks.
 */
#include "config.h"

#include "worker/task.h"

#include <string.h>

#include "common/mem.h"

/* What the decoded job, list nodes and the allocator add to the message's own bytes. */
#define TASK_OVERHEAD_BYTES (sizeof(struct rky_task) + 512)

struct rky_task *rky_task_new(void)
{
    return rky_calloc(1, sizeof(struct rky_task));
}

void rky_task_weigh(struct rky_task *task)
{
    const struct rky_message *message = &task->inbound.message;
    /* The body counts twice: the job's own texts come from it. */
    task->bytes = TASK_OVERHEAD_BYTES + message->key_length + 2 * message->value_length;
    for (size_t i = 0; i < message->header_count; i++)
        task->bytes += message->headers[i].length + strlen(message->headers[i].name) + 64;
}

void rky_task_free(struct rky_task *task)
{
    if (task == NULL)
        return;
    rky_job_done(&task->job);
    rky_inbound_done(&task->inbound);
    rky_free(task->reason_text);
    rky_free(task);
}

void rky_tasks_free(struct rky_task *first)
{
    while (first != NULL) {
        struct rky_task *next = first->next;
        rky_task_free(first);
        first = next;
    }
}
