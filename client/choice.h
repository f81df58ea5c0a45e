/* What the view shows of what there is: pages have items (maps, particles, components) and points
 * (rings, frames, eigenvalues) that are read out. */
#ifndef EDX_CLIENT_CHOICE_H
#define EDX_CLIENT_CHOICE_H

#include <stdbool.h>

#include "client/latest.h"
#include "client/picture.h"
#include "client/series.h"

#define EDX_ITEM_NAME 48
#define EDX_NOTE_SIZE 256

typedef enum edx_page {
    EDX_PAGE_MAPS,
    EDX_PAGE_PARTICLES,
    EDX_PAGE_TREND,
    EDX_PAGE_COMPONENTS,
    EDX_PAGE_SCREE,
    EDX_PAGES
} edx_page;

const char *edx_page_name(edx_page page); /* "maps", "particles" ... */
bool edx_page_parse(const char *name, edx_page *out);

/* What the person at the keyboard has chosen. Zeroed, with an endpoint, is a good start. */
typedef struct edx_view {
    edx_page page;
    bool chosen;             /* else the first picture that is there is shown */
    size_t selected;         /* the picture that was chosen */
    uint64_t particle;       /* its id, 0 or one that is not there: the largest is shown */
    bool line;               /* the line profile in a particle's place */
    edx_estimator source;    /* of the profile; another where it has no numbers */
    bool pca;                /* components of edx.pca, else of edx.nmf */
    size_t component;        /* from 0 */
    bool pointed[EDX_PAGES]; /* else the point that is read out is the page's own choice */
    size_t point[EDX_PAGES]; /* ring, frame or component that is read out */
    edx_measure measure;
    bool has_cursor; /* else the cursor stands in the middle */
    uint64_t cursor[2];
    bool frozen, past, help;
    const char *endpoint;
    double now;               /* monotonic, s */
    char note[EDX_NOTE_SIZE]; /* in place of the hints, "" for none */
} edx_view;

/* Items of the page; 0 where it has none. */
size_t edx_choice_count(const edx_view *view, const edx_latest *model);
/* The one that is shown. */
size_t edx_choice_item(const edx_view *view, const edx_latest *model);
void edx_choice_name(const edx_view *view, const edx_latest *model, size_t i,
                     char out[EDX_ITEM_NAME]);
/* False where nothing is published for it yet. */
bool edx_choice_there(const edx_view *view, const edx_latest *model, size_t i);
void edx_choice_set(edx_view *view, const edx_latest *model, size_t i);
/* One item on, or back. */
void edx_choice_step(edx_view *view, const edx_latest *model, bool forward);

/* The map that is shown; rows 0 on pages without. */
edx_picture edx_choice_picture(const edx_view *view, const edx_latest *model);
/* Its cursor, inside it. */
void edx_choice_cursor(const edx_view *view, const edx_picture *picture, uint64_t cursor[2]);
/* NULL without a particle, and where the line profile is shown. */
const edx_particle *edx_choice_particle(const edx_view *view, const edx_latest *model);
bool edx_choice_line(const edx_view *view, const edx_latest *model);
edx_estimator edx_choice_source(const edx_view *view, const edx_latest *model);
/* True when the components are those of edx.pca: as chosen, or where there are no others. */
bool edx_choice_pca(const edx_view *view, const edx_latest *model);
/* The topic that the page shows. */
edx_result_topic edx_choice_topic(const edx_view *view, const edx_latest *model);

/* Points of the page, and the one that is read out. */
size_t edx_choice_points(const edx_view *view, const edx_latest *model);
size_t edx_choice_point(const edx_view *view, const edx_latest *model);

/* What the arrows do: cursor, items, points. */
void edx_choice_move(edx_view *view, const edx_latest *model, int rows, int cols);
/* The next source: denoised and not, estimator of the profile, PCA and NMF. */
void edx_choice_switch(edx_view *view, const edx_latest *model);

#endif
