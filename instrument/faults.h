/* What goes wrong between an instrument and its daemon, on purpose and the same every time. */
#ifndef EDX_INSTRUMENT_FAULTS_H
#define EDX_INSTRUMENT_FAULTS_H

#include <stdbool.h>
#include <stdint.h>

#include "instrument/output.h"
#include "instrument/simulator.h"
#include "proto/status.h"

typedef enum edx_fault {
    EDX_FAULT_GAP,       /* of every ten frames the eighth is lost (of its blocks, the last) */
    EDX_FAULT_DUPLICATE, /* the fourth comes twice */
    EDX_FAULT_REORDER,   /* the fifth comes after the sixth */
    EDX_FAULT_GARBAGE,   /* after the third comes what nobody can decode */
    EDX_FAULT_LATE,      /* the last frame comes after edx.end */
    EDX_FAULT_BROKEN,    /* of the last frame only the first half of its rows comes */
    EDX_FAULT_SILENCE,   /* a pause before the middle frame */
    EDX_FAULT_BLOCKS,    /* frames come in four blocks of rows */
    EDX_FAULTS
} edx_fault;

typedef struct edx_faults {
    bool on[EDX_FAULTS];
    double silence_s;
} edx_faults;

const char *edx_fault_name(edx_fault fault);
/* "gap,late,silence=5"; UNKNOWN names what is none and lists what is. */
edx_status edx_faults_parse(const char *text, edx_faults *out, edx_error *err);

/* Sends scan frame index of the simulator, with all that goes wrong about it. */
edx_status edx_faults_frame(const edx_faults *faults, edx_simulator *simulator, uint64_t index,
                            edx_output *output, edx_error *err);
/* What comes after edx.end. */
edx_status edx_faults_after(const edx_faults *faults, edx_simulator *simulator, edx_output *output,
                            edx_error *err);
/* How many messages frames scan frames make. */
uint64_t edx_faults_messages(const edx_faults *faults, const edx_simulator *simulator,
                             uint64_t frames);

#endif
