/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a scripted worker: their headers, and what a topic holds; see worker_kit.h. */
#include "config.h"

#include <check.h>
#include <string.h>
#include <time.h>

#include "common/mem.h"
#include "tests/unit/worker_kit.h"

struct kit_seen seen;

void kit_set_header(struct rky_message *message, const char *name, const char *value)
{
    for (size_t i = 0; i < message->header_count; i++) {
        struct rky_header *header = &message->headers[i];
        if (strcmp(header->name, name) != 0)
            continue;
        rky_free(header->name);
        rky_free(header->value);
        *header = message->headers[--message->header_count];
        break;
    }
    if (value != NULL)
        ck_assert_int_eq(rky_message_add_text(message, name, value, NULL), 0);
}

static void pause_briefly(void)
{
    const struct timespec pause = {0, 2000000};
    (void)nanosleep(&pause, NULL);
}

size_t kit_read(const char *topic, struct kit_message *ret_messages, size_t limit)
{
    struct rky_error err = {0};
    struct rky_tail *tail = NULL;
    size_t count = 0;
    struct rky_transport *transport = kit_transport();
    ck_assert_int_eq(transport->ops->tail_open(transport, topic, -1, false, 1000, &tail, &err), 0);
    while (count < limit) {
        struct rky_inbound inbound = {0};
        if (transport->ops->tail_read(tail, 0, &inbound, &err) != 1)
            break;
        const struct rky_message *message = &inbound.message;
        ret_messages[count].body = json_loadb(message->value != NULL ? message->value : "",
                                              message->value_length, 0, NULL);
        ret_messages[count++].inbound = inbound;
    }
    transport->ops->tail_close(tail);
    return count;
}

void kit_messages_done(struct kit_message *messages, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        json_decref(messages[i].body);
        rky_inbound_done(&messages[i].inbound);
    }
}

void kit_await_messages(const char *topic, size_t count)
{
    struct kit_message messages[256];
    struct rky_deadline deadline = rky_deadline_in(rky_clock_real(), KIT_WAIT_SECONDS * 1000);
    ck_assert_uint_le(count, 256);
    for (;;) {
        size_t found = kit_read(topic, messages, 256);
        kit_messages_done(messages, found);
        if (found >= count)
            return;
        ck_assert_msg(rky_deadline_left_ms(&deadline) > 0, "'%s' holds %zu of %zu messages", topic,
                      found, count);
        pause_briefly();
    }
}

const char *kit_header(const struct kit_message *message, const char *name)
{
    const struct rky_header *header = rky_message_header(&message->inbound.message, name);
    return header != NULL ? header->value : "";
}

void kit_look(const char *topic)
{
    kit_messages_done(seen.messages, seen.count);
    seen.count = kit_read(topic, seen.messages, KIT_SEEN_MAX);
}
