/* Any bytes as requests of clients, in any envelope, to a whole daemon in the middle of an
 * acquisition. Each that can be answered is, once; no request changes a count; the settings in
 * force are always such that edxd would start with them; and a second life has the same counts. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "tests/fuzz/account.h"
#include "tests/fuzz/daemon.h"
#include "tests/fuzz/expect.h"

#define MOST_REQUESTS 8u
#define ROWS 6u
#define COLS 5u
#define CHANNELS 60u
#define FRAMES 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the acquisition ---- */

static void send_pack(const edx_pack *pack, const char *topic)
{
    const fuzz_part parts[] = {{topic, strlen(topic)}, {edx_pack_data(pack), edx_pack_size(pack)}};
    fuzz_send(FUZZ_INGEST, parts, 2);
}

static void send_begin(edx_pack *pack)
{
    edx_begin begin = {.head = {.acq = "a"},
                       .rows = ROWS,
                       .cols = COLS,
                       .step_nm = {1.0, 1.0},
                       .dwell_s = 1e-3,
                       .channels = CHANNELS,
                       .scale_eV = 200.0,
                       .beam_keV = 200.0,
                       .solid_angle_sr = NAN,
                       .elevation_deg = NAN,
                       .azimuth_deg = NAN,
                       .resolution_eV = 130.0,
                       .probe_nA = NAN,
                       .n_elements = 2,
                       .elements = {"Cu", "Zn"}};
    edx_begin_write(pack, &begin);
    send_pack(pack, EDX_TOPIC_BEGIN);
}

/* Counts with lines of copper at 8.05 and of zinc at 8.64 keV. */
static void send_frame(edx_pack *pack, uint64_t n)
{
    uint8_t counts[ROWS * COLS * CHANNELS];
    for (size_t i = 0; i < sizeof counts; i++) {
        const size_t copper = i % CHANNELS == 40 ? 9 : 0;
        const size_t zinc = i % CHANNELS == 43 ? i % 3 + 3 : 0;
        counts[i] = (uint8_t)((i * 7 + n * 5) % 13 / 12 + copper + zinc);
    }
    edx_frame frame = {
        .head = {.acq = "a"}, .seq = n, .frame = n, .rows = ROWS, .live_s = NAN, .real_s = NAN};
    frame.counts.dense = edx_array_3(EDX_U1, counts, ROWS, COLS, CHANNELS);
    edx_frame_write(pack, &frame);
    send_pack(pack, EDX_TOPIC_FRAME);
}

/* ---- requests ---- */

/* As a REQ sends it, as a DEALER does, as a subscriber does, or in any number of equal parts. How
 * many replies it must get. */
static unsigned send_request(uint8_t how, const uint8_t *bytes, size_t n)
{
    const fuzz_part identity = {"c", 1}, body = {bytes, n};
    fuzz_part parts[FUZZ_MAX_PARTS] = {identity};
    const unsigned count = (how >> 2) % (FUZZ_MAX_PARTS - 1);
    switch (how % 4) {
    case 0:
        parts[2] = body;
        fuzz_send(FUZZ_CONTROL, parts, 3);
        return 1;
    case 1:
        parts[1] = body;
        fuzz_send(FUZZ_CONTROL, parts, 2);
        return 1;
    case 2:
        fuzz_send(FUZZ_PUBLISH, &body, 1);
        return 0;
    default:
        for (unsigned i = 0; i < count; i++)
            parts[i + 1] = (fuzz_part){bytes + n / count * i, n / count};
        fuzz_send(FUZZ_CONTROL, parts, count + 1);
        return count >= 1 && count <= 3;
    }
}

/* A list of: a byte that says how, a u16 size, that many bytes. */
static unsigned send_requests(const uint8_t *data, size_t size)
{
    const uint8_t *at = data, *end = data + size;
    unsigned replies = 0;
    for (unsigned i = 0; end - at >= 3 && i < MOST_REQUESTS; i++) {
        const size_t wanted = (size_t)at[1] | (size_t)at[2] << 8, left = (size_t)(end - at) - 3;
        const size_t n = wanted < left ? wanted : left;
        replies += send_request(at[0], at + 3, n);
        at += 3 + n;
    }
    return replies;
}

static void live_again(edx_config *config)
{
    fuzz_heard heard;
    edx_error err = {0};
    fuzz_account *before = fuzz_account_take();
    fuzz_expect(fuzz_account_messages(before) == FRAMES);
    fuzz_expect(fuzz_live(config, &heard, &err) == EDX_OK);
    fuzz_account *after = fuzz_account_take();
    fuzz_expect(fuzz_account_same(before, after));
    fuzz_account_free(&before);
    fuzz_account_free(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edx_config *config = malloc(sizeof *config);
    edx_pack *pack = edx_pack_new();
    fuzz_heard heard;
    edx_error err = {0};
    if (config && pack && fuzz_config(config)) {
        send_begin(pack);
        for (uint64_t n = 0; n < FRAMES; n++)
            send_frame(pack, n);
        const unsigned replies = send_requests(data, size);
        fuzz_expect(fuzz_live(config, &heard, &err) == EDX_OK);
        fuzz_expect(heard.replies == replies && heard.refused == 0 && heard.cubes > 0);
        fuzz_expect(edx_config_check(config, &err) == EDX_OK);
        live_again(config);
        fuzz_config_remove(config);
    }
    edx_pack_free(&pack);
    free(config);
    return 0;
}
