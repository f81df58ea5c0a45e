#include "client/csv.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

edx_status edx_csv_open(edx_csv *csv, const char *dir, const char *name, edx_error *err)
{
    csv->inside = false;
    return edx_outfile_open(&csv->out, dir, name, err);
}

edx_status edx_csv_close(edx_csv *csv, edx_error *err)
{
    return edx_outfile_commit(&csv->out, err);
}

void edx_csv_note(edx_csv *csv, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("# ", csv->out.file);
    vfprintf(csv->out.file, fmt, args);
    fputc('\n', csv->out.file);
    va_end(args);
}

static void separate(edx_csv *csv)
{
    if (csv->inside)
        fputc(',', csv->out.file);
    csv->inside = true;
}

/* Quoted where it must be; what a spreadsheet would take for a formula gets an apostrophe. */
void edx_csv_text(edx_csv *csv, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    separate(csv);
    const bool quoted = strpbrk(text, ",\"\n\r") != NULL;
    if (quoted)
        fputc('"', csv->out.file);
    if (text[0] && strchr("=+@", text[0]))
        fputc('\'', csv->out.file);
    for (const char *c = text; *c; c++) {
        if (*c == '"')
            fputc('"', csv->out.file);
        fputc(*c, csv->out.file);
    }
    if (quoted)
        fputc('"', csv->out.file);
}

void edx_csv_uint(edx_csv *csv, uint64_t value)
{
    separate(csv);
    fprintf(csv->out.file, "%" PRIu64, value);
}

/* Whether text reads back to value; as a float where single. */
static bool reads_back(const char *text, double value, bool single)
{
    const double back = strtod(text, NULL);
    const float narrow = (float)back, wanted = (float)value;
    return single ? narrow >= wanted && narrow <= wanted : back >= value && back <= value;
}

/* The shortest text that does, of at least 6 digits where it needs them. */
static void put_number(edx_csv *csv, double value, bool single)
{
    char text[32] = "";
    separate(csv);
    for (int digits = 6; isfinite(value) && digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (reads_back(text, value, single))
            break;
    }
    if (isinf(value))
        snprintf(text, sizeof text, "%sinf", value < 0 ? "-" : "");
    fputs(text, csv->out.file);
}

void edx_csv_float(edx_csv *csv, double value)
{
    put_number(csv, value, false);
}

void edx_csv_at(edx_csv *csv, const edx_array *array, uint64_t index)
{
    uint64_t count = 0, bytes;
    if (array->ndim == 0 || !edx_array_count(array, &count, &bytes) || index >= count)
        put_number(csv, NAN, false);
    else
        put_number(csv, edx_array_get(array, index), array->dtype == EDX_F4);
}

void edx_csv_end(edx_csv *csv)
{
    fputc('\n', csv->out.file);
    csv->inside = false;
}
