/* The thread that owns the sums. Tasks in, reports out; it takes every task that waits, then
 * makes maps once, and has the components found when no more come: by a second thread, which has
 * the counts to itself so long, while frames and maps go on. Without start, tasks are carried out
 * at once in the caller's thread: offline and at restart. */
#ifndef EDX_DAEMON_ANALYST_H
#define EDX_DAEMON_ANALYST_H

#include <stdbool.h>
#include <stddef.h>

#include "daemon/crew.h"
#include "daemon/log.h"
#include "daemon/task.h"

typedef struct edx_analyst edx_analyst;

/* Takes body (from malloc, may be NULL) over. Called in the analyst's thread. */
typedef void edx_reporter(void *context, const edx_report *report, void *body, size_t n);

edx_analyst *edx_analyst_new(const edx_limits *limits, edx_log *log, edx_reporter *report,
                             void *context);
void edx_analyst_free(edx_analyst **analyst); /* stops the thread first */

/* As edx_run_set_crew; no thread then. */
edx_status edx_analyst_set_crew(edx_analyst *analyst, edx_crew *crew, edx_error *err);
edx_status edx_analyst_start(edx_analyst *analyst, edx_error *err);
/* Takes the task over (message and start moved out of it). With a thread: queues it; NOMEM leaves
 * it with the caller. */
edx_status edx_analyst_give(edx_analyst *analyst, edx_task *task);
/* Bytes of messages that wait in memory. */
size_t edx_analyst_backlog(edx_analyst *analyst);
/* Tasks carried out so far: rises as long as the thread lives and has work. */
uint64_t edx_analyst_progress(edx_analyst *analyst, bool *busy);
/* Analyses what is summed now and reports it (no thread). */
void edx_analyst_update(edx_analyst *analyst, double t);

void edx_task_init(edx_task *task, edx_task_kind kind);
void edx_task_clear(edx_task *task);

#endif
