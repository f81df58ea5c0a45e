/* A crew where edxd is built without MPI: always alone. */
#include <stdlib.h>

#include "daemon/crew.h"

/* Each of several would do everything, side by side. */
edx_status edx_crew_open(edx_crew **out, edx_error *err)
{
    static const char *const launchers[] = {"OMPI_COMM_WORLD_SIZE", "PMI_SIZE"};
    *out = NULL;
    for (size_t i = 0; i < sizeof launchers / sizeof *launchers; i++) {
        const char *size = getenv(launchers[i]);
        if (size && strtoul(size, NULL, 10) > 1) {
            return edx_fail(err, EDX_E_STATE,
                            "%s processes were started together, but this edxd is built without "
                            "MPI: configure --with-mpi",
                            size);
        }
    }
    return EDX_OK;
}

void edx_crew_free(edx_crew **crew)
{
    *crew = NULL;
}

uint32_t edx_crew_size(const edx_crew *crew)
{
    (void)crew;
    return 1;
}

uint32_t edx_crew_rank(const edx_crew *crew)
{
    (void)crew;
    return 0;
}

uint32_t edx_crew_here(const edx_crew *crew)
{
    (void)crew;
    return 1;
}

void edx_crew_split(edx_crew *crew, uint32_t n)
{
    (void)crew;
    (void)n;
}

uint64_t edx_crew_announce(edx_crew *crew, uint64_t number)
{
    (void)crew;
    return number;
}

bool edx_crew_unanimous(edx_crew *crew, uint64_t number)
{
    (void)crew;
    (void)number;
    return true;
}

void edx_crew_report(edx_crew *crew, edx_log *log)
{
    (void)crew;
    (void)log;
}

void edx_crew_hand_in(edx_crew *crew, uint64_t key, const void *bytes, size_t n)
{
    (void)crew;
    (void)key;
    (void)bytes;
    (void)n;
}

edx_status edx_crew_take(edx_crew *crew, uint32_t rank, uint64_t *key, void **bytes, size_t *n,
                         edx_error *err)
{
    (void)crew;
    (void)key;
    (void)bytes;
    (void)n;
    return edx_fail(err, EDX_E_STATE, "nothing to take from rank %u, expected one rank", rank);
}

bool edx_crew_leads(const edx_crew *crew)
{
    (void)crew;
    return true;
}

const edx_ranks *edx_crew_ranks(const edx_crew *crew)
{
    (void)crew;
    return NULL;
}

bool edx_crew_follow(edx_crew *crew, bool leaders)
{
    (void)crew;
    return leaders;
}

bool edx_crew_agrees(edx_crew *crew, const uint64_t *numbers, size_t n)
{
    (void)crew;
    (void)numbers;
    (void)n;
    return true;
}

edx_status edx_crew_common(edx_crew *crew, edx_error *err)
{
    (void)crew;
    return err->code;
}

void edx_crew_fetch(edx_crew *crew, uint32_t owner, void *bytes, size_t n)
{
    (void)crew;
    (void)owner;
    (void)bytes;
    (void)n;
}

uint32_t edx_crew_largest(edx_crew *crew, uint32_t number)
{
    (void)crew;
    return number;
}

void edx_crew_fail(edx_crew *crew, const edx_error *why)
{
    (void)crew;
    (void)why;
}
