#include "instrument/h5file.h"

#include <errno.h>
#include <hdf5.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define CHUNK_MAX ((hsize_t)64 << 20)
#define CACHE_SLOTS 10007u /* a prime, well above the chunks kept */

struct edx_h5file {
    hid_t file;
};

struct edx_h5set {
    hid_t set, space;
    edx_h5set_facts facts;
};

/* ---- saying why ---- */

static herr_t keep_first(unsigned n, const H5E_error2_t *entry, void *text)
{
    if (n == 0 && entry->desc)
        snprintf(text, EDX_ERROR_TEXT, "%s", entry->desc);
    return 0;
}

/* HDF5's innermost reason is the one that says why. */
static edx_status refused(edx_error *err, edx_status code, const char *what)
{
    char why[EDX_ERROR_TEXT] = "no reason given";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, why);
    H5Eclear2(H5E_DEFAULT);
    return edx_fail(err, code, "%.60s: HDF5 says: %.120s, expected a whole file", what, why);
}

/* ---- the file ---- */

edx_status edx_h5file_open(const char *path, edx_h5file **out, edx_error *err)
{
    struct stat st;
    *out = NULL;
    if (stat(path, &st) != 0)
        return edx_fail(err, EDX_E_IO, "open: %s", strerror(errno));
    if (!S_ISREG(st.st_mode))
        return edx_fail(err, EDX_E_DECODE, "not a regular file, expected one of HDF5");
    edx_h5file *file = calloc(1, sizeof *file);
    if (!file)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    file->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (file->file < 0) {
        edx_status status = refused(err, EDX_E_DECODE, "open");
        free(file);
        return status;
    }
    *out = file;
    return EDX_OK;
}

void edx_h5file_free(edx_h5file **file)
{
    if (!*file)
        return;
    H5Fclose((*file)->file);
    free(*file);
    *file = NULL;
}

bool edx_h5file_has(edx_h5file *file, const char *path)
{
    char part[512];
    size_t n = strlen(path);
    if (n >= sizeof part || n < 2)
        return n == 1;
    for (size_t i = 1; i <= n; i++) {
        if (path[i] != '/' && path[i] != '\0')
            continue;
        memcpy(part, path, i);
        part[i] = '\0';
        if (H5Lexists(file->file, part, H5P_DEFAULT) <= 0 ||
            H5Oexists_by_name(file->file, part, H5P_DEFAULT) <= 0)
            return false;
    }
    return true;
}

edx_status edx_h5file_child(edx_h5file *file, const char *group, uint32_t index,
                            char name[EDX_H5FILE_NAME], edx_error *err)
{
    H5G_info_t info;
    if (!edx_h5file_has(file, group) ||
        H5Gget_info_by_name(file->file, group, &info, H5P_DEFAULT) < 0 || index >= info.nlinks)
        return edx_fail(err, EDX_E_MISSING, "%.200s: no member %u", group, index);
    ssize_t n = H5Lget_name_by_idx(file->file, group, H5_INDEX_NAME, H5_ITER_INC, index, name,
                                   EDX_H5FILE_NAME, H5P_DEFAULT);
    if (n < 0)
        return refused(err, EDX_E_DECODE, group);
    if (n >= EDX_H5FILE_NAME)
        return edx_fail(err, EDX_E_LIMIT, "%.60s: a name of %zd letters, expected at most %d",
                        group, n, EDX_H5FILE_NAME - 1);
    return EDX_OK;
}

/* ---- texts ---- */

/* Of variable length: HDF5 allocates what the file claims, once the claim is found small. */
static edx_status read_variable(hid_t set, hid_t type, hid_t memory, hid_t space, const char *path,
                                char **out, edx_error *err)
{
    hsize_t size = 0;
    char *text = NULL;
    if (H5Dvlen_get_buf_size(set, type, space, &size) < 0)
        return refused(err, EDX_E_DECODE, path);
    if (size > EDX_H5FILE_TEXT_MAX)
        return edx_fail(err, EDX_E_LIMIT, "%.60s: a text of %llu bytes, expected at most %u", path,
                        (unsigned long long)size, EDX_H5FILE_TEXT_MAX);
    if (H5Dread(set, type, memory, space, H5P_DEFAULT, &text) < 0)
        return refused(err, EDX_E_DECODE, path);
    *out = strdup(text ? text : "");
    H5free_memory(text);
    return *out ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory for a text");
}

static edx_status read_fixed(hid_t set, hid_t type, hid_t memory, hid_t space, const char *path,
                             char **out, edx_error *err)
{
    size_t size = H5Tget_size(type);
    if (size == 0 || size > EDX_H5FILE_TEXT_MAX)
        return edx_fail(err, EDX_E_LIMIT, "%.60s: a text of %zu bytes, expected at most %u", path,
                        size, EDX_H5FILE_TEXT_MAX);
    *out = calloc(1, size + 1);
    if (!*out)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a text");
    if (H5Dread(set, type, memory, space, H5P_DEFAULT, *out) >= 0)
        return EDX_OK;
    free(*out);
    *out = NULL;
    return refused(err, EDX_E_DECODE, path);
}

/* Space becomes the index-th element of a list of texts, or the one of a scalar. */
static bool select_one(hid_t space, uint64_t index)
{
    hsize_t size = 0, start = index, one = 1;
    int ndim = H5Sget_simple_extent_ndims(space);
    if (ndim == 0)
        return index == 0;
    return ndim == 1 && H5Sget_simple_extent_dims(space, &size, NULL) == 1 && index < size &&
           H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &one, NULL) >= 0;
}

edx_status edx_h5file_text(edx_h5file *file, const char *path, uint64_t index, char **out,
                           edx_error *err)
{
    *out = NULL;
    if (!edx_h5file_has(file, path))
        return edx_fail(err, EDX_E_MISSING, "%.200s: not in the file", path);
    hid_t set = H5Dopen2(file->file, path, H5P_DEFAULT);
    hid_t type = set < 0 ? -1 : H5Dget_type(set), space = set < 0 ? -1 : H5Dget_space(set);
    hid_t memory = H5Screate(H5S_SCALAR);
    edx_status status = EDX_OK;
    if (set < 0 || type < 0 || space < 0 || memory < 0)
        status = refused(err, EDX_E_DECODE, path);
    else if (H5Tget_class(type) != H5T_STRING)
        status = edx_fail(err, EDX_E_TYPE, "%.200s: no text, expected one", path);
    else if (!select_one(space, index))
        status =
            edx_fail(err, EDX_E_MISSING, "%.200s: no text %llu", path, (unsigned long long)index);
    else if (H5Tis_variable_str(type) > 0)
        status = read_variable(set, type, memory, space, path, out, err);
    else
        status = read_fixed(set, type, memory, space, path, out, err);
    H5Sclose(memory);
    if (space >= 0)
        H5Sclose(space);
    if (type >= 0)
        H5Tclose(type);
    if (set >= 0)
        H5Dclose(set);
    H5Eclear2(H5E_DEFAULT);
    return status;
}

/* ---- attributes ---- */

/* A scalar attribute, or -1. */
static hid_t open_attribute(edx_h5file *file, const char *group, const char *name, hid_t *type)
{
    *type = -1;
    if (!edx_h5file_has(file, group) ||
        H5Aexists_by_name(file->file, group, name, H5P_DEFAULT) <= 0)
        return -1;
    hid_t attribute = H5Aopen_by_name(file->file, group, name, H5P_DEFAULT, H5P_DEFAULT);
    hid_t space = attribute < 0 ? -1 : H5Aget_space(attribute);
    bool one = space >= 0 && H5Sget_simple_extent_npoints(space) == 1;
    if (space >= 0)
        H5Sclose(space);
    if (one)
        *type = H5Aget_type(attribute);
    if (attribute >= 0 && *type < 0) {
        H5Aclose(attribute);
        attribute = -1;
    }
    return attribute;
}

static void close_attribute(hid_t attribute, hid_t type)
{
    if (type >= 0)
        H5Tclose(type);
    if (attribute >= 0)
        H5Aclose(attribute);
    H5Eclear2(H5E_DEFAULT);
}

bool edx_h5file_number(edx_h5file *file, const char *group, const char *name, double *out)
{
    hid_t type = -1, attribute = open_attribute(file, group, name, &type);
    H5T_class_t class = type >= 0 ? H5Tget_class(type) : H5T_NO_CLASS;
    bool ok = (class == H5T_INTEGER || class == H5T_FLOAT) &&
              H5Aread(attribute, H5T_NATIVE_DOUBLE, out) >= 0;
    close_attribute(attribute, type);
    return ok;
}

bool edx_h5file_label(edx_h5file *file, const char *group, const char *name, char *out, size_t size)
{
    hid_t type = -1, attribute = open_attribute(file, group, name, &type);
    bool is_text = type >= 0 && H5Tget_class(type) == H5T_STRING, ok = false;
    if (is_text && H5Tis_variable_str(type) > 0) {
        char *text = NULL;
        ok = H5Aread(attribute, type, &text) >= 0;
        snprintf(out, size, "%s", ok && text ? text : "");
        if (ok)
            H5free_memory(text);
    } else if (is_text && H5Tget_size(type) < EDX_H5FILE_TEXT_MAX) {
        char *text = calloc(1, H5Tget_size(type) + 1);
        ok = text && H5Aread(attribute, type, text) >= 0;
        snprintf(out, size, "%s", ok ? text : "");
        free(text);
    }
    close_attribute(attribute, type);
    return ok;
}

/* ---- datasets ---- */

static edx_status look_at_type(edx_h5set *set, const char *path, edx_error *err)
{
    hid_t type = H5Dget_type(set->set);
    H5T_class_t class = type < 0 ? H5T_NO_CLASS : H5Tget_class(type);
    set->facts.floats = class == H5T_FLOAT;
    set->facts.is_signed = class == H5T_INTEGER && H5Tget_sign(type) == H5T_SGN_2;
    size_t bytes = type < 0 ? 0 : H5Tget_size(type);
    set->facts.bytes = (uint32_t)bytes;
    if (type >= 0)
        H5Tclose(type);
    if ((class != H5T_INTEGER && class != H5T_FLOAT) || bytes < 1 || bytes > 8)
        return edx_fail(err, EDX_E_TYPE, "%.120s: no numbers of 1 to 8 bytes, expected some", path);
    return EDX_OK;
}

static edx_status look_at_shape(edx_h5set *set, const char *path, edx_error *err)
{
    hsize_t shape[EDX_MAX_DIM] = {0};
    int ndim = H5Sget_simple_extent_ndims(set->space);
    if (ndim < 1 || ndim > EDX_MAX_DIM)
        return edx_fail(err, EDX_E_TYPE, "%.120s: %d dimensions, expected 1 to %d", path, ndim,
                        EDX_MAX_DIM);
    if (H5Sget_simple_extent_dims(set->space, shape, NULL) != ndim)
        return refused(err, EDX_E_DECODE, path);
    set->facts.ndim = (uint32_t)ndim;
    set->facts.stored = H5Dget_storage_size(set->set);
    for (int d = 0; d < ndim; d++)
        set->facts.shape[d] = shape[d];
    return EDX_OK;
}

/* HDF5 allocates whole chunks, as large as the file says. */
static edx_status look_at_chunks(const edx_h5set *set, const char *path, edx_error *err)
{
    hsize_t chunk[EDX_MAX_DIM] = {0}, bytes = set->facts.bytes;
    hid_t plan = H5Dget_create_plist(set->set);
    bool chunked = plan >= 0 && H5Pget_layout(plan) == H5D_CHUNKED &&
                   H5Pget_chunk(plan, EDX_MAX_DIM, chunk) >= 1;
    if (plan >= 0)
        H5Pclose(plan);
    for (uint32_t d = 0; chunked && d < set->facts.ndim; d++)
        if (__builtin_mul_overflow(bytes, chunk[d], &bytes) || bytes > CHUNK_MAX)
            return edx_fail(err, EDX_E_LIMIT, "%.120s: chunks of more than 64 MiB", path);
    return EDX_OK;
}

edx_status edx_h5set_open(edx_h5file *file, const char *path, size_t cache, edx_h5set **out,
                          edx_error *err)
{
    *out = NULL;
    if (!edx_h5file_has(file, path))
        return edx_fail(err, EDX_E_MISSING, "%.200s: not in the file", path);
    edx_h5set *set = calloc(1, sizeof *set);
    hid_t plan = H5Pcreate(H5P_DATASET_ACCESS);
    if (!set || plan < 0 || H5Pset_chunk_cache(plan, CACHE_SLOTS, cache, 0.75) < 0) {
        free(set);
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    }
    set->set = H5Dopen2(file->file, path, plan);
    set->space = set->set < 0 ? -1 : H5Dget_space(set->set);
    H5Pclose(plan);
    edx_status status = set->set < 0 || set->space < 0 ? refused(err, EDX_E_DECODE, path) : EDX_OK;
    if (status == EDX_OK)
        status = look_at_type(set, path, err);
    if (status == EDX_OK)
        status = look_at_shape(set, path, err);
    if (status == EDX_OK)
        status = look_at_chunks(set, path, err);
    if (status != EDX_OK)
        edx_h5set_free(&set);
    *out = set;
    return status;
}

void edx_h5set_free(edx_h5set **set)
{
    if (!*set)
        return;
    if ((*set)->space >= 0)
        H5Sclose((*set)->space);
    if ((*set)->set >= 0)
        H5Dclose((*set)->set);
    H5Eclear2(H5E_DEFAULT);
    free(*set);
    *set = NULL;
}

edx_h5set_facts edx_h5set_about(const edx_h5set *set)
{
    return set->facts;
}

static hid_t memory_type(edx_dtype dtype)
{
    switch (dtype) {
    case EDX_U1:
        return H5T_NATIVE_UINT8;
    case EDX_U2:
        return H5T_NATIVE_UINT16;
    case EDX_U4:
        return H5T_NATIVE_UINT32;
    case EDX_U8:
        return H5T_NATIVE_UINT64;
    case EDX_I4:
        return H5T_NATIVE_INT32;
    case EDX_F4:
        return H5T_NATIVE_FLOAT;
    default:
        return H5T_NATIVE_DOUBLE;
    }
}

edx_status edx_h5set_read(edx_h5set *set, edx_dtype dtype, const uint64_t *start,
                          const uint64_t *count, void *out, edx_error *err)
{
    const edx_h5set_facts *facts = &set->facts;
    hsize_t from[EDX_MAX_DIM], n[EDX_MAX_DIM];
    for (uint32_t d = 0; d < facts->ndim; d++) {
        from[d] = start[d];
        n[d] = count[d];
        if (count[d] < 1 || start[d] >= facts->shape[d] || count[d] > facts->shape[d] - start[d])
            return edx_fail(err, EDX_E_RANGE, "%llu elements from %llu on, expected some of %llu",
                            (unsigned long long)count[d], (unsigned long long)start[d],
                            (unsigned long long)facts->shape[d]);
    }
    hid_t memory = H5Screate_simple((int)facts->ndim, n, NULL);
    bool ok = memory >= 0 &&
              H5Sselect_hyperslab(set->space, H5S_SELECT_SET, from, NULL, n, NULL) >= 0 &&
              H5Dread(set->set, memory_type(dtype), memory, set->space, H5P_DEFAULT, out) >= 0;
    edx_status status = ok ? EDX_OK : refused(err, EDX_E_DECODE, "read");
    if (memory >= 0)
        H5Sclose(memory);
    return status;
}
