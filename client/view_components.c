/* One component of edx.nmf or edx.pca: its map, its spectrum, what it is. */
#include <math.h>
#include <stdio.h>

#include "client/number.h"
#include "client/pages.h"
#include "client/panel.h"
#include "client/series.h"
#include "client/spectrum.h"

#define SPECTRUM_PART 3 /* of the body is for the spectrum */

static bool is_particle(const edx_nmf_result *nmf, size_t k)
{
    return nmf->particle && k < nmf->k && nmf->particle[k];
}

static void shares(edx_panel *panel, const edx_nmf_result *nmf, const edx_maps_result *maps,
                   size_t k)
{
    edx_panel_heading(panel, "share of net counts");
    for (uint32_t i = 0; maps && i < maps->n; i++)
        edx_panel_line(panel, maps->lines[i], EDX_TEXT, "%.1f %%",
                       100 * edx_at_2(&nmf->share, k, i));
}

static void nmf_figures(edx_panel *panel, const edx_latest *model, const edx_nmf_result *nmf,
                        size_t k)
{
    char text[EDX_NUMBER];
    const edx_result *maps = edx_latest_get(model, EDX_MAPS);
    edx_panel_line(panel, "component", EDX_TEXT, "%zu of %zu", k + 1, nmf->k);
    edx_panel_line(panel, "particle", is_particle(nmf, k) ? EDX_GOOD : EDX_TEXT, "%s",
                   is_particle(nmf, k) ? "yes" : "no");
    edx_panel_line(panel, "divergence", EDX_TEXT, "%s", edx_number(text, nmf->divergence));
    if (maps && maps->as.maps.n)
        shares(panel, nmf, &maps->as.maps, k);
    edx_panel_heading(panel, "all components");
    for (size_t i = 0; i < nmf->k; i++) {
        snprintf(text, sizeof text, "%zu", i + 1);
        edx_panel_line(panel, text, i == k ? EDX_ACCENT : EDX_TEXT, "%s",
                       is_particle(nmf, i) ? "particle" : "other");
    }
}

static void pca_figures(edx_panel *panel, const edx_pca_result *pca, size_t k)
{
    char text[EDX_NUMBER], label[EDX_NUMBER];
    edx_panel_line(panel, "component", EDX_TEXT, "%zu of %llu", k + 1,
                   (unsigned long long)pca->rank);
    edx_panel_line(panel, "eigenvalue", EDX_TEXT, "%s",
                   edx_number_small(text, edx_at_1(&pca->eigenvalues, k)));
    edx_panel_line(panel, "noise-free", EDX_TEXT, "%s",
                   edx_number_small(text, edx_at_1(&pca->eigenvalues_noise_free, k)));
    edx_panel_line(panel, "noise edge", EDX_TEXT, "%s", edx_number_small(text, pca->noise_edge));
    edx_panel_heading(panel, "explained");
    for (uint64_t i = 0; pca->explained.ndim == 1 && i < pca->explained.shape[0]; i++) {
        snprintf(label, sizeof label, "%llu", (unsigned long long)i + 1);
        edx_panel_line(panel, label, i == k ? EDX_ACCENT : EDX_TEXT, "%.2f %%",
                       100 * edx_at_1(&pca->explained, i));
    }
}

void edx_page_components(const edx_page_frame *page)
{
    bool pca = edx_choice_pca(page->view, page->model);
    const edx_result *result = edx_latest_get(page->model, pca ? EDX_PCA : EDX_NMF);
    const edx_result *spectrum = edx_latest_get(page->model, EDX_SPECTRUM);
    size_t k = edx_choice_item(page->view, page->model);
    edx_panel panel = {page->canvas, page->panel, page->panel.row, page->stale};
    edx_area map = page->body, below = page->body;
    below.rows = page->body.rows / SPECTRUM_PART;
    below.row += page->body.rows - below.rows;
    map.rows -= 2 + below.rows;
    edx_page_map(page, map);
    if (result) {
        edx_component_draw(pca ? &result->as.pca.spectra : &result->as.nmf.spectra, k,
                           spectrum ? &spectrum->as.spectrum : NULL, page->canvas, below);
        if (pca)
            pca_figures(&panel, &result->as.pca, k);
        else
            nmf_figures(&panel, page->model, &result->as.nmf, k);
    }
    edx_panel_heading(&panel, "acquisition");
    edx_panel_acquisition(&panel, page->model);
}
