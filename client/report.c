#include "client/report.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>
#include <time.h>

#include "client/number.h"
#include "client/sheet.h"

#define FOOT (EDX_A4_HEIGHT - 24)
#define PER_PAGE 4 /* profiles of further particles */

static void print_title(const edx_gathered *run, edx_paper *paper)
{
    char when[32] = "", counts[EDX_NUMBER];
    const edx_result_head *head = edx_gathered_head(run);
    const time_t t = (time_t)head->head.t;
    struct tm utc;
    if (gmtime_r(&t, &utc))
        strftime(when, sizeof when, "%Y-%m-%d %H:%M UTC", &utc);
    edx_paper_ink(paper, EDX_BLACK, 1);
    edx_paper_text(paper, EDX_MARGIN, 40, EDX_LARGE, EDX_BOLD, head->head.acq);
    edx_paper_print(paper, EDX_A4_WIDTH - EDX_MARGIN, 40, EDX_NORMAL, EDX_RIGHT,
                    "%" PRIu64 " frames, %s counts, %s", head->frames,
                    edx_number(counts, (double)head->counts), when);
    edx_paper_ink(paper, EDX_GREY, 1);
    edx_paper_line(paper, EDX_MARGIN, 46, EDX_A4_WIDTH - EDX_MARGIN, 46, 0.6);
}

static void print_foot(const edx_gathered *run, edx_paper *paper)
{
    const edx_result *status = edx_latest_get(run->latest, EDX_STATUS);
    edx_paper_ink(paper, EDX_GREY, 1);
    edx_paper_print(paper, EDX_MARGIN, FOOT + 4, EDX_SMALL, EDX_LEFT,
                    "edxd %s. Errors are one standard deviation from counting; that of k is common "
                    "to all points. Hatched: not quantified.",
                    status ? status->as.status.version : "");
}

static void draw_first(const edx_gathered *run, edx_paper *paper)
{
    const edx_particles_result *all = edx_gathered_particles(run);
    const edx_particle *largest = all ? edx_particle_shown(all) : NULL;
    double y = edx_sheet_tiles(run, paper, 54);
    y = edx_sheet_spectrum(run, paper, y + 4);
    if (largest)
        y = edx_sheet_radial(run, largest, paper, y + 4);
    edx_sheet_components(run, paper, y + 4, FOOT - 8);
}

/* The particles that the first page leaves out, PER_PAGE a page. */
static void draw_others(const edx_gathered *run, edx_paper *paper, size_t page)
{
    const edx_particles_result *all = edx_gathered_particles(run);
    const edx_particle *largest = edx_particle_shown(all);
    double y = 56;
    size_t other = 0;
    for (size_t i = 0; i < all->count; i++) {
        if (&all->particles[i] == largest)
            continue;
        if (other / PER_PAGE == page)
            y = edx_sheet_radial(run, &all->particles[i], paper, y) + 4;
        other++;
    }
}

static void draw_page(const void *document, edx_paper *paper, size_t page)
{
    const edx_gathered *run = document;
    print_title(run, paper);
    if (page == 0)
        draw_first(run, paper);
    else
        draw_others(run, paper, page - 1);
    print_foot(run, paper);
}

edx_status edx_report_run(const edx_gathered *run, const char *dir, edx_error *err)
{
    const edx_particles_result *all = edx_gathered_particles(run);
    const size_t others = all && all->count > 1 ? all->count - 1 : 0;
    if (!edx_gathered_head(run))
        return edx_fail(err, EDX_E_MISSING, "no results, expected at least a spectrum");
    return edx_sheet_write(run, 1 + (others + PER_PAGE - 1) / PER_PAGE, draw_page, dir, "report",
                           err);
}
