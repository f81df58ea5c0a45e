/* Tables as text: notes behind '#', a line of names with their units, numbers that read back to the
 * same value, nothing between the commas where nothing is known. */
#ifndef EDX_CLIENT_CSV_H
#define EDX_CLIENT_CSV_H

#include <stdbool.h>
#include <stdint.h>

#include "client/outfile.h"
#include "proto/array.h"

typedef struct edx_csv {
    edx_outfile out;
    bool inside; /* a row has begun */
} edx_csv;

/* IO as edx_outfile_open. */
edx_status edx_csv_open(edx_csv *csv, const char *dir, const char *name, edx_error *err);
edx_status edx_csv_close(edx_csv *csv, edx_error *err);

void edx_csv_note(edx_csv *csv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* Cells of a row; end closes it. */
void edx_csv_text(edx_csv *csv, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void edx_csv_uint(edx_csv *csv, uint64_t value);
void edx_csv_float(edx_csv *csv, double value);
/* One element of an array in as many digits as its type needs; empty where the array has none. */
void edx_csv_at(edx_csv *csv, const edx_array *array, uint64_t index);
void edx_csv_end(edx_csv *csv);

#endif
