/* What instruments send, from the socket on: any bytes in any parts, and messages built from bytes
 * in any order, through the whole daemon. Every count that was accepted is in the cube, once; what
 * was refused is counted; and a second life reads the same from the recording. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "proto/frame.h"
#include "tests/fuzz/account.h"
#include "tests/fuzz/daemon.h"
#include "tests/fuzz/expect.h"

#define MOST_MESSAGES 64u
#define ACQS 4u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const topics[] = {EDX_TOPIC_BEGIN, EDX_TOPIC_FRAME, EDX_TOPIC_END};
static const fuzz_part identity = {"i", 1};

/* One input under way. */
typedef struct scene {
    const uint8_t *data;
    size_t size;
    bool router;
    unsigned messages;
    edx_begin begins[ACQS];
    edx_pack *pack;
} scene;

static void send(scene *s, const fuzz_part *parts, unsigned n)
{
    fuzz_part all[FUZZ_MAX_PARTS] = {identity};
    const unsigned first = s->router ? 1 : 0;
    memcpy(all + first, parts, n * sizeof *parts);
    fuzz_send(FUZZ_INGEST, all, n + first);
    s->messages++;
}

static void send_two(scene *s, const void *topic, size_t topic_size, const void *body, size_t n)
{
    const fuzz_part parts[] = {{topic, topic_size}, {body, n}};
    send(s, parts, 2);
}

static uint8_t byte(const uint8_t *bytes, size_t n, size_t at)
{
    return at < n ? bytes[at] : 0;
}

/* Any number of parts, of 16 bytes each. */
static void send_parts(scene *s, const uint8_t *bytes, size_t n)
{
    fuzz_part parts[FUZZ_MAX_PARTS - 1];
    const unsigned count = byte(bytes, n, 0) % FUZZ_MAX_PARTS;
    for (unsigned i = 0; i < count; i++) {
        const size_t at = 1 + (size_t)16 * i < n ? 1 + (size_t)16 * i : n;
        parts[i] = (fuzz_part){bytes + at, n - at < 16 ? n - at : 16};
    }
    if (count > 0 || s->router)
        send(s, parts, count);
}

static void name(edx_head *head, uint8_t acq)
{
    *head = (edx_head){.acq = {(char)('a' + acq % ACQS)}, .t = acq};
}

static void send_begin(scene *s, const uint8_t *bytes, size_t n)
{
    edx_begin *b = &s->begins[byte(bytes, n, 0) % ACQS];
    *b = (edx_begin){.rows = byte(bytes, n, 1) % 5,
                     .cols = byte(bytes, n, 2) % 5,
                     .step_nm = {1.0, 1.0},
                     .dwell_s = 1e-3,
                     .frames = byte(bytes, n, 4) % 8,
                     .channels = byte(bytes, n, 3) % 66,
                     .scale_eV = 200.0,
                     .beam_keV = 200.0,
                     .solid_angle_sr = NAN,
                     .elevation_deg = NAN,
                     .azimuth_deg = NAN,
                     .resolution_eV = NAN,
                     .probe_nA = NAN,
                     .n_elements = byte(bytes, n, 5) % 3};
    name(&b->head, byte(bytes, n, 0));
    strcpy(b->elements[0], "Cu");
    strcpy(b->elements[1], "O");
    edx_begin_write(s->pack, b);
    send_two(s, EDX_TOPIC_BEGIN, strlen(EDX_TOPIC_BEGIN), edx_pack_data(s->pack),
             edx_pack_size(s->pack));
}

static void send_frame(scene *s, const uint8_t *bytes, size_t n)
{
    const edx_begin *b = &s->begins[byte(bytes, n, 0) % ACQS];
    const uint8_t seq = byte(bytes, n, 1);
    uint8_t counts[4 * 4 * 65];
    edx_frame f = {.seq = seq < 250 ? seq : seq + (UINT64_C(1) << 20) - 250,
                   .frame = byte(bytes, n, 2),
                   .row = byte(bytes, n, 3) % 5,
                   .rows = byte(bytes, n, 4) % 6,
                   .live_s = NAN,
                   .real_s = NAN};
    const size_t size = (size_t)f.rows * b->cols * b->channels;
    if (size > sizeof counts)
        return;
    for (size_t i = 0; i < size; i++)
        counts[i] = n > 5 ? byte(bytes, n, 5 + i % (n - 5)) : 0;
    name(&f.head, byte(bytes, n, 0));
    f.counts.dense = edx_array_3(EDX_U1, counts, f.rows, b->cols, b->channels);
    edx_frame_write(s->pack, &f);
    send_two(s, EDX_TOPIC_FRAME, strlen(EDX_TOPIC_FRAME), edx_pack_data(s->pack),
             edx_pack_size(s->pack));
}

static void send_end(scene *s, const uint8_t *bytes, size_t n)
{
    edx_end end = {.frames = byte(bytes, n, 1), .messages = byte(bytes, n, 2), .reason = "stopped"};
    name(&end.head, byte(bytes, n, 0));
    edx_end_write(s->pack, &end);
    send_two(s, EDX_TOPIC_END, strlen(EDX_TOPIC_END), edx_pack_data(s->pack),
             edx_pack_size(s->pack));
}

static void send_topic(scene *s, const uint8_t *bytes, size_t n)
{
    const size_t wanted = byte(bytes, n, 0), there = n > 0 ? n - 1 : 0;
    const size_t topic = wanted < there ? wanted : there;
    send_two(s, bytes + (n > 0), topic, bytes + (n > 0) + topic, there - topic);
}

static void send_request(const uint8_t *bytes, size_t n)
{
    const fuzz_part parts[] = {{"c", 1}, {bytes, n}};
    fuzz_send(FUZZ_CONTROL, parts, 2);
}

static void take(scene *s, uint8_t what, const uint8_t *bytes, size_t n)
{
    switch (what % 9) {
    case 0:
    case 1:
    case 2:
        send_two(s, topics[what % 9], strlen(topics[what % 9]), bytes, n);
        break;
    case 3:
        send_topic(s, bytes, n);
        break;
    case 4:
        send_parts(s, bytes, n);
        break;
    case 5:
        send_begin(s, bytes, n);
        break;
    case 6:
        send_frame(s, bytes, n);
        break;
    case 7:
        send_end(s, bytes, n);
        break;
    default:
        send_request(bytes, n);
    }
}

/* A list of: a byte that says what it is, a u16 size, that many bytes. */
static void take_all(scene *s)
{
    const uint8_t *at = s->data, *end = s->data + s->size;
    while (end - at >= 3 && s->messages < MOST_MESSAGES) {
        const size_t wanted = (size_t)at[1] | (size_t)at[2] << 8, left = (size_t)(end - at) - 3;
        const size_t n = wanted < left ? wanted : left;
        take(s, at[0], at + 3, n);
        at += 3 + n;
    }
}

static void ask_status(void)
{
    static const char request[] = "\x81\xa3"
                                  "cmd\xa6status";
    send_request((const uint8_t *)request, sizeof request - 1);
}

/* The first life's account is what a second life finds on the disk. */
static void live_again(edx_config *config, unsigned cubes)
{
    fuzz_heard heard;
    edx_error err = {0};
    fuzz_account *before = fuzz_account_take();
    fuzz_expect(cubes > 0 || fuzz_account_messages(before) == 0);
    ask_status();
    fuzz_expect(fuzz_live(config, &heard, &err) == EDX_OK);
    fuzz_account *after = fuzz_account_take();
    fuzz_expect(fuzz_account_same(before, after));
    fuzz_expect(heard.has_status && heard.bad == 0);
    fuzz_expect(heard.received == fuzz_account_messages(after));
    fuzz_account_free(&before);
    fuzz_account_free(&after);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    edx_config *config = malloc(sizeof *config);
    scene s = {.pack = edx_pack_new()};
    fuzz_heard heard;
    edx_error err = {0};
    if (size > 0 && config && s.pack && fuzz_config(config)) {
        config->ingest.pattern = data[0] % 3;
        config->output.sync = data[0] & 0x80 ? EDX_SYNC_FRAME : EDX_SYNC_NONE;
        s.router = config->ingest.pattern == EDX_PATTERN_ROUTER;
        s.data = data + 1;
        s.size = size - 1;
        take_all(&s);
        ask_status();
        fuzz_expect(fuzz_live(config, &heard, &err) == EDX_OK);
        fuzz_expect(heard.has_status && heard.acks <= s.messages);
        fuzz_expect(heard.bad >= heard.refused && heard.bad <= heard.refused + heard.waiting);
        live_again(config, heard.cubes);
        fuzz_config_remove(config);
    }
    edx_pack_free(&s.pack);
    free(config);
    return 0;
}
