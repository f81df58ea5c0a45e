#include "instrument/arguments.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

#include "instrument/output.h"

#define DEFAULT_ENDPOINT "tcp://127.0.0.1:5555"
#define DEFAULT_WAIT_S 5.0
#define DEFAULT_TIMEOUT_S 300.0

edx_status edx_arguments_whole(const char *option, const char *text, uint64_t max, uint64_t *out,
                               edx_error *err)
{
    char *end = NULL;
    if (!text)
        return EDX_OK;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] < '0' || text[0] > '9' || value > max)
        return edx_fail(err, EDX_E_RANGE, "%s: \"%s\", expected a whole number from 0 to %" PRIu64,
                        option, text, max);
    *out = value;
    return EDX_OK;
}

edx_status edx_arguments_number(const char *option, const char *text, double *out, edx_error *err)
{
    char *end = NULL;
    if (!text)
        return EDX_OK;
    double value = strtod(text, &end);
    if (end == text || *end != '\0' || !isfinite(value) || value < 0.0)
        return edx_fail(err, EDX_E_RANGE, "%s: \"%s\", expected a number from 0 on", option, text);
    *out = value;
    return EDX_OK;
}

edx_status edx_arguments_stream(const edx_stream_arguments *texts, edx_sender_options *sender,
                                double *times, edx_error *err)
{
    sender->wait_s = DEFAULT_WAIT_S;
    sender->timeout_s = DEFAULT_TIMEOUT_S;
    *times = 1.0;
    if (!sender->endpoint)
        sender->endpoint = DEFAULT_ENDPOINT;
    if (texts->pattern && !edx_sender_pattern_parse(texts->pattern, &sender->pattern))
        return edx_fail(err, EDX_E_UNKNOWN, "--pattern: \"%s\", expected pub, push or dealer",
                        texts->pattern);
    if (texts->speed && !edx_output_speed(texts->speed, times))
        return edx_fail(err, EDX_E_RANGE, "--speed: \"%s\", expected a number above 0, or max",
                        texts->speed);
    edx_status status = edx_arguments_number("--wait", texts->wait, &sender->wait_s, err);
    if (status == EDX_OK)
        status = edx_arguments_number("--timeout", texts->timeout, &sender->timeout_s, err);
    return status;
}
