#include "instrument/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define WIDTH 40
#define REDRAW_MS 100
#define SAY_EVERY 100 /* units, where the total is unknown */

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void edx_progress_start(edx_progress *progress, const char *program, const char *unit,
                        uint64_t total, bool quiet)
{
    memset(progress, 0, sizeof *progress);
    progress->program = program;
    progress->unit = unit;
    progress->total = total;
    progress->quiet = quiet;
    progress->terminal = isatty(STDERR_FILENO) == 1;
}

static void draw(edx_progress *progress, uint64_t done)
{
    int64_t now = now_ms();
    if (now - progress->last_ms < REDRAW_MS && done < progress->total)
        return;
    progress->last_ms = now;
    progress->drawn = true;
    if (progress->total == 0) {
        fprintf(stderr, "\r%s: %" PRIu64 " %s\033[K", progress->program, done, progress->unit);
        return;
    }
    static const char full[] = "########################################";
    int filled = (int)(done * WIDTH / progress->total);
    fprintf(stderr, "\r%s: [%-*.*s] %" PRIu64 "/%" PRIu64 " %s\033[K", progress->program, WIDTH,
            filled, full, done, progress->total, progress->unit);
}

static void say(edx_progress *progress, uint64_t done)
{
    uint64_t step = progress->total > 0 ? done * 10 / progress->total : done / SAY_EVERY;
    if (step == progress->said)
        return;
    progress->said = step;
    if (progress->total > 0)
        fprintf(stderr, "%s: %" PRIu64 "/%" PRIu64 " %s (%" PRIu64 " %%)\n", progress->program,
                done, progress->total, progress->unit, step * 10);
    else
        fprintf(stderr, "%s: %" PRIu64 " %s\n", progress->program, done, progress->unit);
}

void edx_progress_step(edx_progress *progress, uint64_t done)
{
    if (progress->quiet)
        return;
    if (progress->total > 0 && done > progress->total)
        done = progress->total;
    if (progress->terminal)
        draw(progress, done);
    else
        say(progress, done);
}

void edx_progress_clear(edx_progress *progress)
{
    if (progress->drawn)
        fputs("\r\033[K", stderr);
    progress->drawn = false;
}
