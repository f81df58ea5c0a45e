/* Alarms about the specimen: what the analysis finds, for people. */
#ifndef EDX_DAEMON_WARN_H
#define EDX_DAEMON_WARN_H

#include "daemon/alarms.h"
#include "daemon/status.h"

/* Raises drift while frames cannot be registered or the specimen leaves the field of view, with
 * hysteresis, and what the analysis found (damage, health, target); clears what is over. */
void edx_warn(edx_alarms *alarms, const edx_run_facts *facts);

#endif
