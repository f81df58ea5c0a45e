/* One acquisition's analysis: frames in, result structs out. Synchronous; owns no thread. */
#ifndef EDX_ANALYSIS_ANALYSIS_H
#define EDX_ANALYSIS_ANALYSIS_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/lines.h"
#include "analysis/scene.h"
#include "proto/frame.h"
#include "proto/result.h"
#include "proto/settings.h"

typedef struct edx_analysis edx_analysis;

/* An empty analysis of the acquisition that begin describes. A setting that this begin cannot carry
 * (a line off the axis, a bin larger than the scan) is RANGE or UNKNOWN and names the key. */
edx_status edx_analysis_new(const edx_begin *begin, const edx_settings *settings,
                            edx_analysis **out, edx_error *err);
void edx_analysis_free(edx_analysis **analysis);

/* Other settings from now on; everything is computed anew from the counts. On error nothing
 * changes. */
edx_status edx_analysis_configure(edx_analysis *analysis, const edx_settings *settings,
                                  edx_error *err);

/* Adds the rows of one message, as events, with its images (frame->images) and times. Rows of one
 * scan frame may come in several calls; edx_analysis_frame then says that the frame stands. */
edx_status edx_analysis_add(edx_analysis *analysis, const edx_frame *frame,
                            const edx_events *events, edx_error *err);
/* Scan frame index is summed: complete, or placed with rows missing. */
void edx_analysis_frame(edx_analysis *analysis, uint64_t index, bool complete);

/* What is known now. head.head (acq, t) is the caller's to fill; arrays stay valid until the next
 * call of add, configure or update. */
typedef struct edx_results {
    edx_result_head head; /* frames, frame, counts */
    edx_spectrum_result spectrum;
    edx_maps_result maps;
    bool has_maps; /* false while no line is known */
} edx_results;

/* Brings every result up to date. */
edx_status edx_analysis_update(edx_analysis *analysis, edx_results *out, edx_error *err);
/* The same from a fixed start, in fixed order: equal for equal counts, however they came. */
edx_status edx_analysis_final(edx_analysis *analysis, edx_results *out, edx_error *err);

const edx_scene *edx_analysis_scene(const edx_analysis *analysis);
const edx_begin *edx_analysis_begin(const edx_analysis *analysis);
const edx_settings *edx_analysis_settings(const edx_analysis *analysis);
const edx_line *edx_analysis_lines(const edx_analysis *analysis, uint32_t *n);
/* Live time of every scan pixel, s: sum over frames of dwell * live / real. [rows * cols] */
const double *edx_analysis_live_time(const edx_analysis *analysis);

/* The line profile of a band: from_nm, to_nm [y, x], width_nm. Arrays are owned by the analysis
 * until its next call. RANGE when the band holds no pixel. */
edx_status edx_analysis_profile(edx_analysis *analysis, const double from_nm[2],
                                const double to_nm[2], double width_nm, edx_profile_result *out,
                                edx_error *err);

#endif
