#include "client/keygen.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <czmq.h>

#define PATH_SIZE 4096

/* CZMQ would replace what is there, and edxd would know nobody any more. */
static edx_status check_absent(const char *path, edx_error *err)
{
    struct stat info;
    if (lstat(path, &info) == 0)
        return edx_fail(err, EDX_E_STATE,
                        "%.120s: there already, expected a new name: move it away, or name another "
                        "with -o",
                        path);
    return errno == ENOENT ? EDX_OK : edx_fail(err, EDX_E_IO, "%.120s: %s", path, strerror(errno));
}

static edx_status fail_write(const char *path, edx_error *err)
{
    return edx_fail(err, EDX_E_IO, "%.120s: %s, expected a folder that can be written", path,
                    strerror(errno));
}

static edx_status write_pair(zcert_t *certificate, const char *path, const char *public_path,
                             edx_error *err)
{
    const char *name = strrchr(path, '/');
    zcert_set_meta(certificate, "name", "%s", name ? name + 1 : path);
    errno = 0;
    mode_t before = umask(S_IRWXG | S_IRWXO);
    int failed = zcert_save_secret(certificate, path);
    umask(before); /* CZMQ leaves its own */
    if (failed || chmod(path, S_IRUSR | S_IWUSR) != 0)
        return fail_write(path, err);
    if (zcert_save_public(certificate, public_path) == 0 &&
        chmod(public_path, S_IRUSR | S_IWUSR | S_IRGRP | S_IROTH) == 0)
        return EDX_OK;
    fail_write(public_path, err);
    unlink(path);
    return EDX_E_IO;
}

edx_status edx_keygen(const char *path, edx_error *err)
{
    char public_path[PATH_SIZE];
    int n = snprintf(public_path, sizeof public_path, "%s.pub", path);
    if (n < 0 || (size_t)n >= sizeof public_path || path[0] == '\0')
        return edx_fail(err, EDX_E_RANGE, "\"%.80s\": no name of a file", path);
    edx_status status = check_absent(path, err);
    if (!status)
        status = check_absent(public_path, err);
    if (!status && !zsys_has_curve())
        status = edx_fail(err, EDX_E_STATE, "no CURVE: expected a libzmq that was built with it");
    if (status)
        return status;
    zcert_t *certificate = zcert_new();
    status = certificate ? write_pair(certificate, path, public_path, err)
                         : edx_fail(err, EDX_E_NOMEM, "no memory for keys");
    zcert_destroy(&certificate);
    return status;
}
