#include "daemon/status.h"

#include <math.h>
#include <stdio.h>

#include "daemon/version.h"

static uint64_t behind(const edx_tally *tally, uint64_t frames)
{
    return tally->frames > frames ? tally->frames - frames : 0;
}

void edx_status_fill(edx_status_result *out, edx_state state, uint64_t expected,
                     const edx_run_facts *facts, const edx_tally *tally, uint64_t bad)
{
    *out = (edx_status_result){
        .head = facts->head,
        .state = state,
        .expected = expected,
        .received = tally->received,
        .lost = tally->lost,
        .duplicate = tally->duplicate,
        .bad = bad,
    };
    out->behind.sum = behind(tally, facts->ages.sum);
    out->behind.maps = behind(tally, facts->ages.maps);
    out->behind.components = behind(tally, facts->ages.components);
    out->behind.heldout = behind(tally, facts->ages.heldout);
    out->behind.profiles = behind(tally, facts->ages.profiles);
    out->health.chi2 = facts->chi2;
    out->health.p = facts->p;
    out->health.dof = facts->dof;
    out->health.outliers = facts->outliers;
    out->health.n_outliers = facts->n_outliers;
    out->drift_nm[0] = facts->drift_nm[0];
    out->drift_nm[1] = facts->drift_nm[1];
    for (int i = 0; i < EDX_RESULT_TOPICS; i++) {
        out->last[i] = NAN;
    }
    snprintf(out->version, sizeof out->version, "%s", EDX_VERSION);
}
