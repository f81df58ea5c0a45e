#include "instrument/velox.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instrument/gather.h"
#include "instrument/h5file.h"
#include "instrument/imported.h"
#include "instrument/jsondoc.h"
#include "instrument/velox_meta.h"

#define STREAMS "/Data/SpectrumStream"
#define IMAGES "/Data/Image"
#define NEXT_PIXEL 65535u        /* the word that ends a pixel */
#define BLOCK 65536u             /* words read at once */
#define CACHE ((size_t)64 << 20) /* the largest chunk that h5file takes */
#define PATH_SIZE 512u
#define MAX_STREAMS 64u
#define MAX_MEMBERS 4096u /* of a group that is looked through */
#define MAX_TABLE 16777216u
#define MAX_RATIO 1032u /* of deflate, at its very best */
#define OLDEST 4.0
#define NEWEST 13.0

/* One spectrum stream: the counts of one segment, or of all. */
typedef struct stream {
    edx_velox_meta meta;
    edx_h5set *set;
    uint64_t words, at; /* in it; the next one */
    uint16_t *block;
    uint64_t from; /* the word the block begins with */
    size_t have;
    uint64_t *table; /* where frames begin; NULL: not told */
    uint64_t n_table;
} stream;

/* What was found in one frame of one stream. */
typedef struct findings {
    uint64_t markers, strange;
    uint64_t first_strange; /* its word */
} findings;

typedef struct image {
    edx_h5set *set;
    edx_dtype dtype;
    uint64_t frames;
    void *data;
} image;

typedef struct velox {
    edx_imported imported; /* first: what all have in common */
    edx_h5file *file;
    stream *streams;
    uint32_t n_streams;
    uint64_t frames, next; /* in the file; the one to be read */
    uint32_t pixels;
    double live; /* time per real time, mean of the streams; NaN: not told */
    edx_gather *gather;
    image images[EDX_MAX_IMAGES];
    uint32_t n_images;
} velox;

/* ---- texts of the file ---- */

static edx_status parse_text(velox *v, const char *path, edx_jsondoc **out, edx_error *err)
{
    char *text = NULL;
    *out = NULL;
    edx_status status = edx_h5file_text(v->file, path, 0, &text, err);
    if (status != EDX_OK)
        return status;
    status = edx_jsondoc_parse(text, strlen(text), out, err);
    if (status != EDX_OK)
        edx_error_prefix(err, "%.100s", path);
    free(text);
    return status;
}

/* Metadata are bytes, a column for each frame; the first one serves. */
static edx_status parse_metadata(velox *v, const char *path, edx_jsondoc **out, edx_error *err)
{
    edx_h5set *set = NULL;
    char *text = NULL;
    *out = NULL;
    edx_status status = edx_h5set_open(v->file, path, 0, &set, err);
    if (status != EDX_OK)
        return status;
    edx_h5set_facts facts = edx_h5set_about(set);
    uint64_t n = facts.shape[0] < 1048576 ? facts.shape[0] : 1048576;
    if (facts.ndim != 2 || n < 1 || facts.shape[1] < 1)
        status = edx_fail(err, EDX_E_DECODE, "not a column of bytes, expected one");
    else if (!(text = calloc(1, n)))
        status = edx_fail(err, EDX_E_NOMEM, "no memory for metadata");
    if (status == EDX_OK)
        status = edx_h5set_read(set, EDX_U1, (uint64_t[]){0, 0}, (uint64_t[]){n, 1}, text, err);
    if (status == EDX_OK)
        status = edx_jsondoc_parse(text, n, out, err);
    if (status != EDX_OK)
        edx_error_prefix(err, "%.100s", path);
    free(text);
    edx_h5set_free(&set);
    return status;
}

static edx_status check_version(velox *v, edx_error *err)
{
    edx_jsondoc *doc = NULL;
    edx_status status = parse_text(v, "/Version", &doc, err);
    if (status == EDX_E_MISSING)
        return edx_fail(err, EDX_E_UNKNOWN,
                        "no Velox file: it has no /Version, expected an .emd that Velox wrote");
    if (status != EDX_OK)
        return status;
    const char *format = edx_jsondoc_text(doc, "format");
    double version = edx_jsondoc_number(doc, "version");
    if (!format || strcmp(format, "Velox") != 0)
        status = edx_fail(err, EDX_E_UNKNOWN, "/Version: format \"%.20s\", expected Velox",
                          format ? format : "");
    else if (!(version >= OLDEST && version <= NEWEST))
        edx_imported_note(&v->imported, "Velox version %g, expected %g to %g: read as if it were",
                          version, OLDEST, NEWEST);
    edx_jsondoc_free(&doc);
    return status;
}

/* ---- opening streams ---- */

static void free_stream(stream *s)
{
    edx_h5set_free(&s->set);
    free(s->block);
    free(s->table);
}

/* Whether the table can be where the frames of this stream begin. */
static bool is_plausible(const stream *s)
{
    for (uint64_t k = 0; k < s->n_table; k++)
        if (s->table[k] > s->words || s->table[k] < (k > 0 ? s->table[k - 1] : 0))
            return false;
    return s->n_table == 0 || s->table[0] == 0;
}

static edx_status read_table(velox *v, stream *s, const char *path, edx_error *err)
{
    edx_h5set *set = NULL;
    edx_status status = edx_h5set_open(v->file, path, CACHE, &set, err);
    if (status == EDX_E_MISSING)
        return EDX_OK;
    if (status != EDX_OK)
        return status;
    edx_h5set_facts facts = edx_h5set_about(set);
    uint64_t n = facts.shape[0], count[EDX_MAX_DIM] = {n, 1, 1, 1}, start[EDX_MAX_DIM] = {0};
    if (facts.ndim <= 2 && n > 0 && n <= MAX_TABLE) {
        s->table = malloc(n * sizeof *s->table);
        s->n_table = s->table ? n : 0;
        status = s->table ? edx_h5set_read(set, EDX_U8, start, count, s->table, err)
                          : edx_fail(err, EDX_E_NOMEM, "no memory for FrameLocationTable");
    }
    edx_h5set_free(&set);
    if (status == EDX_OK && !is_plausible(s)) {
        edx_imported_note(&v->imported,
                          "FrameLocationTable of %.40s does not rise from 0 to at most %" PRIu64
                          ": frames are told by their pixels",
                          s->meta.detector, s->words);
        s->n_table = 0;
    }
    return status;
}

static edx_status open_words(velox *v, stream *s, const char *group, edx_error *err)
{
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/Data", group);
    edx_status status = edx_h5set_open(v->file, path, CACHE, &s->set, err);
    if (status != EDX_OK)
        return status;
    edx_h5set_facts facts = edx_h5set_about(s->set);
    if (facts.floats || facts.is_signed || facts.bytes != 2 || facts.ndim > 2 ||
        (facts.ndim == 2 && facts.shape[1] != 1))
        return edx_fail(err, EDX_E_TYPE, "%.100s: expected a column of 16-bit words", path);
    s->words = facts.shape[0];
    if (s->words > facts.stored / 2 * MAX_RATIO) /* what is not stored would read as zeros */
        return edx_fail(err, EDX_E_DECODE,
                        "%.100s: %" PRIu64 " words of which %" PRIu64
                        " bytes are stored, expected all of them",
                        path, s->words, facts.stored);
    s->block = malloc(BLOCK * sizeof *s->block);
    if (!s->block)
        return edx_fail(err, EDX_E_NOMEM, "no memory for a stream");
    snprintf(path, sizeof path, "%s/FrameLocationTable", group);
    return read_table(v, s, path, err);
}

/* A stream of a single spectrum is passed over: its meta.map is false. */
static edx_status open_stream(velox *v, stream *s, const char *group, edx_error *err)
{
    edx_jsondoc *settings = NULL, *metadata = NULL;
    char path[PATH_SIZE];
    snprintf(path, sizeof path, "%s/AcquisitionSettings", group);
    edx_status status = parse_text(v, path, &settings, err);
    snprintf(path, sizeof path, "%s/Metadata", group);
    if (status == EDX_OK)
        status = parse_metadata(v, path, &metadata, err);
    if (status == EDX_OK) {
        status = edx_velox_meta_read(settings, metadata, &s->meta, err);
        if (status != EDX_OK)
            edx_error_prefix(err, "%.80s", group);
    }
    if (status == EDX_OK && s->meta.map)
        status = open_words(v, s, group, err);
    edx_jsondoc_free(&settings);
    edx_jsondoc_free(&metadata);
    return status;
}

static edx_status open_streams(velox *v, uint32_t *spectra, edx_error *err)
{
    char name[EDX_H5FILE_NAME], group[256];
    for (uint32_t i = 0; edx_h5file_child(v->file, STREAMS, i, name, err) == EDX_OK; i++) {
        if (v->n_streams == MAX_STREAMS)
            return edx_fail(err, EDX_E_LIMIT, STREAMS ": more than %u streams", MAX_STREAMS);
        stream *s = &v->streams[v->n_streams++];
        snprintf(group, sizeof group, STREAMS "/%s", name);
        edx_status status = open_stream(v, s, group, err);
        if (status != EDX_OK)
            return status;
        if (s->meta.map)
            continue;
        free_stream(s);
        *s = (stream){0};
        v->n_streams--;
        if (++*spectra == MAX_MEMBERS)
            break;
    }
    return EDX_OK;
}

/* ---- do the streams belong together? ---- */

static edx_status check_pair(const stream *a, const stream *b, edx_error *err)
{
    const edx_velox_meta *x = &a->meta, *y = &b->meta;
    if (x->rows != y->rows || x->cols != y->cols)
        return edx_fail(err, EDX_E_STATE,
                        "streams of maps of %u x %u and %u x %u pixels, expected one map", x->rows,
                        x->cols, y->rows, y->cols);
    if (x->channels != y->channels || x->scale_eV != y->scale_eV || x->offset_eV != y->offset_eV)
        return edx_fail(err, EDX_E_STATE,
                        "streams of %u channels of %g eV and %u of %g eV, expected one axis",
                        x->channels, x->scale_eV, y->channels, y->scale_eV);
    bool same_index = x->index == y->index || (isnan(x->index) && isnan(y->index));
    if (x->detector[0] && strcmp(x->detector, y->detector) == 0 && same_index)
        return edx_fail(err, EDX_E_STATE,
                        "two streams of detector %.40s, expected one for each segment of one map",
                        x->detector);
    return EDX_OK;
}

static edx_status check_streams(const velox *v, uint32_t spectra, edx_error *err)
{
    if (v->n_streams == 0 && spectra > 0)
        return edx_fail(err, EDX_E_STATE,
                        "a single spectrum (its settings have no RasterScanDefinition), expected "
                        "the stream of a map");
    if (v->n_streams == 0)
        return edx_fail(err, EDX_E_STATE,
                        "no spectrum stream in the file (" STREAMS " is empty: it was pruned), "
                        "expected one saved with its stream");
    for (uint32_t a = 0; a < v->n_streams; a++)
        for (uint32_t b = a + 1; b < v->n_streams; b++) {
            edx_status status = check_pair(&v->streams[a], &v->streams[b], err);
            if (status != EDX_OK)
                return status;
        }
    return EDX_OK;
}

/* ---- words ---- */

/* The words from s->at on, as many as are at hand; NULL at the end (*n 0) or on error. */
static const uint16_t *look(stream *s, size_t *n, edx_status *status, edx_error *err)
{
    *n = 0;
    *status = EDX_OK;
    if (s->at >= s->words)
        return NULL;
    if (s->at < s->from || s->at >= s->from + s->have) {
        uint64_t left = s->words - s->at, start[2] = {s->at, 0};
        uint64_t count[2] = {left < BLOCK ? left : BLOCK, 1};
        s->have = 0;
        *status = edx_h5set_read(s->set, EDX_U2, start, count, s->block, err);
        if (*status != EDX_OK) {
            edx_error_prefix(err, "%.40s: words from %" PRIu64 " on", s->meta.detector, s->at);
            return NULL;
        }
        s->from = s->at;
        s->have = (size_t)count[0];
    }
    *n = s->have - (size_t)(s->at - s->from);
    return s->block + (s->at - s->from);
}

/* How many words of what is left, up to end, are markers and counts. */
static edx_status count_rest(stream *s, uint64_t *markers, uint64_t *counts, edx_error *err)
{
    edx_status status = EDX_OK;
    size_t n = 0;
    const uint16_t *words;
    *markers = *counts = 0;
    while ((words = look(s, &n, &status, err)) != NULL) {
        for (size_t i = 0; i < n; i++)
            *markers += words[i] == NEXT_PIXEL;
        *counts += n;
        s->at += n;
    }
    *counts -= *markers;
    return status;
}

/* ---- how many frames ---- */

/* endFramePosition of the spectrum image; 0: not told. */
static uint64_t frames_told(velox *v)
{
    char name[EDX_H5FILE_NAME], path[PATH_SIZE];
    uint64_t most = 0;
    for (uint32_t i = 0; i < MAX_MEMBERS; i++) {
        edx_jsondoc *doc = NULL;
        if (edx_h5file_child(v->file, "/Data/SpectrumImage", i, name, NULL) != EDX_OK)
            break;
        snprintf(path, sizeof path, "/Data/SpectrumImage/%s/SpectrumImageSettings", name);
        if (parse_text(v, path, &doc, NULL) != EDX_OK)
            continue;
        double end = edx_jsondoc_number(doc, "endFramePosition");
        if (end >= 1.0 && end < 4e9 && (uint64_t)end > most)
            most = (uint64_t)end;
        edx_jsondoc_free(&doc);
    }
    return most;
}

/* As many as it takes for all markers. */
static edx_status frames_counted(velox *v, uint64_t *frames, edx_error *err)
{
    for (uint32_t i = 0; i < v->n_streams; i++) {
        uint64_t markers = 0, counts = 0;
        edx_status status = count_rest(&v->streams[i], &markers, &counts, err);
        if (status != EDX_OK)
            return status;
        v->streams[i].at = 0;
        uint64_t n = (markers + v->pixels - 1) / v->pixels;
        if (markers == 0 && counts > 0) /* one pixel, whose marker is missing */
            n = 1;
        *frames = n > *frames ? n : *frames;
    }
    return EDX_OK;
}

static edx_status find_frames(velox *v, edx_error *err)
{
    uint64_t rows = 0;
    for (uint32_t i = 0; i < v->n_streams; i++)
        if (v->streams[i].n_table > rows)
            rows = v->streams[i].n_table;
    v->frames = frames_told(v);
    if (v->frames == 0 || (rows > 0 && rows < v->frames))
        v->frames = rows;
    return v->frames == 0 ? frames_counted(v, &v->frames, err) : EDX_OK;
}

/* ---- images ---- */

/* What can be an image of the map: one 16-bit (or so) value for every pixel and frame. */
static bool is_image(const edx_h5set_facts *f, uint64_t rows, uint64_t cols, edx_dtype *dtype)
{
    if (f->ndim != 3 || f->floats || f->bytes > 4 || (f->is_signed && f->bytes != 4))
        return false;
    *dtype = f->bytes == 1 ? EDX_U1 : f->bytes == 2 ? EDX_U2 : f->is_signed ? EDX_I4 : EDX_U4;
    return (rows == 0 || (f->shape[0] == rows && f->shape[1] == cols)) && f->shape[2] > 0;
}

/* Without a scan area the map is as large as the image that came with it. */
static edx_status find_size(velox *v, edx_error *err)
{
    char name[EDX_H5FILE_NAME], path[PATH_SIZE];
    edx_velox_meta *meta = &v->streams[0].meta;
    bool known = meta->rows > 0 && meta->cols > 0;
    for (uint32_t i = 0; !known && i < MAX_MEMBERS; i++) {
        edx_h5set *set = NULL;
        edx_dtype dtype;
        if (edx_h5file_child(v->file, IMAGES, i, name, NULL) != EDX_OK)
            break;
        snprintf(path, sizeof path, IMAGES "/%s/Data", name);
        if (edx_h5set_open(v->file, path, 0, &set, NULL) != EDX_OK)
            continue;
        edx_h5set_facts facts = edx_h5set_about(set);
        edx_h5set_free(&set);
        known = is_image(&facts, 0, 0, &dtype) && facts.bytes == 2 && facts.shape[0] > 0 &&
                facts.shape[0] <= 65535 && facts.shape[1] > 0 && facts.shape[1] <= 65535;
        meta->rows = known ? (uint32_t)facts.shape[0] : 0;
        meta->cols = known ? (uint32_t)facts.shape[1] : 0;
    }
    if (!known)
        return edx_fail(err, EDX_E_MISSING,
                        "neither Scan/ScanArea nor an image tells the map's size, expected one");
    v->pixels = meta->rows * meta->cols;
    return EDX_OK;
}

/* The name of an image's detector, made different from those before. */
static void name_image(velox *v, const char *group)
{
    edx_begin *begin = &v->imported.begin;
    char path[PATH_SIZE], name[EDX_NAME_SIZE - 8];
    char *out = begin->images[v->n_images];
    edx_jsondoc *doc = NULL;
    snprintf(path, sizeof path, "%s/Metadata", group);
    const char *detector = parse_metadata(v, path, &doc, NULL) == EDX_OK
                               ? edx_jsondoc_text(doc, "BinaryResult/Detector")
                               : NULL;
    snprintf(name, sizeof name, "%.50s", detector && *detector ? detector : "image");
    edx_jsondoc_free(&doc);
    snprintf(out, EDX_NAME_SIZE, "%s", name);
    for (uint32_t i = 0, n = 2; i < v->n_images; i++)
        if (strcmp(begin->images[i], out) == 0) {
            snprintf(out, EDX_NAME_SIZE, "%s-%u", name, n++);
            i = UINT32_MAX; /* look through them again */
        }
}

/* Takes set over. A single image of a map of several frames is no image of each. */
static edx_status add_image(velox *v, edx_h5set *set, edx_dtype dtype, const char *group,
                            edx_error *err)
{
    image *added = &v->images[v->n_images];
    uint64_t frames = edx_h5set_about(set).shape[2];
    if (frames < v->frames && frames < 2) {
        edx_h5set_free(&set);
        return EDX_OK;
    }
    *added = (image){.set = set, .dtype = dtype, .frames = frames};
    added->data = calloc(v->pixels, edx_dtype_size(dtype));
    name_image(v, group);
    v->n_images++;
    return added->data ? EDX_OK : edx_fail(err, EDX_E_NOMEM, "no memory for images");
}

static void put_first(velox *v, uint32_t i)
{
    edx_begin *begin = &v->imported.begin;
    char name[EDX_NAME_SIZE];
    image moved = v->images[i];
    memcpy(name, begin->images[i], sizeof name);
    memmove(v->images + 1, v->images, i * sizeof *v->images);
    memmove(begin->images + 1, begin->images, i * sizeof *begin->images);
    v->images[0] = moved;
    memcpy(begin->images[0], name, sizeof name);
}

static edx_status find_images(velox *v, edx_error *err)
{
    char name[EDX_H5FILE_NAME], group[256], path[PATH_SIZE];
    const edx_begin *begin = &v->imported.begin;
    for (uint32_t i = 0; i < MAX_MEMBERS && v->n_images < EDX_MAX_IMAGES; i++) {
        edx_h5set *set = NULL;
        edx_dtype dtype;
        if (edx_h5file_child(v->file, IMAGES, i, name, NULL) != EDX_OK)
            break;
        snprintf(group, sizeof group, IMAGES "/%s", name);
        snprintf(path, sizeof path, "%s/Data", group);
        if (edx_h5set_open(v->file, path, CACHE, &set, NULL) != EDX_OK)
            continue;
        edx_h5set_facts facts = edx_h5set_about(set);
        edx_status status = EDX_OK;
        if (is_image(&facts, begin->rows, begin->cols, &dtype))
            status = add_image(v, set, dtype, group, err);
        else
            edx_h5set_free(&set);
        if (status != EDX_OK)
            return status;
    }
    for (uint32_t i = 1; i < v->n_images; i++)
        if (strcmp(begin->images[i], "HAADF") == 0)
            put_first(v, i);
    v->imported.begin.n_images = v->n_images;
    return EDX_OK;
}

/* ---- begin ---- */

static void add_elements(edx_begin *begin, const edx_jsondoc *doc)
{
    size_t count = edx_jsondoc_count(doc, "elementSelection");
    for (size_t i = 0; i < count && begin->n_elements < EDX_MAX_ELEMENTS; i++) {
        const char *symbol = edx_velox_symbol(edx_jsondoc_item(doc, "elementSelection", i));
        if (symbol)
            memcpy(begin->elements[begin->n_elements++], symbol, strlen(symbol) + 1);
    }
}

/* What was chosen in Velox, where newer and older versions keep it. */
static void find_elements(velox *v)
{
    static const char *const groups[] = {"/SharedProperties/EDSSpectrumQuantificationSettings",
                                         "/Operations/ImageQuantificationOperation"};
    char name[EDX_H5FILE_NAME], path[PATH_SIZE];
    edx_begin *begin = &v->imported.begin;
    for (size_t g = 0; g < 2; g++)
        for (uint32_t i = 0; begin->n_elements == 0 && i < MAX_MEMBERS; i++) {
            edx_jsondoc *doc = NULL;
            if (edx_h5file_child(v->file, groups[g], i, name, NULL) != EDX_OK)
                break;
            snprintf(path, sizeof path, "%s/%s", groups[g], name);
            if (parse_text(v, path, &doc, NULL) == EDX_OK)
                add_elements(begin, doc);
            edx_jsondoc_free(&doc);
        }
}

/* The part of the segments' names that they share. */
static void name_detector(const velox *v, char out[EDX_NAME_SIZE])
{
    snprintf(out, EDX_NAME_SIZE, "%s", v->streams[0].meta.detector);
    for (uint32_t i = 1; i < v->n_streams; i++) {
        size_t n = 0;
        const char *other = v->streams[i].meta.detector;
        while (out[n] && out[n] == other[n])
            n++;
        out[n] = '\0';
    }
}

static void describe(velox *v)
{
    edx_begin *begin = &v->imported.begin;
    const edx_velox_meta *meta = &v->streams[0].meta;
    if (meta->t > 0.0)
        begin->head.t = meta->t;
    begin->rows = meta->rows;
    begin->cols = meta->cols;
    begin->step_nm[0] = meta->step_nm[0];
    begin->step_nm[1] = meta->step_nm[1];
    begin->dwell_s = meta->dwell_s;
    begin->frames = v->frames;
    begin->channels = meta->channels;
    begin->offset_eV = meta->offset_eV;
    begin->scale_eV = meta->scale_eV;
    begin->beam_keV = meta->beam_keV;
    begin->probe_nA = meta->probe_nA;
    begin->has_detector = true;
    name_detector(v, begin->detector);
    begin->elevation_deg = meta->elevation_deg;
    if (v->n_streams == 1) {
        begin->solid_angle_sr = meta->solid_angle_sr;
        begin->azimuth_deg = meta->azimuth_deg;
    }
    v->imported.frame_s = meta->frame_s;
    for (uint32_t i = 0; i < v->n_streams; i++)
        v->live += v->streams[i].meta.live / v->n_streams;
}

static edx_status start(velox *v, edx_error *err)
{
    uint32_t spectra = 0;
    edx_status status = check_version(v, err);
    if (status == EDX_OK)
        status = open_streams(v, &spectra, err);
    if (status == EDX_OK)
        status = check_streams(v, spectra, err);
    if (status == EDX_OK)
        status = find_size(v, err);
    if (status == EDX_OK)
        status = find_frames(v, err);
    if (status != EDX_OK)
        return status;
    describe(v);
    find_elements(v);
    status = edx_imported_check(&v->imported.begin, err);
    if (status == EDX_OK)
        status = find_images(v, err);
    if (status == EDX_OK && !(v->gather = edx_gather_new(v->pixels)))
        status = edx_fail(err, EDX_E_NOMEM, "no memory for frames of %u pixels", v->pixels);
    return status;
}

static void close_velox(void *self)
{
    velox *v = self;
    for (uint32_t i = 0; v->streams && i < v->n_streams; i++)
        free_stream(&v->streams[i]);
    free(v->streams);
    for (uint32_t i = 0; i < EDX_MAX_IMAGES; i++) {
        edx_h5set_free(&v->images[i].set);
        free(v->images[i].data);
    }
    edx_gather_free(&v->gather);
    edx_h5file_free(&v->file);
    free(v);
}

static edx_status open_velox(const char *path, const edx_source_options *options, void **self,
                             edx_error *err)
{
    (void)options;
    *self = NULL;
    velox *v = calloc(1, sizeof *v);
    if (!v)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    v->streams = calloc(MAX_STREAMS, sizeof *v->streams);
    edx_imported_start(&v->imported, path);
    edx_status status =
        v->streams ? edx_h5file_open(path, &v->file, err) : edx_fail(err, EDX_E_NOMEM, "no memory");
    if (status == EDX_OK)
        status = start(v, err);
    if (status == EDX_OK)
        *self = v;
    else
        close_velox(v);
    return status;
}

/* ---- frames ---- */

/* Takes words of one frame up to the word end, which is behind it, or its last marker. */
static edx_status take_words(velox *v, stream *s, uint64_t end, findings *found, edx_error *err)
{
    edx_status status = EDX_OK;
    size_t n = 0;
    const uint16_t *words;
    while (s->at < end && found->markers < v->pixels &&
           (words = look(s, &n, &status, err)) != NULL) {
        for (size_t i = 0; i < n && s->at < end && found->markers < v->pixels; i++, s->at++) {
            if (words[i] == NEXT_PIXEL) {
                found->markers++;
            } else if (words[i] < v->imported.begin.channels) {
                status = edx_gather_add(v->gather, (uint32_t)found->markers, words[i], err);
                if (status != EDX_OK)
                    return status;
            } else if (found->strange++ == 0) {
                found->first_strange = s->at;
            }
        }
    }
    return status;
}

/* Pixels that the frame has. At the end of the stream a marker, or all those of a short last frame,
 * may be missing: the pixel behind the last marker had begun. */
static uint64_t pixels_of(const velox *v, const stream *s, const findings *found)
{
    return found->markers + (s->at >= s->words && found->markers < v->pixels);
}

/* The last frame may be short; any other must have all its pixels, where the table says. */
static void judge(velox *v, const stream *s, uint64_t end, const findings *found)
{
    edx_imported *im = &v->imported;
    uint64_t seen = pixels_of(v, s, found);
    if (found->strange > 0)
        edx_imported_note(im,
                          "frame %" PRIu64 " of %.40s: %" PRIu64
                          " counts above channel %u are left "
                          "out, the first is word %" PRIu64,
                          v->next, s->meta.detector, found->strange, im->begin.channels - 1,
                          found->first_strange);
    if (s->at >= s->words && seen < v->pixels) {
        im->broken_off = true;
        edx_imported_note(im,
                          "frame %" PRIu64 " of %.40s ends after %" PRIu64
                          " of %u pixels: the others are empty",
                          v->next, s->meta.detector, seen, v->pixels);
    } else if (seen < v->pixels || (s->at < end && end < s->words)) {
        edx_imported_note(im,
                          "frame %" PRIu64 " of %.40s: its pixels end at word %" PRIu64
                          " after %" PRIu64 " of %u, FrameLocationTable says %" PRIu64,
                          v->next, s->meta.detector, s->at, seen, v->pixels, end);
    }
}

/* *some becomes true when something of the stream is left for this frame, *pixels at least as many
 * as it has. */
static edx_status read_stream(velox *v, stream *s, bool *some, uint64_t *pixels, edx_error *err)
{
    findings found = {0};
    bool table = s->n_table > v->next;
    uint64_t end = s->n_table > v->next + 1 ? s->table[v->next + 1] : s->words;
    if (table)
        s->at = s->table[v->next];
    if (s->at >= s->words)
        return EDX_OK;
    *some = true;
    edx_status status = take_words(v, s, end, &found, err);
    if (status == EDX_OK)
        judge(v, s, end, &found);
    uint64_t seen = pixels_of(v, s, &found);
    *pixels = seen > *pixels ? seen : *pixels;
    return status;
}

static edx_status read_images(velox *v, edx_frame *frame, edx_error *err)
{
    const edx_begin *begin = &v->imported.begin;
    for (uint32_t i = 0; i < v->n_images; i++) {
        image *one = &v->images[i];
        uint64_t start[3] = {0, 0, v->next}, count[3] = {begin->rows, begin->cols, 1};
        if (v->next >= one->frames)
            continue;
        edx_status status = edx_h5set_read(one->set, one->dtype, start, count, one->data, err);
        if (status != EDX_OK) {
            edx_error_prefix(err, "image %.60s, frame %" PRIu64, begin->images[i], v->next);
            return status;
        }
        memcpy(frame->image_names[frame->n_images], begin->images[i], EDX_NAME_SIZE);
        frame->images[frame->n_images++] =
            edx_array_2(one->dtype, one->data, begin->rows, begin->cols);
    }
    return EDX_OK;
}

/* Behind the last frame: counts of a pixel that no frame has. */
static edx_status finish(velox *v, edx_error *err)
{
    for (uint32_t i = 0; i < v->n_streams; i++) {
        uint64_t markers = 0, counts = 0;
        edx_status status = count_rest(&v->streams[i], &markers, &counts, err);
        if (status != EDX_OK)
            return status;
        if (markers + counts > 0)
            edx_imported_note(&v->imported,
                              "%.40s: %" PRIu64 " counts and %" PRIu64
                              " pixel markers behind the last frame are left out",
                              v->streams[i].meta.detector, counts, markers);
    }
    if (v->next < v->frames) {
        v->imported.broken_off = true;
        edx_imported_note(&v->imported,
                          "the stream ends after %" PRIu64 " frames, expected %" PRIu64, v->next,
                          v->frames);
    }
    return edx_fail(err, EDX_E_END, "nothing more to read");
}

static edx_status read_frame(void *self, edx_frame *frame, edx_error *err)
{
    velox *v = self;
    bool some = false;
    uint64_t pixels = 0;
    edx_gather_clear(v->gather);
    for (uint32_t i = 0; v->next < v->frames && i < v->n_streams; i++) {
        edx_status status = read_stream(v, &v->streams[i], &some, &pixels, err);
        if (status != EDX_OK)
            return status;
    }
    if (!some)
        return finish(v, err);
    edx_status status = edx_gather_counts(v->gather, &frame->counts, err);
    if (status == EDX_OK)
        status = read_images(v, frame, err);
    if (status != EDX_OK)
        return status;
    frame->real_s = v->imported.begin.dwell_s * (double)pixels;
    frame->live_s = frame->real_s * v->live;
    v->next++;
    return EDX_OK;
}

static edx_status next_velox(void *self, edx_source_message *out, edx_error *err)
{
    velox *v = self;
    return edx_imported_next(&v->imported, read_frame, v, out, err);
}

static void settle_velox(void *self)
{
    ((velox *)self)->imported.growing = false;
}

static uint64_t position_velox(const void *self)
{
    const velox *v = self;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < v->n_streams; i++)
        bytes += v->streams[i].at * sizeof(uint16_t);
    return bytes;
}

static uint64_t size_velox(const void *self)
{
    const velox *v = self;
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < v->n_streams; i++)
        bytes += v->streams[i].words * sizeof(uint16_t);
    return bytes;
}

const edx_source edx_velox_source = {
    .ending = ".emd",
    .apart = true,
    .open = open_velox,
    .next = next_velox,
    .settle = settle_velox,
    .position = position_velox,
    .size = size_velox,
    .close = close_velox,
};
