/* One acquisition as its messages tell it: which came, which frames stand, what is lost. Pure: no
 * clock, no file, no socket, so that live, replay and restart decide alike. */
#ifndef EDX_DAEMON_ACQUISITION_H
#define EDX_DAEMON_ACQUISITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/status.h"

typedef struct edx_acquisition edx_acquisition;

/* At most this many scan frames wait for rows at a time: the newest and the one before. */
#define EDX_WAITING_FRAMES 2

/* What an accepted frame message means for the sum, in this order. */
typedef struct edx_placement {
    uint64_t incomplete[EDX_WAITING_FRAMES]; /* frames to sum now with rows missing */
    uint32_t n_incomplete;
    bool place;    /* then sum this message's frame: all of its rows that wait, and this message */
    bool complete; /* the frame is then complete */
    bool finish;   /* the last expected frame is complete: the acquisition is finished */
} edx_placement;

/* NULL without memory. bytes are the begin's body, kept to tell a repeat from another begin. */
edx_acquisition *edx_acquisition_new(const edx_begin *begin, const void *bytes, size_t n);
void edx_acquisition_free(edx_acquisition **acquisition);

const edx_begin *edx_acquisition_begin(const edx_acquisition *acquisition);
/* A byte-identical begin is a repeat. */
bool edx_acquisition_is_repeat(const edx_acquisition *acquisition, const void *bytes, size_t n);
/* The begin message's bytes, n of them. */
const void *edx_acquisition_bytes(const edx_acquisition *acquisition, size_t *n);

/* Judges a decoded frame message of this acquisition without taking it. DUPLICATE: its seq came
 * before. RANGE: seq too far ahead; MISMATCH: a row that came before in
 * another message; LIMIT: a voxel could exceed 2^32 - 1. */
edx_status edx_acquisition_judge(const edx_acquisition *acquisition, const edx_frame *frame,
                                 edx_error *err);
/* Counts a repeat. */
void edx_acquisition_repeat(edx_acquisition *acquisition);
/* Takes a message that was judged OK: it counts, *out says what to do. NOMEM changes nothing. */
edx_status edx_acquisition_frame(edx_acquisition *acquisition, const edx_frame *frame,
                                 edx_placement *out, edx_error *err);
/* Takes the end message (end may be NULL: stopped from here). OK the first time, DUPLICATE later;
 * the first message after a stop is OK too: it tells what was sent. *out names the frames to place
 * as they are. */
edx_status edx_acquisition_end(edx_acquisition *acquisition, const edx_end *end, edx_placement *out,
                               edx_error *err);

/* edx.end came, or the last expected frame is complete, or it was stopped. */
bool edx_acquisition_finished(const edx_acquisition *acquisition);
bool edx_acquisition_ended(const edx_acquisition *acquisition); /* edx.end came */

typedef struct edx_tally {
    uint64_t received;  /* frame messages that count */
    uint64_t lost;      /* frame messages that were sent and never came */
    uint64_t duplicate; /* frame messages that came again */
    uint64_t counts;    /* X-ray counts in them */
    uint64_t frame;     /* newest scan frame */
    uint64_t frames;    /* scan frames with every row */
} edx_tally;

edx_tally edx_acquisition_tally(const edx_acquisition *acquisition);

#define EDX_LOST_TEXT 800
/* Which frame messages are lost, and which frames lack rows: "seq 12-15 (frames that are not whole:
 * 12-15)", in as many parts as it takes: *next is 0 for the first and is moved on; false when
 * nothing is left to say. */
bool edx_acquisition_lost(const edx_acquisition *acquisition, size_t *next, char *text,
                          size_t size);

#endif
