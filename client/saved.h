/* The HDF5 files that edxd writes, as the messages that they were. The one file behind this header
 * is the only one of the clients that includes HDF5. */
#ifndef EDX_CLIENT_SAVED_H
#define EDX_CLIENT_SAVED_H

#include "client/message.h"

typedef struct edx_saved edx_saved;

/* results.h5 or ensemble.h5. IO: it cannot be opened or is no HDF5 file. */
edx_status edx_saved_open(const char *path, edx_saved **out, edx_error *err);
void edx_saved_close(edx_saved **saved);

/* The message of topic that the file holds; the caller frees it. NULL where it holds none. NOMEM;
 * DECODE where a dataset cannot be read or is none that edxd writes. */
edx_status edx_saved_message(edx_saved *saved, edx_result_topic topic, edx_message **out,
                             edx_error *err);

/* Writes the members of a group (NULL: of the file) as a map: groups are maps or, with members 0,
 * 1, ..., lists; datasets of one dimension lists, of two lists of lists, of more arrays. MISSING
 * where there is no such group; else as above. */
edx_status edx_saved_group(edx_saved *saved, const char *group, edx_pack *pack, edx_error *err);

#endif
