#include "proto/certificate.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LINE_SIZE 1024
#define PATH_SIZE 4096

/* ---- who may read it ---- */

static bool is_credential(const char *path)
{
    const char *folder = getenv("CREDENTIALS_DIRECTORY");
    size_t n = folder ? strlen(folder) : 0;
    return n > 0 && strncmp(path, folder, n) == 0 && path[n] == '/';
}

edx_status edx_private_check(int fd, const char *path, edx_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return edx_fail(err, EDX_E_IO, "%s", strerror(errno));
    if (!S_ISREG(info.st_mode))
        return edx_fail(err, EDX_E_IO, "no regular file, expected one");
    if (info.st_mode & (is_credential(path) ? S_IRWXO : S_IRWXG | S_IRWXO))
        return edx_fail(err, EDX_E_STATE,
                        "others may read it (mode %03o), expected 600: chmod 600 %.100s",
                        (unsigned)info.st_mode & 0777U, path);
    return EDX_OK;
}

static edx_status check_unwritable(int fd, const char *path, edx_error *err)
{
    struct stat info;
    if (fstat(fd, &info) != 0)
        return edx_fail(err, EDX_E_IO, "%s", strerror(errno));
    if (info.st_mode & S_IWOTH)
        return edx_fail(err, EDX_E_STATE,
                        "anybody may write it (mode %03o), expected 644: chmod o-w %.100s",
                        (unsigned)info.st_mode & 0777U, path);
    return EDX_OK;
}

/* ---- the text ---- */

typedef enum entry { OTHER, PUBLIC, SECRET } entry;

/* A line `    public-key = "…"` or `secret-key`; *value is what stands behind, without quotes. */
static entry read_entry(char *line, char **value)
{
    static const char *const names[] = {[PUBLIC] = "public-key", [SECRET] = "secret-key"};
    line += strspn(line, " \t");
    for (int i = PUBLIC; i <= SECRET; i++) {
        size_t n = strlen(names[i]);
        char *at = line + n;
        if (strncmp(line, names[i], n) != 0 || at[strspn(at, " \t")] != '=')
            continue;
        at += strspn(at, " \t") + 1;
        at += strspn(at, " \t");
        char quote = *at == '"' || *at == '\'' ? *at++ : '\0';
        const char ends[] = {quote ? quote : ' ', '\r', '\n', '\0'};
        at[strcspn(at, ends)] = '\0';
        *value = at;
        return (entry)i;
    }
    return OTHER;
}

static bool is_key(const char *text)
{
    static const char z85[] = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                              ".-:+=^!/*?&<>()[]{}@%$#";
    return strlen(text) == EDX_KEY_SIZE - 1 && strspn(text, z85) == EDX_KEY_SIZE - 1;
}

typedef edx_status entry_taker(void *context, entry kind, const char *key, edx_error *err);

static edx_status read_entries(FILE *file, entry_taker *take, void *context, edx_error *err)
{
    char line[LINE_SIZE], *value = NULL;
    edx_status status = EDX_OK;
    for (unsigned n = 1; status == EDX_OK && fgets(line, sizeof line, file); n++) {
        entry kind = read_entry(line, &value);
        if (kind == OTHER)
            continue;
        if (!is_key(value))
            status =
                edx_fail(err, EDX_E_RANGE,
                         "line %u: no key, expected 40 characters as edxctl keygen writes them", n);
        else
            status = take(context, kind, value, err);
    }
    explicit_bzero(line, sizeof line);
    return status == EDX_OK && ferror(file) ? edx_fail(err, EDX_E_IO, "%s", strerror(errno))
                                            : status;
}

/* O_NONBLOCK: a pipe must not hold anybody up. */
static edx_status read_file(const char *path,
                            edx_status (*check)(int fd, const char *path, edx_error *err),
                            entry_taker *take, void *context, edx_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return edx_fail(err, EDX_E_IO, "%.120s: %s, expected a certificate: edxctl keygen -o FILE",
                        path, strerror(errno));
    edx_status status = check(fd, path, err);
    FILE *file = status == EDX_OK ? fdopen(fd, "r") : NULL;
    if (file) {
        setvbuf(file, NULL, _IONBF, 0); /* no copy of a secret stays in a buffer */
        status = read_entries(file, take, context, err);
        fclose(file);
    } else {
        close(fd);
        status = status ? status : edx_fail(err, EDX_E_NOMEM, "no memory");
    }
    if (status)
        edx_error_prefix(err, "%.100s", path);
    return status;
}

/* ---- secret ones ---- */

typedef struct pair {
    char *public_key, *secret_key;
} pair;

static edx_status take_pair(void *context, entry kind, const char *key, edx_error *err)
{
    pair *p = context;
    char *to = kind == PUBLIC ? p->public_key : p->secret_key;
    if (to[0] != '\0')
        return edx_fail(err, EDX_E_RANGE, "more than one certificate, expected a single one");
    memcpy(to, key, EDX_KEY_SIZE);
    return EDX_OK;
}

edx_status edx_certificate_secret(const char *path, char public_key[EDX_KEY_SIZE],
                                  char secret_key[EDX_KEY_SIZE], edx_error *err)
{
    pair p = {public_key, secret_key};
    public_key[0] = secret_key[0] = '\0';
    edx_status status = read_file(path, edx_private_check, take_pair, &p, err);
    if (status == EDX_OK && (public_key[0] == '\0' || secret_key[0] == '\0'))
        status =
            edx_fail(err, EDX_E_MISSING,
                     "%.80s: no %s in it, expected a secret certificate: edxctl keygen -o FILE",
                     path, secret_key[0] == '\0' ? "secret-key" : "public-key");
    if (status)
        explicit_bzero(secret_key, EDX_KEY_SIZE);
    return status;
}

/* ---- public ones ---- */

typedef struct listing {
    edx_status (*take)(void *context, const char *key, edx_error *err);
    void *context;
    size_t n;
} listing;

static edx_status take_public(void *context, entry kind, const char *key, edx_error *err)
{
    listing *l = context;
    if (kind == SECRET)
        return edx_fail(err, EDX_E_STATE,
                        "a secret key, expected public ones alone: keep it where it is used, and "
                        "put the .pub file of edxctl keygen here");
    l->n++;
    return l->take(l->context, key, err);
}

edx_status edx_certificate_public(const char *path,
                                  edx_status (*take)(void *context, const char *key,
                                                     edx_error *err),
                                  void *context, edx_error *err)
{
    listing l = {.take = take, .context = context};
    edx_status status = read_file(path, check_unwritable, take_public, &l, err);
    if (status == EDX_OK && l.n == 0)
        status =
            edx_fail(err, EDX_E_MISSING,
                     "%.80s: no public-key in it, expected the .pub file of edxctl keygen", path);
    return status;
}

/* ---- both, of a client ---- */

static edx_status take_server(void *context, const char *key, edx_error *err)
{
    char *to = context;
    if (to[0] != '\0')
        return edx_fail(err, EDX_E_RANGE, "more than one key, expected that of edxd alone");
    memcpy(to, key, EDX_KEY_SIZE);
    return EDX_OK;
}

edx_status edx_keys_read(const char *own, const char *server, edx_keys *out, edx_error *err)
{
    char beside[PATH_SIZE];
    memset(out, 0, sizeof *out);
    edx_status status = edx_certificate_secret(own, out->public_key, out->secret_key, err);
    if (status == EDX_OK && !server) {
        const char *slash = strrchr(own, '/');
        int n = snprintf(beside, sizeof beside, "%.*sedxd.pub", slash ? (int)(slash - own) + 1 : 0,
                         own);
        if (n < 0 || (size_t)n >= sizeof beside)
            status = edx_fail(err, EDX_E_RANGE, "%.80s…: a path too long", own);
        server = beside;
    }
    if (status == EDX_OK)
        status = edx_certificate_public(server, take_server, out->server_key, err);
    if (status)
        explicit_bzero(out, sizeof *out);
    return status;
}

edx_status edx_keys_find(edx_keys *out, bool *found, edx_error *err)
{
    const char *own = getenv("EDX_KEY"), *server = getenv("EDX_SERVER_KEY");
    memset(out, 0, sizeof *out);
    *found = own && own[0] != '\0';
    if (!*found)
        return EDX_OK;
    edx_status status = edx_keys_read(own, server && server[0] != '\0' ? server : NULL, out, err);
    if (status)
        edx_error_prefix(err, "key");
    return status;
}

edx_status edx_keys_name(const char *own, const char *server, edx_error *err)
{
    if ((own && setenv("EDX_KEY", own, 1) != 0) ||
        (server && setenv("EDX_SERVER_KEY", server, 1) != 0))
        return edx_fail(err, EDX_E_NOMEM, "no memory for keys");
    return EDX_OK;
}

/* ---- handshakes ---- */

#define MANY_BROKEN 5

void edx_admission_note(edx_admission *admission, edx_handshake handshake)
{
    edx_admission *a = admission;
    a->broken = handshake == EDX_HANDSHAKE_BROKEN ? a->broken + 1 : 0;
    a->admitted = a->admitted || handshake == EDX_HANDSHAKE_DONE;
    if (handshake == EDX_HANDSHAKE_DONE)
        a->trouble = NULL;
    else if (handshake == EDX_HANDSHAKE_DENIED)
        a->trouble = "edxd does not allow this key: put its .pub file into edxd's security.clients";
    else if (handshake == EDX_HANDSHAKE_FOREIGN && a->has_keys)
        a->trouble = "the other side uses no keys: leave out --key, or set security.curve of edxd";
    else if (handshake == EDX_HANDSHAKE_FOREIGN)
        a->trouble = "edxd wants a key: --key FILE, made by edxctl keygen, whose .pub file is in "
                     "edxd's security.clients";
    else if (a->has_keys && !a->admitted && a->broken >= MANY_BROKEN && !a->trouble)
        a->trouble = "edxd breaks off the handshake: --server-key must be the .pub file of its "
                     "security.keys, and yours must be in its security.clients; where it uses no "
                     "keys, leave out --key"; /* a peer without keys may close before it is heard */
}
