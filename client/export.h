/* Results as tables: edxctl export. */
#ifndef EDX_CLIENT_EXPORT_H
#define EDX_CLIENT_EXPORT_H

#include "client/gather.h"
#include "proto/ensemble.h"

/* Writes what there is into dir, which is made where only its last part is missing: spectrum.csv,
 * image.csv, maps_<line>.csv, particles.csv, radial_<id>.csv, profile.csv, trend.csv, scree.csv,
 * nmf.csv, nmf_maps.csv. IO. */
edx_status edx_export_run(const edx_gathered *run, const char *dir, edx_error *err);
/* ensemble.csv and ensemble_particles.csv. IO. */
edx_status edx_export_ensemble(const edx_ensemble_result *ensemble, const char *dir,
                               edx_error *err);

#endif
