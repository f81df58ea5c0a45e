#include "instrument/jeol_header.h"

#include <iconv.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/load.h"

#define MAGIC 304u
#define NAME "PTTDFILE"
#define AT_PLACES 20u
#define AT_MEMO 164u
#define MEMO_SIZE 132u
#define AT_DATE 296u
#define TAGS_FROM 12u      /* behind head_pos */
#define EPOCH_DAYS 25569.0 /* from 1899-12-30 to 1970-01-01 */
#define DAY_S 86400.0
#define DOWN 1u /* marks: an entry follows; the one above goes on */
#define UP 255u
#define MAX_DEPTH 32u
#define MAX_NAME 128u
#define MAX_TEMPLATES 16u
#define TEXT_SIZE 64u

#define MEASURED "PTTD Data/AnalyzableMap MeasData/"
#define PARAMS "PTTD Param/Params/"
#define TEMPLATES PARAMS "PARAMPAGE1/Tpl/"
#define ZERO "/DigZ"

/* ---- the fixed part ---- */

static bool convert(iconv_t how, char *from, size_t n, char *out, size_t size)
{
    char *to = out;
    size_t left = size - 1;
    bool ok = iconv(how, &from, &n, &to, &left) != (size_t)-1;
    *to = '\0';
    return ok;
}

/* Memos are written in the code page of a Japanese Windows; what is not text is left out. */
static void read_memo(const uint8_t *bytes, char *out, size_t size)
{
    char memo[MEMO_SIZE];
    memcpy(memo, bytes, sizeof memo);
    size_t n = strnlen(memo, sizeof memo);
    iconv_t how = iconv_open("UTF-8", "CP932");
    bool ok = how != (iconv_t)-1 && convert(how, memo, n, out, size);
    if (how != (iconv_t)-1)
        iconv_close(how);
    if (!ok)
        out[0] = '\0';
}

edx_status edx_jeol_fixed(const uint8_t bytes[EDX_JEOL_FIXED], edx_jeol_header *out, edx_error *err)
{
    memset(out, 0, sizeof *out);
    uint32_t head_pos = edx_load_u32(bytes + AT_PLACES, 0);
    uint32_t head_len = edx_load_u32(bytes + AT_PLACES, 1);
    double date = edx_load_f64(bytes + AT_DATE, 0);
    if (edx_load_u32(bytes, 0) != MAGIC || memcmp(bytes + 4, NAME, strlen(NAME)) != 0)
        return edx_fail(err, EDX_E_DECODE,
                        "no JEOL map, expected a file that starts with %u and " NAME, MAGIC);
    if (head_pos < EDX_JEOL_FIXED || head_pos > EDX_JEOL_HEAD_MAX || head_len <= TAGS_FROM ||
        head_len > EDX_JEOL_HEAD_MAX)
        return edx_fail(err, EDX_E_DECODE,
                        "head: %u bytes from byte %u on, expected some, behind byte %u and within "
                        "64 MiB",
                        head_len, head_pos, EDX_JEOL_FIXED);
    out->head_size = head_pos + head_len;
    out->data_pos = edx_load_u32(bytes + AT_PLACES, 2);
    if (out->data_pos < out->head_size)
        return edx_fail(err, EDX_E_DECODE,
                        "events from byte %u on, expected them behind the head, "
                        "which ends at byte %u",
                        out->data_pos, out->head_size);
    out->t = date > EPOCH_DAYS && date < 1e5 ? (date - EPOCH_DAYS) * DAY_S : 0.0;
    read_memo(bytes + AT_MEMO, out->title, sizeof out->title);
    return EDX_OK;
}

/* ---- tags ---- */

typedef struct template
{
    char name[TEXT_SIZE];
    double zero; /* channel of zero energy */
}
template;

/* What is looked for, as it stands in the tags; NaN and "": not there. */
typedef struct tags {
    char pixels[TEXT_SIZE], used[TEXT_SIZE], detector[TEXT_SIZE];
    double per_channel, at_zero, dwell_ms, beam_kV, magnification, scan_um;
    double resolution, elevation, tilt;
    bool has_area;
    uint16_t area[4];
    template templates[MAX_TEMPLATES];
    uint32_t n_templates;
} tags;

static const struct number {
    const char *path;
    size_t at;
} numbers[] = {{MEASURED "Doc/CoefA", offsetof(tags, per_channel)},
               {MEASURED "Doc/CoefB", offsetof(tags, at_zero)},
               {MEASURED "Doc/DwellTime(msec)", offsetof(tags, dwell_ms)},
               {MEASURED "MeasCond/AccKV", offsetof(tags, beam_kV)},
               {MEASURED "MeasCond/Mag", offsetof(tags, magnification)},
               {PARAMS "PARAMPAGE0/ScanSize", offsetof(tags, scan_um)},
               {PARAMS "PARAMPAGE0/MnKaRES", offsetof(tags, resolution)},
               {PARAMS "PARAMPAGE0/ElevAng", offsetof(tags, elevation)}};

static const struct text {
    const char *path;
    size_t at;
} texts[] = {{MEASURED "Meas Cond/Pixels", offsetof(tags, pixels)},
             {MEASURED "Meas Cond/Tpl", offsetof(tags, used)},
             {PARAMS "PARAMPAGE0/DetT", offsetof(tags, detector)}};

/* An entry: where it stands, and what it holds. */
typedef struct entry {
    char path[MAX_DEPTH * MAX_NAME];
    int32_t type;
    const uint8_t *payload;
    uint32_t size;
} entry;

/* The first element; NaN when it is no number. */
static double number_in(const entry *e)
{
    switch (e->type) {
    case 1:
    case 6:
        return e->size >= 1 ? e->payload[0] : (double)NAN;
    case 2:
    case 7:
    case 14:
        return e->size >= 2 ? edx_load_u16(e->payload, 0) : (double)NAN;
    case 3:
    case 8:
        return e->size >= 4 ? edx_load_i32(e->payload, 0) : (double)NAN;
    case 4:
    case 9:
        return e->size >= 4 ? (double)edx_load_f32(e->payload, 0) : (double)NAN;
    case 5:
    case 10:
        return e->size >= 8 ? edx_load_f64(e->payload, 0) : (double)NAN;
    default:
        return (double)NAN;
    }
}

static void text_in(const entry *e, char out[TEXT_SIZE])
{
    size_t n = strnlen((const char *)e->payload, e->size);
    n = n < TEXT_SIZE ? n : TEXT_SIZE - 1;
    memcpy(out, e->payload, n);
    out[n] = '\0';
}

static void keep_template(tags *found, const entry *e)
{
    const char *name = e->path + strlen(TEMPLATES), *end = strchr(name, '/');
    size_t n = end ? (size_t)(end - name) : 0;
    if (n == 0 || n >= TEXT_SIZE || strcmp(end, ZERO) != 0 || found->n_templates == MAX_TEMPLATES)
        return;
    template *kept = &found->templates[found->n_templates++];
    memcpy(kept->name, name, n);
    kept->name[n] = '\0';
    kept->zero = number_in(e);
}

static void take(tags *found, const entry *e)
{
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        if (strcmp(e->path, numbers[i].path) == 0) {
            double value = number_in(e);
            memcpy((char *)found + numbers[i].at, &value, sizeof value);
        }
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (strcmp(e->path, texts[i].path) == 0)
            text_in(e, (char *)found + texts[i].at);
    if (strncmp(e->path, TEMPLATES, strlen(TEMPLATES)) == 0)
        keep_template(found, e);
    if (strcmp(e->path, MEASURED "Meas Cond/Aim Area") == 0 && e->size >= sizeof found->area) {
        found->has_area = true;
        memcpy(found->area, e->payload, sizeof found->area);
    }
}

/* ---- the tree of tags ---- */

typedef struct walk {
    const uint8_t *bytes;
    size_t at, size;
    size_t ends[MAX_DEPTH]; /* of the path above each level */
    uint32_t depth;
    entry entry;
} walk;

static edx_status damaged(const walk *w, const char *what, edx_error *err)
{
    return edx_fail(err, EDX_E_DECODE, "head: at byte %zu %s, expected a tag", w->at, what);
}

/* A length that must not be negative, and as many bytes after it. */
static bool take_length(walk *w, uint32_t *length)
{
    if (w->size - w->at < sizeof *length)
        return false;
    *length = edx_load_u32(w->bytes + w->at, 0);
    w->at += sizeof *length;
    return true;
}

static edx_status take_name(walk *w, edx_error *err)
{
    uint32_t length = 0;
    if (!take_length(w, &length) || length > w->size - w->at)
        return damaged(w, "a name that does not fit in", err);
    size_t end = w->depth > 0 ? strlen(w->entry.path) : 0;
    size_t n = strnlen((const char *)w->bytes + w->at, length);
    if (w->depth == MAX_DEPTH || n > MAX_NAME - 2)
        return damaged(w, w->depth == MAX_DEPTH ? "the 33rd level" : "a name of over 126 letters",
                       err);
    w->ends[w->depth++] = end;
    if (end > 0)
        w->entry.path[end++] = '/';
    memcpy(w->entry.path + end, w->bytes + w->at, n);
    w->entry.path[end + n] = '\0';
    w->at += length;
    return EDX_OK;
}

static edx_status take_entry(walk *w, edx_error *err)
{
    uint32_t type = 0;
    edx_status status = take_name(w, err);
    if (status != EDX_OK)
        return status;
    if (!take_length(w, &type) || !take_length(w, &w->entry.size) ||
        w->entry.size > w->size - w->at)
        return damaged(w, "a value that does not fit in", err);
    w->entry.type = (int32_t)type;
    w->entry.payload = w->bytes + w->at;
    w->at += w->entry.size;
    return EDX_OK;
}

static edx_status walk_tree(walk *w, tags *found, edx_error *err)
{
    while (w->at < w->size) {
        uint8_t mark = w->bytes[w->at++];
        if (mark == UP && w->depth > 0) {
            w->entry.path[w->ends[--w->depth]] = '\0';
            continue;
        }
        if (mark != DOWN) /* UP at the top ends the tree; nobody knows another mark */
            return EDX_OK;
        edx_status status = take_entry(w, err);
        if (status != EDX_OK)
            return status;
        take(found, &w->entry);
    }
    return EDX_OK;
}

/* ---- meaning ---- */

static edx_status need(double value, double above, const char *tag, edx_error *err)
{
    if (isnan(value))
        return edx_fail(err, EDX_E_MISSING, "%s: not in the head, expected a number", tag);
    if (!isfinite(value) || value <= above)
        return edx_fail(err, EDX_E_RANGE, "%s: %g, expected a number above %g", tag, value, above);
    return EDX_OK;
}

static edx_status read_size(const tags *found, edx_jeol_header *out, edx_error *err)
{
    char *end = NULL;
    unsigned long width = strtoul(found->pixels, &end, 10);
    unsigned long height = *end == 'x' ? strtoul(end + 1, &end, 10) : 0;
    if (width < 1 || height < 1 || *end != '\0' || width > EDX_JEOL_SCALE ||
        height > EDX_JEOL_SCALE)
        return edx_fail(err, EDX_E_RANGE, "Meas Cond/Pixels: \"%s\", expected 1x1 to 4096x4096",
                        found->pixels);
    out->width = (uint32_t)width;
    out->line = height == 1 || (found->has_area && found->area[1] == found->area[3]);
    out->height = out->line ? 1 : (uint32_t)height;
    return EDX_OK;
}

static edx_status read_energies(const tags *found, edx_jeol_header *out, edx_error *err)
{
    double zero = (double)NAN;
    for (uint32_t i = 0; i < found->n_templates; i++)
        if (strcmp(found->templates[i].name, found->used) == 0)
            zero = found->templates[i].zero;
    edx_status status = need(found->per_channel, 0.0, "Doc/CoefA", err);
    if (status == EDX_OK)
        status = need(found->at_zero, -1e3, "Doc/CoefB", err);
    if (status == EDX_OK)
        status = need(zero, -1.0, "PARAMPAGE1/Tpl: DigZ of the template in use", err);
    out->scale_eV = 1e3 * found->per_channel;
    out->offset_eV = 1e3 * (found->at_zero - found->per_channel * zero);
    return status;
}

static edx_status interpret(const tags *found, edx_jeol_header *out, edx_error *err)
{
    edx_status status = read_size(found, out, err);
    if (status == EDX_OK)
        status = read_energies(found, out, err);
    if (status == EDX_OK)
        status = need(found->dwell_ms, 0.0, "Doc/DwellTime(msec)", err);
    if (status == EDX_OK)
        status = need(found->beam_kV, 0.0, "MeasCond/AccKV", err);
    if (status == EDX_OK)
        status = need(found->magnification, 0.0, "MeasCond/Mag", err);
    if (status == EDX_OK)
        status = need(found->scan_um, 0.0, "PARAMPAGE0/ScanSize", err);
    if (status != EDX_OK)
        return status;
    out->dwell_s = found->dwell_ms * 1e-3;
    out->beam_keV = found->beam_kV;
    out->step_nm = found->scan_um / found->magnification * 1e6 / out->width;
    out->resolution_eV = found->resolution;
    out->elevation_deg = found->elevation;
    bool plain = true;
    for (const char *c = found->detector; *c; c++)
        plain = plain && *c >= ' ' && *c <= '~';
    if (plain)
        snprintf(out->detector, sizeof out->detector, "%s", found->detector);
    return EDX_OK;
}

edx_status edx_jeol_tags(const uint8_t *bytes, edx_jeol_header *out, edx_error *err)
{
    tags found = {0};
    walk w = {.bytes = bytes, .size = out->head_size};
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        double unknown = (double)NAN;
        memcpy((char *)&found + numbers[i].at, &unknown, sizeof unknown);
    }
    w.at = edx_load_u32(bytes + AT_PLACES, 0) + TAGS_FROM;
    edx_status status = walk_tree(&w, &found, err);
    return status == EDX_OK ? interpret(&found, out, err) : status;
}
