/* Answers to what clients ask about the sums: profile, region, calibrate. */
#ifndef EDX_DAEMON_ANSWER_H
#define EDX_DAEMON_ANSWER_H

#include "analysis/analysis.h"
#include "proto/wire.h"

/* Writes the reply map for cmd, ok included, into reply (reset first). analysis may be NULL: no
 * acquisition. */
void edx_answer(edx_analysis *analysis, const char *cmd, const edx_node *request, edx_pack *reply);

#endif
