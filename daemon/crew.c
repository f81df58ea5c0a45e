#include "daemon/crew.h"

uint32_t edx_crew_group_of(uint32_t size, uint32_t n, uint32_t rank)
{
    return (uint32_t)((uint64_t)rank * n / size);
}

uint32_t edx_crew_members(uint32_t size, uint32_t n, uint32_t group)
{
    uint32_t members = 0;
    for (uint32_t rank = 0; rank < size; rank++) {
        members += edx_crew_group_of(size, n, rank) == group;
    }
    return members;
}
