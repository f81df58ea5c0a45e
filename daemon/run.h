/* What the analyst does with one acquisition: sums its frames, analyses, publishes, stores. The
 * same calls, in the same order, live, at restart and offline. Owned by one thread at a time. */
#ifndef EDX_DAEMON_RUN_H
#define EDX_DAEMON_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/pace.h"
#include "daemon/acquisition.h"
#include "daemon/crew.h"
#include "daemon/log.h"
#include "daemon/rerun.h"
#include "daemon/status.h"
#include "proto/frame.h"
#include "proto/result.h"
#include "proto/settings.h"

typedef struct edx_run edx_run;

/* Where results go. bytes come from malloc and are the receiver's. publish may be NULL. */
typedef struct edx_outlet {
    void *context;
    void (*publish)(void *context, edx_result_topic topic, void *bytes, size_t n);
} edx_outlet;

/* Without an acquisition. limits are kept. NULL without memory. */
edx_run *edx_run_new(const edx_limits *limits, edx_outlet outlet, edx_log *log);
void edx_run_free(edx_run **run);
/* Before anything begins: the run is that of one process of a crew (the caller's, alive as long as
 * the run), which share this machine. Of those of a group all get the same messages, and one alone
 * stores. NOMEM. */
edx_status edx_run_set_crew(edx_run *run, edx_crew *crew, edx_error *err);

/* Starts an acquisition (the one before is forgotten). begin->head.acq is the name under which it
 * is stored and published; folder ("" for none) is where. Settings that this begin cannot carry are
 * replaced by ones without lines, and logged: counts are summed whatever happens. */
edx_status edx_run_begin(edx_run *run, const edx_begin *begin, const char *folder,
                         const edx_settings *settings, edx_error *err);
/* Where its messages can be read again, after begin: for drift correction to look back. */
void edx_run_set_source(edx_run *run, const edx_source *source);
/* Its name and folder were found later than it began. */
void edx_run_move(edx_run *run, const char *acq, const char *folder);
void edx_run_forget(edx_run *run);
bool edx_run_active(const edx_run *run);

edx_status edx_run_configure(edx_run *run, const edx_settings *settings, edx_error *err);
/* An accepted frame message, as bytes; they are copied where the frame waits for more rows. */
edx_status edx_run_frame(edx_run *run, const void *body, size_t n, const edx_placement *placement,
                         edx_error *err);
/* An accepted frame message that cannot be given: the facts count it among the unsummed. */
void edx_run_miss(edx_run *run);
/* Sums frames that wait as they are. */
void edx_run_place(edx_run *run, const edx_placement *placement);

/* Analyses what is summed and publishes it under time t, but for the components. */
edx_status edx_run_update(edx_run *run, double t, edx_error *err);
/* What may leave the refreshes that take every group of frames for a later decompose: the caller's;
 * NULL, and in the final analysis: nothing. */
void edx_run_set_pace(edx_run *run, const edx_pace *pace);
/* Finds and publishes the components of what was last updated; nothing where frames came since.
 * False where pace left something for another call, which may come at once. */
bool edx_run_decompose(edx_run *run);
/* The same in three steps, where another thread is to take the long one. Where prepare is true,
 * find is to be called, in any thread, and when it has ended collect, in that of prepare. In
 * between that thread may give frames and places, miss, update and ask for facts, within what the
 * two questions below say; nothing else. */
bool edx_run_prepare(edx_run *run);
void edx_run_find(edx_run *run);
bool edx_run_collect(edx_run *run);
/* Whether collect must come before another frame, a message of n bytes, is given: what waits for it
 * is too much. */
bool edx_run_is_laden(const edx_run *run, size_t n);
/* Whether collect must come before an update, which would not be whole. */
bool edx_run_needs_details(const edx_run *run);
/* From now on find has a pool of its own: what is to be called while nothing is prepared. NOMEM. */
edx_status edx_run_part(edx_run *run, edx_error *err);
/* The final analysis, published and written into the folder. Where the acquisition is finished,
 * drift is corrected once more first, each frame against all others. */
edx_status edx_run_save(edx_run *run, double t, edx_state state, const edx_closing *closing,
                        edx_error *err);

/* Of what is being published. */
const edx_result_head *edx_run_head(const edx_run *run);
void edx_run_facts_get(const edx_run *run, edx_run_facts *out);

/* A question of a client about the sums: cmd profile, region or calibrate, a parsed control
 * request. Writes the reply map, ok included. */
void edx_run_answer(edx_run *run, const char *cmd, const edx_node *request, edx_pack *reply);

#endif
