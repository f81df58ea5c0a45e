/* Events moved by whole scan pixels: counts stay counts, and what leaves the field is left out. */
#ifndef EDX_ANALYSIS_SHIFT_H
#define EDX_ANALYSIS_SHIFT_H

#include <stdint.h>

#include "proto/frame.h"
#include "proto/status.h"

typedef struct edx_shift edx_shift;

/* Memory for moved events, kept between calls. NOMEM. */
edx_status edx_shift_new(edx_shift **out, edx_error *err);
void edx_shift_free(edx_shift **shift);

/* From now on events come to those pixels of the scan alone for which ours [rows * cols] (the
 * caller's) is not 0; NULL: to all. */
void edx_shift_keep(edx_shift *shift, const uint8_t *ours);

/* Where moved rows lie: rows row .. row + rows - 1 and columns col .. col + cols - 1 of the scan;
 * they came from rows from_row .. and columns from_col .. */
typedef struct edx_shift_area {
    uint32_t row, rows, col, cols;
    uint32_t from_row, from_col;
} edx_shift_area;

/* What of rows first .. first + n - 1 of a scan of rows x cols is in it after a move by [dy, dx];
 * rows or cols of it are 0 where nothing is. */
edx_shift_area edx_shift_covers(uint32_t rows, uint32_t cols, uint32_t first, uint32_t n,
                                const int32_t by[2]);

/* The events of rows first .., moved by [dy, dx]: *out holds the whole rows of area, with no events
 * in the columns that nothing came to. Valid until the next call. NOMEM. */
edx_status edx_shift_events(edx_shift *shift, const edx_shift_area *area, uint32_t scan_cols,
                            uint32_t first, const edx_events *events, edx_events *out,
                            edx_error *err);

#endif
