/* SIGINT and SIGTERM as something to ask for: no handler, no global flag. */
#ifndef EDX_INSTRUMENT_STOP_H
#define EDX_INSTRUMENT_STOP_H

#include "proto/status.h"

typedef struct edx_stop edx_stop;

/* From now on both signals are only counted. IO, NOMEM. */
edx_status edx_stop_new(edx_stop **out, edx_error *err);
/* They end the program again. */
void edx_stop_free(edx_stop **stop);

/* As if a signal had come. */
void edx_stop_ask(edx_stop *stop);
/* How often was it asked so far? NULL: never. Does not wait. */
unsigned edx_stop_asked(edx_stop *stop);
/* Readable when a signal waits to be counted: for poll. -1 for NULL. */
int edx_stop_fd(const edx_stop *stop);

#endif
