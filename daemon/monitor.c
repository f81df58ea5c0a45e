#include "daemon/monitor.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/status.h"

#define LATENCIES 1024u
#define RATE_SAMPLES 8u

struct edx_monitor {
    const edx_intake *intake;
    const edx_publisher *publisher;
    int64_t began_ns;
    edx_run_facts facts;
    char saved[EDX_ACQ_SIZE]; /* the finished acquisition whose files were written */
    double latency_ms[LATENCIES];
    uint64_t n_latency;
    int64_t last_arrival_ns;
    double max_ms;
    struct {
        int64_t ns;
        uint64_t counts;
    } rate[RATE_SAMPLES];
    uint64_t n_rate;
};

edx_monitor *edx_monitor_new(const edx_intake *intake, const edx_publisher *publisher,
                             int64_t now_ns)
{
    edx_monitor *m = calloc(1, sizeof *m);
    if (m) {
        m->intake = intake;
        m->publisher = publisher;
        m->began_ns = now_ns;
        m->facts.p = 1.0;
    }
    return m;
}

void edx_monitor_free(edx_monitor **monitor)
{
    free(*monitor);
    *monitor = NULL;
}

void edx_monitor_facts(edx_monitor *monitor, const edx_run_facts *facts)
{
    if (strcmp(facts->head.head.acq, monitor->facts.head.head.acq) != 0) {
        monitor->n_latency = 0;
        monitor->max_ms = 0.0;
    }
    monitor->facts = *facts;
}

void edx_monitor_saved(edx_monitor *monitor, const edx_run_facts *facts, edx_state state)
{
    if (state == EDX_FINISHED) {
        memcpy(monitor->saved, facts->head.head.acq, sizeof monitor->saved);
    }
}

void edx_monitor_latency(edx_monitor *monitor, int64_t arrival_ns, int64_t now_ns)
{
    if (arrival_ns == 0 || arrival_ns == monitor->last_arrival_ns) {
        return; /* a repeat of the same frames */
    }
    const double ms = 1e-6 * (double)(now_ns - arrival_ns);
    monitor->last_arrival_ns = arrival_ns;
    monitor->latency_ms[monitor->n_latency++ % LATENCIES] = ms;
    monitor->max_ms = fmax(monitor->max_ms, ms);
}

void edx_monitor_tick(edx_monitor *monitor, int64_t now_ns)
{
    edx_intake_facts facts;
    edx_intake_facts_get(monitor->intake, &facts);
    const uint64_t at = monitor->n_rate % RATE_SAMPLES;
    const uint64_t last = (monitor->n_rate + RATE_SAMPLES - 1) % RATE_SAMPLES;
    if (monitor->n_rate > 0 && facts.tally.counts < monitor->rate[last].counts) {
        monitor->n_rate = 0; /* a new acquisition */
        edx_monitor_tick(monitor, now_ns);
        return;
    }
    monitor->rate[at].ns = now_ns;
    monitor->rate[at].counts = facts.tally.counts;
    monitor->n_rate++;
}

static double rate(const edx_monitor *m)
{
    if (m->n_rate < 2) {
        return 0.0;
    }
    const uint64_t newest = (m->n_rate - 1) % RATE_SAMPLES;
    const uint64_t oldest = m->n_rate > RATE_SAMPLES ? m->n_rate % RATE_SAMPLES : 0;
    const double s = 1e-9 * (double)(m->rate[newest].ns - m->rate[oldest].ns);
    return s > 0.0 ? (double)(m->rate[newest].counts - m->rate[oldest].counts) / s : 0.0;
}

edx_state edx_monitor_state(const edx_monitor *monitor)
{
    edx_intake_facts facts;
    edx_intake_facts_get(monitor->intake, &facts);
    if (!facts.active) {
        return EDX_IDLE;
    }
    return facts.finished && strcmp(monitor->saved, facts.stored) == 0 ? EDX_FINISHED
                                                                       : EDX_ACQUIRING;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* The nearest rank: the least of the n sorted values that percent of them do not exceed. */
static double percentile(const double *sorted, size_t n, size_t percent)
{
    return sorted[(n * percent + 99) / 100 - 1];
}

static void fill_latency(const edx_monitor *m, edx_status_result *status)
{
    double sorted[LATENCIES];
    const size_t n = m->n_latency < LATENCIES ? (size_t)m->n_latency : LATENCIES;
    if (n == 0) {
        return;
    }
    memcpy(sorted, m->latency_ms, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_value);
    status->latency_ms.p50 = percentile(sorted, n, 50);
    status->latency_ms.p99 = percentile(sorted, n, 99);
    status->latency_ms.max = m->max_ms;
}

void edx_monitor_write(edx_monitor *monitor, double unix_t, int64_t now_ns, edx_pack *pack)
{
    static const edx_run_facts none = {.p = 1.0}; /* the analyst has not begun it yet */
    edx_intake_facts facts;
    edx_status_result status;
    edx_intake_facts_get(monitor->intake, &facts);
    const bool known = strcmp(monitor->facts.head.head.acq, facts.stored) == 0;
    edx_status_fill(&status, edx_monitor_state(monitor), facts.expected,
                    known ? &monitor->facts : &none, &facts.tally, facts.bad);
    snprintf(status.head.head.acq, sizeof status.head.head.acq, "%s", facts.stored);
    status.head.head.t = unix_t;
    status.rate_cps = rate(monitor);
    status.uptime_s = 1e-9 * (double)(now_ns - monitor->began_ns);
    fill_latency(monitor, &status);
    edx_publisher_last(monitor->publisher, status.last);
    status.last[EDX_STATUS] = unix_t;
    edx_status_write(pack, &status);
}

const edx_result_head *edx_monitor_head(const edx_monitor *monitor)
{
    return &monitor->facts.head;
}

void edx_monitor_line(const edx_monitor *monitor, char *out, size_t size)
{
    const edx_result_head *h = &monitor->facts.head;
    edx_intake_facts facts;
    edx_intake_facts_get(monitor->intake, &facts);
    if (!facts.active) {
        snprintf(out, size, "idle, waiting for an edx.begin");
        return;
    }
    snprintf(out, size,
             "%s %s: %" PRIu64 " of %" PRIu64 " frames, %" PRIu64 " counts, %" PRIu64
             " lost, %" PRIu64 " bad",
             edx_state_name(edx_monitor_state(monitor)), facts.stored, h->frames, facts.expected,
             h->counts, facts.tally.lost, facts.bad);
}
