#include "instrument/faults.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "instrument/random.h"

#define BLOCKS 4u
#define SILENCE_S 3.0
#define RUBBISH_BYTES 512

static const char *const names[EDX_FAULTS] = {
    [EDX_FAULT_GAP] = "gap",         [EDX_FAULT_DUPLICATE] = "duplicate",
    [EDX_FAULT_REORDER] = "reorder", [EDX_FAULT_GARBAGE] = "garbage",
    [EDX_FAULT_LATE] = "late",       [EDX_FAULT_BROKEN] = "broken",
    [EDX_FAULT_SILENCE] = "silence", [EDX_FAULT_BLOCKS] = "blocks"};

const char *edx_fault_name(edx_fault fault)
{
    return names[fault];
}

static edx_status parse_one(const char *text, size_t n, edx_faults *out, edx_error *err)
{
    static const char silence[] = "silence=";
    for (int f = 0; f < EDX_FAULTS; f++)
        if (strlen(names[f]) == n && memcmp(names[f], text, n) == 0) {
            out->on[f] = true;
            return EDX_OK;
        }
    if (n >= sizeof silence && memcmp(text, silence, sizeof silence - 1) == 0) {
        char *end = NULL;
        out->silence_s = strtod(text + sizeof silence - 1, &end);
        out->on[EDX_FAULT_SILENCE] = true;
        if (end == text + n && isfinite(out->silence_s) && out->silence_s >= 0.0)
            return EDX_OK;
    }
    return edx_fail(err, EDX_E_UNKNOWN,
                    "\"%.*s\", expected gap, duplicate, reorder, garbage, late, broken, "
                    "silence[=SECONDS] or blocks",
                    (int)n, text);
}

edx_status edx_faults_parse(const char *text, edx_faults *out, edx_error *err)
{
    memset(out, 0, sizeof *out);
    out->silence_s = SILENCE_S;
    for (;;) {
        size_t n = strcspn(text, ",");
        edx_status status = parse_one(text, n, out, err);
        if (status != EDX_OK || text[n] == '\0')
            return status;
        text += n + 1;
    }
}

/* ---- blocks ---- */

static uint32_t blocks_of(const edx_faults *faults, uint32_t rows)
{
    if (!faults->on[EDX_FAULT_BLOCKS])
        return 1;
    return rows < BLOCKS ? rows : BLOCKS;
}

uint64_t edx_faults_messages(const edx_faults *faults, const edx_simulator *simulator,
                             uint64_t frames)
{
    return frames * blocks_of(faults, edx_simulator_settings(simulator)->size);
}

static bool is_last(const edx_simulator *simulator, uint64_t index)
{
    uint64_t frames = edx_simulator_settings(simulator)->frames;
    return frames > 0 && index == frames - 1;
}

/* Rows first to first + rows of a whole frame of events; offsets is room for rows * cols + 1. */
static void cut(const edx_frame *whole, uint32_t cols, uint32_t first, uint32_t rows,
                uint32_t *offsets, edx_frame *out)
{
    const uint32_t *all = whole->counts.offsets.data;
    size_t start = (size_t)first * cols, pixels = (size_t)rows * cols;
    double part = (double)rows / whole->rows;
    *out = *whole;
    out->row = first;
    out->rows = rows;
    out->live_s = whole->live_s * part;
    out->real_s = whole->real_s * part;
    for (size_t p = 0; p <= pixels; p++)
        offsets[p] = all[start + p] - all[start];
    out->counts.total = offsets[pixels];
    out->counts.offsets = edx_array_1(EDX_U4, offsets, pixels + 1);
    out->counts.channels = edx_array_1(
        EDX_U2, (const uint16_t *)whole->counts.channels.data + all[start], out->counts.total);
    for (uint32_t i = 0; i < whole->n_images; i++)
        out->images[i] =
            edx_array_2(EDX_U2, (const uint16_t *)whole->images[i].data + start, rows, cols);
}

static edx_status send_block(const edx_faults *faults, const edx_frame *block, bool last_block,
                             edx_output *output, edx_error *err)
{
    uint64_t tenth = block->frame % 10;
    if (faults->on[EDX_FAULT_GAP] && tenth == 7 && last_block)
        return EDX_OK;
    edx_status status = edx_output_frame(output, block, err);
    if (status == EDX_OK && faults->on[EDX_FAULT_DUPLICATE] && tenth == 3)
        status = edx_output_frame(output, block, err);
    return status;
}

static edx_status send_cut(const edx_faults *faults, const edx_frame *whole, uint32_t n,
                           uint32_t come, edx_output *output, edx_error *err)
{
    edx_status status = EDX_OK;
    edx_frame block;
    uint32_t size = whole->rows;
    uint32_t *offsets = calloc((size_t)size * size + 1, sizeof *offsets);
    if (!offsets)
        return edx_fail(err, EDX_E_NOMEM, "no memory for row blocks");
    for (uint32_t b = 0; status == EDX_OK && b < n; b++) {
        uint32_t first = b * size / n, end = (b + 1) * size / n;
        end = end < come ? end : come;
        if (first >= end)
            break;
        cut(whole, size, first, end - first, offsets, &block);
        block.seq = whole->frame * n + b;
        status = send_block(faults, &block, b == n - 1, output, err);
    }
    free(offsets);
    return status;
}

/* One scan frame: whole, in blocks, or as much of it as comes. */
static edx_status send_frame(const edx_faults *faults, edx_simulator *simulator, uint64_t index,
                             edx_output *output, edx_error *err)
{
    edx_frame whole;
    edx_status status = edx_simulator_frame(simulator, index, &whole, err);
    if (status != EDX_OK)
        return status;
    uint32_t n = blocks_of(faults, whole.rows);
    bool broken = faults->on[EDX_FAULT_BROKEN] && is_last(simulator, index);
    if (n == 1 && !broken)
        return send_block(faults, &whole, true, output, err);
    return send_cut(faults, &whole, n, broken ? whole.rows / 2 : whole.rows, output, err);
}

/* ---- what else happens ---- */

/* Four kinds in turn: random bytes, a map cut short, an unknown topic, nothing at all. */
static edx_status send_garbage(const edx_simulator *simulator, uint64_t index, edx_output *output,
                               edx_error *err)
{
    static const uint8_t cut_map[] = {0x8a, 0xa1, 'v', 0x01, 0xa3, 'a', 'c', 'q', 0xd9, 0xff, 'x'};
    uint8_t bytes[RUBBISH_BYTES];
    edx_random random;
    edx_random_seed(&random, ~edx_simulator_settings(simulator)->seed, index);
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (uint8_t)edx_random_below(&random, 256);
    switch (index / 10 % 4) {
    case 0:
        return edx_output_raw(output, EDX_TOPIC_FRAME, bytes, sizeof bytes, err);
    case 1:
        return edx_output_raw(output, EDX_TOPIC_FRAME, cut_map, sizeof cut_map, err);
    case 2:
        return edx_output_raw(output, "edx.rubbish", bytes, sizeof bytes, err);
    default:
        return edx_output_raw(output, EDX_TOPIC_FRAME, bytes, 0, err);
    }
}

edx_status edx_faults_frame(const edx_faults *faults, edx_simulator *simulator, uint64_t index,
                            edx_output *output, edx_error *err)
{
    uint64_t frames = edx_simulator_settings(simulator)->frames;
    uint64_t tenth = index % 10;
    bool last = is_last(simulator, index);
    edx_status status = EDX_OK;
    if (faults->on[EDX_FAULT_SILENCE] && index == (frames ? frames / 2 : 50))
        status = edx_output_silence(output, faults->silence_s, err);
    bool held = faults->on[EDX_FAULT_REORDER] && tenth == 4 && !last;
    bool late = faults->on[EDX_FAULT_LATE] && last;
    if (status == EDX_OK && !held && !late)
        status = send_frame(faults, simulator, index, output, err);
    if (status == EDX_OK && faults->on[EDX_FAULT_REORDER] && tenth == 5)
        status = send_frame(faults, simulator, index - 1, output, err);
    if (status == EDX_OK && faults->on[EDX_FAULT_GARBAGE] && tenth == 2)
        status = send_garbage(simulator, index, output, err);
    return status;
}

edx_status edx_faults_after(const edx_faults *faults, edx_simulator *simulator, edx_output *output,
                            edx_error *err)
{
    uint64_t frames = edx_simulator_settings(simulator)->frames;
    if (!faults->on[EDX_FAULT_LATE] || frames == 0)
        return EDX_OK;
    return send_frame(faults, simulator, frames - 1, output, err);
}
