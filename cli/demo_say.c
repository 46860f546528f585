/* SPDX-License-Identifier: Apache-2.0 */
/* The demo's narration; see demo.h. */
#include "config.h"

#include <stdio.h>

#include "cli/demo.h"
#include "cli/output.h"
#include "cli/text.h"

int64_t rky_demo_now_ms(const struct rky_demo *demo)
{
    return demo->cli->clock->mono_ms(demo->cli->clock);
}

void rky_demo_begin(struct rky_demo *demo, const char *name, const char *title)
{
    demo->step = name;
    demo->step_started_ms = rky_demo_now_ms(demo);
    demo->seen.length = 0;
    demo->number++;
    if (demo->cli->json)
        return;
    bool color = demo->cli->color_out;
    printf("\n%s%d. %s%s\n", rky_paint_on(color, RKY_PAINT_BOLD), demo->number, title,
           rky_paint_off(color, RKY_PAINT_BOLD));
    fflush(stdout);
}

void rky_demo_say(struct rky_demo *demo, const char *format, ...)
{
    char line[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    rky_demo_waited(demo);
    rky_strbuf_addf(&demo->seen, "%s%s", demo->seen.length == 0 ? "" : "; ", line);
    if (demo->cli->json)
        return;
    printf("   %s\n", line);
    fflush(stdout);
}

static json_t *step_json(const struct rky_demo *demo, const char *message, bool passed)
{
    json_t *object = json_object();
    int bad = json_object_set_new(object, "name", json_string(demo->step));
    bad |= json_object_set_new(object, "passed", json_boolean(passed));
    bad |= json_object_set_new(object, "message", rky_cli_text_json(message));
    bad |= json_object_set_new(object, "duration_ms",
                               json_integer(rky_demo_now_ms(demo) - demo->step_started_ms));
    if (bad != 0) {
        json_decref(object);
        return NULL;
    }
    return object;
}

void rky_demo_end(struct rky_demo *demo, const struct rky_error *failure)
{
    bool color = demo->cli->color_out;
    enum rky_paint paint = failure == NULL ? RKY_PAINT_GREEN : RKY_PAINT_RED;
    char time[RKY_NUMBER_TEXT_MAX];
    rky_demo_waited(demo);
    const char *message = failure == NULL ? rky_strbuf_text(&demo->seen) : failure->message;
    /* Without memory for the step the list stays short, and main sees the demo as failed. */
    (void)json_array_append_new(demo->steps, step_json(demo, message, failure == NULL));
    if (!demo->cli->json) {
        printf("   %s%s%s", rky_paint_on(color, paint), failure == NULL ? "seen" : "NOT SEEN",
               rky_paint_off(color, paint));
        if (failure != NULL)
            printf(": %s", failure->message);
        printf(" (%s)\n", rky_duration_text(rky_demo_now_ms(demo) - demo->step_started_ms, time));
        fflush(stdout);
    }
    demo->step = NULL;
}

void rky_demo_waiting(struct rky_demo *demo, const char *what, int64_t since_ms)
{
    char time[RKY_NUMBER_TEXT_MAX];
    if (!demo->cli->live || demo->cli->quiet)
        return;
    fprintf(stderr, "\r\033[K   ... %s, %s", what,
            rky_duration_text(rky_demo_now_ms(demo) - since_ms, time));
    fflush(stderr);
    demo->waiting_shown = true;
}

void rky_demo_waited(struct rky_demo *demo)
{
    if (demo->waiting_shown)
        fputs("\r\033[K", stderr);
    demo->waiting_shown = false;
}

void rky_demo_farewell(const struct rky_demo *demo)
{
    const char *d = demo->directory;
    if (demo->cli->json)
        return;
    printf("\nContinue by hand with what is there now:\n"
           "   %s --config %s/rocky.toml discover\n"
           "   %s --config %s/rocky.toml --namespace acme state\n"
           "   %s --config %s/rocky.toml --namespace acme history\n"
           "   %s --config %s/rocky.toml --namespace acme plan\n"
           "   %s --config %s/rocky.toml --namespace acme run\n",
           demo->rocky, d, demo->rocky, d, demo->rocky, d, demo->rocky, d, demo->rocky, d);
    printf("and with a broker, workers and jobs of your own:\n"
           "   %s dev broker\n"
           "   export ROCKY_BROKERS=127.0.0.1:PORT    # the address that it printed\n"
           "   %s --config %s/fleet.toml\n"
           "   %s --config %s/fleet.toml run --namespace acme --wait\n"
           "The logs of the workers and all data are in %s; remove it when you are done.\n",
           demo->rocky, demo->worker, d, demo->producer, d, d);
}
