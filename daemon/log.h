/* One line per event, to stderr: with journald's priority prefix when it listens, else with the
 * program's name. */
#ifndef EDX_DAEMON_LOG_H
#define EDX_DAEMON_LOG_H

#include <stdbool.h>

typedef enum edx_level {
    EDX_LOG_ERROR = 3,
    EDX_LOG_WARNING = 4,
    EDX_LOG_NOTICE = 5,
    EDX_LOG_INFO = 6
} edx_level;

typedef struct edx_log edx_log;

/* program must outlive the log. NULL without memory. Safe for any number of threads. */
edx_log *edx_log_new(const char *program);
void edx_log_free(edx_log **log);

/* "where: text", printf style, one write of one line. Control characters are replaced. log may be
 * NULL: nothing is written. */
void edx_log_write(edx_log *log, edx_level level, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
