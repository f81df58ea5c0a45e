/* The files that other programs read: cube.hspy, maps.hspy and results.h5 of a run's folder,
 * ensemble.h5 of many. Each is written aside and renamed: complete or absent at any instant. */
#ifndef EDX_DAEMON_STORE_H
#define EDX_DAEMON_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "analysis/lines.h"
#include "analysis/scene.h"
#include "daemon/crew.h"
#include "proto/frame.h"
#include "proto/status.h"

/* The lines as the analysis uses them, in windows of channels of bin_energy. */
typedef struct edx_store_lines {
    const edx_line *lines;
    uint32_t n; /* 0: none */
    uint32_t bin_energy;
} edx_store_lines;

/* Writes <dir>/cube.hspy: the scene as a HyperSpy EDS_TEM signal [y, x, E], axes calibrated,
 * begin's conditions and the lines as metadata (without lines, begin's elements). live_time_s [rows
 * * cols]: live time of every scan pixel, NULL where it is not known. Equal input gives equal
 * bytes. Takes a few MB whatever the size. IO, NOMEM; on error what stood there before stands there
 * still. */
edx_status edx_store_cube(const char *dir, const edx_scene *scene, const edx_begin *begin,
                          const edx_store_lines *used, const double *live_time_s, edx_error *err);

/* The processes that hold a scene together, and how its pixels are dealt out to them. */
typedef struct edx_store_together {
    edx_crew *crew; /* NULL: one holds it all */
    edx_ranks_grid grid;
} edx_store_together;

/* The same of a scene that several hold; all of them call it, the first writes. */
edx_status edx_store_cube_of(const edx_store_together *together, const char *dir,
                             const edx_scene *scene, const edx_begin *begin,
                             const edx_store_lines *used, const double *live_time_s,
                             edx_error *err);

/* One published body. */
typedef struct edx_store_message {
    const char *topic; /* "edx.maps" */
    const void *body;
    size_t size;
} edx_store_message;

/* Writes <dir>/maps.hspy: maps, spectra, components, profiles and rings of the messages as HyperSpy
 * signals (doc/results.md); edx.spectrum is among them. begin and bin_pixels (analysis.bin_pixels)
 * tell where pixels are. Equal input gives equal bytes. Errors as above, those of edx_wire_parse
 * and edx_result_read, and MISSING. */
edx_status edx_store_maps(const char *dir, const edx_begin *begin, uint32_t bin_pixels,
                          const edx_store_message *messages, size_t n, edx_error *err);

/* Writes <dir>/results.h5: of each message a group named after its topic, in the order given (no
 * topic twice), a group config from a MessagePack map (NULL: none) and version. See doc/results.md.
 * Equal input gives equal bytes. Errors as above, and those of edx_wire_parse. */
edx_status edx_store_results(const char *dir, const edx_store_message *messages, size_t n,
                             const void *config, size_t config_size, const char *version,
                             edx_error *err);

/* Writes <dir>/ensemble.h5 from a body of proto/ensemble.h, in the same way: its keys are the
 * file's. */
edx_status edx_store_ensemble(const char *dir, const void *body, size_t size, const char *version,
                              edx_error *err);

#endif
