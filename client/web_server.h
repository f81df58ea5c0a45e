/* The page's server: HTTP for its files and those of runs, and a WebSocket for what is live. The
 * one file behind this header is the only one that includes libwebsockets. */
#ifndef EDX_CLIENT_WEB_SERVER_H
#define EDX_CLIENT_WEB_SERVER_H

#include "client/web_control.h"
#include "client/web_origin.h"

typedef struct edx_web_options {
    const char *endpoint, *control; /* of edxd */
    const char *addr;               /* numeric; where to listen */
    int port;                       /* 0: any that is free */
    const char *root;               /* the page's folder */
    const char *runs;               /* edxd's output.dir, NULL: none is shown */
    edx_web_names names;            /* of this server, besides those known by themselves */
    edx_token token;                /* size 0: nothing can be changed */
} edx_web_options;

typedef struct edx_web_server edx_web_server;

/* Listens, and begins to listen to edxd. options must live as long. Errors: RANGE (an endpoint that
 * is none), IO, MISSING, LIMIT, NOMEM. */
edx_status edx_web_server_new(const edx_web_options *options, edx_web_server **out, edx_error *err);
void edx_web_server_free(edx_web_server **server);

/* Where a browser on this machine finds the page. */
const char *edx_web_server_url(const edx_web_server *server);

/* Serves until a signal asks for the end (client/signals.h). Errors: IO. */
edx_status edx_web_server_run(edx_web_server *server, edx_error *err);

#endif
