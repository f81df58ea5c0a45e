/* HyperSpy spectrum images (.hspy) as a source: a sum of counts, dealt at random to frames. */
#ifndef EDX_INSTRUMENT_HSPY_H
#define EDX_INSTRUMENT_HSPY_H

#include "instrument/source.h"

/* Each count goes to any of options.frames frames with the same probability, whatever became of the
 * others: of n Poisson counts each frame then has Poisson counts of mean n / frames, and the frames
 * add up to the file. The same seed deals in the same way. */
extern const edx_source edx_hspy_source;

#endif
