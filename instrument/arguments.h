/* Numbers, the stream's options and what is said of wrong ones, as the command lines of edxsim and
 * edxplay have them. */
#ifndef EDX_INSTRUMENT_ARGUMENTS_H
#define EDX_INSTRUMENT_ARGUMENTS_H

#include <getopt.h>
#include <stdint.h>

#include "instrument/sender.h"
#include "proto/status.h"

/* A whole number from 0 to max; text NULL leaves *out. RANGE names the option. */
edx_status edx_arguments_whole(const char *option, const char *text, uint64_t max, uint64_t *out,
                               edx_error *err);
/* A number from 0 on; text NULL leaves *out. RANGE names the option. */
edx_status edx_arguments_number(const char *option, const char *text, double *out, edx_error *err);

/* The texts of the options that say how messages are sent; NULL: not given. */
typedef struct edx_stream_arguments {
    const char *pattern, *speed, *wait, *timeout;
    const char *key, *server_key;
} edx_stream_arguments;

/* Names the keys that senders use, which must be good ones, and fills sender (endpoint and connect
 * are the caller's; a missing endpoint becomes the default) and times, how many times faster than
 * real. UNKNOWN or RANGE names the option; what edx_keys_find says. */
edx_status edx_arguments_stream(const edx_stream_arguments *texts, edx_sender_options *sender,
                                double *times, edx_error *err);

/* Says on one line what getopt_long refused with answer, ':' or '?', where opterr is 0 and the
 * short options begin with ':'. */
void edx_arguments_refused(const char *program, const struct option *options, int answer,
                           char *const *argv);

#endif
