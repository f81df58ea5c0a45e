#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "instrument/output.h"
#include "lib/inside.h"
#include "proto/frame.h"

#define ENDPOINT "tcp://127.0.0.1:5555"

struct edx_driver {
    edx_driver_options options;
    char *endpoint;
    edx_output *output;
    edx_pack *pack; /* what is about to be sent, to be looked at as edxd will */
    edx_wire *wire;
    bool running;
    edx_begin begin;
    uint64_t messages, frames;
    uint64_t refused;               /* before this acquisition */
    char refusal[EDX_PROBLEM_TEXT]; /* the last */
};

/* ---- life ---- */

static const edx_driver_options default_options = {.size = sizeof default_options,
                                                   .endpoint = ENDPOINT,
                                                   .pattern = EDX_PATTERN_PUB,
                                                   .wait_s = 5.0,
                                                   .timeout_s = 60.0};

void edx_driver_options_init(edx_driver_options *options, size_t size)
{
    edx_lib_give(options, size, &default_options, sizeof default_options);
}

/* What the sender has to tell; a refusal is kept for edx_driver_end. */
static void notice(void *context, const char *text)
{
    edx_driver *driver = context;
    if (strstr(text, " refused: "))
        snprintf(driver->refusal, sizeof driver->refusal, "%s", text);
    if (driver->options.notice)
        driver->options.notice(driver->options.context, text);
}

static int check_options(const edx_driver_options *o, edx_problem *problem)
{
    if (o->pattern < EDX_PATTERN_PUB || o->pattern > EDX_PATTERN_DEALER)
        return edx_lib_fail(problem, EDX_USAGE, "pattern: %d, expected one of edx_pattern",
                            o->pattern);
    if (!isfinite(o->wait_s) || o->wait_s < 0 || !isfinite(o->timeout_s) || o->timeout_s < 0)
        return edx_lib_fail(problem, EDX_USAGE,
                            "wait_s %g, timeout_s %g: expected seconds, 0 or more", o->wait_s,
                            o->timeout_s);
    return EDX_DONE;
}

static int no_memory(edx_problem *problem)
{
    return edx_lib_fail(problem, EDX_MEMORY, "no memory for a driver");
}

static int fill(edx_driver *driver, edx_problem *problem)
{
    static const edx_sender_pattern patterns[] = {[EDX_PATTERN_PUB] = EDX_SENDER_PUB,
                                                  [EDX_PATTERN_PUSH] = EDX_SENDER_PUSH,
                                                  [EDX_PATTERN_DEALER] = EDX_SENDER_DEALER};
    const edx_driver_options *o = &driver->options;
    edx_error err;
    driver->endpoint = strdup(o->endpoint ? o->endpoint : ENDPOINT);
    driver->pack = edx_pack_new();
    driver->wire = edx_wire_new(0);
    if (!driver->endpoint || !driver->pack || !driver->wire)
        return no_memory(problem);
    edx_sender_options options = {.endpoint = driver->endpoint,
                                  .pattern = patterns[o->pattern],
                                  .connect = o->connect != 0,
                                  .wait_s = o->wait_s,
                                  .timeout_s = o->timeout_s,
                                  .notice = notice,
                                  .context = driver};
    edx_status status = edx_output_live(&options, 0.0, &driver->output, &err);
    return edx_lib_pass(problem, status, &err);
}

int edx_driver_open(const edx_driver_options *options, edx_driver **out, edx_problem *problem)
{
    edx_driver_options chosen = default_options;
    *out = NULL;
    int outcome = edx_lib_take(&chosen, sizeof chosen, options, "edx_driver_options", problem);
    if (!outcome)
        outcome = check_options(&chosen, problem);
    if (outcome)
        return outcome;
    edx_driver *driver = calloc(1, sizeof *driver);
    if (!driver)
        return no_memory(problem);
    driver->options = chosen;
    outcome = fill(driver, problem);
    if (outcome)
        edx_driver_close(&driver);
    *out = driver;
    return outcome;
}

void edx_driver_close(edx_driver **driver)
{
    edx_driver *d = *driver;
    if (!d)
        return;
    edx_output_free(&d->output);
    edx_pack_free(&d->pack);
    edx_wire_free(&d->wire);
    free(d->endpoint);
    free(d);
    *driver = NULL;
}

/* ---- sending ---- */

/* Sending fails as a system call does only when nobody has taken it in time. */
static int pass_sent(edx_problem *problem, edx_status status, const edx_error *err)
{
    return status == EDX_E_IO ? edx_lib_fail(problem, EDX_NOTHING, "%s", err->text)
                              : edx_lib_pass(problem, status, err);
}

/* Waits, where the pattern can, until edxd has taken or refused what was sent since the begin. */
static int settle(edx_driver *driver, edx_problem *problem)
{
    edx_error err;
    edx_status status = edx_output_finish(driver->output, &err);
    uint64_t refused = edx_output_counts(driver->output).refused - driver->refused;
    if (status)
        return pass_sent(problem, status, &err);
    if (refused > 0)
        return edx_lib_fail(problem, EDX_REFUSED, "%llu messages refused, the last: %.180s",
                            (unsigned long long)refused, driver->refusal);
    return EDX_DONE;
}

/* The body in the pack, as edxd will see it. */
static edx_status look(edx_driver *driver, const edx_node **body, edx_error *err)
{
    edx_status status = edx_pack_status(driver->pack);
    if (status)
        return edx_fail(err, status, "no memory for a message");
    return edx_wire_parse(driver->wire, edx_pack_data(driver->pack), edx_pack_size(driver->pack),
                          body, err);
}

/* What can be sent at all; what edxd allows is its configuration's. */
static edx_limits limits(void)
{
    edx_limits most = edx_limits_default();
    most.max_message_bytes = UINT64_MAX;
    most.max_pixels = UINT32_MAX - 1;
    most.max_cube_bytes = UINT64_MAX;
    return most;
}

/* ---- begin ---- */

void edx_scan_init(edx_scan *scan, size_t size)
{
    const edx_scan defaults = {.step_nm = {(double)NAN, (double)NAN},
                               .dwell_s = (double)NAN,
                               .offset_eV = (double)NAN,
                               .scale_eV = (double)NAN,
                               .beam_keV = (double)NAN,
                               .solid_angle_sr = (double)NAN,
                               .elevation_deg = (double)NAN,
                               .azimuth_deg = (double)NAN,
                               .resolution_eV = (double)NAN,
                               .probe_nA = (double)NAN};
    edx_lib_give(scan, size, &defaults, sizeof defaults);
}

static edx_status copy_name(const char *key, const char *name, char *out, size_t size,
                            edx_error *err)
{
    size_t n = name ? strlen(name) : 0;
    if (n >= size)
        return edx_fail(err, EDX_E_RANGE, "%s: \"%.40s…\", expected at most %zu bytes", key, name,
                        size - 1);
    if (n > 0)
        memcpy(out, name, n);
    out[n] = '\0';
    return EDX_OK;
}

/* names[0 .. n) into rows of size bytes. */
static edx_status copy_names(const char *key, const char *const *names, uint32_t n, uint32_t most,
                             char *out, size_t size, edx_error *err)
{
    if (n > most || (n > 0 && !names))
        return edx_fail(err, EDX_E_RANGE, "%s: %u names, expected at most %u, and where they are",
                        key, n, most);
    edx_status status = EDX_OK;
    for (uint32_t i = 0; !status && i < n; i++)
        status = copy_name(key, names[i], out + i * size, size, err);
    return status;
}

static edx_status copy_texts(const edx_scan *scan, edx_begin *out, edx_error *err)
{
    edx_status status = copy_name("acq", scan->acq, out->head.acq, sizeof out->head.acq, err);
    if (!status)
        status = copy_name("title", scan->title, out->title, sizeof out->title, err);
    if (!status)
        status = copy_name("detector", scan->detector, out->detector, sizeof out->detector, err);
    if (!status)
        status = copy_names("images", scan->images, scan->n_images, EDX_MAX_IMAGES, out->images[0],
                            EDX_NAME_SIZE, err);
    if (!status)
        status = copy_names("elements", scan->elements, scan->n_elements, EDX_MAX_ELEMENTS,
                            out->elements[0], EDX_SYMBOL_SIZE, err);
    return status;
}

static edx_begin begin_of(const edx_scan *scan)
{
    return (edx_begin){.rows = scan->rows,
                       .cols = scan->cols,
                       .step_nm = {scan->step_nm[0], scan->step_nm[1]},
                       .dwell_s = scan->dwell_s,
                       .frames = scan->frames,
                       .channels = scan->channels,
                       .offset_eV = scan->offset_eV,
                       .scale_eV = scan->scale_eV,
                       .beam_keV = scan->beam_keV,
                       .has_detector = scan->detector || !isnan(scan->solid_angle_sr) ||
                                       !isnan(scan->elevation_deg) || !isnan(scan->azimuth_deg) ||
                                       !isnan(scan->resolution_eV),
                       .solid_angle_sr = scan->solid_angle_sr,
                       .elevation_deg = scan->elevation_deg,
                       .azimuth_deg = scan->azimuth_deg,
                       .resolution_eV = scan->resolution_eV,
                       .probe_nA = scan->probe_nA,
                       .n_images = scan->n_images,
                       .n_elements = scan->n_elements};
}

/* *out as edxd will read it. */
static edx_status check_begin(edx_driver *driver, const edx_scan *scan, edx_begin *out,
                              edx_error *err)
{
    const edx_node *body = NULL;
    edx_begin begin = begin_of(scan);
    edx_limits most = limits();
    edx_status status = copy_texts(scan, &begin, err);
    if (status)
        return status;
    edx_begin_write(driver->pack, &begin);
    status = look(driver, &body, err);
    return status ? status : edx_begin_read(body, &most, out, err);
}

int edx_driver_begin(edx_driver *driver, const edx_scan *scan, edx_problem *problem)
{
    edx_scan known;
    edx_error err;
    edx_scan_init(&known, sizeof known);
    int outcome = edx_lib_take(&known, sizeof known, scan, "edx_scan", problem);
    if (outcome)
        return outcome;
    driver->running = false;
    edx_status status = check_begin(driver, &known, &driver->begin, &err);
    if (status)
        return edx_lib_pass(problem, status, &err);
    driver->refused = edx_output_counts(driver->output).refused;
    driver->messages = driver->frames = 0;
    status = edx_output_begin(driver->output, &driver->begin, &err);
    outcome = status ? pass_sent(problem, status, &err) : settle(driver, problem);
    driver->running = !outcome;
    return outcome;
}

/* ---- frames ---- */

void edx_block_init(edx_block *block, size_t size)
{
    const edx_block defaults = {
        .frame = EDX_NEXT_FRAME, .live_s = (double)NAN, .real_s = (double)NAN};
    edx_lib_give(block, size, &defaults, sizeof defaults);
}

static uint64_t frame_number(const edx_driver *driver, const edx_block *block)
{
    if (block->frame != EDX_NEXT_FRAME)
        return block->frame;
    return driver->frames - (block->row > 0 && driver->frames > 0);
}

static void add_images(const edx_driver *driver, const edx_block *block, edx_frame *frame)
{
    for (uint32_t i = 0; block->images && i < driver->begin.n_images; i++) {
        if (!block->images[i])
            continue;
        uint32_t at = frame->n_images++;
        memcpy(frame->image_names[at], driver->begin.images[i], EDX_NAME_SIZE);
        frame->images[at] = edx_array_2(EDX_F4, block->images[i], frame->rows, driver->begin.cols);
    }
}

/* All but the counts. */
static int start_frame(edx_driver *driver, const edx_block *given, edx_frame *out,
                       edx_problem *problem)
{
    edx_block block;
    edx_block_init(&block, sizeof block);
    int outcome = edx_lib_take(&block, sizeof block, given, "edx_block", problem);
    if (outcome)
        return outcome;
    if (!driver->running)
        return edx_lib_fail(problem, EDX_USAGE, "a frame without edx_driver_begin before it");
    if (block.row >= driver->begin.rows || block.rows > driver->begin.rows - block.row)
        return edx_lib_fail(problem, EDX_USAGE, "row %u, rows %u: expected them in a scan of %u",
                            block.row, block.rows, driver->begin.rows);
    *out = (edx_frame){.head = driver->begin.head,
                       .seq = driver->messages,
                       .frame = frame_number(driver, &block),
                       .row = block.row,
                       .rows = block.rows ? block.rows : driver->begin.rows - block.row,
                       .live_s = block.live_s,
                       .real_s = block.real_s};
    add_images(driver, &block, out);
    return EDX_DONE;
}

/* Looks at every count as edxd will, then sends. */
static int send_frame(edx_driver *driver, const edx_frame *frame, edx_problem *problem)
{
    const edx_node *body = NULL;
    edx_frame read;
    edx_error err;
    edx_limits most = limits();
    edx_frame_write(driver->pack, frame);
    edx_status status = look(driver, &body, &err);
    if (!status)
        status = edx_frame_read(body, &driver->begin, &most, &read, &err);
    if (status)
        return edx_lib_pass(problem, status, &err);
    status = edx_output_frame(driver->output, frame, &err);
    if (status)
        return pass_sent(problem, status, &err);
    driver->messages++;
    if (frame->frame >= driver->frames)
        driver->frames = frame->frame + 1;
    return EDX_DONE;
}

int edx_driver_frame_dense(edx_driver *driver, const edx_block *block, const void *counts,
                           unsigned bytes, edx_problem *problem)
{
    edx_frame frame;
    int outcome = start_frame(driver, block, &frame, problem);
    if (outcome)
        return outcome;
    if (!counts || (bytes != 1 && bytes != 2 && bytes != 4))
        return edx_lib_fail(problem, EDX_USAGE, "counts of %u bytes, expected some of 1, 2 or 4",
                            bytes);
    edx_dtype dtype = bytes == 1 ? EDX_U1 : bytes == 2 ? EDX_U2 : EDX_U4;
    frame.counts.dense =
        edx_array_3(dtype, counts, frame.rows, driver->begin.cols, driver->begin.channels);
    return send_frame(driver, &frame, problem);
}

int edx_driver_frame_events(edx_driver *driver, const edx_block *block, const uint32_t *offsets,
                            const uint16_t *channels, edx_problem *problem)
{
    edx_frame frame;
    int outcome = start_frame(driver, block, &frame, problem);
    if (outcome)
        return outcome;
    uint64_t pixels = (uint64_t)frame.rows * driver->begin.cols;
    if (!offsets || offsets[0] != 0 || (!channels && offsets[pixels] > 0))
        return edx_lib_fail(problem, EDX_USAGE,
                            "events: expected offsets that start at 0, and channels");
    frame.counts.events = true;
    frame.counts.offsets = edx_array_1(EDX_U4, offsets, pixels + 1);
    frame.counts.channels = edx_array_1(EDX_U2, channels, offsets[pixels]);
    return send_frame(driver, &frame, problem);
}

/* ---- end ---- */

int edx_driver_end(edx_driver *driver, const char *reason, edx_problem *problem)
{
    edx_error err;
    if (!driver->running)
        return edx_lib_fail(problem, EDX_USAGE, "an end without edx_driver_begin before it");
    if (!reason || (strcmp(reason, "complete") != 0 && strcmp(reason, "stopped") != 0 &&
                    strcmp(reason, "error") != 0))
        return edx_lib_fail(problem, EDX_USAGE, "reason: expected complete, stopped or error");
    edx_end end = {
        .head = driver->begin.head, .frames = driver->frames, .messages = driver->messages};
    snprintf(end.reason, sizeof end.reason, "%s", reason);
    driver->running = false;
    edx_status status = edx_output_end(driver->output, &end, &err);
    return status ? pass_sent(problem, status, &err) : settle(driver, problem);
}

const char *edx_library_version(void)
{
    return PACKAGE_VERSION;
}
