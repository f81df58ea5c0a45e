/* What is published of the particles: where they are, and their composition by every estimator,
 * each with its error and its verdict (SCIENCE: particles and profiles; denoising that does not
 * lie). */
#ifndef EDX_ANALYSIS_PORTRAITS_H
#define EDX_ANALYSIS_PORTRAITS_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/folds.h"
#include "analysis/grouped.h"
#include "analysis/lines.h"
#include "analysis/model.h"
#include "analysis/nmf.h"
#include "analysis/particles.h"
#include "analysis/replicates.h"
#include "proto/result.h"

/* Particles, the largest first, that are denoised; the others are raw. */
#define EDX_PORTRAITS_DENOISED 16u
#define EDX_PORTRAITS_FACTORS 64u /* at most */

typedef struct edx_portraits edx_portraits;

typedef struct edx_portraits_setup {
    const edx_begin *begin;
    uint32_t bin_pixels;
    uint32_t rows, cols, channels; /* of the analysis */
    uint32_t groups;               /* of frames; 0: no verdicts */
    const edx_line *lines;         /* n, while new */
    uint32_t n;
    const double *windows; /* [n, E] functionals of the lines' windows, while new */
    double limit;          /* of quantification */
    double ring_nm;
    uint32_t max_rank; /* of components */
} edx_portraits_setup;

/* RANGE, NOMEM. */
edx_status edx_portraits_new(const edx_portraits_setup *setup, edx_portraits **out, edx_error *err);
void edx_portraits_free(edx_portraits **portraits);
/* Takes over which particle had which id. */
void edx_portraits_follow(edx_portraits *portraits, const edx_portraits *before);

/* What update goes by; views of the caller's memory, of the same counts. */
typedef struct edx_portraits_input {
    edx_grouped *grouped;      /* ready */
    const float *net, *sigma;  /* [n, analysis pixels] */
    const double *image;       /* [analysis pixels]; NULL: none */
    const float *exposure;     /* [analysis pixels] */
    const uint32_t *covered;   /* [scan pixels] frames */
    edx_model *model;          /* is fitted to one particle after the other; NULL: there is none */
    const edx_pca_result *pca; /* NULL: none */
    const edx_folds *folds;    /* of it */
    edx_nmf *nmf;              /* NULL: none */
    const edx_replicates *replicates; /* of nmf, up to date for a verdict; NULL: none */
    const bool *particle;             /* [its k] which of its components are the particles' */
    bool fixed;                       /* ids are assigned afresh */
    bool verdict; /* find what takes all groups anew: checks, maps, profiles by components */
} edx_portraits_input;

/* Where the particles are now. */
edx_status edx_portraits_find(edx_portraits *portraits, const edx_portraits_input *input,
                              edx_error *err);
edx_particles *edx_portraits_particles(edx_portraits *portraits);

/* All fields of out but its head, of what was found. Arrays are valid until the next call. NOMEM,
 * NUMERIC, RANGE. */
edx_status edx_portraits_update(edx_portraits *portraits, const edx_portraits_input *input,
                                edx_particles_result *out, edx_error *err);

/* Denoised fraction and sigma [n, analysis pixels] of the last verdict, NaN outside particles. */
const float *edx_portraits_fraction(const edx_portraits *portraits);
const float *edx_portraits_sigma(const edx_portraits *portraits);

#endif
