#include "client/outfile.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>

edx_status edx_outfile_open(edx_outfile *out, const char *dir, const char *name, edx_error *err)
{
    out->file = NULL;
    if (mkdir(dir, 0777) && errno != EEXIST)
        return edx_fail(err, EDX_E_IO, "%.180s: %s", dir, strerror(errno));
    int n = snprintf(out->path, sizeof out->path, "%s/%s", dir, name);
    if (n < 0 || (size_t)n >= sizeof out->path)
        return edx_fail(err, EDX_E_RANGE, "%.100s…: a path of more than %zu bytes", dir,
                        sizeof out->path - 1);
    snprintf(out->partial, sizeof out->partial, "%s.partial", out->path);
    out->file = fopen(out->partial, "w");
    return out->file ? EDX_OK
                     : edx_fail(err, EDX_E_IO, "%.180s: %s", out->partial, strerror(errno));
}

edx_status edx_outfile_commit(edx_outfile *out, edx_error *err)
{
    int failed = ferror(out->file) ? errno : 0;
    if (fclose(out->file) && !failed)
        failed = errno;
    out->file = NULL;
    if (!failed && rename(out->partial, out->path))
        failed = errno;
    if (!failed)
        return EDX_OK;
    remove(out->partial);
    return edx_fail(err, EDX_E_IO, "%.180s: %s", out->path, strerror(failed));
}

void edx_outfile_drop(edx_outfile *out)
{
    if (!out->file)
        return;
    fclose(out->file);
    out->file = NULL;
    remove(out->partial);
}
