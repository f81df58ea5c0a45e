/* The three messages an instrument sends: begin, frame, end. Bytes to structs and back. */
#ifndef EDX_PROTO_FRAME_H
#define EDX_PROTO_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/array.h"
#include "proto/status.h"
#include "proto/wire.h"

#define EDX_ACQ_SIZE 80 /* 64 characters, a suffix ".n", a terminator */
#define EDX_ACQ_MAX 64
#define EDX_TITLE_SIZE 512
#define EDX_NAME_SIZE 64
#define EDX_SYMBOL_SIZE 4
#define EDX_MAX_IMAGES 16
#define EDX_MAX_ELEMENTS 32
#define EDX_SEQ_AHEAD (1u << 20)

#define EDX_TOPIC_BEGIN "edx.begin"
#define EDX_TOPIC_FRAME "edx.frame"
#define EDX_TOPIC_END "edx.end"
#define EDX_TOPIC_CONFIG "edx.config"
#define EDX_TOPIC_ACK "edx.ack"
#define EDX_TOPIC_STOP "edx.stop"

typedef enum edx_topic {
    EDX_TOPIC_IS_BEGIN,
    EDX_TOPIC_IS_FRAME,
    EDX_TOPIC_IS_END,
    EDX_TOPIC_IS_CONFIG,
    EDX_TOPIC_IS_OTHER
} edx_topic;

edx_topic edx_topic_parse(const void *topic, size_t n);

/* What the configuration allows; see limits in edxd.conf(5). */
typedef struct edx_limits {
    uint64_t max_message_bytes;
    uint64_t max_pixels;
    uint64_t max_channels;
    uint64_t max_cube_bytes;
} edx_limits;

/* The defaults of the configuration. */
edx_limits edx_limits_default(void);

/* What every body carries. */
typedef struct edx_head {
    char acq[EDX_ACQ_SIZE];
    double t; /* Unix time, s */
} edx_head;

/* NaN stands for every optional number that was not sent, or that cannot be (a solid angle of 0). A
 * title too long is cut between two characters. */
typedef struct edx_begin {
    edx_head head;
    char title[EDX_TITLE_SIZE]; /* "" when absent */
    uint32_t rows, cols;        /* scan pixels */
    double step_nm[2];          /* [dy, dx] */
    double dwell_s;
    uint64_t frames; /* 0: open-ended */
    uint32_t channels;
    double offset_eV, scale_eV; /* centre of channel 0, channel width */
    double beam_keV;
    bool has_detector;
    char detector[EDX_NAME_SIZE];
    double solid_angle_sr, elevation_deg, azimuth_deg;
    double resolution_eV; /* FWHM at Mn Ka, at most 10 keV */
    double probe_nA;
    uint32_t n_images;
    char images[EDX_MAX_IMAGES][EDX_NAME_SIZE];
    uint32_t n_elements;
    char elements[EDX_MAX_ELEMENTS][EDX_SYMBOL_SIZE];
} edx_begin;

/* The counts of one message, as views into its bytes (unaligned). */
typedef struct edx_counts {
    bool events;        /* else dense */
    edx_array dense;    /* [rows, cols, channels] */
    edx_array offsets;  /* <u4 [pixels + 1] */
    edx_array channels; /* <u2 or <u4 [n] */
    uint64_t total;     /* sum of all counts */
    uint64_t peak;      /* no pixel's channel got more counts than this */
} edx_counts;

typedef struct edx_frame {
    edx_head head;
    uint64_t seq;
    uint64_t frame;
    uint32_t row, rows;
    double live_s, real_s; /* NaN when absent, negative or not finite */
    edx_counts counts;
    uint32_t n_images;
    char image_names[EDX_MAX_IMAGES][EDX_NAME_SIZE];
    edx_array images[EDX_MAX_IMAGES]; /* [rows, cols], views */
} edx_frame;

typedef struct edx_end {
    edx_head head;
    uint64_t frames;
    uint64_t messages;
    char reason[EDX_NAME_SIZE]; /* complete, stopped or error; any other text is taken too */
} edx_end;

/* 1 to 64 characters of A-Z a-z 0-9 . _ -, not starting with a dot. */
bool edx_acq_valid(const char *acq);

/* Each decodes a parsed body; the struct is the caller's, views point into the message. Every error
 * names the key and what was expected. */
edx_status edx_head_read(const edx_node *body, edx_head *out, edx_error *err);
edx_status edx_begin_read(const edx_node *body, const edx_limits *limits, edx_begin *out,
                          edx_error *err);
/* Checks the frame against its begin: shape, every channel, offsets that rise, rows inside the
 * scan. Entries of channels that no pixel owns are passed over, as slicing would. Costs one look at
 * every count. */
edx_status edx_frame_read(const edx_node *body, const edx_begin *begin, const edx_limits *limits,
                          edx_frame *out, edx_error *err);
edx_status edx_end_read(const edx_node *body, edx_end *out, edx_error *err);

/* Each writes one body; pack is reset first. */
void edx_begin_write(edx_pack *pack, const edx_begin *begin);
void edx_frame_write(edx_pack *pack, const edx_frame *frame);
void edx_end_write(edx_pack *pack, const edx_end *end);

/* ---- counts as events ---- */

/* The counts of pixels one after the other, aligned, whatever their form on the wire: pixel p has
 * entries offsets[p] .. offsets[p + 1]; entry i is weights[i] counts (1 when weights is NULL) in
 * channels[i]. */
typedef struct edx_events {
    uint32_t pixels;
    const uint32_t *offsets;  /* [pixels + 1] */
    const uint16_t *channels; /* [n] */
    const uint32_t *weights;  /* [n] or NULL */
} edx_events;

typedef struct edx_events_buffer edx_events_buffer;

/* Memory for edx_events, kept between frames. NULL without memory. */
edx_events_buffer *edx_events_buffer_new(void);
void edx_events_buffer_free(edx_events_buffer **buffer);

/* Fills *out from a decoded frame; it is valid until the next call. NOMEM only. */
edx_status edx_events_from_frame(edx_events_buffer *buffer, const edx_frame *frame, edx_events *out,
                                 edx_error *err);

#endif
