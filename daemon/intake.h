/* Every message's way in: decoded, judged, recorded, handed to the analyst. Live, restart and
 * offline come through here, so that the same messages always give the same sums. */
#ifndef EDX_DAEMON_INTAKE_H
#define EDX_DAEMON_INTAKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "daemon/alarms.h"
#include "daemon/analyst.h"
#include "daemon/disk.h"
#include "daemon/journal.h"
#include "daemon/log.h"
#include "proto/frame.h"
#include "proto/settings.h"

typedef struct edx_intake edx_intake;

typedef enum edx_verdict {
    EDX_ACCEPTED, /* recorded and handed on */
    EDX_REPEAT,   /* came before; nothing to do */
    EDX_REFUSED,  /* counted as bad; the error says why */
    EDX_WAITING,  /* a frame without its begin: kept */
    EDX_HELD      /* could not be recorded and must be (router): not taken, to be sent again */
} edx_verdict;

/* What an acknowledgement names. */
typedef struct edx_receipt {
    char acq[EDX_ACQ_SIZE];
    edx_topic topic;
    bool has_seq;
    uint64_t seq;
} edx_receipt;

/* One message as it came. owner (may be NULL) holds body and is moved from where it is kept; with
 * NULL the body need only live during the call. */
typedef struct edx_arrival {
    const void *topic;
    size_t topic_size;
    const void *body;
    size_t size;
    edx_message *owner;
    edx_message *sender; /* the router's identity frame, kept with frames that wait; may be NULL */
    uint64_t unix_ns;
    int64_t monotonic_ns;
} edx_arrival;

typedef struct edx_intake_options {
    edx_limits limits;
    size_t queue_bytes; /* messages in memory beyond this are read back from the recording */
    size_t waiting_bytes;
    const edx_settings *settings;                          /* for acquisitions to come */
    bool replay_settings;                                  /* edx.config records count */
    void (*adjust)(void *context, edx_settings *settings); /* over those; may be NULL */
    bool must_record; /* what cannot be recorded is HELD, not summed */
    bool sync;        /* recordings go to the disk when an acquisition finishes or is closed */
    edx_journal *journal;
    edx_analyst *analyst;
    edx_alarms *alarms;
    edx_log *log;
    /* Called for each frame that waited, once its begin came; may be NULL. */
    void (*settled)(void *context, edx_message *sender, const edx_receipt *receipt,
                    edx_verdict verdict, const edx_error *err);
    void *context;
} edx_intake_options;

/* journal, analyst, alarms and log are the caller's and outlive the intake. NULL without memory. */
edx_intake *edx_intake_new(const edx_intake_options *options);
void edx_intake_free(edx_intake **intake);

/* One message. receipt (may be NULL) tells what to acknowledge, as far as it could be read. */
edx_verdict edx_intake_message(edx_intake *intake, edx_arrival *arrival, edx_receipt *receipt,
                               edx_error *err);

/* A message that is no two-part message, or that the transport refused. */
void edx_intake_bad(edx_intake *intake, int64_t now_ns, const char *why);

/* Replays a recording: into a run that is taken up again (stored: its folder's name; later messages
 * are appended), or with stored NULL into new runs. progress (may be NULL) is called now and then
 * with the share done. Damaged records are logged and passed over. */
edx_status edx_intake_replay(edx_intake *intake, const char *path, const char *stored,
                             void (*progress)(void *context, double share), void *context,
                             edx_error *err);

/* Finishes the acquisition as if ended and saves it; the ticket comes back with the report when the
 * files are in place. STATE when there is none. */
edx_status edx_intake_stop(edx_intake *intake, uint64_t ticket, edx_error *err);
/* Saves as it stands. */
edx_status edx_intake_save(edx_intake *intake, uint64_t ticket, edx_error *err);
/* Stops, saves, forgets: idle until the next begin. */
void edx_intake_reset(edx_intake *intake, uint64_t ticket);
/* What became of a save that was asked for: where it failed, the acquisition has changed since. */
void edx_intake_saved(edx_intake *intake, const edx_run_facts *facts, const edx_error *result);
/* Records what waits for the disk, if it takes it now. */
void edx_intake_retry(edx_intake *intake);
/* The recording takes nothing: what comes is in memory only. */
bool edx_intake_recording_fails(const edx_intake *intake);
/* The alarm of the disk, for what others see of it. */
edx_disk *edx_intake_disk(edx_intake *intake);
/* Whether the run of that folder is the present one, or the one before, which late frames join. */
bool edx_intake_uses(const edx_intake *intake, const char *stored);
/* Saves again what has changed since the files were written, where the acquisition is finished. */
void edx_intake_save_changes(edx_intake *intake);
/* Other settings from now on: recorded, and handed to the analyst. RANGE when the running
 * acquisition cannot carry them; nothing changes then. */
edx_status edx_intake_set(edx_intake *intake, const edx_settings *settings, edx_error *err);
/* The settings in force: the running acquisition's, else those for acquisitions to come. */
const edx_settings *edx_intake_settings(const edx_intake *intake);
/* The recording to the disk. */
edx_status edx_intake_sync(edx_intake *intake, edx_error *err);

/* The running acquisition as the status shows it. */
typedef struct edx_intake_facts {
    bool active;   /* there is an acquisition */
    bool finished; /* it is finished; its files may still be on their way */
    bool changed;  /* since it was last saved */
    char stored[EDX_ACQ_SIZE];
    uint64_t expected;
    edx_tally tally;
    uint64_t bad;    /* since the daemon began */
    bool waits;      /* frames without a begin wait */
    int64_t last_ns; /* monotonic, of the last message accepted live; 0: none */
} edx_intake_facts;

void edx_intake_facts_get(const edx_intake *intake, edx_intake_facts *out);
const edx_begin *edx_intake_begin(const edx_intake *intake); /* NULL: none */

#endif
