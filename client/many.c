#include "client/many.h"

#include <stdio.h>
#include <unistd.h>

#include "client/saved.h"

static void path_in(const char *folder, char path[4096])
{
    snprintf(path, 4096, "%s/ensemble.h5", folder);
}

bool edx_many_is(const char *folder)
{
    char path[4096];
    path_in(folder, path);
    return access(path, F_OK) == 0;
}

static edx_status parse(edx_many *out, edx_error *err)
{
    const edx_node *body;
    edx_status status =
        edx_wire_parse(out->wire, edx_pack_data(out->pack), edx_pack_size(out->pack), &body, err);
    return status ? status : edx_ensemble_read(body, &out->result, err);
}

edx_status edx_many_read(const char *folder, edx_many *out, edx_error *err)
{
    char path[4096];
    edx_saved *file = NULL;
    path_in(folder, path);
    *out = (edx_many){.pack = edx_pack_new(), .wire = edx_wire_new(0)};
    if (!out->pack || !out->wire)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the ensemble");
    edx_status status = edx_saved_open(path, &file, err);
    if (status)
        return status;
    status = edx_saved_group(file, NULL, out->pack, err);
    if (!status)
        status = parse(out, err);
    if (status)
        edx_error_prefix(err, "%.100s", path);
    edx_saved_close(&file);
    return status;
}

void edx_many_clear(edx_many *many)
{
    edx_ensemble_clear(&many->result);
    edx_pack_free(&many->pack);
    edx_wire_free(&many->wire);
}
