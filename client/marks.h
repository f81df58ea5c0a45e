/* X-ray lines as people write them, and where they are marked in a spectrum. */
#ifndef EDX_CLIENT_MARKS_H
#define EDX_CLIENT_MARKS_H

#define EDX_MARK 32 /* bytes that a name needs */

/* Energy of "Ag_La" and the like in eV; NaN for lines other than alpha, and where there is none. */
double edx_mark_energy(const char *line);
/* "Ag Lα" of "Ag_La". */
const char *edx_mark_name(char out[EDX_MARK], const char *line);

#endif
