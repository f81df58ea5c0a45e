#include "instrument/arguments.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instrument/output.h"
#include "proto/certificate.h"

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

static edx_status name_keys(const edx_stream_arguments *texts, edx_error *err)
{
    edx_keys keys;
    bool found = false;
    edx_status status = edx_keys_name(texts->key, texts->server_key, err);
    if (status == EDX_OK && texts->key)
        status = edx_keys_find(&keys, &found, err);
    explicit_bzero(&keys, sizeof keys);
    return status;
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
    edx_status status = name_keys(texts, err);
    if (status == EDX_OK)
        status = edx_arguments_number("--wait", texts->wait, &sender->wait_s, err);
    if (status == EDX_OK)
        status = edx_arguments_number("--timeout", texts->timeout, &sender->timeout_s, err);
    return status;
}

/* ---- what getopt_long refuses ---- */

/* An ambiguous option begins some: only those are listed, else all. */
static void list_options(const struct option *options, const char *given, size_t n)
{
    bool some = false;
    const char *comma = " ";
    for (const struct option *o = options; o->name; o++)
        some = some || strncmp(o->name, given, n) == 0;
    for (const struct option *o = options; o->name; o++) {
        if (some && strncmp(o->name, given, n) != 0)
            continue;
        fprintf(stderr, "%s--%s", comma, o->name);
        comma = ", ";
    }
}

/* True when getopt_long refused an option that there is: it was given a value and takes none. */
static bool takes_none(const struct option *options)
{
    while (options->name && options->val != optopt)
        options++;
    return options->name && optopt != 0;
}

void edx_arguments_refused(const char *program, const struct option *options, int answer,
                           char *const *argv)
{
    const char letter[] = {'-', (char)optopt, '\0'}, *given = argv[optind - 1];
    bool is_long =
        strncmp(given, "--", 2) == 0 && (optopt == 0 || answer == ':' || takes_none(options));
    if (!is_long)
        given = letter;
    int n = (int)strcspn(given, "=");
    fprintf(stderr, "%s: %.*s: ", program, n, given);
    if (answer == ':') {
        fputs("no value, expected one", stderr);
    } else if (takes_none(options)) {
        fputs("a value, expected none", stderr);
    } else {
        fputs("unknown option, expected one of", stderr);
        list_options(options, is_long ? given + 2 : "?", is_long ? (size_t)n - 2 : 1);
    }
    fprintf(stderr, " (%s --help)\n", program);
}
