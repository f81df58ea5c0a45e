#include "client/saved.h"

#include <hdf5.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/result_keys.h"

#define NAME_SIZE 256
#define MAX_DEPTH 16
#define MAX_BYTES ((uint64_t)1 << 34)

struct edx_saved {
    hid_t file;
    edx_pack *pack;
    edx_error *err; /* of the call that runs */
    edx_status failed;
};

/* ---- the file ---- */

edx_status edx_saved_open(const char *path, edx_saved **out, edx_error *err)
{
    edx_saved *r = calloc(1, sizeof *r);
    if (!r)
        return edx_fail(err, EDX_E_NOMEM, "no memory to open a file");
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* errors are told by us */
    r->file = H5Fopen(path, H5F_ACC_RDONLY, H5P_DEFAULT);
    if (r->file < 0) {
        free(r);
        return edx_fail(err, EDX_E_IO, "%.180s: cannot be read, expected a file that edxd wrote",
                        path);
    }
    *out = r;
    return EDX_OK;
}

void edx_saved_close(edx_saved **saved)
{
    if (!*saved)
        return;
    H5Fclose((*saved)->file);
    free(*saved);
    *saved = NULL;
}

static void fail(edx_saved *r, edx_status code, const char *name, const char *what)
{
    if (!r->failed)
        r->failed = edx_fail(r->err, code, "%.100s: %s", name, what);
}

static bool exists(hid_t at, const char *name)
{
    return H5Lexists(at, name, H5P_DEFAULT) > 0;
}

/* ---- one dataset ---- */

typedef struct dataset {
    hid_t set, type;
    H5T_class_t class;
    int ndim;
    hsize_t shape[EDX_MAX_DIM];
    uint64_t count;
} dataset;

static void close_dataset(dataset *d)
{
    if (d->type >= 0)
        H5Tclose(d->type);
    if (d->set >= 0)
        H5Dclose(d->set);
}

static int read_shape(dataset *d)
{
    hid_t space = H5Dget_space(d->set);
    int ndim = space >= 0 ? H5Sget_simple_extent_ndims(space) : -1;
    if (ndim > EDX_MAX_DIM || (ndim > 0 && H5Sget_simple_extent_dims(space, d->shape, NULL) < 0))
        ndim = -1;
    if (space >= 0)
        H5Sclose(space);
    d->count = 1;
    for (int i = 0; i < ndim; i++)
        d->count =
            d->shape[i] && d->count > MAX_BYTES / d->shape[i] ? MAX_BYTES : d->count * d->shape[i];
    return ndim;
}

static bool open_dataset(edx_saved *r, hid_t at, const char *name, dataset *d)
{
    *d = (dataset){.type = -1, .set = H5Dopen2(at, name, H5P_DEFAULT)};
    if (d->set >= 0)
        d->type = H5Dget_type(d->set);
    if (d->type >= 0)
        d->class = H5Tget_class(d->type);
    d->ndim = d->type >= 0 ? read_shape(d) : -1;
    if (d->ndim >= 0 && d->count < MAX_BYTES / 8)
        return true;
    fail(r, EDX_E_DECODE, name, "not a dataset that edxd writes");
    close_dataset(d);
    return false;
}

/* All values as memory type; free() what comes, NULL on failure. */
static void *read_values(edx_saved *r, const dataset *d, const char *name, hid_t memory)
{
    const size_t size = H5Tget_size(memory);
    void *values = calloc(d->count ? d->count : 1, size ? size : 1);
    if (!values)
        fail(r, EDX_E_NOMEM, name, "no memory to read it");
    else if (d->count && H5Dread(d->set, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0) {
        fail(r, EDX_E_DECODE, name, "cannot be read");
        free(values);
        values = NULL;
    }
    return values;
}

static bool is_unsigned(const dataset *d)
{
    return H5Tget_sign(d->type) == H5T_SGN_NONE;
}

/* The type of the protocol that holds the file's values. */
static edx_dtype dtype_of(const dataset *d)
{
    const size_t size = H5Tget_size(d->type);
    if (d->class == H5T_INTEGER && is_unsigned(d))
        return size == 1 ? EDX_U1 : size == 2 ? EDX_U2 : size == 4 ? EDX_U4 : EDX_U8;
    if (d->class == H5T_INTEGER && size <= 4)
        return EDX_I4;
    return d->class == H5T_FLOAT && size == 4 ? EDX_F4 : EDX_F8;
}

static hid_t memory_of(edx_dtype dtype)
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

static void put_array(edx_saved *r, const dataset *d, const char *name)
{
    edx_array array = {.dtype = dtype_of(d), .ndim = (uint32_t)d->ndim};
    void *values = read_values(r, d, name, memory_of(array.dtype));
    for (int i = 0; i < d->ndim; i++)
        array.shape[i] = d->shape[i];
    array.data = values;
    if (values)
        edx_pack_array(r->pack, &array);
    free(values);
}

/* ---- values in lists ---- */

static void put_integers(edx_saved *r, const dataset *d, const char *name, uint64_t first,
                         uint64_t n)
{
    int64_t *values = read_values(r, d, name, H5T_NATIVE_INT64);
    uint64_t *large = values && is_unsigned(d) ? read_values(r, d, name, H5T_NATIVE_UINT64) : NULL;
    for (uint64_t i = first; values && i < first + n; i++) {
        if (large)
            edx_pack_uint(r->pack, large[i]);
        else
            edx_pack_int(r->pack, values[i]);
    }
    free(values);
    free(large);
}

static void put_floats(edx_saved *r, const dataset *d, const char *name, uint64_t first, uint64_t n)
{
    double *values = read_values(r, d, name, H5T_NATIVE_DOUBLE);
    for (uint64_t i = first; values && i < first + n; i++)
        edx_pack_float(r->pack, values[i]);
    free(values);
}

static void put_bools(edx_saved *r, const dataset *d, const char *name, uint64_t first, uint64_t n)
{
    if (H5Tget_size(d->type) != 1) {
        fail(r, EDX_E_DECODE, name, "expected truth values of one byte");
        return;
    }
    uint8_t *values = read_values(r, d, name, d->type);
    for (uint64_t i = first; values && i < first + n; i++)
        edx_pack_bool(r->pack, values[i] != 0);
    free(values);
}

static void put_texts(edx_saved *r, const dataset *d, const char *name, uint64_t first, uint64_t n)
{
    if (H5Tis_variable_str(d->type) <= 0) {
        fail(r, EDX_E_DECODE, name, "expected texts of variable length");
        return;
    }
    char **texts = read_values(r, d, name, d->type);
    for (uint64_t i = first; texts && i < first + n; i++)
        edx_pack_text(r->pack, texts[i] ? texts[i] : "");
    for (uint64_t i = 0; texts && i < d->count; i++)
        H5free_memory(texts[i]);
    free(texts);
}

/* n values from first on, one after the other. */
static void put_values(edx_saved *r, const dataset *d, const char *name, uint64_t first, uint64_t n)
{
    switch (d->class) {
    case H5T_INTEGER:
        put_integers(r, d, name, first, n);
        break;
    case H5T_FLOAT:
        put_floats(r, d, name, first, n);
        break;
    case H5T_ENUM:
        put_bools(r, d, name, first, n);
        break;
    case H5T_STRING:
        put_texts(r, d, name, first, n);
        break;
    default:
        fail(r, EDX_E_DECODE, name, "of a type that edxd does not write");
    }
}

static void put_table(edx_saved *r, const dataset *d, const char *name)
{
    edx_pack_list(r->pack, d->shape[0]);
    for (hsize_t row = 0; !r->failed && row < d->shape[0]; row++) {
        edx_pack_list(r->pack, d->shape[1]);
        put_values(r, d, name, row * d->shape[1], d->shape[1]);
    }
}

/* A dataset by its own shape, or as an array. */
static void put_dataset(edx_saved *r, hid_t at, const char *name, bool as_array)
{
    dataset d;
    if (!open_dataset(r, at, name, &d))
        return;
    if (as_array || d.ndim > 2) {
        put_array(r, &d, name);
    } else if (d.ndim == 2) {
        put_table(r, &d, name);
    } else {
        if (d.ndim == 1)
            edx_pack_list(r->pack, d.count);
        put_values(r, &d, name, 0, d.count);
    }
    close_dataset(&d);
}

/* ---- groups by their own shape ---- */

static void put_any(edx_saved *r, hid_t at, const char *name, int depth);

/* The name of member i, in alphabetical order; "" when it cannot be told. */
static void member_name(hid_t group, hsize_t i, char name[NAME_SIZE])
{
    if (H5Lget_name_by_idx(group, ".", H5_INDEX_NAME, H5_ITER_INC, i, name, NAME_SIZE,
                           H5P_DEFAULT) < 0)
        name[0] = '\0';
}

static void put_members(edx_saved *r, hid_t group, int depth)
{
    char name[NAME_SIZE];
    H5G_info_t info = {0};
    H5Gget_info(group, &info);
    bool list = exists(group, "0");
    if (list)
        edx_pack_list(r->pack, info.nlinks);
    else
        edx_pack_map(r->pack, info.nlinks);
    for (hsize_t i = 0; !r->failed && i < info.nlinks; i++) {
        if (list)
            snprintf(name, sizeof name, "%" PRIuHSIZE, i);
        else
            member_name(group, i, name);
        if (!list)
            edx_pack_text(r->pack, name);
        put_any(r, group, name, depth);
    }
}

static bool is_group(hid_t at, const char *name)
{
    H5O_info_t info;
    return H5Oget_info_by_name2(at, name, &info, H5O_INFO_BASIC, H5P_DEFAULT) >= 0 &&
           info.type == H5O_TYPE_GROUP;
}

static void put_any(edx_saved *r, hid_t at, const char *name, int depth)
{
    if (!is_group(at, name)) {
        put_dataset(r, at, name, false);
        return;
    }
    hid_t group = depth < MAX_DEPTH ? H5Gopen2(at, name, H5P_DEFAULT) : -1;
    if (group < 0) {
        fail(r, EDX_E_DECODE, name, "cannot be opened, or too deep");
        return;
    }
    put_members(r, group, depth + 1);
    H5Gclose(group);
}

/* ---- groups by the keys of a topic ---- */

static void put_keys(edx_saved *r, hid_t at, const char *name, const edx_key *const *tables,
                     bool version);

/* A list that is called like the group has its members there: it is always there. */
static bool has(hid_t at, const char *group, const edx_key *key)
{
    return exists(at, key->key) ||
           (key->kind == EDX_KEY_RECORDS && group && strcmp(group, key->key) == 0);
}

static void put_map(edx_saved *r, hid_t at, const char *name, const edx_key *keys)
{
    hid_t group = H5Gopen2(at, name, H5P_DEFAULT);
    if (group < 0) {
        fail(r, EDX_E_DECODE, name, "expected a group");
        return;
    }
    put_keys(r, group, NULL, (const edx_key *const[]){keys, NULL}, false);
    H5Gclose(group);
}

/* Members 0, 1, ... of a group, each a map. */
static void put_records(edx_saved *r, hid_t group, const edx_key *key)
{
    char name[24];
    size_t n = 0;
    do
        snprintf(name, sizeof name, "%zu", n);
    while (exists(group, name) && ++n);
    edx_pack_list(r->pack, n);
    for (size_t i = 0; !r->failed && i < n; i++) {
        snprintf(name, sizeof name, "%zu", i);
        put_map(r, group, name, key->sub);
    }
}

static void put_record_list(edx_saved *r, hid_t at, const edx_key *key)
{
    if (!exists(at, key->key)) { /* the group's own members */
        put_records(r, at, key);
    } else if (!is_group(at, key->key)) { /* an empty list is a dataset */
        edx_pack_list(r->pack, 0);
    } else {
        hid_t group = H5Gopen2(at, key->key, H5P_DEFAULT);
        if (group < 0)
            fail(r, EDX_E_DECODE, key->key, "cannot be opened");
        else
            put_records(r, group, key);
        if (group >= 0)
            H5Gclose(group);
    }
}

static void put_key(edx_saved *r, hid_t at, const edx_key *key)
{
    edx_pack_text(r->pack, key->key);
    switch (key->kind) {
    case EDX_KEY_ARRAY:
        put_dataset(r, at, key->key, true);
        break;
    case EDX_KEY_GROUP:
        put_map(r, at, key->key, key->sub);
        break;
    case EDX_KEY_RECORDS:
        put_record_list(r, at, key);
        break;
    default:
        put_any(r, at, key->key, 0);
    }
}

/* Every key of the tables that the group has; version: and v. */
static void put_keys(edx_saved *r, hid_t at, const char *name, const edx_key *const *tables,
                     bool version)
{
    size_t n = version;
    for (const edx_key *const *table = tables; *table; table++)
        for (const edx_key *key = *table; key->key; key++)
            n += has(at, name, key);
    edx_pack_map(r->pack, n);
    if (version) {
        edx_pack_text(r->pack, "v");
        put_any(r, at, "v", 0);
    }
    for (const edx_key *const *table = tables; *table; table++)
        for (const edx_key *key = *table; key->key && !r->failed; key++)
            if (has(at, name, key))
                put_key(r, at, key);
}

/* ---- what others ask for ---- */

static void start(edx_saved *r, edx_pack *pack, edx_error *err)
{
    r->pack = pack;
    r->err = err;
    r->failed = EDX_OK;
    edx_pack_reset(pack);
}

static edx_status finish(edx_saved *r, const char *name)
{
    if (!r->failed && edx_pack_status(r->pack))
        r->failed = edx_fail(r->err, edx_pack_status(r->pack), "no memory");
    if (r->failed && name)
        edx_error_prefix(r->err, "/%s", name);
    return r->failed;
}

edx_status edx_saved_group(edx_saved *saved, const char *group, edx_pack *pack, edx_error *err)
{
    start(saved, pack, err);
    const char *name = group ? group : "/";
    if (group && !exists(saved->file, group))
        fail(saved, EDX_E_MISSING, group, "is not in the file");
    else
        put_any(saved, saved->file, name, 0);
    return finish(saved, group);
}

static const char *group_of(edx_result_topic topic)
{
    return strchr(edx_result_topic_name(topic), '.') + 1;
}

static edx_status read_topic(edx_saved *r, edx_result_topic topic, edx_pack *pack, edx_error *err)
{
    const edx_key *const tables[] = {edx_result_head_keys, edx_result_keys[topic], NULL};
    const char *name = group_of(topic);
    start(r, pack, err);
    hid_t group = H5Gopen2(r->file, name, H5P_DEFAULT);
    if (group < 0)
        fail(r, EDX_E_DECODE, name, "expected a group");
    else
        put_keys(r, group, name, tables, true);
    if (group >= 0)
        H5Gclose(group);
    return finish(r, name);
}

edx_status edx_saved_message(edx_saved *saved, edx_result_topic topic, edx_message **out,
                             edx_error *err)
{
    *out = NULL;
    if (!exists(saved->file, group_of(topic)))
        return EDX_OK;
    edx_pack *pack = edx_pack_new();
    edx_status status = pack ? read_topic(saved, topic, pack, err)
                             : edx_fail(err, EDX_E_NOMEM, "no memory for a message");
    if (!status) {
        *out = edx_message_new(topic, 0, edx_pack_data(pack), edx_pack_size(pack));
        if (!*out)
            status = edx_fail(err, EDX_E_NOMEM, "no memory for a message");
    }
    edx_pack_free(&pack);
    return status;
}
