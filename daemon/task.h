/* What the receiving side asks of the analyst, and what the analyst reports back. */
#ifndef EDX_DAEMON_TASK_H
#define EDX_DAEMON_TASK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/acquisition.h"
#include "daemon/link.h"
#include "daemon/run.h"
#include "proto/settings.h"

typedef enum edx_task_kind {
    EDX_TASK_BEGIN,     /* start */
    EDX_TASK_CONFIGURE, /* start->settings */
    EDX_TASK_FRAME,     /* one accepted frame message */
    EDX_TASK_PLACE,     /* placement: frames that wait are summed as they are */
    EDX_TASK_FOLDER,    /* start: what the acquisition is called now, and where it is kept */
    EDX_TASK_SAVE,      /* final analysis and files; closing */
    EDX_TASK_FORGET,    /* back to no acquisition */
    EDX_TASK_ASK,       /* a control request about the sums, in message */
    EDX_TASK_QUIT
} edx_task_kind;

/* What begins an acquisition, and what configures it. From malloc, the task's. */
typedef struct edx_start {
    edx_begin begin; /* under the name it is stored by */
    char folder[4096];
    char recording[4096]; /* "" when nothing is recorded */
    edx_source source;    /* where the messages can be read again */
    edx_settings settings;
} edx_start;

typedef struct edx_task {
    edx_task_kind kind;
    edx_message message; /* FRAME's body or ASK's request, when in memory */
    const void *body;    /* FRAME outside of message: valid during the call only */
    size_t size;
    bool on_disk;    /* FRAME: read it back from the recording */
    uint64_t offset; /* where there */
    edx_placement placement;
    int64_t arrival_ns; /* CLOCK_MONOTONIC, of FRAME; 0: from a recording */
    double t;           /* Unix time that results get */
    uint64_t ticket;    /* SAVE, ASK: comes back with the report; 0: nobody waits */
    edx_state state;    /* SAVE */
    edx_start *start;
    edx_closing *closing; /* SAVE; from malloc, the task's */
} edx_task;

typedef enum edx_report_kind {
    EDX_REPORT_RESULT, /* topic and body to publish */
    EDX_REPORT_FACTS,  /* facts; arrival_ns of the newest frame in them */
    EDX_REPORT_SAVED,  /* ticket, status, text */
    EDX_REPORT_ANSWER  /* ticket and body */
} edx_report_kind;

typedef struct edx_report {
    edx_report_kind kind;
    edx_result_topic topic;
    uint64_t ticket;
    uint64_t frame; /* RESULT: the newest frame in it */
    double t;       /* RESULT: when it was made, Unix time */
    int64_t arrival_ns;
    edx_state state;
    edx_error error; /* SAVED: code 0 when the files are in place */
    edx_run_facts facts;
} edx_report;

#endif
