/* What is true of a simulated run, as JSON: the yardstick for what an analysis finds. */
#ifndef EDX_INSTRUMENT_TRUTH_H
#define EDX_INSTRUMENT_TRUTH_H

#include "instrument/simulator.h"
#include "proto/status.h"

/* Fractions [2] of the particle's elements in projection, atom-weighted over the pixels whose
 * centre lies at from_nm <= distance < to_nm of its centre, and the atoms there. */
double edx_truth_ring(const edx_simulator *simulator, uint32_t particle, double from_nm,
                      double to_nm, double fraction[2]);

/* Writes the file (aside, then renamed). IO. */
edx_status edx_truth_write(edx_simulator *simulator, const char *path, edx_error *err);

#endif
