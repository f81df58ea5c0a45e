/* Puts edx.status together from what the receiving and the analysing side know. */
#ifndef EDX_DAEMON_STATUS_H
#define EDX_DAEMON_STATUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/acquisition.h"
#include "proto/result.h"

#define EDX_MAX_OUTLIERS 64
#define EDX_MAX_FINDINGS 4

/* Complete frames that are in the newest of each; of the same acquisition. */
typedef struct edx_run_ages {
    uint64_t sum, maps, components, heldout, profiles;
} edx_run_ages;

/* What edx.status needs to know of the sums. */
typedef struct edx_run_facts {
    edx_result_head head; /* acq, frames, frame, counts */
    edx_run_ages ages;
    uint64_t unsummed;   /* frame messages that are not in the sums: no memory */
    bool target_reached; /* the composition is known to analysis.target_sigma */
    bool starved;        /* no memory for what the settings ask for */
    bool full;           /* limits.max_cube_GB is reached */
    double chi2, p;
    uint64_t dof;
    size_t n_outliers;
    uint64_t outliers[EDX_MAX_OUTLIERS]; /* the first of them */
    double drift_nm[2];                  /* of the newest frame, since the first */
    unsigned drift_failures;             /* of the last ten frames, not registered */
    double drift_lost; /* share of the field of view that left it with the first frame */
    size_t n_findings;
    edx_alarm findings[EDX_MAX_FINDINGS]; /* of the analysis, active or not */
} edx_run_facts;

/* What only the receiving side knows, for the stored status. */
typedef struct edx_closing {
    edx_tally tally;
    uint64_t bad;
    bool stands; /* the files may hold more than the recording: nothing is stored */
    size_t n_alarms;
    edx_alarm alarms[16];
} edx_closing;

/* Fills everything but latency, rate, last, t and uptime. outliers stay facts'. */
void edx_status_fill(edx_status_result *out, edx_state state, uint64_t expected,
                     const edx_run_facts *facts, const edx_tally *tally, uint64_t bad);

#endif
