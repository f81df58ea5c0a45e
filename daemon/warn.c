#include "daemon/warn.h"

#include <stdbool.h>

#define MANY 5u /* of the last ten frames */
#define FEW 1u
#define MUCH 0.10 /* of the field of view */
#define LITTLE 0.08

static void warn_of_drift(edx_alarms *alarms, const edx_run_facts *facts)
{
    const bool stands = edx_alarms_active(alarms, "drift");
    const int64_t frame = (int64_t)facts->head.frame;
    if (facts->drift_lost > (stands ? LITTLE : MUCH)) {
        edx_alarms_raise(alarms, "drift", "warning", frame,
                         "the specimen has left more than a tenth of the field of view: end this "
                         "acquisition and centre the specimen again");
    } else if (facts->drift_failures > (stands ? FEW : MANY - 1)) {
        edx_alarms_raise(alarms, "drift", "warning", frame,
                         "frames show too little to be registered: send a HAADF image with each, "
                         "dwell longer, or set analysis.drift to none");
    } else {
        edx_alarms_clear(alarms, "drift");
    }
}

static void warn_of_memory(edx_alarms *alarms, const edx_run_facts *facts)
{
    if (facts->full) {
        edx_alarms_raise(alarms, "memory", "error", (int64_t)facts->head.frame,
                         "the sums have reached limits.max_cube_GB: later frames are recorded, not "
                         "summed; raise it and restart edxd, bin more, or use edxd --offline on a "
                         "larger machine");
    } else if (facts->unsummed > 0) {
        edx_alarms_raise(alarms, "memory", "error", (int64_t)facts->head.frame,
                         "no memory to sum everything that comes: it is in the recording; free "
                         "memory and restart edxd");
    } else if (facts->starved) {
        edx_alarms_raise(
            alarms, "memory", "error", (int64_t)facts->head.frame,
            "no memory for all that the settings ask for: results lack something; free "
            "memory and restart edxd, or bin more");
    }
}

void edx_warn(edx_alarms *alarms, const edx_run_facts *facts)
{
    warn_of_drift(alarms, facts);
    warn_of_memory(alarms, facts);
    for (size_t i = 0; i < facts->n_findings; i++) {
        const edx_alarm *found = &facts->findings[i];
        if (found->active) {
            edx_alarms_raise(alarms, found->kind, found->severity, found->since_frame, "%s",
                             found->message);
        } else {
            edx_alarms_clear(alarms, found->kind);
        }
    }
}
