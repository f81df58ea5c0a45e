/* Whether a request was meant for this server: the names in Host and Origin. A page from elsewhere
 * may reach this address (by a link, or because a foreign name was made to resolve to it), but
 * cannot choose these two. */
#ifndef EDX_CLIENT_WEB_ORIGIN_H
#define EDX_CLIENT_WEB_ORIGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"

#define EDX_WEB_NAME 256

/* What stands between "//" and "/" in a URL. */
typedef struct edx_authority {
    char name[EDX_WEB_NAME]; /* lower case; an IPv6 address without its brackets */
    uint32_t port;           /* 0: not named */
} edx_authority;

/* Reads "name", "name:port" or "[v6]:port"; false when it is none: an empty name, a character that
 * no name has, a port beyond 65535. */
bool edx_authority_parse(const char *text, edx_authority *out);
/* "http://authority" or "https://authority", as browsers send it in Origin; a port that is the
 * scheme's own becomes 0. */
bool edx_origin_parse(const char *text, edx_authority *out);

/* Names, besides localhost and loopback addresses, that are this server's. */
typedef struct edx_web_names {
    const char *const *names;
    size_t n;
} edx_web_names;

/* host and origin are the headers' values; origin NULL: there was none, as with what is no browser.
 * local is the numeric address at which the connection arrived. True when host is this server's and
 * origin is host's own, or one of names. */
bool edx_web_is_ours(const edx_web_names *names, const char *local, const char *host,
                     const char *origin);

/* Splits "ADDR:PORT" or "[V6]:PORT" for --listen: a numeric address or localhost; false when it is
 * none. addr is written without brackets, localhost as 127.0.0.1. */
bool edx_listen_parse(const char *text, char addr[EDX_WEB_NAME], int *port);
bool edx_address_is_loopback(const char *addr);

/* "ACQ/FILE" behind /runs/: an acquisition's name as edxd allows it, and one of the two files that
 * may be asked for, as cube.hspy. */
bool edx_run_path_parse(const char *text, char acq[EDX_ACQ_SIZE], const char **file);

#endif
