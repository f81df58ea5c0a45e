/* Signals that end a client, as flags. */
#ifndef EDX_CLIENT_SIGNALS_H
#define EDX_CLIENT_SIGNALS_H

#include <stdbool.h>

/* SIGINT, SIGTERM, SIGHUP and SIGQUIT ask for the end, SIGPIPE is an error of write() alone. */
void edx_signals_catch(void);
bool edx_signals_stop(void);
/* True once after the program was stopped and went on. */
bool edx_signals_continued(void);

#endif
