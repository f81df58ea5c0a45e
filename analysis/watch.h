/* What an operator decides by while the beam is on: is it changing, is it enough, will it ever be?
 */
#ifndef EDX_ANALYSIS_WATCH_H
#define EDX_ANALYSIS_WATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/lines.h"
#include "analysis/particles.h"
#include "analysis/pool.h"
#include "analysis/windows.h"
#include "proto/frame.h"
#include "proto/result.h"

typedef struct edx_watch edx_watch;

/* What is watched; views of the caller's memory while new. */
typedef struct edx_watch_setup {
    const edx_begin *begin;
    edx_axis axis; /* the analysis' */
    uint32_t bin_energy;
    uint32_t lo, hi; /* scan channels within analysis.energy_eV */
    const edx_line *lines;
    uint32_t n;
    const double *rows_v; /* [n, E] functionals of the windows */
    double limit;         /* of quantification */
    double target_sigma;
    bool exclude; /* analysis.exclude */
} edx_watch_setup;

/* RANGE beyond 2^24 scan pixels, NOMEM. */
edx_status edx_watch_new(const edx_watch_setup *setup, edx_watch **out, edx_error *err);
void edx_watch_free(edx_watch **watch);
void edx_watch_clear(edx_watch *watch);
/* As edx_trend_set_pool. */
void edx_watch_set_pool(edx_watch *watch, const edx_pool *pool);
/* Takes over what before has counted where both count the same; false where they do not. */
bool edx_watch_follow(edx_watch *watch, edx_watch *before);
/* Adds events of rows row ... of a scan frame as edx_scene_add does. NOMEM leaves them out. */
edx_status edx_watch_add(edx_watch *watch, uint64_t frame, uint32_t row, const edx_events *events,
                         edx_error *err);

/* What update goes by. */
typedef struct edx_watch_input {
    const edx_particle_place *places; /* [count] of the particles */
    uint32_t count;                   /* 0: the whole field is watched */
    const uint32_t *owner;            /* [scan pixels] ids of places */
    const edx_particle *particles;    /* [count]; NULL: no forecast of a difference */
    double exposure;                  /* mean frames of a pixel */
    const uint32_t *covered;          /* [scan pixels] frames; NULL: all of them */
    uint64_t frames;                  /* complete ones */
    double frame_s;                   /* how long one takes */
    const uint64_t *outliers;         /* frames that no test takes, ascending */
    size_t n_outliers, n_excluded;    /* so many of them are left out of the sums */
    const uint64_t *drift_frame;      /* [n_drift] frames whose place is known, ascending */
    const double (*drift_nm)[2];      /* [n_drift] where */
    size_t n_drift;
    bool fixed; /* count all frames anew */
} edx_watch_input;

#define EDX_WATCH_FINDINGS 3

/* What it finds: out but its head; the alarms damage, health (frames, contamination) and target,
 * active or not. Arrays are valid until the next call. NOMEM. */
edx_status edx_watch_update(edx_watch *watch, const edx_watch_input *input, edx_trend_result *out,
                            edx_alarm findings[EDX_WATCH_FINDINGS], edx_error *err);

/* As edx_trend_bytes. */
uint64_t edx_watch_bytes(const edx_watch *watch, uint64_t more);

#endif
