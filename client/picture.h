/* What can be shown as a map: HAADF, total counts, line intensities, fractions, components. */
#ifndef EDX_CLIENT_PICTURE_H
#define EDX_CLIENT_PICTURE_H

#include <stdbool.h>
#include <stddef.h>

#include "client/latest.h"

typedef enum edx_measure { EDX_VALUE, EDX_SIGMA, EDX_SNR, EDX_MEASURES } edx_measure;

typedef struct edx_picture {
    char name[32];    /* "Ag_La", "Ag at.%" */
    const char *unit; /* "counts", "at.%", "" */
    edx_result_topic topic;
    uint64_t rows, cols;     /* 0: not published (yet) */
    edx_array values, sigma; /* sigma.ndim 0: none */
    uint64_t first;          /* index of the picture's pixel (0, 0) in values and sigma */
    bool poisson;            /* sigma is the square root of the value */
    bool around_zero;        /* shown with zero in the middle */
    bool suppressed;         /* a pixel that its sigma swamps says so */
    double factor;           /* from the published number to unit */
    double step_nm[2];       /* NaN: unknown */
    edx_array exposure;      /* ndim 0: none */
} edx_picture;

/* HAADF and total always, then each line, each fraction, each denoised fraction; where they are
 * published, atoms of each element, mass thickness, exposure. */
size_t edx_picture_count(const edx_latest *model);
edx_picture edx_picture_get(const edx_latest *model, size_t index);
/* The denoised fraction of a fraction and the other way round; any other index as it is. */
size_t edx_picture_denoised(const edx_latest *model, size_t index);
bool edx_picture_is_denoised(const edx_latest *model, size_t index);

/* Maps of the components of edx.nmf, or of edx.pca. */
size_t edx_picture_components(const edx_latest *model, bool nmf);
edx_picture edx_picture_component(const edx_latest *model, bool nmf, size_t index);

/* Wanted, or the value where there is no sigma. */
edx_measure edx_picture_measure(const edx_picture *picture, edx_measure wanted);

/* The value, its sigma or their ratio at a pixel, in unit; NaN: missing. */
double edx_picture_at(const edx_picture *picture, edx_measure measure, uint64_t row, uint64_t col);
/* The mean over the pixels from (row, col) up to, not including, (row_end, col_end); NaN where at
 * least half of them are missing. */
double edx_picture_mean(const edx_picture *picture, edx_measure measure, const uint64_t from[2],
                        const uint64_t to[2]);
/* Frames that cover a pixel, NaN when unknown. */
double edx_picture_exposure(const edx_picture *picture, uint64_t row, uint64_t col);

/* Low and high end for display: the percentiles 1 and 99, so that a few odd pixels do not matter,
 * symmetric where zero is in the middle. NaN when every pixel is missing. high > low. */
void edx_picture_range(const edx_picture *picture, edx_measure measure, double range[2]);

const char *edx_measure_name(edx_measure measure);
/* "at.%", "at.% (1σ)" … */
const char *edx_picture_unit(const edx_picture *picture, edx_measure measure);

#endif
