/* Draws Poisson counts from a sum of components, each a map over pixels times a spectrum. */
#ifndef EDX_INSTRUMENT_SAMPLER_H
#define EDX_INSTRUMENT_SAMPLER_H

#include <stdint.h>

#include "instrument/random.h"
#include "proto/frame.h"
#include "proto/status.h"

#define EDX_SAMPLER_COMPONENTS 8

typedef struct edx_sampler edx_sampler;

/* pixels up to 2^24, channels up to 2^16. NULL without memory. */
edx_sampler *edx_sampler_new(uint32_t pixels, uint32_t channels);
void edx_sampler_free(edx_sampler **sampler);

/* One more component with this spectrum [channels], the same in every pixel until it gets a map.
 * RANGE when the spectrum is all zero or there is no room, NOMEM. */
edx_status edx_sampler_add(edx_sampler *sampler, const double *spectrum, edx_error *err);
/* Its share of the pixels from now on, proportional to map [pixels]. RANGE when all zero. */
edx_status edx_sampler_map(edx_sampler *sampler, uint32_t index, const double *map, edx_error *err);

/* Draws a Poisson number of counts of mean mean[c] from each component c; the events, in pixel
 * order, are valid until the next draw. Allocates only while the buffers grow. NOMEM. */
edx_status edx_sampler_draw(edx_sampler *sampler, edx_random *random, const double *mean,
                            edx_events *out, edx_error *err);

#endif
