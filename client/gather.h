/* All results of a run, from its folder or from a running edxd. */
#ifndef EDX_CLIENT_GATHER_H
#define EDX_CLIENT_GATHER_H

#include "client/latest.h"
#include "proto/settings.h"

typedef struct edx_gathered {
    edx_latest *latest;
    edx_settings settings; /* those in force */
} edx_gathered;

/* From <folder>/results.h5. IO, DECODE and what edx_result_read says; all name the place. */
edx_status edx_gather_folder(const char *folder, edx_gathered *out, edx_error *err);
/* The newest of edxd that are of one frame: that of edx.particles where there are any. END when it
 * does not answer in time; STATE when it has no acquisition. */
edx_status edx_gather_daemon(const char *endpoint, double timeout_s, edx_gathered *out,
                             edx_error *err);
void edx_gathered_clear(edx_gathered *gathered);

/* What edx_latest_get has of a topic, NULL when there is nothing. */
const edx_spectrum_result *edx_gathered_spectrum(const edx_gathered *gathered);
const edx_maps_result *edx_gathered_maps(const edx_gathered *gathered);
const edx_pca_result *edx_gathered_pca(const edx_gathered *gathered);
const edx_nmf_result *edx_gathered_nmf(const edx_gathered *gathered);
const edx_particles_result *edx_gathered_particles(const edx_gathered *gathered);
const edx_profile_result *edx_gathered_profile(const edx_gathered *gathered);
const edx_trend_result *edx_gathered_trend(const edx_gathered *gathered);
/* What every body carries; NULL without any. */
const edx_result_head *edx_gathered_head(const edx_gathered *gathered);

#endif
