/* Any bytes as what a Velox file may hold. HDF5 is not fuzzed here: this file stands in for
 * instrument/h5file.c and answers with parts of the input, whatever they claim to be.
 *
 * The input is a list of parts: a byte that chooses the path, a flag byte, the bytes of an element,
 * the number of dimensions, four u32 of shape, a u32 length, and as many bytes of content. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instrument/h5file.h"
#include "instrument/velox.h"
#include "proto/load.h"

#define PART 24u /* bytes before a part's content */
#define MOST_MESSAGES 12

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const paths[] = {"/Version",
                                    "/Data/SpectrumStream/a/AcquisitionSettings",
                                    "/Data/SpectrumStream/a/Metadata",
                                    "/Data/SpectrumStream/a/Data",
                                    "/Data/SpectrumStream/a/FrameLocationTable",
                                    "/Data/SpectrumStream/b/AcquisitionSettings",
                                    "/Data/SpectrumStream/b/Metadata",
                                    "/Data/SpectrumStream/b/Data",
                                    "/Data/SpectrumStream/b/FrameLocationTable",
                                    "/Data/SpectrumImage/s/SpectrumImageSettings",
                                    "/Data/Image/i/Data",
                                    "/Data/Image/i/Metadata",
                                    "/Data/Image/j/Data",
                                    "/Data/Image/j/Metadata",
                                    "/Operations/ImageQuantificationOperation/o",
                                    "/SharedProperties/EDSSpectrumQuantificationSettings/p"};

#define PATHS (sizeof paths / sizeof *paths)

typedef struct part {
    bool there;
    edx_h5set_facts facts;
    const uint8_t *bytes;
    size_t size;
} part;

struct edx_h5file {
    part parts[PATHS];
};

struct edx_h5set {
    const part *part;
};

/* The input on its way to open, which has a path for it only. */
static const uint8_t *input;
static size_t input_size;

static void expect(bool truth)
{
    if (!truth)
        abort();
}

/* ---- in place of instrument/h5file.c ---- */

static size_t take_part(edx_h5file *file, const uint8_t *data, size_t size)
{
    part taken = {.there = true, .bytes = data + PART};
    taken.facts.floats = data[1] & 1;
    taken.facts.is_signed = (data[1] & 2) != 0;
    taken.facts.bytes = data[2] % 8u + 1;
    taken.facts.ndim = data[3] % EDX_MAX_DIM + 1;
    for (uint32_t d = 0; d < 4; d++)
        taken.facts.shape[d] = edx_load_u32(data + 4, d);
    taken.size = edx_load_u32(data + 20, 0);
    taken.size = taken.size < size - PART ? taken.size : size - PART;
    taken.facts.stored = taken.size;
    file->parts[data[0] % PATHS] = taken;
    return PART + taken.size;
}

edx_status edx_h5file_open(const char *path, edx_h5file **out, edx_error *err)
{
    (void)path;
    *out = calloc(1, sizeof **out);
    if (!*out)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    for (size_t at = 0; input_size - at >= PART;)
        at += take_part(*out, input + at, input_size - at);
    return EDX_OK;
}

void edx_h5file_free(edx_h5file **file)
{
    free(*file);
    *file = NULL;
}

static const part *find(const edx_h5file *file, const char *path)
{
    for (size_t i = 0; i < PATHS; i++)
        if (file->parts[i].there && strcmp(paths[i], path) == 0)
            return &file->parts[i];
    return NULL;
}

bool edx_h5file_has(edx_h5file *file, const char *path)
{
    return find(file, path) != NULL;
}

/* The name below group of the path, when it has one that differs from the one before. */
static size_t name_below(const char *path, const char *group)
{
    size_t n = strlen(group);
    return strncmp(path, group, n) == 0 && path[n] == '/' ? strcspn(path + n + 1, "/") : 0;
}

edx_status edx_h5file_child(edx_h5file *file, const char *group, uint32_t index,
                            char name[EDX_H5FILE_NAME], edx_error *err)
{
    uint32_t seen = 0;
    name[0] = '\0';
    for (size_t i = 0; i < PATHS; i++) {
        size_t n = name_below(paths[i], group);
        const char *found = paths[i] + strlen(group) + 1;
        if (n == 0 || !file->parts[i].there || (strlen(name) == n && strncmp(name, found, n) == 0))
            continue;
        memcpy(name, found, n);
        name[n] = '\0';
        if (seen++ == index)
            return EDX_OK;
    }
    return edx_fail(err, EDX_E_MISSING, "%.100s: no member %u", group, index);
}

edx_status edx_h5file_text(edx_h5file *file, const char *path, uint64_t index, char **out,
                           edx_error *err)
{
    const part *found = find(file, path);
    *out = NULL;
    if (!found || index > 0)
        return edx_fail(err, EDX_E_MISSING, "%.100s: not there", path);
    *out = calloc(1, found->size + 1);
    if (!*out)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    memcpy(*out, found->bytes, found->size);
    return EDX_OK;
}

bool edx_h5file_number(edx_h5file *file, const char *group, const char *name, double *out)
{
    (void)file;
    (void)group;
    (void)name;
    (void)out;
    return false;
}

bool edx_h5file_label(edx_h5file *file, const char *group, const char *name, char *out, size_t size)
{
    (void)file;
    (void)group;
    (void)name;
    (void)out;
    (void)size;
    return false;
}

edx_status edx_h5set_open(edx_h5file *file, const char *path, size_t cache, edx_h5set **out,
                          edx_error *err)
{
    (void)cache;
    const part *found = find(file, path);
    *out = NULL;
    if (!found)
        return edx_fail(err, EDX_E_MISSING, "%.100s: not there", path);
    *out = calloc(1, sizeof **out);
    if (!*out)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    (*out)->part = found;
    return EDX_OK;
}

void edx_h5set_free(edx_h5set **set)
{
    free(*set);
    *set = NULL;
}

edx_h5set_facts edx_h5set_about(const edx_h5set *set)
{
    return set->part->facts;
}

/* What lies behind the content is refused, or zero, by the flags. Conversion is by cutting. */
edx_status edx_h5set_read(edx_h5set *set, edx_dtype dtype, const uint64_t *start,
                          const uint64_t *count, void *out, edx_error *err)
{
    const edx_h5set_facts *facts = &set->part->facts;
    size_t size = edx_dtype_size(dtype);
    uint64_t n = 1, from = 0;
    for (uint32_t d = 0; d < facts->ndim; d++) {
        if (count[d] < 1 || start[d] >= facts->shape[d] || count[d] > facts->shape[d] - start[d])
            return edx_fail(err, EDX_E_RANGE, "not inside");
        from = from * facts->shape[d] + start[d];
        n *= count[d];
    }
    memset(out, 0, n * size);
    uint64_t there = set->part->size / size;
    if (from > there || n > there - from) {
        if (facts->is_signed)
            return edx_fail(err, EDX_E_DECODE, "not there");
        n = from > there ? 0 : there - from;
    }
    if (n > 0)
        memcpy(out, set->part->bytes + from * size, n * size);
    return EDX_OK;
}

/* ---- the target ---- */

static void check_frame(const edx_source_message *message)
{
    const edx_begin *begin = message->begin;
    const edx_counts *counts = &message->frame.counts;
    const uint32_t *offsets = counts->offsets.data;
    const uint16_t *channels = counts->channels.data;
    uint64_t pixels = (uint64_t)begin->rows * begin->cols;
    expect(counts->events && counts->offsets.shape[0] == pixels + 1);
    expect(offsets[0] == 0 && offsets[pixels] == counts->total);
    for (uint64_t p = 0; p < pixels; p++)
        expect(offsets[p] <= offsets[p + 1]);
    for (uint64_t i = 0; i < counts->total; i++)
        expect(channels[i] < begin->channels);
    expect(message->frame.n_images <= EDX_MAX_IMAGES);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edx_source_options options = {0};
    edx_source_message message;
    edx_error err = {0};
    void *self = NULL;
    input = data;
    input_size = size;
    if (edx_velox_source.open("fuzz.emd", &options, &self, &err) != EDX_OK) {
        expect(!self && err.text[0] && !strchr(err.text, '\n'));
        return 0;
    }
    for (int i = 0; i < MOST_MESSAGES; i++) {
        edx_status status = edx_velox_source.next(self, &message, &err);
        if (status == EDX_E_END)
            break;
        if (status == EDX_OK && message.kind == EDX_SOURCE_FRAME)
            check_frame(&message);
    }
    edx_velox_source.close(self);
    return 0;
}
