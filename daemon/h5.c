#include "daemon/h5.h"

#include <hdf5.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/aside.h"

#define COMPRESS_FROM 65536u
#define CHUNK_BYTES 1048576u
_Static_assert(sizeof(bool) == 1, "EDX_H5_BOOL is an enum of 8 bits");

#define DEFLATE 1 /* counts are mostly zeros: higher levels cost time and save little */

struct edx_h5 {
    edx_aside *aside;
    hid_t driver; /* outlives the file: HDF5 calls it while it lets it go */
    hid_t file;
    hid_t group_plan; /* property lists: no times; names in UTF-8 */
    hid_t link_plan;
    hid_t bool_type;
    hid_t text_type;
    hid_t group[EDX_H5_MAX_DEPTH];
    unsigned depth; /* groups entered, those that could not be created included */
    hid_t set;      /* the open dataset and its type in memory */
    hid_t set_type;
    uint32_t set_ndim;
    edx_status failed;
    char name[64];
    char text[EDX_ERROR_TEXT];
};

/* ---- a driver that writes through edx_aside ----
 *
 * HDF5 cannot close a file whose disk is full: objects stay open, the descriptor leaks and the
 * library may crash when the program ends. So its writes never fail here; edx_aside remembers that
 * they did. */

typedef struct driver_info {
    edx_aside *aside;
} driver_info;

typedef struct driver_file {
    H5FD_t common; /* must be first */
    edx_aside *aside;
    haddr_t end;
} driver_file;

static H5FD_t *driver_open(const char *name, unsigned flags, hid_t access, haddr_t max)
{
    (void)name;
    (void)flags;
    (void)max;
    const driver_info *info = H5Pget_driver_info(access);
    driver_file *file = info ? calloc(1, sizeof *file) : NULL;
    if (!file) {
        return NULL;
    }
    file->aside = info->aside;
    return &file->common;
}

static herr_t driver_close(H5FD_t *file)
{
    free(file);
    return 0;
}

static herr_t driver_query(const H5FD_t *file, unsigned long *flags)
{
    (void)file;
    *flags = H5FD_FEAT_AGGREGATE_METADATA | H5FD_FEAT_ACCUMULATE_METADATA | H5FD_FEAT_DATA_SIEVE |
             H5FD_FEAT_AGGREGATE_SMALLDATA;
    return 0;
}

static haddr_t driver_get_end(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return ((const driver_file *)file)->end;
}

static herr_t driver_set_end(H5FD_t *file, H5FD_mem_t type, haddr_t address)
{
    (void)type;
    ((driver_file *)file)->end = address;
    return 0;
}

static haddr_t driver_size(const H5FD_t *file, H5FD_mem_t type)
{
    (void)type;
    return edx_aside_size(((const driver_file *)file)->aside);
}

static herr_t driver_read(H5FD_t *file, H5FD_mem_t type, hid_t plan, haddr_t address, size_t size,
                          void *bytes)
{
    (void)type;
    (void)plan;
    edx_aside_read(((driver_file *)file)->aside, address, bytes, size);
    return 0;
}

static herr_t driver_write(H5FD_t *file, H5FD_mem_t type, hid_t plan, haddr_t address, size_t size,
                           const void *bytes)
{
    (void)type;
    (void)plan;
    edx_aside_write(((driver_file *)file)->aside, address, bytes, size);
    return 0;
}

static herr_t driver_truncate(H5FD_t *file, hid_t plan, hbool_t closing)
{
    (void)plan;
    (void)closing;
    driver_file *f = (driver_file *)file;
    edx_aside_resize(f->aside, f->end);
    return 0;
}

static const H5FD_class_t driver = {
    .name = "edx-aside",
    .maxaddr = (haddr_t)INT64_MAX,
    .fc_degree = H5F_CLOSE_STRONG,
    .fapl_size = sizeof(driver_info),
    .open = driver_open,
    .close = driver_close,
    .query = driver_query,
    .get_eoa = driver_get_end,
    .set_eoa = driver_set_end,
    .get_eof = driver_size,
    .read = driver_read,
    .write = driver_write,
    .truncate = driver_truncate,
    .fl_map = H5FD_FLMAP_DICHOTOMY,
};

/* ---- the file ---- */

static bool usable(const edx_h5 *h5)
{
    return !h5->failed && !edx_aside_errno(h5->aside);
}

void edx_h5_refuse(edx_h5 *h5, edx_status code, const char *text)
{
    if (!h5->failed) {
        h5->failed = code;
        snprintf(h5->text, sizeof h5->text, "%s", text);
    }
}

static herr_t keep_first(unsigned n, const H5E_error2_t *entry, void *text)
{
    if (n == 0 && entry->desc) {
        snprintf(text, EDX_ERROR_TEXT, "%s", entry->desc);
    }
    return 0;
}

/* Something of HDF5 said no: its innermost reason is the one that says why. */
static void refused(edx_h5 *h5, const char *what)
{
    char why[EDX_ERROR_TEXT] = "HDF5 gives no reason";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, keep_first, why);
    char text[EDX_ERROR_TEXT];
    snprintf(text, sizeof text, "cannot write %.80s: %.140s", what, why);
    edx_h5_refuse(h5, EDX_E_IO, text);
}

static bool make_types(edx_h5 *h5)
{
    const int8_t no = 0;
    const int8_t yes = 1;
    h5->bool_type = H5Tenum_create(H5T_STD_I8LE);
    h5->text_type = H5Tcopy(H5T_C_S1);
    return H5Tenum_insert(h5->bool_type, "FALSE", &no) >= 0 &&
           H5Tenum_insert(h5->bool_type, "TRUE", &yes) >= 0 &&
           H5Tset_size(h5->text_type, H5T_VARIABLE) >= 0 &&
           H5Tset_cset(h5->text_type, H5T_CSET_UTF8) >= 0;
}

static bool make_plans(edx_h5 *h5)
{
    h5->group_plan = H5Pcreate(H5P_GROUP_CREATE);
    h5->link_plan = H5Pcreate(H5P_LINK_CREATE);
    return H5Pset_obj_track_times(h5->group_plan, false) >= 0 &&
           H5Pset_char_encoding(h5->link_plan, H5T_CSET_UTF8) >= 0;
}

static bool make_file(edx_h5 *h5)
{
    const driver_info info = {.aside = h5->aside};
    h5->driver = H5FDregister(&driver);
    const hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    const hid_t create = H5Pcreate(H5P_FILE_CREATE);
    if (h5->driver >= 0 && H5Pset_driver(access, h5->driver, &info) >= 0 &&
        H5Pset_obj_track_times(create, false) >= 0) {
        h5->file = H5Fcreate(h5->name, H5F_ACC_TRUNC, create, access);
    }
    H5Pclose(create);
    H5Pclose(access);
    return h5->file >= 0;
}

edx_status edx_h5_new(const char *dir, const char *name, edx_h5 **out, edx_error *err)
{
    *out = NULL;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL); /* of this thread; its errors come back as ours */
    edx_h5 *h5 = calloc(1, sizeof *h5);
    if (!h5) {
        return edx_fail(err, EDX_E_NOMEM, "no memory to write %s", name);
    }
    h5->driver = h5->file = h5->group_plan = h5->link_plan = H5I_INVALID_HID;
    h5->bool_type = h5->text_type = h5->set = H5I_INVALID_HID;
    snprintf(h5->name, sizeof h5->name, "%s", name);
    edx_status status = edx_aside_new(dir, name, &h5->aside, err);
    if (!status && !(make_types(h5) && make_plans(h5) && make_file(h5))) {
        refused(h5, "it");
        status = edx_fail(err, h5->failed, "%s: %s", name, h5->text);
    }
    if (status) {
        edx_h5_free(&h5);
    }
    *out = h5;
    return status;
}

/* Closing strongly, HDF5 closes every group and dataset that is open. */
static bool close_all(edx_h5 *h5)
{
    const bool closed = h5->file < 0 || H5Fclose(h5->file) >= 0;
    h5->file = H5I_INVALID_HID;
    return closed;
}

static void close_id(hid_t id, herr_t (*close)(hid_t))
{
    if (id >= 0) {
        close(id);
    }
}

void edx_h5_free(edx_h5 **h5)
{
    edx_h5 *h = *h5;
    if (!h) {
        return;
    }
    close_all(h);
    close_id(h->link_plan, H5Pclose);
    close_id(h->group_plan, H5Pclose);
    close_id(h->text_type, H5Tclose);
    close_id(h->bool_type, H5Tclose);
    close_id(h->driver, H5FDunregister);
    edx_aside_free(&h->aside);
    free(h);
    *h5 = NULL;
}

edx_status edx_h5_commit(edx_h5 **h5, edx_error *err)
{
    edx_h5 *h = *h5;
    edx_status status = EDX_OK;
    if (!close_all(h)) {
        refused(h, "the end");
    }
    if (h->failed && !edx_aside_errno(h->aside)) {
        status = edx_fail(err, h->failed, "%s: %s", h->name, h->text);
    } else {
        status = edx_aside_commit(&h->aside, err);
    }
    edx_h5_free(h5);
    return status;
}

/* ---- groups and attributes ---- */

static hid_t current(const edx_h5 *h5)
{
    return h5->depth ? h5->group[h5->depth - 1] : h5->file;
}

void edx_h5_enter(edx_h5 *h5, const char *name)
{
    hid_t group = H5I_INVALID_HID;
    if (h5->depth >= EDX_H5_MAX_DEPTH) {
        edx_h5_refuse(h5, EDX_E_LIMIT, "groups are nested too deep");
    } else if (usable(h5)) {
        group = H5Gcreate2(current(h5), name, h5->link_plan, h5->group_plan, H5P_DEFAULT);
        if (group < 0) {
            refused(h5, name);
        }
    }
    if (h5->depth < EDX_H5_MAX_DEPTH) {
        h5->group[h5->depth] = group;
    }
    h5->depth++;
}

void edx_h5_leave(edx_h5 *h5)
{
    h5->depth--;
    if (h5->depth < EDX_H5_MAX_DEPTH) {
        close_id(h5->group[h5->depth], H5Gclose);
    }
}

static hid_t type_id(const edx_h5 *h5, edx_h5_type type)
{
    switch (type) {
    case EDX_H5_U1:
        return H5T_STD_U8LE;
    case EDX_H5_U2:
        return H5T_STD_U16LE;
    case EDX_H5_U4:
        return H5T_STD_U32LE;
    case EDX_H5_U8:
        return H5T_STD_U64LE;
    case EDX_H5_I4:
        return H5T_STD_I32LE;
    case EDX_H5_F4:
        return H5T_IEEE_F32LE;
    case EDX_H5_F8:
        return H5T_IEEE_F64LE;
    case EDX_H5_I8:
        return H5T_STD_I64LE;
    case EDX_H5_BOOL:
        return h5->bool_type;
    case EDX_H5_TEXT:
        return h5->text_type;
    }
    return H5I_INVALID_HID;
}

void edx_h5_attribute(edx_h5 *h5, const char *key, edx_h5_type type, const void *value)
{
    if (!usable(h5)) {
        return;
    }
    const hid_t id = type_id(h5, type);
    const hid_t space = H5Screate(H5S_SCALAR);
    const hid_t attribute = H5Acreate2(current(h5), key, id, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Awrite(attribute, id, value) < 0) {
        refused(h5, key);
    }
    close_id(attribute, H5Aclose);
    close_id(space, H5Sclose);
}

/* ---- datasets ---- */

static void copy_sizes(uint32_t ndim, const uint64_t *from, hsize_t *to)
{
    for (uint32_t d = 0; d < ndim; d++) {
        to[d] = from[d];
    }
}

/* Halves the leading axes until a chunk has about CHUNK_BYTES. */
static void choose_chunk(uint32_t ndim, uint64_t bytes, hsize_t *chunk)
{
    for (uint32_t d = 0; d < ndim; d++) {
        while (bytes > CHUNK_BYTES && chunk[d] > 1) {
            const hsize_t half = (chunk[d] + 1) / 2;
            bytes = bytes / chunk[d] * half;
            chunk[d] = half;
        }
    }
}

static bool set_chunks(hid_t plan, uint32_t ndim, const hsize_t *chunk)
{
    return H5Pset_chunk(plan, (int)ndim, chunk) >= 0 && H5Pset_shuffle(plan) >= 0 &&
           H5Pset_deflate(plan, DEFLATE) >= 0;
}

/* How a dataset of so many bytes is stored; chunk may be NULL. Negative on failure. */
static hid_t storage(uint32_t ndim, const uint64_t *shape, uint64_t bytes, const uint64_t *chunk)
{
    hsize_t sizes[EDX_H5_MAX_DIM] = {0};
    copy_sizes(ndim, chunk ? chunk : shape, sizes);
    if (!chunk) {
        choose_chunk(ndim, bytes, sizes);
    }
    hid_t plan = H5Pcreate(H5P_DATASET_CREATE);
    if (H5Pset_obj_track_times(plan, false) < 0 ||
        ((chunk || bytes > COMPRESS_FROM) && !set_chunks(plan, ndim, sizes))) {
        close_id(plan, H5Pclose);
        plan = H5I_INVALID_HID;
    }
    return plan;
}

static uint64_t count_elements(uint32_t ndim, const uint64_t *shape)
{
    uint64_t n = 1;
    for (uint32_t d = 0; d < ndim; d++) {
        n *= shape[d];
    }
    return n;
}

void edx_h5_open(edx_h5 *h5, const char *name, edx_h5_type type, uint32_t ndim,
                 const uint64_t *shape, const uint64_t *chunk)
{
    if (!usable(h5)) {
        return;
    }
    h5->set_type = type_id(h5, type);
    h5->set_ndim = ndim;
    const uint64_t bytes = count_elements(ndim, shape) * H5Tget_size(h5->set_type);
    hsize_t sizes[EDX_H5_MAX_DIM] = {0};
    copy_sizes(ndim, shape, sizes);
    const hid_t plan = storage(ndim, shape, bytes, chunk);
    const hid_t space = H5Screate_simple((int)ndim, sizes, NULL);
    h5->set = H5Dcreate2(current(h5), name, h5->set_type, space, h5->link_plan, plan, H5P_DEFAULT);
    if (h5->set < 0) {
        refused(h5, name);
    }
    close_id(space, H5Sclose);
    close_id(plan, H5Pclose);
}

void edx_h5_write(edx_h5 *h5, const uint64_t *start, const uint64_t *size, const void *data)
{
    if (!usable(h5)) {
        return;
    }
    hsize_t from[EDX_H5_MAX_DIM] = {0};
    hsize_t count[EDX_H5_MAX_DIM] = {0};
    copy_sizes(h5->set_ndim, start, from);
    copy_sizes(h5->set_ndim, size, count);
    const hid_t block = H5Screate_simple((int)h5->set_ndim, count, NULL);
    const hid_t space = H5Dget_space(h5->set);
    if (H5Sselect_hyperslab(space, H5S_SELECT_SET, from, NULL, count, NULL) < 0 ||
        H5Dwrite(h5->set, h5->set_type, block, space, H5P_DEFAULT, data) < 0) {
        refused(h5, "a block");
    }
    close_id(space, H5Sclose);
    close_id(block, H5Sclose);
}

void edx_h5_close(edx_h5 *h5)
{
    if (h5->set >= 0 && H5Dclose(h5->set) < 0) {
        refused(h5, "a dataset");
    }
    h5->set = H5I_INVALID_HID;
}

void edx_h5_put(edx_h5 *h5, const char *name, edx_h5_type type, uint32_t ndim,
                const uint64_t *shape, const void *data)
{
    edx_h5_open(h5, name, type, ndim, shape, NULL);
    if (count_elements(ndim, shape) > 0 && usable(h5) &&
        H5Dwrite(h5->set, h5->set_type, H5S_ALL, H5S_ALL, H5P_DEFAULT, data) < 0) {
        refused(h5, name);
    }
    edx_h5_close(h5);
}
