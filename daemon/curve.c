#include "daemon/curve.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <czmq.h>

#include "proto/certificate.h"

#define PATH_SIZE 4096
#define KEY_BYTES 32

struct edx_curve {
    void *context;
    zactor_t *handler;
    char secret_key[EDX_KEY_SIZE];
};

/* ---- the files ---- */

typedef edx_status file_taker(void *context, const char *path, edx_error *err);

/* CZMQ writes secret certificates beside public ones; editors and package managers leave theirs. */
static int is_listed(const struct dirent *entry)
{
    static const char secret[] = "_secret";
    size_t n = strlen(entry->d_name), suffix = sizeof secret - 1;
    return entry->d_name[0] != '.' && entry->d_name[n - 1] != '~' &&
           (n < suffix || strcmp(entry->d_name + n - suffix, secret) != 0);
}

static edx_status each_of_folder(const char *folder, file_taker *take, void *context,
                                 edx_error *err)
{
    struct dirent **entries = NULL;
    char path[PATH_SIZE];
    edx_status status = EDX_OK;
    const int n = scandir(folder, &entries, is_listed, alphasort);
    if (n < 0) {
        return edx_fail(err, EDX_E_IO, "%.120s: %s", folder, strerror(errno));
    }
    for (int i = 0; i < n; i++) {
        const int size = snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
        if (status == EDX_OK) {
            status = size > 0 && (size_t)size < sizeof path
                         ? take(context, path, err)
                         : edx_fail(err, EDX_E_RANGE, "%.120s…: a path too long", folder);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* A file, or every file of a folder. */
static edx_status each_file(const char *place, file_taker *take, void *context, edx_error *err)
{
    struct stat info;
    if (stat(place, &info) != 0) {
        return edx_fail(
            err, EDX_E_IO,
            "%.120s: %s, expected a file or folder with the .pub files of edxctl keygen", place,
            strerror(errno));
    }
    if (!S_ISDIR(info.st_mode)) {
        return take(context, place, err);
    }
    if (info.st_mode & S_IWOTH) {
        return edx_fail(err, EDX_E_STATE,
                        "%.80s: anybody may write into it (mode %03o), expected 755: chmod o-w "
                        "%.80s",
                        place, (unsigned)info.st_mode & 0777U, place);
    }
    return each_of_folder(place, take, context, err);
}

/* ---- the list ---- */

typedef struct list {
    zcertstore_t *store; /* NULL: only looked at */
    zarmour_t *armour;
    bool in_folder;
    size_t n;
} list;

static edx_status add_key(void *context, const char *key, edx_error *err)
{
    static const byte no_secret[KEY_BYTES] = {0};
    list *l = context;
    l->n++;
    if (!l->store) {
        return EDX_OK;
    }
    zchunk_t *chunk = zarmour_decode(l->armour, key);
    zcert_t *certificate = NULL;
    if (chunk && zchunk_size(chunk) >= KEY_BYTES) {
        certificate = zcert_new_from(zchunk_data(chunk), no_secret);
    }
    zchunk_destroy(&chunk);
    if (!certificate) {
        return edx_fail(err, EDX_E_RANGE, "no key of CURVE: \"%s\"", key);
    }
    zcertstore_insert(l->store, &certificate);
    return EDX_OK;
}

static edx_status add_file(void *context, const char *path, edx_error *err)
{
    list *l = context;
    const size_t before = l->n;
    const edx_status status = edx_certificate_public(path, add_key, l, err);
    return status == EDX_OK && l->in_folder && l->n - before > 1
               ? edx_fail(err, EDX_E_RANGE,
                          "%.120s: %zu keys, expected one in each file of a folder", path,
                          l->n - before)
               : status;
}

static edx_status read_clients(const char *clients, list *l, edx_error *err)
{
    l->in_folder = is_folder(clients);
    edx_status status = each_file(clients, add_file, l, err);
    if (status == EDX_OK && l->n == 0) {
        status = edx_fail(
            err, EDX_E_MISSING,
            "%.120s: nobody is in it, expected the .pub files of those who may connect", clients);
    }
    if (status) {
        edx_error_prefix(err, "security.clients");
    }
    return status;
}

static edx_status read_secret(const char *keys, char secret[EDX_KEY_SIZE], edx_error *err)
{
    char unused[EDX_KEY_SIZE];
    const edx_status status = edx_certificate_secret(keys, unused, secret, err);
    if (status) {
        edx_error_prefix(err, "security.keys");
    }
    return status;
}

edx_status edx_curve_check(const char *keys, const char *clients, edx_error *err)
{
    char secret[EDX_KEY_SIZE];
    list l = {0};
    const edx_status status = read_secret(keys, secret, err);
    explicit_bzero(secret, sizeof secret);
    return status == EDX_OK ? read_clients(clients, &l, err) : status;
}

/* ---- answering ---- */

/* CZMQ watches a folder itself. */
static edx_status answer_for_folder(edx_curve *curve, const char *folder, edx_error *err)
{
    curve->handler = zactor_new(zauth, NULL);
    if (!curve->handler || zstr_sendx(curve->handler, "CURVE", folder, NULL) != 0 ||
        zsock_wait(curve->handler) != 0) {
        return edx_fail(err, EDX_E_NOMEM, "no memory for keys");
    }
    return EDX_OK;
}

static edx_status answer_for_file(edx_curve *curve, const char *file, edx_error *err)
{
    list l = {.store = zcertstore_new(NULL), .armour = zarmour_new()};
    edx_status status = EDX_E_NOMEM;
    if (l.store && l.armour) {
        zarmour_set_mode(l.armour, ZARMOUR_MODE_Z85);
        status = read_clients(file, &l, err);
    }
    zarmour_destroy(&l.armour);
    if (status == EDX_OK) {
        curve->handler = zactor_new(zauth, l.store); /* which owns the list from now on */
        l.store = NULL;
        status = curve->handler ? EDX_OK : EDX_E_NOMEM;
    }
    zcertstore_destroy(&l.store);
    return status == EDX_E_NOMEM ? edx_fail(err, status, "no memory for keys") : status;
}

static edx_status answer_for(edx_curve *curve, const char *clients, edx_error *err)
{
    zsys_handler_set(NULL); /* signals are ours */
    curve->context = zsys_init();
    if (!curve->context) {
        return edx_fail(err, EDX_E_NOMEM, "no memory for ZeroMQ");
    }
    return is_folder(clients) ? answer_for_folder(curve, clients, err)
                              : answer_for_file(curve, clients, err);
}

edx_status edx_curve_new(const char *keys, const char *clients, edx_curve **out, edx_error *err)
{
    list l = {0};
    edx_curve *curve = calloc(1, sizeof *curve);
    *out = NULL;
    if (!curve) {
        return edx_fail(err, EDX_E_NOMEM, "no memory for keys");
    }
    edx_status status = read_secret(keys, curve->secret_key, err);
    if (status == EDX_OK) {
        status = read_clients(clients, &l, err);
    }
    if (status == EDX_OK) {
        status = answer_for(curve, clients, err);
    }
    if (status) {
        edx_curve_free(&curve);
    }
    *out = curve;
    return status;
}

void edx_curve_free(edx_curve **curve)
{
    edx_curve *c = *curve;
    if (!c) {
        return;
    }
    zactor_destroy(&c->handler);
    if (c->context) {
        zsys_shutdown();
    }
    explicit_bzero(c->secret_key, sizeof c->secret_key);
    free(c);
    *curve = NULL;
}

void *edx_curve_context(edx_curve *curve)
{
    return curve->context;
}

const char *edx_curve_secret(const edx_curve *curve)
{
    return curve->secret_key;
}
