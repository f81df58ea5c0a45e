/* The analysis from within: only its own files include this. */
#ifndef EDX_ANALYSIS_ANALYSIS_INSIDE_H
#define EDX_ANALYSIS_ANALYSIS_INSIDE_H

#include "analysis/analysis.h"
#include "analysis/detail.h"
#include "analysis/drift.h"
#include "analysis/functional.h"
#include "analysis/health.h"
#include "analysis/intensity.h"
#include "analysis/pending.h"
#include "analysis/shift.h"
#include "analysis/thickness.h"

/* Everything that follows from the settings; a new one replaces it whole. */
typedef struct edx_setup {
    edx_settings settings;
    edx_axis axis;
    uint32_t bin_energy, bin_pixels;
    uint32_t rows, cols;           /* analysis pixels */
    uint32_t inside_lo, inside_hi; /* scan channels [lo, hi) within analysis.energy_eV */
    edx_line lines[EDX_MAX_LINES];
    uint32_t n;
    edx_intensity *intensity; /* NULL while n is 0 */
    edx_detail *detail;
    edx_functional *functional; /* quant.background is model; NULL: windows */
    bool modelled;              /* it has the survey's rows */
    edx_thickness thickness;    /* where absolute */
    bool absolute;              /* quant.method counts atoms */
    uint64_t *sum;              /* [axis.channels] */
    uint64_t *total;            /* [rows * cols] each */
    double *image;
    float *exposure;
    float *net, *sigma, *fraction, *fraction_sigma;            /* [n, rows * cols] each */
    float *denoised, *denoised_sigma;                          /* of the verdict before */
    uint64_t verdicts;                                         /* … that was this one */
    double energies[EDX_MAX_LINES], windows[EDX_MAX_LINES][2]; /* of the lines */
    float *thick, *atoms; /* [rows * cols], [n, rows * cols] where absolute */
    bool shown;           /* sum, image, exposure, net and sigma are newer than what is lent */
    struct {              /* what the details look at while the next of each is made */
        uint64_t *sum;
        double *image;
        float *exposure, *net, *sigma;
    } lent;
} edx_setup;

struct edx_analysis {
    edx_begin begin;
    edx_begin known; /* with the elements that were found, where nobody named any */
    double looked;   /* counts when they were last looked for */
    edx_setup *now;
    edx_scene *scene;
    edx_pool *pool, *decompose_pool; /* the caller's */
    edx_pending *later;              /* events that setup's detail has not seen … */
    struct {
        size_t in_details, in_cube; /* … but for the first so many; so many are in scene */
        uint64_t *spectrum;         /* [channels] those that are not, in whole analysis pixels */
        uint64_t counts;            /* all of them */
    } waiting;
    double real_s; /* of all frames */
    edx_health *health;
    edx_profile *profile;
    uint64_t *inside;  /* [scan pixels] counts within analysis.energy_eV */
    double *live;      /* [scan pixels] s */
    uint32_t *covered; /* [scan pixels] frames, waiting ones among them */
    double *image;     /* [scan pixels] sum over frames */
    uint8_t *mask;     /* [scan pixels] of a polygon */
    uint8_t *ours;     /* [scan pixels] this process'; NULL: all are */
    char image_name[EDX_NAME_SIZE];
    bool has_image;
    uint64_t frames, newest;
    edx_drift *drift; /* NULL: not corrected */
    edx_shift *shift;
    const edx_pace *pace; /* the caller's */
    uint64_t decomposed;  /* frames in the components */
    bool away;            /* the details are, with the cube and what setup has lent */
    struct {              /* what is known of them meanwhile */
        edx_detail_input input;
        edx_detail_ages ages;
        uint64_t bytes, frames;
        uint64_t *outliers;
        size_t room;
    } details;
    bool added; /* something is in the sums */
    bool sums_alone;
    bool misplaced;
    struct {
        uint64_t *frames; /* ascending */
        size_t n, room;
    } excluded;
    struct {
        uint64_t *frames;
        double (*nm)[2];
    } track;
};

static inline size_t edx_analysis_scan_pixels(const edx_analysis *a)
{
    return (size_t)a->begin.rows * a->begin.cols;
}

/* What the settings mean for this begin, without the memory that using them takes: zeroed before.
 */
edx_status edx_setup_derive(edx_setup *setup, const edx_settings *settings, const edx_begin *begin,
                            edx_error *err);
/* The same with it; cube holds all counts. */
edx_status edx_setup_new(const edx_settings *settings, const edx_begin *begin,
                         const edx_scene *cube, edx_setup **out, edx_error *err);
void edx_setup_free(edx_setup **setup);
/* What was shown last goes to the details; what they had before is to be shown anew. */
void edx_setup_lend(edx_setup *setup);
/* Takes over the denoised maps that its details have. */
void edx_setup_denoised(edx_setup *setup);

/* Counts each scan pixel's counts within analysis.energy_eV anew. */
void edx_analysis_rebuild_inside(edx_analysis *analysis);
/* frames, frame, counts. */
void edx_analysis_head(const edx_analysis *analysis, edx_result_head *head);
/* Events that may wait for the cube, while the details are away: so many in any case. */
#define EDX_LEAST_AWAY (8u << 20)
uint64_t edx_analysis_most_away(const edx_analysis *analysis);
/* Forgets what waits. */
void edx_analysis_drop_waiting(edx_analysis *analysis);
/* Lets cube and details see all events; not while the details are away. NOMEM: some of them wait
 * still. */
edx_status edx_analysis_catch_up(edx_analysis *analysis, edx_error *err);
/* The sum spectrum as it is now. */
void edx_analysis_bin_spectrum(edx_analysis *analysis);
/* Spectrum and maps as they are now. */
void edx_analysis_show(edx_analysis *analysis, edx_results *out);

#endif
