/* Any bytes as the body of each message an instrument sends, from the first byte on. What is taken
 * must hold its promises: it comes back from a round trip, and its events are where they belong. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"

#define SHORT 2u /* rows, columns: small, so that chance finds frames that fit */
#define WIDE 3u
#define CHANNELS 8u

static void need(int condition)
{
    if (!condition)
        abort();
}

/* A body parsed from a copy of what the pack holds, which must be sound. */
static const edx_node *parse_pack(edx_wire *wire, const edx_pack *pack)
{
    const edx_node *root = NULL;
    need(edx_pack_status(pack) == EDX_OK);
    need(edx_wire_parse(wire, edx_pack_data(pack), edx_pack_size(pack), &root, NULL) == EDX_OK);
    return root;
}

static void try_copy(const edx_node *root, edx_wire *again, edx_pack *pack)
{
    edx_pack_reset(pack);
    edx_pack_node(pack, root);
    const edx_node *copy = parse_pack(again, pack);
    need(copy->span == root->span && copy->kind == root->kind && copy->count == root->count);
}

static void try_begin(const edx_node *root, edx_wire *again, edx_pack *pack)
{
    edx_limits limits = edx_limits_default();
    edx_begin begin;
    edx_begin copy;
    edx_error err = {0};
    edx_status status = edx_begin_read(root, &limits, &begin, &err);
    need(status == err.code && (status == EDX_OK) == (err.text[0] == '\0'));
    if (status != EDX_OK)
        return;
    edx_begin_write(pack, &begin);
    need(edx_begin_read(parse_pack(again, pack), &limits, &copy, NULL) == EDX_OK);
    need(strcmp(copy.title, begin.title) == 0 && copy.rows == begin.rows);
    need(copy.n_images == begin.n_images && copy.n_elements == begin.n_elements);
}

static void check_events(const edx_frame *frame, edx_events_buffer *buffer)
{
    edx_events e;
    if (edx_events_from_frame(buffer, frame, &e, NULL) != EDX_OK)
        return;
    uint64_t total = 0;
    need(e.pixels == frame->rows * WIDE && e.offsets[0] == 0);
    for (uint32_t p = 0; p < e.pixels; p++) {
        need(e.offsets[p] <= e.offsets[p + 1]);
        for (uint32_t i = e.offsets[p]; i < e.offsets[p + 1]; i++) {
            uint32_t weight = e.weights == NULL ? 1 : e.weights[i];
            need(e.channels[i] < CHANNELS && weight <= frame->counts.peak);
            total += weight;
        }
    }
    need(total == frame->counts.total);
}

/* Touches every byte of the images. */
static void check_images(const edx_frame *frame)
{
    for (uint32_t i = 0; i < frame->n_images; i++) {
        uint64_t elements = 0;
        uint64_t bytes = 0;
        double sum = 0.0;
        need(edx_array_count(&frame->images[i], &elements, &bytes));
        need(elements == (uint64_t)frame->rows * WIDE);
        for (uint64_t p = 0; p < elements; p++)
            sum += edx_array_get(&frame->images[i], p) != 0.0;
        need(sum <= (double)elements);
    }
}

static void try_frame(const edx_node *root, edx_wire *again, edx_pack *pack,
                      edx_events_buffer *buffer)
{
    static const edx_begin begin = {.rows = SHORT, .cols = WIDE, .channels = CHANNELS};
    edx_limits limits = edx_limits_default();
    edx_frame frame;
    edx_frame copy;
    edx_error err = {0};
    edx_status status = edx_frame_read(root, &begin, &limits, &frame, &err);
    need(status == err.code && (status == EDX_OK) == (err.text[0] == '\0'));
    if (status != EDX_OK)
        return;
    check_events(&frame, buffer);
    check_images(&frame);
    edx_frame_write(pack, &frame);
    need(edx_frame_read(parse_pack(again, pack), &begin, &limits, &copy, NULL) == EDX_OK);
    need(copy.seq == frame.seq && copy.counts.total == frame.counts.total);
    need(copy.n_images == frame.n_images && copy.counts.peak == frame.counts.peak);
    check_events(&copy, buffer);
}

static void try_end(const edx_node *root, edx_wire *again, edx_pack *pack)
{
    edx_end end;
    edx_end copy;
    if (edx_end_read(root, &end, NULL) != EDX_OK)
        return;
    edx_end_write(pack, &end);
    need(edx_end_read(parse_pack(again, pack), &copy, NULL) == EDX_OK);
    need(copy.messages == end.messages && strcmp(copy.reason, end.reason) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edx_wire *wire = edx_wire_new(4096);
    edx_wire *again = edx_wire_new(4096);
    edx_pack *pack = edx_pack_new();
    edx_events_buffer *buffer = edx_events_buffer_new();
    const edx_node *root;
    if (wire != NULL && again != NULL && pack != NULL && buffer != NULL &&
        edx_wire_parse(wire, data, size, &root, NULL) == EDX_OK) {
        try_copy(root, again, pack);
        try_begin(root, again, pack);
        try_frame(root, again, pack, buffer);
        try_end(root, again, pack);
    }
    edx_events_buffer_free(&buffer);
    edx_pack_free(&pack);
    edx_wire_free(&again);
    edx_wire_free(&wire);
    return 0;
}
