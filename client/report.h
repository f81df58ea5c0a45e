/* What a run found on pages for a reader: PDF and PNG. */
#ifndef EDX_CLIENT_REPORT_H
#define EDX_CLIENT_REPORT_H

#include "client/gather.h"
#include "proto/ensemble.h"

/* Writes <dir>/report.pdf and, page by page, report.png, report-2.png ...: image, maps, spectrum,
 * radial profiles of the largest particle, components; on further pages the profiles of the others.
 * dir is made where only its last part is missing. IO, NOMEM; MISSING where there is nothing. */
edx_status edx_report_run(const edx_gathered *run, const char *dir, edx_error *err);
/* The same as ensemble.pdf and ensemble.png: mean profiles by diameter. */
edx_status edx_report_ensemble(const edx_ensemble_result *result, const char *dir, edx_error *err);

#endif
