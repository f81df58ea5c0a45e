/* What a browser says, and whether it may: acknowledgements, and requests for edxd's control
 * socket, of which those that change something need the token. */
#ifndef EDX_CLIENT_WEB_CONTROL_H
#define EDX_CLIENT_WEB_CONTROL_H

#include "proto/wire.h"

/* The longest message of a browser, bytes. */
#define EDX_WEB_MAX_MESSAGE 262144
/* The most values in one. */
#define EDX_WEB_MAX_VALUES 65536

/* ---- the token ---- */

#define EDX_TOKEN_MIN 16
#define EDX_TOKEN_MAX 255

typedef struct edx_token {
    size_t size; /* 0: none, and nothing matches */
    unsigned char bytes[EDX_TOKEN_MAX];
} edx_token;

/* The first line of a file that only its owner can read. Errors: IO, STATE (others may read it),
 * RANGE (too short, too long); each says what would help. */
edx_status edx_token_read(const char *path, edx_token *out, edx_error *err);
/* Takes the same time whatever given holds; its length may show. */
bool edx_token_matches(const edx_token *token, const void *given, size_t n);

/* ---- messages ---- */

typedef struct edx_web_said {
    bool acknowledges;       /* else it asks */
    uint64_t serial;         /* of the result acknowledged */
    uint64_t id;             /* of the question */
    const edx_node *request; /* a map; what edxd is asked */
    const char *token;       /* NULL: none; not terminated */
    size_t token_size;
} edx_web_said;

/* Views stay valid until the next parse of wire and while bytes live. Errors: those of
 * edx_wire_parse, TYPE, MISSING, RANGE, UNKNOWN. */
edx_status edx_web_hear(edx_wire *wire, const void *bytes, size_t n, edx_web_said *out,
                        edx_error *err);

/* Whether the question may be passed on. Errors: STATE, one line for the one who asked. */
edx_status edx_web_permit(const edx_web_said *said, const edx_token *token, edx_error *err);
/* Whether its answer comes only when files are in place. */
bool edx_web_may_take_long(const edx_web_said *said);

#endif
