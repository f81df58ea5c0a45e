/* The acquisition frame by frame: composition so far, and whether something changes under the beam.
 *
 * Of every frame only the counts are kept that some line's windows or bands hold, by scan pixel, so
 * that all frames can be counted anew when the particles are known better. */
#ifndef EDX_ANALYSIS_TREND_H
#define EDX_ANALYSIS_TREND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/damage.h"
#include "analysis/lines.h"
#include "analysis/pool.h"
#include "proto/frame.h"
#include "proto/status.h"

/* Particles that are tested one by one; what is labelled beyond goes into the composition alone. */
#define EDX_TREND_REGIONS 16u

typedef struct edx_trend edx_trend;

typedef struct edx_trend_shape {
    uint32_t rows, cols, channels; /* scan */
    uint32_t bin_energy;
    uint32_t lo, hi;      /* scan channels within the energies of the analysis */
    uint32_t n;           /* lines */
    const double *rows_v; /* [n, E] linear functionals that give net counts */
    const uint8_t *band;  /* [n, E] not 0: counts there are the element's, for the test of change */
    const uint8_t *apart; /* [E] not 0: counts there are carbon's, which contamination brings */
} edx_trend_shape;

/* E is channels / bin_energy; the arrays are copied. NOMEM, RANGE beyond 2^24 scan pixels. */
edx_status edx_trend_new(const edx_trend_shape *shape, edx_trend **out, edx_error *err);
void edx_trend_free(edx_trend **trend);
void edx_trend_clear(edx_trend *trend);
/* What is asked is asked of the counts of all processes of pool (the caller's; NULL: one). */
void edx_trend_set_pool(edx_trend *trend, const edx_pool *pool);
/* Takes over what before kept where both keep the same; false where they do not. */
bool edx_trend_follow(edx_trend *trend, edx_trend *before);

/* Adds events of rows row ... of a scan frame as edx_scene_add does. NOMEM, and LIMIT for weights
 * that are far beyond counts of one frame, leave them out. */
edx_status edx_trend_add(edx_trend *trend, uint64_t frame, uint32_t row, const edx_events *events,
                         edx_error *err);

/* Which particle every scan pixel [rows * cols] belongs to: 0 none, 1 to count; count 0: all pixels
 * are one region. All frames are counted anew. NOMEM. */
edx_status edx_trend_regions(edx_trend *trend, const uint32_t *owner, uint32_t count,
                             edx_error *err);

/* Scan pixels [rows * cols] whose exposure is at least this are covered by every frame; NULL: all.
 * What measures the beam is counted there alone, since a specimen that drifts takes the rest of the
 * field out of view. */
void edx_trend_field(edx_trend *trend, const uint32_t *exposure, uint32_t least);

/* What the frames so far say. Tests of change: every element of a region against the others there,
 * and, where every frame covers the region, against what is no line's beside the regions, which
 * measures the beam current; arrays are the trend's until its next call. */
typedef struct edx_trend_state {
    size_t frames;             /* f */
    const uint64_t *frame;     /* [f] their numbers, ascending */
    const double *composition; /* [n, f] of all regions, the frames up to each summed; NaN where
                                  under the limit */
    const double *sigma;       /* [n, f] statistical */
    edx_damage damage;         /* of the region and element where p is smallest */
    uint32_t region;           /* there; from 1 */
    uint32_t element;          /* index of the line */
    bool whole; /* all elements of the region are lost: the particle, not one of them */
    edx_damage contamination; /* of carbon beside the regions */
} edx_trend_state;

/* expected: frames the acquisition is to have, 0 open-ended. skipped [n_skipped], ascending: frames
 * that no test takes (broken-off, outlying). NOMEM. */
edx_status edx_trend_update(edx_trend *trend, const edx_line *lines, double limit,
                            uint64_t expected, const uint64_t *skipped, size_t n_skipped,
                            edx_trend_state *out, edx_error *err);

/* Memory of the counts; with more events to come, at its largest while they are added. */
uint64_t edx_trend_bytes(const edx_trend *trend, uint64_t more);

#endif
