/* Rings round a particle's centre: their pixels and spectra, all frames and group by group.
 *
 * Every scan pixel is in one ring by its centre's distance (SCIENCE: radial); ring spectra are
 * summed counts of the analysis' channels. */
#ifndef EDX_ANALYSIS_RINGS_H
#define EDX_ANALYSIS_RINGS_H

#include <stdint.h>

#include "analysis/sparse.h"
#include "proto/status.h"

/* What the rings hold; all memory is the instance's. */
typedef struct edx_rings {
    uint32_t m;               /* rings */
    uint32_t channels;        /* analysis channels E */
    uint32_t groups;          /* G; 0: not kept by group */
    double step_nm;           /* width */
    double centre_nm[2];      /* [y, x] */
    double radius_nm;         /* R of the particle */
    const uint32_t *pixels;   /* [m] scan pixels */
    const double *middle_nm;  /* [m] (i + 1/2) step */
    const double *mean_nm;    /* [m] mean distance of the pixels, the middle where there is none */
    const double *square_nm2; /* [m] mean squared distance */
    const double *spectra;    /* [m, E] counts */
    const double *group;      /* [G, m, E] counts by group of interleaved frames */
} edx_rings;

typedef struct edx_ring_store edx_ring_store; /* owns what an edx_rings shows */

edx_status edx_rings_new(uint32_t rows, uint32_t cols, const double step_nm[2], uint32_t channels,
                         uint32_t groups, edx_ring_store **out, edx_error *err);
void edx_rings_free(edx_ring_store **store);

/* Rings of width_nm to reach_nm round centre_nm of the scan pixels for which owner[pixel] == id or
 * is 0 (owner [rows * cols]; NULL: all). counts has one analysis pixel for each scan pixel
 * (bin_pixels 1); its folds, as many as groups, become groups where with_groups (counts that are in
 * no fold are in no group). Rings are whole: the last one ends at or beyond reach. out shows the
 * store's memory until the next call. NOMEM, RANGE for more than 4096 rings. */
edx_status edx_rings_collect(edx_ring_store *store, const edx_sparse *counts,
                             const double centre_nm[2], double radius_nm, double width_nm,
                             double reach_nm, const uint32_t *owner, uint32_t id, int with_groups,
                             edx_rings *out, edx_error *err);

/* Pixels of a zone. */
typedef struct edx_ring_zone {
    uint32_t pixels;
    double mean_nm, square_nm2; /* of their distance; its middle where there is none */
} edx_ring_zone;

/* The spectrum [E] of those pixels of the last edx_rings_collect, of the same counts, whose
 * distance is in [from_nm, to_nm); the rings reach as far. */
edx_ring_zone edx_rings_zone(const edx_ring_store *store, const edx_sparse *counts, double from_nm,
                             double to_nm, double *spectrum);

#endif
