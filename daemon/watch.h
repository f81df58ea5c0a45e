/* Alarms that follow from what the analyst reports. */
#ifndef EDX_DAEMON_WATCH_H
#define EDX_DAEMON_WATCH_H

#include "daemon/alarms.h"
#include "daemon/status.h"

/* drift: half of the last ten frames could not be registered (over when nine of ten can), or more
 * than a tenth of the first frame's field of view is lost (over below 8 %). */
void edx_watch_drift(edx_alarms *alarms, const edx_run_facts *facts);

#endif
