/* The runs' folders and their recordings: <dir>/<acq>/recording.edxr. */
#ifndef EDX_DAEMON_JOURNAL_H
#define EDX_DAEMON_JOURNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "proto/frame.h"
#include "proto/status.h"

#define EDX_PATH_SIZE 4096

typedef struct edx_journal edx_journal;

/* dir is made when only its last part is missing; NULL: nothing is kept, folders are but names, and
 * there is no path to them. record false: folders are made, nothing is
 * recorded. lock: refuses a folder that another daemon holds. Errors: IO with the cure, STATE when
 * locked. */
edx_status edx_journal_new(const char *dir, bool record, bool lock, edx_journal **out,
                           edx_error *err);
void edx_journal_free(edx_journal **journal);
bool edx_journal_records(const edx_journal *journal);
int edx_journal_fd(const edx_journal *journal); /* the folder of folders */
/* Seconds that the longest write or sync took since the last call. */
double edx_journal_slowest_s(edx_journal *journal);
/* Bytes that we may still write there; UINT64_MAX when the system does not tell. */
uint64_t edx_journal_free_bytes(const edx_journal *journal);

/* unix_ns, or later: after every run that began here, as far as edx_journal_newest looked. */
uint64_t edx_journal_later(edx_journal *journal, uint64_t unix_ns);

/* One run's folder, and its recording when there is one. */
typedef struct edx_run_file edx_run_file;

/* A new folder <dir>/<acq>, or <acq>.2, .3 … when that is on disk; stored gets its name. On failure
 * stored is what it would be called: the acquisition goes on in memory. */
edx_status edx_journal_create(edx_journal *journal, const char *acq, char stored[EDX_ACQ_SIZE],
                              edx_run_file **out, edx_error *err);
/* The existing folder of that name, its recording ready for more. */
edx_status edx_journal_reopen(edx_journal *journal, const char *stored, edx_run_file **out,
                              edx_error *err);
void edx_run_file_free(edx_run_file **file);
/* Takes a run back that edx_journal_create made: its folder and its recording are gone. */
void edx_journal_discard(edx_journal *journal, const char *stored, edx_run_file **file);
const char *edx_run_file_folder(const edx_run_file *file);    /* its path */
const char *edx_run_file_recording(const edx_run_file *file); /* "" when there is none */
/* What was cut off its recording when it was reopened, and why; "": nothing. */
const char *edx_run_file_cut(const edx_run_file *file);
/* Whether all other files were written after the last record, when it was reopened. */
bool edx_run_file_stands(const edx_run_file *file);
/* Appends one record; offset (may be NULL) is where it starts. OK without doing anything where
 * nothing is recorded. */
edx_status edx_run_file_write(edx_run_file *file, const char *topic, const void *body, size_t n,
                              uint64_t arrival_ns, uint64_t *offset, edx_error *err);
/* To the disk, if anything was written since the last time. */
edx_status edx_run_file_sync(edx_run_file *file, edx_error *err);

/* Removes the folders of runs that were killed before their begin was on the disk, so that the
 * begin, when it comes again, finds its name free. Before any run is open. How many, and the last
 * one's name. */
unsigned edx_journal_sweep(edx_journal *journal, char last[EDX_ACQ_SIZE]);
/* The name of the folder whose recording began last; END when there is none. */
edx_status edx_journal_newest(edx_journal *journal, char stored[EDX_ACQ_SIZE], edx_error *err);
/* The newest folder that holds acquisition acq: acq or acq.n; END when there is none. */
edx_status edx_journal_find(edx_journal *journal, const char *acq, char stored[EDX_ACQ_SIZE]);
/* Path of that folder's recording. */
void edx_journal_recording_path(const edx_journal *journal, const char *stored,
                                char path[EDX_PATH_SIZE]);

#endif
