/* What is found in a spectrum: one number a line on stdin, its counts.
 *
 *     elements_dump OFFSET_EV SCALE_EV BEAM_KEV RESOLUTION_EV LOWEST_EV
 *
 * Prints the elements (symbol, line, counts, sigma, share, what is to be done with it), then the
 * axis as their lines have it and chi-squared of the model before and after. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "analysis/elements.h"
#include "analysis/energy.h"
#include "analysis/model.h"

#define MOST 16384

typedef struct input {
    edx_axis axis;
    double beam_keV, range_eV[2];
    edx_response response;
    double *spectrum;
} input;

static int quit(const char *what, const edx_error *err)
{
    fprintf(stderr, "elements_dump: %s: %s\n", what, err ? err->text : "unexpected");
    return 1;
}

static int find(const input *in, edx_found *found, uint32_t *n, edx_error *err)
{
    edx_elements *elements;
    if (edx_elements_new(&in->axis, in->range_eV, in->beam_keV, &elements, err) != EDX_OK)
        return 1;
    edx_status status =
        edx_elements_find(elements, in->spectrum, &in->response, NULL, 0, found, n, err);
    edx_elements_free(&elements);
    for (uint32_t i = 0; i < *n && status == EDX_OK; i++)
        printf("element %s %s %.1f %.1f %.4f %s\n", found[i].symbol, found[i].line, found[i].net,
               found[i].sigma, found[i].share,
               found[i].instrument ? "instrument"
               : found[i].quantify ? "quantify"
                                   : "minor");
    return status != EDX_OK;
}

static int judge(const input *in, const edx_model_setup *setup, edx_error *err)
{
    edx_model *model;
    uint32_t dof;
    if (edx_model_new(&in->axis, setup, &model, err) != EDX_OK)
        return 1;
    edx_status status = edx_model_fit(model, in->spectrum, err);
    double chi2 = edx_model_chi2(model, &dof);
    printf("chi2 %.1f %u\n", chi2, dof);
    edx_model_free(&model);
    return status != EDX_OK;
}

static int refine(const input *in, const int *others, uint32_t n, edx_error *err)
{
    edx_model_setup setup = {.others = others,
                             .n_others = n,
                             .beam_keV = in->beam_keV,
                             .range_eV = {in->range_eV[0], in->range_eV[1]},
                             .response = in->response};
    edx_energy *energy;
    edx_calibration c;
    if (judge(in, &setup, err) || edx_energy_new(&in->axis, &setup, &energy, err) != EDX_OK)
        return 1;
    edx_status status = edx_energy_refine(energy, in->spectrum, &c, err);
    edx_energy_free(&energy);
    if (status != EDX_OK)
        return 1;
    printf("axis %d %.3f %.3f %.6f %.6f %.3f %.3f\n", c.refined, c.fitted.offset_eV,
           c.sigma.offset_eV, c.fitted.gain, c.sigma.gain, c.fitted.resolution_eV,
           c.sigma.resolution_eV);
    setup.response = c.use;
    return judge(in, &setup, err);
}

static void read_spectrum(input *in)
{
    char text[64], *end = text;
    while (in->axis.channels < MOST && fgets(text, sizeof text, stdin)) {
        double counts = strtod(text, &end);
        if (end == text)
            return;
        in->spectrum[in->axis.channels++] = counts;
    }
}

int main(int argc, char **argv)
{
    static double spectrum[MOST];
    input in = {.spectrum = spectrum};
    edx_found found[EDX_MAX_LINES];
    edx_error err = {.text = ""};
    int others[EDX_MAX_LINES];
    uint32_t n = 0;
    if (argc != 6)
        return quit("arguments", NULL);
    in.axis = (edx_axis){strtod(argv[1], NULL), strtod(argv[2], NULL), 0};
    in.beam_keV = strtod(argv[3], NULL);
    in.response = (edx_response){0, 1, strtod(argv[4], NULL)};
    in.range_eV[0] = strtod(argv[5], NULL);
    in.range_eV[1] = INFINITY;
    read_spectrum(&in);
    int failed = find(&in, found, &n, &err);
    for (uint32_t i = 0; i < n; i++)
        others[i] = found[i].z;
    failed = failed || refine(&in, others, n, &err);
    return failed ? quit("spectrum", &err) : 0;
}
