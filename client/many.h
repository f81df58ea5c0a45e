/* The ensemble of many runs, from ensemble.h5. */
#ifndef EDX_CLIENT_MANY_H
#define EDX_CLIENT_MANY_H

#include <stdbool.h>

#include "proto/ensemble.h"

typedef struct edx_many {
    edx_pack *pack; /* what result points into */
    edx_wire *wire;
    edx_ensemble_result result;
} edx_many;

/* True where folder holds an ensemble.h5. */
bool edx_many_is(const char *folder);
/* IO, DECODE and what edx_ensemble_read says; all name the file. */
edx_status edx_many_read(const char *folder, edx_many *out, edx_error *err);
void edx_many_clear(edx_many *many);

#endif
