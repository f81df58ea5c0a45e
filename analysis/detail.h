/* What follows from the counts once the maps are out: components, particles, change under the beam.
 * It keeps its own counts, and may lag behind the scene. */
#ifndef EDX_ANALYSIS_DETAIL_H
#define EDX_ANALYSIS_DETAIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/lines.h"
#include "analysis/pace.h"
#include "analysis/pool.h"
#include "analysis/scene.h"
#include "analysis/survey.h"
#include "analysis/watch.h"
#include "analysis/windows.h"
#include "proto/frame.h"
#include "proto/result.h"
#include "proto/settings.h"

typedef struct edx_detail edx_detail;

/* What the analysis has decided; views of the caller's memory, but for lines only while new. */
typedef struct edx_detail_setup {
    const edx_begin *begin;
    const edx_settings *settings;
    const edx_scene *cube; /* all counts; grouped (edx_grouped_folds) when they are asked for */
    edx_axis axis;         /* the analysis' */
    uint32_t rows, cols;   /* analysis pixels */
    uint32_t lo, hi;       /* scan channels within analysis.energy_eV */
    const edx_line *lines;
    uint32_t n;
} edx_detail_setup;

/* RANGE, NOMEM. */
edx_status edx_detail_new(const edx_detail_setup *setup, edx_detail **out, edx_error *err);
void edx_detail_free(edx_detail **detail);
/* Lets pool (the caller's; NULL: none) share the work; results stay the same. NOMEM. */
edx_status edx_detail_set_pool(edx_detail *detail, edx_pool *pool, edx_error *err);

/* Takes over the counts of before where they are kept alike; else starts from those of the cube.
 * False where some of these are in no group of frames, or in no frame. */
bool edx_detail_follow(edx_detail *detail, edx_detail *before);
/* Forgets all counts. */
void edx_detail_clear(edx_detail *detail);
/* Adds events of rows row ... of a scan frame as edx_scene_add does. What memory there is none for
 * is made up for from the scene. */
void edx_detail_add(edx_detail *detail, uint64_t frame, uint32_t row, const edx_events *events);

/* What update goes by; views of the caller's memory, of the same counts. */
typedef struct edx_detail_input {
    const edx_scene *scene;
    const uint64_t *sum;           /* [E] of the analysis pixels */
    const float *net, *sigma;      /* [n, analysis pixels]; NULL while no line is known */
    const double *image;           /* [analysis pixels]; NULL: none came */
    const float *exposure;         /* [analysis pixels] frames */
    const uint64_t *outliers;      /* frames that no test of change takes, ascending */
    size_t n_outliers, n_excluded; /* so many of them are left out of the sums */
    const uint64_t *drift_frame;   /* [n_drift] frames whose place is known, ascending */
    const double (*drift_nm)[2];   /* [n_drift] where */
    size_t n_drift;
    double mean_exposure; /* frames of a scan pixel */
    double frame_s;       /* how long one takes */
    uint64_t frames;      /* complete ones */
    bool fixed;           /* from a fixed start, in fixed order */
    const edx_pace *pace; /* of what takes every group of frames; NULL, or fixed: at once */
} edx_detail_input;

/* What it finds; heads are the caller's to fill, arrays are valid until the next call. */
typedef struct edx_detail_results {
    edx_pca_result pca;
    edx_nmf_result nmf;
    edx_particles_result particles;
    edx_trend_result trend;
    bool has_pca, has_nmf, has_particles, has_trend;
    edx_alarm findings[EDX_WATCH_FINDINGS]; /* where has_trend */
} edx_detail_results;

/* Fits what the sum tells, before an update; the survey then stays as it is until the next look.
 * NOMEM, NUMERIC: no update is to follow. */
edx_status edx_detail_look(edx_detail *detail, const edx_detail_input *input, edx_error *err);
/* NOMEM, NUMERIC: what could be found is in out. Without counts there is nothing, which is no
 * error. */
edx_status edx_detail_update(edx_detail *detail, const edx_detail_input *input,
                             edx_detail_results *out, edx_error *err);

/* Frames that there were when counts were last asked by groups: for what is held out, and for
 * verdicts, denoised maps and profiles by components. */
typedef struct edx_detail_ages {
    uint64_t heldout, profiles;
} edx_detail_ages;
edx_detail_ages edx_detail_ages_of(const edx_detail *detail);
/* Whether that is due and pace left something of it for the next update. */
bool edx_detail_underway(const edx_detail *detail);

/* Verdicts passed so far: denoised maps are the same until the next. */
uint64_t edx_detail_verdicts(const edx_detail *detail);
/* Denoised fraction and sigma [n, analysis pixels]; NaN where there is none. */
const float *edx_detail_fraction(const edx_detail *detail);
const float *edx_detail_fraction_sigma(const edx_detail *detail);
/* What the sum spectrum tells; NULL where there are no energies to model. */
edx_survey *edx_detail_survey(edx_detail *detail);
/* Counts of analysis pixels and channels that were added. */
const edx_scene *edx_detail_counts(const edx_detail *detail);

/* Memory that grows with the counts; with more events to come, at its largest then. */
uint64_t edx_detail_bytes(const edx_detail *detail, uint64_t more);

#endif
