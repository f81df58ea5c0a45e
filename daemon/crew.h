/* The processes that mpirun started together for edxd --offline. They form groups; a group analyses
 * one recording after the other, its processes each their own rows (analysis/ranks.h), and the
 * first of a group leads: it writes the files. A crew of NULL, or of one, is alone, and every call
 * then does what there is to do alone: nothing.
 *
 * What all of a group must call, all must call in the same order. Where one cannot go on and the
 * others do not know (no memory), edx_crew_fail ends all of them. */
#ifndef EDX_DAEMON_CREW_H
#define EDX_DAEMON_CREW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "analysis/ranks.h"
#include "daemon/log.h"
#include "proto/status.h"

typedef struct edx_crew edx_crew;

/* Finds the others, where a launcher started several; one group of all. NOMEM; STATE where this
 * edxd cannot talk to them, being built without MPI. */
edx_status edx_crew_open(edx_crew **out, edx_error *err);
void edx_crew_free(edx_crew **crew);

uint32_t edx_crew_size(const edx_crew *crew); /* all processes; 1: alone */
uint32_t edx_crew_rank(const edx_crew *crew); /* this one */
uint32_t edx_crew_here(const edx_crew *crew); /* those on this machine */

/* ---- all of them ---- */

/* Forms n groups (to size) of processes that follow each other, as even as can be. */
void edx_crew_split(edx_crew *crew, uint32_t n);
/* Of n groups that size processes form: that of a rank, and how many processes a group has. */
uint32_t edx_crew_group_of(uint32_t size, uint32_t n, uint32_t rank);
uint32_t edx_crew_members(uint32_t size, uint32_t n, uint32_t group);
/* Rank 0's number becomes everybody's. */
uint64_t edx_crew_announce(edx_crew *crew, uint64_t number);
/* Whether number is the same in all. */
bool edx_crew_unanimous(edx_crew *crew, uint64_t number);
/* Writes what all of it took, and how much of that went into talking. */
void edx_crew_report(edx_crew *crew, edx_log *log);

/* Bytes for rank 0, which takes them in the order in which that rank handed them in. take: *bytes
 * come from malloc. NOMEM. */
void edx_crew_hand_in(edx_crew *crew, uint64_t key, const void *bytes, size_t n);
edx_status edx_crew_take(edx_crew *crew, uint32_t rank, uint64_t *key, void **bytes, size_t *n,
                         edx_error *err);

/* ---- those of a group ---- */

bool edx_crew_leads(const edx_crew *crew);
/* NULL where there is but one in the group. */
const edx_ranks *edx_crew_ranks(const edx_crew *crew);
/* What the leader says. */
bool edx_crew_follow(edx_crew *crew, bool leaders);
/* Whether each of n numbers is the same in all. */
bool edx_crew_agrees(edx_crew *crew, const uint64_t *numbers, size_t n);
/* The error of the first who has one becomes everybody's, with its rank where others have none. */
edx_status edx_crew_common(edx_crew *crew, edx_error *err);
/* What rank owner (of the group) holds in n bytes comes to the leader; the others do nothing. */
void edx_crew_fetch(edx_crew *crew, uint32_t owner, void *bytes, size_t n);
/* The largest of all. */
uint32_t edx_crew_largest(edx_crew *crew, uint32_t number);

/* Says why, with the rank, and ends all processes of all groups. Alone, does nothing. */
void edx_crew_fail(edx_crew *crew, const edx_error *why);

#endif
