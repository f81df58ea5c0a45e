/* libedx: for programs that send X-ray frames to edxd, and for programs that show what it finds.
 *
 * Two handles: a driver publishes frames, a client receives results and asks. They share nothing
 * and the library has no state of its own, so that any number of them may live in a program; each
 * belongs to one thread at a time. No signal is caught and nothing is printed.
 *
 * What can fail returns an edx_outcome as int, 0 being success, and says why in one line in the
 * edx_problem that the caller owns (NULL: not asked for). See libedx(3), and edx-protocol(7) for
 * what the keys mean. */
#ifndef EDX_H
#define EDX_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define EDX_PUBLIC __attribute__((visibility("default")))
#else
#define EDX_PUBLIC
#endif

/* ---- outcomes ---- */

typedef enum edx_outcome {
    EDX_DONE = 0,
    EDX_NOTHING, /* nothing came, or nobody took it, within the time allowed, or a signal came */
    EDX_USAGE,   /* an argument that cannot be, or a call that is not possible now */
    EDX_REFUSED, /* edxd has refused it */
    EDX_MESSAGE, /* what came cannot be read */
    EDX_SYSTEM,  /* the system or the network has refused */
    EDX_MEMORY   /* no memory */
} edx_outcome;

#define EDX_PROBLEM_TEXT 256

typedef struct edx_problem {
    int outcome;                 /* edx_outcome */
    char text[EDX_PROBLEM_TEXT]; /* one line without a newline: what is wrong, what was expected */
} edx_problem;

/* The version of the library that runs, such as "0.1.0". Never freed. */
EDX_PUBLIC const char *edx_library_version(void);

/* ---- driver: frames to edxd ---- */

typedef struct edx_driver edx_driver;

typedef enum edx_pattern {
    EDX_PATTERN_PUB,   /* nobody waits: what a slow or absent edxd misses is lost (edxd: sub) */
    EDX_PATTERN_PUSH,  /* sending waits for edxd (edxd: pull) */
    EDX_PATTERN_DEALER /* kept until edxd has it on disk, sent again when it was away (edxd: router)
                        */
} edx_pattern;

typedef struct edx_driver_options {
    size_t size;          /* of this struct, as edx_driver_options_init has set it */
    const char *endpoint; /* ZeroMQ's; NULL: tcp://127.0.0.1:5555 */
    int pattern;          /* edx_pattern */
    int connect;          /* not 0: connects, where edxd binds, instead of binding */
    double wait_s;        /* pub: how long to wait for edxd before the first message */
    double timeout_s;     /* push, dealer: how long without any progress is too long; 0: never */
    /* One line for a person who waits, or about a message that was refused; NULL: none. It is
     * called by the functions below while they run. */
    void (*notice)(void *context, const char *text);
    void *context;
} edx_driver_options;

/* Defaults: pub, binding, 5 s, 60 s. size is sizeof *options, here and in the other _init: programs
 * go on with a newer library that knows more members. */
EDX_PUBLIC void edx_driver_options_init(edx_driver_options *options, size_t size);

/* Opens the socket; with pub it waits for the first subscriber, and goes on without one after
 * wait_s. options NULL: the defaults. The strings are copied. *out is closed by edx_driver_close,
 * and NULL on failure. */
EDX_PUBLIC int edx_driver_open(const edx_driver_options *options, edx_driver **out,
                               edx_problem *problem);

/* Takes NULL; sets *driver to NULL. What is on its way gets the timeout to leave. An acquisition
 * that was not ended stays open at edxd. */
EDX_PUBLIC void edx_driver_close(edx_driver **driver);

/* What is measured. Strings are UTF-8 and the caller's, read during the call only. NAN, NULL and 0
 * names say: not known. */
typedef struct edx_scan {
    size_t size;          /* of this struct, as edx_scan_init has set it */
    const char *acq;      /* id of the acquisition: 1 to 64 of A-Z a-z 0-9 . _ -, no dot first */
    const char *title;    /* for people, at most 511 bytes, or NULL */
    uint32_t rows, cols;  /* scan pixels, at least 1 each */
    double step_nm[2];    /* distance of pixels [dy, dx], nm, more than 0 */
    double dwell_s;       /* time at a pixel in one frame, s, more than 0 */
    uint64_t frames;      /* frames to come; 0: open-ended */
    uint32_t channels;    /* of a spectrum, 1 to 16384 */
    double offset_eV;     /* energy at the centre of channel 0 */
    double scale_eV;      /* width of a channel, eV, more than 0 */
    double beam_keV;      /* more than 0 */
    const char *detector; /* name, or NULL */
    double solid_angle_sr, elevation_deg, azimuth_deg;
    double resolution_eV; /* FWHM at Mn Ka */
    double probe_nA;
    const char *const
        *images; /* [n_images] names of the images of a frame, HAADF first; at most 16 */
    uint32_t n_images;
    const char *const *elements; /* [n_elements] symbols that are expected; at most 32 */
    uint32_t n_elements;
} edx_scan;

/* All NAN, NULL and 0. */
EDX_PUBLIC void edx_scan_init(edx_scan *scan, size_t size);

/* Begins an acquisition: sends edx.begin, and with dealer waits until edxd has taken it
 * (EDX_NOTHING: it does not answer; EDX_REFUSED: it says no, and why). One that runs is over with
 * this begin. */
EDX_PUBLIC int edx_driver_begin(edx_driver *driver, const edx_scan *scan, edx_problem *problem);

#define EDX_NEXT_FRAME UINT64_MAX

/* What comes with the counts of a frame, or of a block of its rows. Arrays are the caller's, read
 * during the call only. */
typedef struct edx_block {
    size_t size;           /* of this struct, as edx_block_init has set it */
    uint64_t frame;        /* from 0; EDX_NEXT_FRAME: counted by the driver, a new one at row 0 */
    uint32_t row, rows;    /* first row, number of rows; rows 0: all from row on */
    double live_s, real_s; /* the detector's live and real time of these rows, s; NAN: not known */
    const float *const *images; /* [n_images of the scan], each [rows, cols] or NULL; NULL: none */
} edx_block;

/* The whole of the next frame, nothing else known. */
EDX_PUBLIC void edx_block_init(edx_block *block, size_t size);

/* Sends a frame, or a block of one, as counts [rows, cols, channels] in C order; bytes is the size
 * of one count: 1, 2 or 4, unsigned. block NULL: as edx_block_init leaves it. */
EDX_PUBLIC int edx_driver_frame_dense(edx_driver *driver, const edx_block *block,
                                      const void *counts, unsigned bytes, edx_problem *problem);

/* Sends a frame, or a block of one, as events: pixel p has the counts
 * channels[offsets[p]] … channels[offsets[p + 1] - 1], one entry each, in any order. offsets is
 * [rows * cols + 1], starts at 0 and does not fall; channels is [offsets[rows * cols]]. */
EDX_PUBLIC int edx_driver_frame_events(edx_driver *driver, const edx_block *block,
                                       const uint32_t *offsets, const uint16_t *channels,
                                       edx_problem *problem);

/* Ends the acquisition: sends edx.end with "complete", "stopped" or "error". With dealer it returns
 * when edxd has all of it, EDX_NOTHING when it does not within the timeout; EDX_REFUSED when edxd
 * has refused any message of this acquisition. */
EDX_PUBLIC int edx_driver_end(edx_driver *driver, const char *reason, edx_problem *problem);

/* ---- client: results from edxd ---- */

typedef struct edx_client edx_client;

/* A value of a message, of whatever kind; see below. */
typedef struct edx_item edx_item;

typedef struct edx_client_options {
    size_t size;         /* of this struct, as edx_client_options_init has set it */
    const char *publish; /* where edxd publishes; NULL: tcp://127.0.0.1:5556 */
    const char *control; /* where it answers; NULL: tcp://127.0.0.1:5557 */
    const char *topics;  /* which, by blanks, such as "maps status"; NULL: all. "": none */
} edx_client_options;

EDX_PUBLIC void edx_client_options_init(edx_client_options *options, size_t size);

/* Connects in the background, and again after every loss: an edxd that is not there yet is no
 * failure. Of each topic the last message comes at once. options NULL: the defaults. The strings
 * are copied. *out is closed by edx_client_close, and NULL on failure. */
EDX_PUBLIC int edx_client_open(const edx_client_options *options, edx_client **out,
                               edx_problem *problem);

/* Takes NULL; sets *client to NULL. Its topics and items are gone with it. */
EDX_PUBLIC void edx_client_close(edx_client **client);

/* The next message, in the order of arrival: its topic, such as "edx.maps", and its body, a map.
 * Both are the client's, until the next edx_client_next or its close. timeout_ms -1: for ever.
 * EDX_NOTHING: none came in time; EDX_MESSAGE: one that cannot be read was left out. */
EDX_PUBLIC int edx_client_next(edx_client *client, int timeout_ms, const char **topic,
                               const edx_item **body, edx_problem *problem);

/* Asks edxd, in the words of edxctl(1): words is {"status", NULL}, {"set", "quant.limit", "5",
 * NULL},
 * {"region", "0,0", "0,9", "9,9", NULL}. *reply is the client's, until the next edx_client_ask or
 * its close; reply may be NULL. EDX_NOTHING: no answer in time; EDX_REFUSED: the answer says no,
 * and why. */
EDX_PUBLIC int edx_client_ask(edx_client *client, const char *const *words, int timeout_ms,
                              const edx_item **reply, edx_problem *problem);

/* ---- items: what is in a message ---- */

typedef enum edx_item_kind {
    EDX_ITEM_NONE, /* absent, or nil */
    EDX_ITEM_TRUTH,
    EDX_ITEM_NUMBER,
    EDX_ITEM_TEXT,
    EDX_ITEM_BYTES,
    EDX_ITEM_LIST,
    EDX_ITEM_MAP,
    EDX_ITEM_ARRAY
} edx_item_kind;

/* Every function below takes NULL for an item that is absent, so that calls can be nested. */

EDX_PUBLIC int edx_item_kind_of(const edx_item *item); /* edx_item_kind */
/* How many: pairs of a map, items of a list, bytes of a text; else 0. */
EDX_PUBLIC size_t edx_item_count(const edx_item *item);
/* The value of a key of a map; NULL when it is absent, or item is no map. */
EDX_PUBLIC const edx_item *edx_item_get(const edx_item *item, const char *key);
/* The i-th item of a list, or the i-th value of a map, from 0; NULL past the end. */
EDX_PUBLIC const edx_item *edx_item_at(const edx_item *item, size_t i);
/* The key of the i-th pair of a map: a text. */
EDX_PUBLIC const edx_item *edx_item_key(const edx_item *item, size_t i);

/* NAN when it is no number. */
EDX_PUBLIC double edx_item_number(const edx_item *item);
/* otherwise when it is no whole number that is in the range of the type. */
EDX_PUBLIC int64_t edx_item_integer(const edx_item *item, int64_t otherwise);
/* 1 for true, else 0. */
EDX_PUBLIC int edx_item_truth(const edx_item *item);
/* Copies a text, cut to size - 1 bytes between two characters, and terminates it; "" when it is
 * none. Returns out. */
EDX_PUBLIC char *edx_item_text(const edx_item *item, char *out, size_t size);

#define EDX_GRID_DIMENSIONS 4

/* An array as it lies in the message: C order, little-endian, data at any address. */
typedef struct edx_grid {
    const char *dtype;                   /* numpy's: |u1 <u2 <u4 <u8 <i4 <f4 <f8; never freed */
    size_t bytes;                        /* of one element */
    uint32_t ndim;                       /* at most EDX_GRID_DIMENSIONS */
    uint64_t shape[EDX_GRID_DIMENSIONS]; /* 1 from ndim on */
    uint64_t count;                      /* of elements */
    const void *data;                    /* lives as long as its item */
} edx_grid;

/* 1 and *out when the item is an array, else 0 and an empty one. */
EDX_PUBLIC int edx_item_grid(const edx_item *item, edx_grid *out);
/* Element i in C order, from 0; NAN past the end. */
EDX_PUBLIC double edx_grid_at(const edx_grid *grid, uint64_t i);
/* Copies n elements from first on; returns how many there were. */
EDX_PUBLIC size_t edx_grid_copy(const edx_grid *grid, uint64_t first, size_t n, double *out);

#ifdef __cplusplus
}
#endif

#endif
