#include "instrument/imported.h"

#include <ctype.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "proto/wire.h"

/* ---- begin ---- */

/* The file's name without folder and ending, made of the characters an id may have. */
static void name_acq(const char *path, char acq[EDX_ACQ_SIZE])
{
    const char *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    const char *ending = strrchr(name, '.');
    size_t n = ending && ending != name ? (size_t)(ending - name) : strlen(name);
    n = n > EDX_ACQ_MAX ? EDX_ACQ_MAX : n;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)name[i];
        bool plain = c < 128 && (isalnum(c) || c == '_' || c == '-' || (c == '.' && i > 0));
        acq[i] = plain ? (char)c : '_';
    }
    acq[n] = '\0';
    if (n == 0)
        snprintf(acq, EDX_ACQ_SIZE, "recording");
}

void edx_imported_start(edx_imported *imported, const char *path)
{
    edx_begin *begin = &imported->begin;
    struct stat st;
    name_acq(path, begin->head.acq);
    begin->head.t = stat(path, &st) == 0 ? (double)st.st_mtime : 0.0;
    begin->solid_angle_sr = begin->elevation_deg = begin->azimuth_deg = (double)NAN;
    begin->resolution_eV = begin->probe_nA = (double)NAN;
    imported->frame_s = (double)NAN;
}

/* As edxd will read it: written and read again. */
edx_status edx_imported_check(const edx_begin *begin, edx_error *err)
{
    edx_pack *pack = edx_pack_new();
    edx_wire *wire = edx_wire_new(0);
    edx_status status = edx_fail(err, EDX_E_NOMEM, "no memory for edx.begin");
    const edx_node *body = NULL;
    edx_limits limits = edx_limits_default();
    edx_begin read;
    if (!pack || !wire)
        goto out;
    edx_begin_write(pack, begin);
    if (edx_pack_status(pack) != EDX_OK)
        goto out;
    status = edx_wire_parse(wire, edx_pack_data(pack), edx_pack_size(pack), &body, err);
    if (status == EDX_OK)
        status = edx_begin_read(body, &limits, &read, err);
out:
    edx_wire_free(&wire);
    edx_pack_free(&pack);
    return status;
}

double edx_imported_nm(const char *unit)
{
    static const struct {
        const char *unit;
        double nm;
    } units[] = {{"m", 1e9},         {"mm", 1e6},        {"um", 1e3},
                 {"\xc2\xb5m", 1e3}, {"\xce\xbcm", 1e3}, {"nm", 1.0},
                 {"A", 0.1},         {"\xc3\x85", 0.1},  {"pm", 1e-3}};
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(units[i].unit, unit) == 0)
            return units[i].nm;
    return (double)NAN;
}

/* ---- notes ---- */

void edx_imported_note(edx_imported *imported, const char *fmt, ...)
{
    if (imported->noted == EDX_IMPORTED_NOTES) {
        snprintf(imported->notes[EDX_IMPORTED_NOTES - 1], EDX_ERROR_TEXT, "and more like this");
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(imported->notes[imported->noted++], EDX_ERROR_TEXT, fmt, args);
    va_end(args);
}

static edx_status tell(edx_imported *imported, edx_error *err)
{
    edx_status status = edx_fail(err, EDX_E_DAMAGED, "%s", imported->notes[imported->told++]);
    if (imported->told == imported->noted)
        imported->told = imported->noted = 0;
    return status;
}

/* ---- messages ---- */

/* Whatever read says, the next message is known then; notes come first. What cannot be read before
 * there is a begin ends it. */
static edx_status look_ahead(edx_imported *im, edx_imported_read *read, void *self, edx_error *err)
{
    im->frame = (edx_frame){.live_s = (double)NAN, .real_s = (double)NAN};
    edx_status status = read(self, &im->frame, err);
    im->held = status == EDX_OK;
    if (status == EDX_OK || (status == EDX_E_END && im->growing))
        return status;
    im->read_all = true;
    im->failed = status != EDX_E_END;
    im->done = im->failed && !im->begun;
    return im->done ? EDX_E_IO : im->failed ? status : EDX_OK;
}

static uint64_t nanoseconds(double t)
{
    return t > 0.0 && t < 1.8e10 ? (uint64_t)llround(t * 1e9) : 0;
}

static edx_status give_begin(edx_imported *im, edx_source_message *out, edx_error *err)
{
    edx_status status = edx_imported_check(&im->begin, err);
    if (status != EDX_OK) {
        im->done = true;
        return status;
    }
    im->begun = true;
    im->t = im->begin.head.t;
    out->kind = EDX_SOURCE_BEGIN;
    return EDX_OK;
}

static void give_frame(edx_imported *im, edx_source_message *out)
{
    edx_frame *frame = &im->frame;
    double took = im->frame_s;
    if (isfinite(frame->real_s) && frame->real_s > 0.0 && !isfinite(took))
        took = frame->real_s;
    im->t += isfinite(took) ? took : im->begin.dwell_s * im->begin.rows * im->begin.cols;
    frame->head = im->begin.head;
    frame->head.t = im->t;
    frame->seq = frame->frame = im->frames++;
    frame->rows = im->begin.rows;
    im->held = false;
    out->kind = EDX_SOURCE_FRAME;
    out->frame = *frame;
}

static void give_end(edx_imported *im, edx_source_message *out)
{
    const char *reason = im->failed ? "error" : im->broken_off ? "stopped" : "complete";
    out->kind = EDX_SOURCE_END;
    out->end = (edx_end){.head = im->begin.head, .frames = im->frames, .messages = im->frames};
    out->end.head.t = im->t;
    snprintf(out->end.reason, sizeof out->end.reason, "%s", reason);
    im->done = true;
}

edx_status edx_imported_next(edx_imported *im, edx_imported_read *read, void *self,
                             edx_source_message *out, edx_error *err)
{
    edx_status status = EDX_OK;
    if (im->noted > 0)
        return tell(im, err);
    if (!im->held && !im->read_all)
        status = look_ahead(im, read, self, err);
    if (status != EDX_OK)
        return status;
    if (im->noted > 0)
        return tell(im, err);
    if (im->done)
        return edx_fail(err, EDX_E_END, "nothing more to read");
    im->done = im->read_all && !im->begun && !im->held;
    if (im->done)
        return edx_fail(err, EDX_E_IO, "no whole frame in it, expected one at least");
    if (!im->begun)
        status = give_begin(im, out, err);
    else if (im->held)
        give_frame(im, out);
    else
        give_end(im, out);
    out->begin = &im->begin;
    out->arrival_ns = nanoseconds(im->t);
    return status;
}
