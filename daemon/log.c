#include "daemon/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct edx_log {
    const char *program;
    bool journald;
};

edx_log *edx_log_new(const char *program)
{
    edx_log *log = calloc(1, sizeof *log);
    if (log) {
        log->program = program;
        log->journald = getenv("JOURNAL_STREAM") != NULL;
    }
    return log;
}

void edx_log_free(edx_log **log)
{
    free(*log);
    *log = NULL;
}

/* What came over the wire may stand in the text: it must not forge lines or move the cursor. */
static void clean(char *text)
{
    for (; *text; text++) {
        const unsigned char c = (unsigned char)*text;
        if (c < 0x20 || c == 0x7f) {
            *text = '?';
        }
    }
}

void edx_log_write(edx_log *log, edx_level level, const char *fmt, ...)
{
    if (!log) {
        return;
    }
    char line[1024];
    int n = log->journald ? snprintf(line, sizeof line, "<%d>", (int)level)
                          : snprintf(line, sizeof line, "%s: ", log->program);
    char *text = line + n;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof line - (size_t)n - 1, fmt, args);
    va_end(args);
    clean(text);
    const size_t length = strlen(line);
    line[length] = '\n';
    /* A log that cannot be written must not stop the daemon. */
    if (write(STDERR_FILENO, line, length + 1) < 0) {
        return;
    }
}
