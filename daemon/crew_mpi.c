/* A crew by MPI. Errors of MPI itself end all processes (its default). */
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "daemon/crew.h"

#define AT_ONCE ((size_t)1 << 26) /* elements of a call: counts are int */
enum { TAG_FETCH = 1, TAG_HEAD, TAG_BODY };

/* What a process spent, s; since it began. */
typedef struct spent {
    double waiting; /* until the others came */
    double talking;
    double cpu; /* in both: to be taken off the process' */
    double calls, bytes;
} spent;

struct edx_crew {
    int size, rank, here;
    MPI_Comm group;
    int members, place; /* of the group */
    edx_ranks ranks;
    double began;
    spent spent;
};

/* ---- time ---- */

static double cpu_time(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
    return (double)ts.tv_sec + 1e-9 * (double)ts.tv_nsec;
}

typedef struct stopwatch {
    double start, met, cpu;
} stopwatch;

/* From here on it is talk; what went before was waiting. */
static void all_met(stopwatch *watch)
{
    watch->met = MPI_Wtime();
}

static stopwatch meet(MPI_Comm comm)
{
    stopwatch watch = {.start = MPI_Wtime(), .cpu = cpu_time()};
    MPI_Barrier(comm);
    all_met(&watch);
    return watch;
}

static void part(edx_crew *c, const stopwatch *watch, size_t bytes)
{
    c->spent.waiting += watch->met - watch->start;
    c->spent.talking += MPI_Wtime() - watch->met;
    c->spent.cpu += cpu_time() - watch->cpu;
    c->spent.calls++;
    c->spent.bytes += (double)bytes;
}

/* ---- life ---- */

/* Whoever is started alone need not wait for MPI. */
static bool launched(void)
{
    return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK") || getenv("PMI_RANK");
}

static void sum(void *context, edx_dtype type, void *values, size_t count)
{
    edx_crew *c = context;
    MPI_Datatype kind = type == EDX_F4   ? MPI_FLOAT
                        : type == EDX_F8 ? MPI_DOUBLE
                        : type == EDX_U4 ? MPI_UINT32_T
                                         : MPI_UINT64_T;
    const size_t size = edx_dtype_size(type);
    const stopwatch watch = meet(c->group);
    for (size_t at = 0; at < count; at += AT_ONCE) {
        const size_t n = count - at < AT_ONCE ? count - at : AT_ONCE;
        MPI_Allreduce(MPI_IN_PLACE, (unsigned char *)values + at * size, (int)n, kind, MPI_SUM,
                      c->group);
    }
    part(c, &watch, count * size);
}

static void take_group(edx_crew *c)
{
    MPI_Comm_size(c->group, &c->members);
    MPI_Comm_rank(c->group, &c->place);
    c->ranks = (edx_ranks){
        .rank = (uint32_t)c->place, .n = (uint32_t)c->members, .context = c, .sum = sum};
}

edx_status edx_crew_open(edx_crew **out, edx_error *err)
{
    MPI_Comm machine;
    *out = NULL;
    if (!launched()) {
        return EDX_OK;
    }
    edx_crew *c = calloc(1, sizeof *c);
    if (!c) {
        return edx_fail(err, EDX_E_NOMEM, "no memory to start");
    }
    MPI_Init(NULL, NULL);
    MPI_Comm_size(MPI_COMM_WORLD, &c->size);
    MPI_Comm_rank(MPI_COMM_WORLD, &c->rank);
    MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &machine);
    MPI_Comm_size(machine, &c->here);
    MPI_Comm_free(&machine);
    MPI_Comm_dup(MPI_COMM_WORLD, &c->group);
    take_group(c);
    MPI_Barrier(MPI_COMM_WORLD);
    c->began = MPI_Wtime();
    *out = c;
    return EDX_OK;
}

void edx_crew_free(edx_crew **crew)
{
    if (*crew) {
        MPI_Comm_free(&(*crew)->group);
        MPI_Finalize();
        free(*crew);
        *crew = NULL;
    }
}

uint32_t edx_crew_size(const edx_crew *crew)
{
    return crew ? (uint32_t)crew->size : 1;
}

uint32_t edx_crew_rank(const edx_crew *crew)
{
    return crew ? (uint32_t)crew->rank : 0;
}

uint32_t edx_crew_here(const edx_crew *crew)
{
    return crew ? (uint32_t)crew->here : 1;
}

/* ---- all of them ---- */

void edx_crew_split(edx_crew *crew, uint32_t n)
{
    if (!crew) {
        return;
    }
    const uint32_t group = edx_crew_group_of((uint32_t)crew->size, n, (uint32_t)crew->rank);
    MPI_Comm_free(&crew->group);
    MPI_Comm_split(MPI_COMM_WORLD, (int)group, crew->rank, &crew->group);
    take_group(crew);
}

uint64_t edx_crew_announce(edx_crew *crew, uint64_t number)
{
    if (crew) {
        const stopwatch watch = meet(MPI_COMM_WORLD);
        MPI_Bcast(&number, 1, MPI_UINT64_T, 0, MPI_COMM_WORLD);
        part(crew, &watch, sizeof number);
    }
    return number;
}

/* Whether n numbers are the same in all of comm. */
static bool same(edx_crew *c, MPI_Comm comm, const uint64_t *numbers, size_t n)
{
    bool alike = true;
    for (size_t i = 0; i < n; i++) {
        uint64_t ends[2] = {numbers[i], ~numbers[i]}; /* the largest, and of the least the rest */
        const stopwatch watch = meet(comm);
        MPI_Allreduce(MPI_IN_PLACE, ends, 2, MPI_UINT64_T, MPI_MAX, comm);
        part(c, &watch, sizeof ends);
        alike = alike && ends[0] == ~ends[1];
    }
    return alike;
}

bool edx_crew_unanimous(edx_crew *crew, uint64_t number)
{
    return !crew || same(crew, MPI_COMM_WORLD, &number, 1);
}

/* Mean, and largest, of a number of every process. */
static double over_all(const edx_crew *c, double number, double *largest)
{
    double sum_of = 0;
    MPI_Allreduce(&number, &sum_of, 1, MPI_DOUBLE, MPI_SUM, MPI_COMM_WORLD);
    MPI_Allreduce(&number, largest, 1, MPI_DOUBLE, MPI_MAX, MPI_COMM_WORLD);
    return sum_of / c->size;
}

void edx_crew_report(edx_crew *crew, edx_log *log)
{
    if (!crew || crew->size == 1) {
        return;
    }
    const stopwatch watch = meet(MPI_COMM_WORLD); /* for those who have still been at work */
    part(crew, &watch, 0);
    const double took = watch.met - crew->began;
    double most;
    double most_busy;
    const double busy = over_all(crew, cpu_time() - crew->spent.cpu, &most_busy);
    const double waiting = over_all(crew, crew->spent.waiting, &most);
    const double talking = over_all(crew, crew->spent.talking, &most);
    const double calls = over_all(crew, crew->spent.calls, &most);
    const double bytes = over_all(crew, crew->spent.bytes, &most);
    if (crew->rank == 0) {
        edx_log_write(log, EDX_LOG_NOTICE,
                      "%d processes: %.2f s, each on average %.2f s of a processor's time (%.2f s "
                      "the busiest), communication %.3f s (%.1f %%), waiting for others %.2f s "
                      "(%.1f %%); %.0f calls, %.1f MB",
                      crew->size, took, busy, most_busy, talking, 100 * talking / took, waiting,
                      100 * waiting / took, calls, bytes * 1e-6);
    }
}

void edx_crew_hand_in(edx_crew *crew, uint64_t key, const void *bytes, size_t n)
{
    uint64_t head[2] = {key, n};
    if (!crew) {
        return;
    }
    stopwatch watch = {.start = MPI_Wtime(), .cpu = cpu_time()};
    MPI_Send(head, 2, MPI_UINT64_T, 0, TAG_HEAD, MPI_COMM_WORLD);
    all_met(&watch);
    for (size_t at = 0; at < n; at += AT_ONCE) {
        const size_t now = n - at < AT_ONCE ? n - at : AT_ONCE;
        MPI_Send((const unsigned char *)bytes + at, (int)now, MPI_BYTE, 0, TAG_BODY,
                 MPI_COMM_WORLD);
    }
    part(crew, &watch, n);
}

edx_status edx_crew_take(edx_crew *crew, uint32_t rank, uint64_t *key, void **bytes, size_t *n,
                         edx_error *err)
{
    uint64_t head[2];
    *bytes = NULL;
    if (!crew) {
        return edx_fail(err, EDX_E_STATE, "nothing to take from rank %u, expected one rank", rank);
    }
    stopwatch watch = {.start = MPI_Wtime(), .cpu = cpu_time()};
    MPI_Recv(head, 2, MPI_UINT64_T, (int)rank, TAG_HEAD, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
    all_met(&watch);
    *key = head[0];
    *n = head[1];
    unsigned char *to = malloc(*n + 1);
    if (!to) {
        return edx_fail(err, EDX_E_NOMEM, "no memory for what rank %u found", rank);
    }
    for (size_t at = 0; at < *n; at += AT_ONCE) {
        const size_t now = *n - at < AT_ONCE ? *n - at : AT_ONCE;
        MPI_Recv(to + at, (int)now, MPI_BYTE, (int)rank, TAG_BODY, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
    }
    part(crew, &watch, *n);
    *bytes = to;
    return EDX_OK;
}

/* ---- those of a group ---- */

bool edx_crew_leads(const edx_crew *crew)
{
    return !crew || crew->place == 0;
}

const edx_ranks *edx_crew_ranks(const edx_crew *crew)
{
    return crew && crew->members > 1 ? &crew->ranks : NULL;
}

bool edx_crew_follow(edx_crew *crew, bool leaders)
{
    uint64_t number = leaders;
    if (edx_crew_ranks(crew)) {
        const stopwatch watch = meet(crew->group);
        MPI_Bcast(&number, 1, MPI_UINT64_T, 0, crew->group);
        part(crew, &watch, sizeof number);
    }
    return number != 0;
}

bool edx_crew_agrees(edx_crew *crew, const uint64_t *numbers, size_t n)
{
    return !edx_crew_ranks(crew) || same(crew, crew->group, numbers, n);
}

edx_status edx_crew_common(edx_crew *crew, edx_error *err)
{
    if (!edx_crew_ranks(crew)) {
        return err->code;
    }
    const stopwatch watch = meet(crew->group);
    int first = err->code ? crew->place : crew->members;
    int well = err->code == EDX_OK;
    int rank = crew->rank;
    MPI_Allreduce(MPI_IN_PLACE, &first, 1, MPI_INT, MPI_MIN, crew->group);
    MPI_Allreduce(MPI_IN_PLACE, &well, 1, MPI_INT, MPI_SUM, crew->group);
    if (first < crew->members) {
        MPI_Bcast(err, (int)sizeof *err, MPI_BYTE, first, crew->group);
        MPI_Bcast(&rank, 1, MPI_INT, first, crew->group);
    }
    part(crew, &watch, sizeof *err);
    if (first < crew->members && well > 0) {
        edx_error_prefix(err, "rank %d of %d", rank, crew->size);
    }
    return err->code;
}

void edx_crew_fetch(edx_crew *crew, uint32_t owner, void *bytes, size_t n)
{
    if (!edx_crew_ranks(crew) || owner == 0) {
        return;
    }
    stopwatch watch = {.start = MPI_Wtime(), .cpu = cpu_time()};
    if (crew->place == (int)owner) { /* goes when the leader has use for it */
        MPI_Send(bytes, (int)n, MPI_BYTE, 0, TAG_FETCH, crew->group);
        all_met(&watch);
        part(crew, &watch, n);
    } else if (crew->place == 0) {
        all_met(&watch);
        MPI_Recv(bytes, (int)n, MPI_BYTE, (int)owner, TAG_FETCH, crew->group, MPI_STATUS_IGNORE);
        part(crew, &watch, n);
    }
}

uint32_t edx_crew_largest(edx_crew *crew, uint32_t number)
{
    if (edx_crew_ranks(crew)) {
        const stopwatch watch = meet(crew->group);
        MPI_Allreduce(MPI_IN_PLACE, &number, 1, MPI_UINT32_T, MPI_MAX, crew->group);
        part(crew, &watch, sizeof number);
    }
    return number;
}

void edx_crew_fail(edx_crew *crew, const edx_error *why)
{
    if (!crew || crew->size == 1) {
        return;
    }
    fprintf(stderr, "edxd: rank %d of %d: %s; all end\n", crew->rank, crew->size, why->text);
    fflush(stderr);
    MPI_Abort(MPI_COMM_WORLD, 1);
    _exit(1);
}
