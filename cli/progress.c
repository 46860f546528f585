/* SPDX-License-Identifier: Apache-2.0 */
/* The progress line; see progress.h. */
#include "config.h"

#include "cli/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/text.h"
#include "common/mem.h"

/** Between two plain lines; a run that is over sooner prints none. */
#define PLAIN_EVERY_MS 5000
#define RATE_EVERY_MS 1000
#define BAR_CELLS 20

/* Rows per second over the last second: an average since the start would hide that it stands. The
 * first second has nothing better than that average. */
static void update_rate(struct rky_progress_line *line, const struct rky_progress *progress)
{
    int64_t span_ms = progress->elapsed_ms - line->rate_ms;
    if (span_ms <= 0 || (line->rate_ms != 0 && span_ms < RATE_EVERY_MS))
        return;
    line->rows_per_second = (double)(progress->rows - line->rate_rows) * 1000.0 / (double)span_ms;
    if (span_ms < RATE_EVERY_MS)
        return;
    line->rate_rows = progress->rows;
    line->rate_ms = progress->elapsed_ms;
}

static void compose(struct rky_strbuf *text, const struct rky_progress_line *line,
                    const struct rky_progress *progress)
{
    char rows[RKY_NUMBER_TEXT_MAX], rate[RKY_NUMBER_TEXT_MAX], elapsed[RKY_NUMBER_TEXT_MAX];
    rky_strbuf_addf(text, "%zu/%zu tables", progress->tables_done, progress->tables_total);
    if (progress->tables_failed > 0)
        rky_strbuf_addf(text, ", %zu failed", progress->tables_failed);
    rky_strbuf_addf(text, "  %s rows  %s rows/s  %s", rky_number_text(progress->rows, rows),
                    rky_number_text((int64_t)line->rows_per_second, rate),
                    rky_duration_text(progress->elapsed_ms, elapsed));
    if (progress->table != NULL) {
        rky_strbuf_add(text, "  ");
        rky_text_clean(text, progress->table);
    }
}

static size_t terminal_columns(void)
{
    struct winsize size = {0};
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20)
        return 80;
    return size.ws_col;
}

/* Cut to the terminal's width: a line that wraps could not be redrawn. */
static void cut_to_width(char *text, size_t columns)
{
    size_t width = 0;
    for (char *p = text; *p != '\0'; p++) {
        bool starts = ((unsigned char)*p & 0xc0) != 0x80;
        if (starts && width++ == columns) {
            *p = '\0';
            return;
        }
    }
}

static void show_live(struct rky_progress_line *line, const struct rky_progress *progress)
{
    struct rky_strbuf text = {0};
    rky_strbuf_addc(&text, '[');
    size_t done = progress->tables_total == 0
                      ? 0
                      : progress->tables_done * BAR_CELLS / progress->tables_total;
    for (size_t i = 0; i < BAR_CELLS; i++)
        rky_strbuf_addc(&text, i < done ? '=' : i == done ? '>' : ' ');
    rky_strbuf_add(&text, "] ");
    compose(&text, line, progress);
    char *owned = rky_strbuf_take(&text);
    if (owned != NULL) {
        cut_to_width(owned, terminal_columns() - 1);
        fprintf(stderr, "\r\033[K%s", owned);
        fflush(stderr);
        line->shown = true;
    }
    rky_free(owned);
    rky_strbuf_done(&text);
}

static void show_plain(struct rky_progress_line *line, const struct rky_progress *progress)
{
    if (progress->elapsed_ms - line->last_plain_ms < PLAIN_EVERY_MS)
        return;
    line->last_plain_ms = progress->elapsed_ms;
    struct rky_strbuf text = {0};
    compose(&text, line, progress);
    fprintf(stderr, "rocky: %s\n", rky_strbuf_text(&text));
    rky_strbuf_done(&text);
}

static void show(void *context, const struct rky_progress *progress)
{
    struct rky_progress_line *line = context;
    update_rate(line, progress);
    if (line->live)
        show_live(line, progress);
    else
        show_plain(line, progress);
}

rky_progress_fn *rky_progress_init(struct rky_progress_line *line, const struct rky_cli *cli)
{
    *line = (struct rky_progress_line){.live = cli->live};
    return cli->quiet ? NULL : show;
}

void rky_progress_clear(struct rky_progress_line *line)
{
    if (line->shown)
        fputs("\r\033[K", stderr);
    line->shown = false;
}
