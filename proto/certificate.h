/* Certificates of CURVE, as CZMQ writes them: text files with a public key, and secret ones with
 * both. Who may read a secret. */
#ifndef EDX_PROTO_CERTIFICATE_H
#define EDX_PROTO_CERTIFICATE_H

#include <stdbool.h>

#include "proto/status.h"

#define EDX_KEY_SIZE 41 /* 32 bytes in Z85, and the terminating 0 */

/* What a client or an instrument needs: its own pair, and the public key of the edxd it trusts. */
typedef struct edx_keys {
    char public_key[EDX_KEY_SIZE], secret_key[EDX_KEY_SIZE], server_key[EDX_KEY_SIZE];
} edx_keys;

/* Reads a secret certificate and edxd's public one; server NULL: edxd.pub beside own. Errors name
 * the file and say what would help: IO; STATE (others may read it); MISSING (no such key in it);
 * RANGE (what stands there is no key). */
edx_status edx_keys_read(const char *own, const char *server, edx_keys *out, edx_error *err);

/* The keys that the environment names: EDX_KEY a secret certificate, EDX_SERVER_KEY edxd's public
 * one. *found is false, and all is well, when there is no EDX_KEY. */
edx_status edx_keys_find(edx_keys *out, bool *found, edx_error *err);

/* Makes own and server (NULL: as they are) what edx_keys_find finds: for command lines, before any
 * thread. NOMEM. */
edx_status edx_keys_name(const char *own, const char *server, edx_error *err);

/* The pair of a secret certificate. Errors as above. */
edx_status edx_certificate_secret(const char *path, char public_key[EDX_KEY_SIZE],
                                  char secret_key[EDX_KEY_SIZE], edx_error *err);

/* Gives take every public key of a file: certificates one behind the other are many. Errors as
 * above, those of take, and STATE when a secret key is among them or anybody may write the file. */
edx_status edx_certificate_public(const char *path,
                                  edx_status (*take)(void *context, const char *key,
                                                     edx_error *err),
                                  void *context, edx_error *err);

/* OK when the file behind fd is its owner's alone. Below $CREDENTIALS_DIRECTORY, where systemd puts
 * what it gives to one service, the bits of the group are those of an access list and say nothing.
 * STATE, with the chmod that would help; IO. */
edx_status edx_private_check(int fd, const char *path, edx_error *err);

/* ---- what handshakes say, on the side that is not edxd ---- */

typedef enum edx_handshake {
    EDX_HANDSHAKE_DONE,
    EDX_HANDSHAKE_DENIED,  /* edxd does not know the key; ZeroMQ does not try again */
    EDX_HANDSHAKE_FOREIGN, /* one side has keys, the other has not; nor here */
    EDX_HANDSHAKE_BROKEN   /* the other side has closed the connection */
} edx_handshake;

typedef struct edx_admission {
    bool has_keys, admitted;
    unsigned broken;
    const char *trouble; /* what would help, on one line, or NULL */
} edx_admission;

/* Takes note of one. Many broken ones before the first that is done are those of a server that has
 * another key. */
void edx_admission_note(edx_admission *admission, edx_handshake handshake);

#endif
