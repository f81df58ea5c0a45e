/* The configuration: a libconfig file and single keys over it. */
#ifndef EDX_DAEMON_CONFIG_H
#define EDX_DAEMON_CONFIG_H

#include <stdbool.h>

#include "proto/frame.h"
#include "proto/settings.h"
#include "proto/wire.h"

typedef enum edx_pattern { EDX_PATTERN_SUB, EDX_PATTERN_PULL, EDX_PATTERN_ROUTER } edx_pattern;
typedef enum edx_sync { EDX_SYNC_NONE, EDX_SYNC_FRAME, EDX_SYNC_END } edx_sync;

#define EDX_ENDPOINT_SIZE 256

typedef struct edx_config {
    struct {
        char endpoint[EDX_ENDPOINT_SIZE];
        char stop_endpoint[EDX_ENDPOINT_SIZE]; /* "": nobody is told */
        int pattern;
        bool bind;
    } ingest;
    struct {
        char endpoint[EDX_ENDPOINT_SIZE];
    } publish, control;
    struct {
        char dir[4000];
        bool record;
        int sync;
        double keep_days;
    } output;
    edx_settings settings; /* analysis, quant */
    struct {
        uint64_t max_message_MB, max_pixels, max_channels;
        double max_cube_GB, stall_s, min_free_GB;
    } limits;
    struct {
        bool curve;
        char keys[1024], clients[1024];
    } security;
} edx_config;

void edx_config_default(edx_config *config);
/* Reads a file over what config holds, and checks the whole. Errors name file, line and key. */
edx_status edx_config_load(edx_config *config, const char *path, edx_error *err);
/* "key=value", dotted path; VALUE in libconfig syntax, else a string. */
edx_status edx_config_override(edx_config *config, const char *assignment, edx_error *err);
/* One key by its path, from a control request; the configuration is unchanged on error. */
edx_status edx_config_set(edx_config *config, const char *path, const edx_node *value,
                          edx_error *err);
edx_status edx_config_get(const edx_config *config, const char *path, edx_pack *pack,
                          edx_error *err);
/* What no single key can tell. */
edx_status edx_config_check(const edx_config *config, edx_error *err);

edx_limits edx_config_limits(const edx_config *config);

#endif
