/* One acquisition's analysis: frames in, result structs out. Synchronous; owns no thread. */
#ifndef EDX_ANALYSIS_ANALYSIS_H
#define EDX_ANALYSIS_ANALYSIS_H

#include <stdbool.h>
#include <stdint.h>

#include "analysis/detail.h"
#include "analysis/drift.h"
#include "analysis/lines.h"
#include "analysis/pool.h"
#include "analysis/profile.h"
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

/* Whether an acquisition that begin describes can carry the settings: the errors of
 * edx_analysis_new, without making one. */
edx_status edx_analysis_check(const edx_begin *begin, const edx_settings *settings, edx_error *err);

/* Lets pool (the caller's, alive as long as the analysis uses it; NULL: none) share the work from
 * now on. Results are the same for any number of threads. Where it is that of one of several
 * processes (edx_pool_join), before anything is added, all of them must make the same calls with
 * the same messages; results that are final are those of all. NOMEM. */
edx_status edx_analysis_set_pool(edx_analysis *analysis, edx_pool *pool, edx_error *err);

/* The same for what edx_analysis_decompose takes, which is worth sharing on a small scan too. */
edx_status edx_analysis_set_decompose_pool(edx_analysis *analysis, edx_pool *pool, edx_error *err);

/* Other settings from now on; everything is computed anew from the counts. On error nothing
 * changes. Totals of past frames are not kept by channel, so the health starts anew where
 * analysis.energy_eV changes what is counted. */
edx_status edx_analysis_configure(edx_analysis *analysis, const edx_settings *settings,
                                  edx_error *err);

/* Looks at the rows of one message for the registration of their frame. All messages of a frame are
 * looked at before the first of them is added; a frame that comes in one message needs no look. */
void edx_analysis_look(edx_analysis *analysis, const edx_frame *frame, const edx_events *events);
/* Adds the rows of one message, as events, with its images (frame->images) and times, where drift
 * correction places them; what leaves the field of view is left out, but for the health. Rows of
 * one scan frame may come in several calls; edx_analysis_frame then says that the frame stands. */
edx_status edx_analysis_add(edx_analysis *analysis, const edx_frame *frame,
                            const edx_events *events, edx_error *err);
/* Scan frame index is summed: complete, or placed with rows missing. */
void edx_analysis_frame(edx_analysis *analysis, uint64_t index, bool complete);

/* ---- drift ---- */

/* Registers frames; NULL where drift is not corrected (analysis.drift none, or a scan too small).
 */
edx_drift *edx_analysis_drift(edx_analysis *analysis);
/* No more frames will come: decides which elements there are, where nobody named any. */
edx_status edx_analysis_settle(edx_analysis *analysis, edx_error *err);
/* Sums and spectra alone, until other settings are configured: no elements are looked for, nothing
 * is decomposed. For an acquisition that the operator's settings do not fit, which would otherwise
 * show what nobody asked for. */
void edx_analysis_sum_alone(edx_analysis *analysis);
/* Counts stand where earlier settings placed them, or were never looked at under these, frame by
 * frame: all frames must be looked at, registered and added once more. */
bool edx_analysis_is_misplaced(const edx_analysis *analysis);
/* Where analysis.exclude is set, frames that the health names are left out when all frames are
 * added once more: their rows go into the health alone. *changed: others than are left out now.
 * NOMEM. */
edx_status edx_analysis_exclude(edx_analysis *analysis, bool *changed, edx_error *err);
/* Frames left out, ascending. */
const uint64_t *edx_analysis_excluded(const edx_analysis *analysis, size_t *n);
/* Empties all sums, and the health; the places of frames are kept. NOMEM changes nothing. */
edx_status edx_analysis_restart(edx_analysis *analysis, edx_error *err);
/* How far the specimen has moved since the first frame, [dy, dx] nm, frame by frame: n frames in
 * the order of their numbers, 0 where drift is not corrected. Valid until the next call. NOMEM. */
edx_status edx_analysis_track(edx_analysis *analysis, size_t *n, const uint64_t **frames,
                              const double (**nm)[2], edx_error *err);

/* What is known now. head.head (acq, t) is the caller's to fill; arrays stay valid until the next
 * call of add, configure or update. */
typedef struct edx_results {
    edx_result_head head; /* frames, frame, counts */
    edx_spectrum_result spectrum;
    edx_maps_result maps;
    bool has_maps;             /* false while no line is known */
    edx_detail_results detail; /* nothing until edx_analysis_decompose found it */
    bool final;
} edx_results;

/* Brings every result up to date but those of edx_analysis_decompose. */
edx_status edx_analysis_update(edx_analysis *analysis, edx_results *out, edx_error *err);
/* The same from a fixed start, in fixed order: equal for equal counts, however they came. */
edx_status edx_analysis_final(edx_analysis *analysis, edx_results *out, edx_error *err);
/* Adds to results of the same counts what takes longer: components, particles, what changes;
 * nothing while there are no counts within analysis.energy_eV. From a fixed start, in fixed order,
 * where results are final; the maps then show what was denoised. NOMEM, NUMERIC: the other results
 * stand.
 */
edx_status edx_analysis_decompose(edx_analysis *analysis, edx_results *results, edx_error *err);

/* The same in three steps, where another thread is to take the long one: prepare, with results of
 * the same counts; where that is EDX_OK, find, in any thread, with results that nobody else has;
 * then collect, in prepare's thread again, whatever came of it. In between the thread of prepare
 * may look, add, frame and update, and ask for drift, health, ages, bytes, lines and settings;
 * nothing else. What is added waits for the cube then: maps and spectrum have it, but for those
 * by the model, which are by windows so long (edx_analysis_needs_details), and elements are not
 * looked for. NOMEM, NUMERIC. */
edx_status edx_analysis_prepare(edx_analysis *analysis, edx_results *results, edx_error *err);
edx_status edx_analysis_find(edx_analysis *analysis, edx_results *results, edx_error *err);
void edx_analysis_collect(edx_analysis *analysis, edx_results *results);
/* Whether so much waits for the cube, or with more events to come so little would be left of budget
 * bytes (edx_analysis_bytes), that find had better come to its end first. */
bool edx_analysis_waits(const edx_analysis *analysis, uint64_t more, uint64_t budget);
/* Whether an update between prepare and collect would leave something out. */
bool edx_analysis_needs_details(const edx_analysis *analysis);

/* What lets decompose leave for its next call where results are not final; the caller's (NULL:
 * nothing). */
void edx_analysis_set_pace(edx_analysis *analysis, const edx_pace *pace);
/* Whether decompose left something. */
bool edx_analysis_underway(const edx_analysis *analysis);
/* Frames in the newest results: those that decompose brings up to date every time, and those that
 * it makes anew when counts have grown (analysis/detail.h). */
typedef struct edx_analysis_ages {
    uint64_t sum, components, heldout, profiles;
} edx_analysis_ages;
edx_analysis_ages edx_analysis_ages_of(const edx_analysis *analysis);

/* Memory of the sums, for one more message of so many events: the scene, the groups of frames and
 * the trend, with an eighth of room to grow and 24 bytes an event. */
uint64_t edx_analysis_bytes(const edx_analysis *analysis, uint64_t more);
/* Whether those are within budget bytes. Not by what may come of events that wait: where that
 * decides, and the details are here, they go where they belong first. */
bool edx_analysis_fits(edx_analysis *analysis, uint64_t more, uint64_t budget);
/* The cube, without what waits while the details are away. */
const edx_scene *edx_analysis_scene(const edx_analysis *analysis);
const edx_begin *edx_analysis_begin(const edx_analysis *analysis);
const edx_settings *edx_analysis_settings(const edx_analysis *analysis);
const edx_line *edx_analysis_lines(const edx_analysis *analysis, uint32_t *n);
/* Live time of every scan pixel, s: sum over frames of dwell * live / real. [rows * cols] */
const double *edx_analysis_live_time(const edx_analysis *analysis);

/* The frames' totals within analysis.energy_eV against Poisson (analysis/health.h); outliers belong
 * to the analysis until its next call. */
void edx_analysis_health(edx_analysis *analysis, double *chi2, uint64_t *dof, double *p,
                         const uint64_t **outliers, size_t *n_outliers);

/* The line profile of a band: from_nm, to_nm [y, x], width_nm (analysis/profile.h). out->head.head
 * is the caller's to fill. Arrays are owned by the analysis until its next call. RANGE when the
 * band holds no pixel. */
edx_status edx_analysis_profile(edx_analysis *analysis, const double from_nm[2],
                                const double to_nm[2], double width_nm, edx_profile_result *out,
                                edx_error *err);

/* The sum over a region: mask [rows * cols] of scan pixels, or the corners [y, x] of a polygon
 * (even-odd rule, pixel centres). Arrays are owned by the analysis until its next call. RANGE when
 * the region holds no pixel. */
edx_status edx_analysis_region(edx_analysis *analysis, const uint8_t *mask, edx_region_result *out,
                               edx_error *err);
edx_status edx_analysis_region_polygon(edx_analysis *analysis, const double (*corners_nm)[2],
                                       size_t n, edx_region_result *out, edx_error *err);

#endif
