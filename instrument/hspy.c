#include "instrument/hspy.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instrument/gather.h"
#include "instrument/h5file.h"
#include "instrument/imported.h"
#include "instrument/random.h"

#define EXPERIMENTS "/Experiments"
#define ROOM ((size_t)1 << 20)    /* values read at once */
#define CACHE ((size_t)256 << 20) /* rows are read one by one: chunks reach over several */
#define DWELL_S 1e-3              /* where the file does not tell */
#define PATH_SIZE 512

typedef struct hspy {
    edx_imported imported; /* first: what all have in common */
    edx_h5file *file;
    edx_h5set *set;
    char signal[PATH_SIZE]; /* the group of the one experiment that is read */
    uint64_t frames, next, seed;
    uint32_t pixels;
    uint32_t *offsets;  /* [pixels + 1] of the counts not yet dealt */
    uint16_t *channels; /* of each */
    size_t n, capacity;
    edx_gather *gather;
} hspy;

/* ---- axes ---- */

typedef struct axis {
    double scale, offset;
    char units[24];
} axis;

static axis read_axis(const hspy *h, uint32_t index)
{
    char path[PATH_SIZE + 32];
    axis read = {.scale = (double)NAN};
    snprintf(path, sizeof path, "%s/axis-%u", h->signal, index);
    edx_h5file_number(h->file, path, "scale", &read.scale);
    edx_h5file_number(h->file, path, "offset", &read.offset);
    edx_h5file_label(h->file, path, "units", read.units, sizeof read.units);
    return read;
}

/* A scan axis; HyperSpy writes no units where there are none. */
static edx_status read_step(const hspy *h, uint32_t index, double *step, edx_error *err)
{
    axis read = read_axis(h, index);
    double nm = read.units[0] ? edx_imported_nm(read.units) : 1.0;
    *step = fabs(read.scale) * nm;
    if (!isfinite(*step) || *step <= 0.0)
        return edx_fail(err, EDX_E_RANGE, "axis-%u: scale %g \"%.20s\", expected a length", index,
                        read.scale, read.units);
    return EDX_OK;
}

static edx_status read_energy(const hspy *h, edx_begin *begin, edx_error *err)
{
    axis read = read_axis(h, 2);
    bool keV = strcmp(read.units, "keV") == 0;
    if (!keV && strcmp(read.units, "eV") != 0)
        return edx_fail(err, EDX_E_RANGE, "axis-2: units \"%.20s\", expected keV or eV",
                        read.units);
    if (!isfinite(read.scale) || read.scale <= 0.0 || !isfinite(read.offset))
        return edx_fail(err, EDX_E_RANGE, "axis-2: scale %g, expected one above 0", read.scale);
    begin->scale_eV = read.scale * (keV ? 1e3 : 1.0);
    begin->offset_eV = read.offset * (keV ? 1e3 : 1.0);
    return EDX_OK;
}

/* ---- metadata ---- */

/* A number of the microscope, be it a TEM or an SEM; NaN when it is not told. */
static double number_of(const hspy *h, const char *below, const char *name)
{
    static const char *const kinds[] = {"TEM", "SEM"};
    char path[PATH_SIZE + 96];
    for (int i = 0; i < 2; i++) {
        double value = (double)NAN;
        snprintf(path, sizeof path, "%s/metadata/Acquisition_instrument/%s%s", h->signal, kinds[i],
                 below);
        if (edx_h5file_number(h->file, path, name, &value) && isfinite(value))
            return value;
    }
    return (double)NAN;
}

static double positive_or_nan(double value)
{
    return value > 0.0 ? value : (double)NAN;
}

static edx_status read_instrument(hspy *h, edx_error *err)
{
    static const char eds[] = "/Detector/EDS";
    edx_begin *begin = &h->imported.begin;
    begin->beam_keV = number_of(h, "", "beam_energy");
    if (isnan(begin->beam_keV)) /* as HyperSpy 1.7 names it when it is set by hand */
        begin->beam_keV = number_of(h, "", "beam_energy ");
    if (!(begin->beam_keV > 0.0))
        return edx_fail(err, EDX_E_MISSING,
                        "metadata: no beam_energy of a TEM or SEM, expected one in keV");
    begin->probe_nA = positive_or_nan(number_of(h, "", "beam_current"));
    begin->has_detector = true;
    begin->elevation_deg = number_of(h, eds, "elevation_angle");
    begin->azimuth_deg = number_of(h, eds, "azimuth_angle");
    begin->resolution_eV = positive_or_nan(number_of(h, eds, "energy_resolution_MnKa"));
    begin->solid_angle_sr = positive_or_nan(number_of(h, eds, "solid_angle"));
    double live_s = positive_or_nan(number_of(h, eds, "live_time"));
    begin->dwell_s = isnan(live_s) ? DWELL_S : live_s / (double)h->frames;
    return EDX_OK;
}

/* A text cut inside a character ends before it. */
static void end_whole(char *text, size_t size)
{
    size_t n = strlen(text);
    if (n + 1 < size)
        return;
    while (n > 0 && ((unsigned char)text[n - 1] & 0xc0) == 0x80)
        n--;
    if (n > 0 && (unsigned char)text[n - 1] >= 0x80)
        n--;
    text[n] = '\0';
}

static void read_sample(hspy *h)
{
    char path[PATH_SIZE + 64];
    edx_begin *begin = &h->imported.begin;
    snprintf(path, sizeof path, "%s/metadata/General", h->signal);
    edx_h5file_label(h->file, path, "title", begin->title, sizeof begin->title);
    end_whole(begin->title, sizeof begin->title);
    snprintf(path, sizeof path, "%s/metadata/Sample/_list_elements", h->signal);
    for (uint64_t i = 0; i < EDX_MAX_ELEMENTS; i++) {
        char *symbol = NULL;
        if (edx_h5file_text(h->file, path, i, &symbol, NULL) != EDX_OK)
            break;
        if (symbol[0] && strlen(symbol) < EDX_SYMBOL_SIZE)
            memcpy(begin->elements[begin->n_elements++], symbol, strlen(symbol) + 1);
        free(symbol);
    }
}

/* ---- counts ---- */

static edx_status keep(hspy *h, uint16_t channel, uint32_t n, edx_error *err)
{
    if (n > UINT32_MAX - h->n)
        return edx_fail(err, EDX_E_LIMIT, "more than %u counts, expected fewer", UINT32_MAX);
    if (h->n + n > h->capacity) {
        size_t wanted = h->n + n + h->capacity / 2 + ROOM;
        uint16_t *channels = realloc(h->channels, wanted * sizeof *channels);
        if (!channels)
            return edx_fail(err, EDX_E_NOMEM, "no memory for %zu counts", wanted);
        h->channels = channels;
        h->capacity = wanted;
    }
    for (uint32_t i = 0; i < n; i++)
        h->channels[h->n++] = channel;
    return EDX_OK;
}

/* The spectra of some pixels. */
static edx_status take(hspy *h, const double *values, uint32_t first, size_t pixels, edx_error *err)
{
    uint32_t channels = h->imported.begin.channels;
    for (size_t p = 0; p < pixels; p++) {
        for (uint32_t c = 0; c < channels; c++) {
            double value = values[p * channels + c];
            if (value == 0.0)
                continue;
            if (!(value > 0.0 && value < 4294967296.0) || value != floor(value))
                return edx_fail(err, EDX_E_RANGE,
                                "pixel %zu, channel %u: %g, expected a number of counts", first + p,
                                c, value);
            edx_status status = keep(h, (uint16_t)c, (uint32_t)value, err);
            if (status != EDX_OK)
                return status;
        }
        h->offsets[first + p + 1] = (uint32_t)h->n;
    }
    return EDX_OK;
}

static edx_status load_row(hspy *h, uint32_t row, double *values, size_t room, edx_error *err)
{
    const edx_begin *begin = &h->imported.begin;
    for (uint32_t col = 0; col < begin->cols;) {
        size_t n = begin->cols - col < room ? begin->cols - col : room;
        uint64_t start[3] = {row, col, 0}, count[3] = {1, n, begin->channels};
        edx_status status = edx_h5set_read(h->set, EDX_F8, start, count, values, err);
        if (status == EDX_OK)
            status = take(h, values, row * begin->cols + col, n, err);
        if (status != EDX_OK)
            return status;
        col += (uint32_t)n;
    }
    return EDX_OK;
}

static edx_status load(hspy *h, edx_error *err)
{
    const edx_begin *begin = &h->imported.begin;
    size_t room = ROOM / begin->channels + 1;
    double *values = malloc(room * begin->channels * sizeof *values);
    edx_status status = EDX_OK;
    h->offsets = calloc((size_t)h->pixels + 1, sizeof *h->offsets);
    h->gather = edx_gather_new(h->pixels);
    if (!values || !h->offsets || !h->gather)
        status = edx_fail(err, EDX_E_NOMEM, "no memory for %u pixels", h->pixels);
    for (uint32_t r = 0; status == EDX_OK && r < begin->rows; r++)
        status = load_row(h, r, values, room, err);
    free(values);
    return status;
}

/* ---- opening ---- */

/* The first experiment that is a map of spectra. */
static edx_status find_signal(hspy *h, edx_error *err)
{
    char name[EDX_H5FILE_NAME], path[PATH_SIZE];
    for (uint32_t i = 0; edx_h5file_child(h->file, EXPERIMENTS, i, name, NULL) == EDX_OK; i++) {
        snprintf(h->signal, sizeof h->signal, EXPERIMENTS "/%s", name);
        snprintf(path, sizeof path, EXPERIMENTS "/%s/data", name);
        edx_status status = edx_h5set_open(h->file, path, CACHE, &h->set, err);
        if (status != EDX_OK)
            return status;
        edx_h5set_facts facts = edx_h5set_about(h->set);
        if (facts.ndim == 3)
            return EDX_OK;
        edx_h5set_free(&h->set);
    }
    return edx_fail(err, EDX_E_STATE,
                    "no signal of three axes in " EXPERIMENTS ", expected y, x and energy");
}

static edx_status describe(hspy *h, edx_error *err)
{
    edx_begin *begin = &h->imported.begin;
    edx_h5set_facts facts = edx_h5set_about(h->set);
    for (int d = 0; d < 3; d++)
        if (facts.shape[d] < 1 || facts.shape[d] > UINT32_MAX)
            return edx_fail(err, EDX_E_RANGE, "data: an axis of %" PRIu64 ", expected some",
                            facts.shape[d]);
    begin->rows = (uint32_t)facts.shape[0];
    begin->cols = (uint32_t)facts.shape[1];
    begin->channels = (uint32_t)facts.shape[2];
    begin->frames = h->frames;
    h->pixels = begin->rows * begin->cols;
    edx_status status = read_step(h, 0, &begin->step_nm[0], err);
    if (status == EDX_OK)
        status = read_step(h, 1, &begin->step_nm[1], err);
    if (status == EDX_OK)
        status = read_energy(h, begin, err);
    if (status == EDX_OK)
        status = read_instrument(h, err);
    if (status != EDX_OK)
        return status;
    read_sample(h);
    return edx_imported_check(begin, err);
}

static void close_hspy(void *self)
{
    hspy *h = self;
    edx_h5set_free(&h->set);
    edx_h5file_free(&h->file);
    edx_gather_free(&h->gather);
    free(h->offsets);
    free(h->channels);
    free(h);
}

static edx_status open_hspy(const char *path, const edx_source_options *options, void **self,
                            edx_error *err)
{
    *self = NULL;
    hspy *h = calloc(1, sizeof *h);
    if (!h)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    h->frames = options->frames > 0 ? options->frames : 1;
    h->seed = options->seed;
    edx_imported_start(&h->imported, path);
    edx_status status = edx_h5file_open(path, &h->file, err);
    if (status == EDX_OK)
        status = find_signal(h, err);
    if (status == EDX_OK)
        status = describe(h, err);
    if (status == EDX_OK)
        *self = h;
    else
        close_hspy(h);
    return status;
}

/* ---- dealing ---- */

/* With left frames to come, each count that is left goes to this one with probability 1 / left, so
 * that all frames are equally probable for it. */
static edx_status deal(hspy *h, uint32_t left, edx_error *err)
{
    edx_random random;
    size_t kept = 0, i = 0;
    edx_random_seed(&random, h->seed, h->next);
    for (uint32_t p = 0; p < h->pixels; p++) {
        for (size_t end = h->offsets[p + 1]; i < end; i++) {
            if (edx_random_below(&random, left) != 0) {
                h->channels[kept++] = h->channels[i];
                continue;
            }
            edx_status status = edx_gather_add(h->gather, p, h->channels[i], err);
            if (status != EDX_OK)
                return status;
        }
        h->offsets[p + 1] = (uint32_t)kept;
    }
    h->n = kept;
    return EDX_OK;
}

static edx_status deal_frame(void *self, edx_frame *frame, edx_error *err)
{
    hspy *h = self;
    if (h->next == h->frames)
        return edx_fail(err, EDX_E_END, "nothing more to deal");
    edx_status status = h->gather ? EDX_OK : load(h, err);
    if (status != EDX_OK)
        return status;
    edx_gather_clear(h->gather);
    status = deal(h, (uint32_t)(h->frames - h->next), err);
    if (status == EDX_OK)
        status = edx_gather_counts(h->gather, &frame->counts, err);
    h->next++;
    return status;
}

static edx_status next_hspy(void *self, edx_source_message *out, edx_error *err)
{
    hspy *h = self;
    return edx_imported_next(&h->imported, deal_frame, h, out, err);
}

static void settle_hspy(void *self)
{
    ((hspy *)self)->imported.growing = false;
}

static uint64_t size_hspy(const void *self)
{
    const hspy *h = self;
    return h->frames * h->pixels;
}

static uint64_t position_hspy(const void *self)
{
    const hspy *h = self;
    return h->next * h->pixels;
}

const edx_source edx_hspy_source = {
    .ending = ".hspy",
    .deals = true,
    .apart = true,
    .open = open_hspy,
    .next = next_hspy,
    .settle = settle_hspy,
    .position = position_hspy,
    .size = size_hspy,
    .close = close_hspy,
};
