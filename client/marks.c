#include "client/marks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Energies of Ka1, La1 and Ma1 in eV, from xraylib 4.0; 0: none below 60 keV. */
static const struct {
    const char *element;
    double alpha_eV[3];
} table[] = {{"Li", {0, 0, 0}},           {"Be", {0, 0, 0}},           {"B", {183, 0, 0}},
             {"C", {277, 0, 0}},          {"N", {392, 0, 0}},          {"O", {525, 0, 0}},
             {"F", {677, 0, 0}},          {"Ne", {849, 0, 0}},         {"Na", {1041, 0, 0}},
             {"Mg", {1254, 0, 0}},        {"Al", {1487, 0, 0}},        {"Si", {1740, 0, 0}},
             {"P", {2010, 0, 0}},         {"S", {2308, 0, 0}},         {"Cl", {2622, 0, 0}},
             {"Ar", {2957, 0, 0}},        {"K", {3314, 0, 0}},         {"Ca", {3692, 0, 0}},
             {"Sc", {4091, 396, 0}},      {"Ti", {4511, 452, 0}},      {"V", {4952, 511, 0}},
             {"Cr", {5415, 572, 0}},      {"Mn", {5899, 637, 0}},      {"Fe", {6404, 705, 0}},
             {"Co", {6930, 776, 0}},      {"Ni", {7478, 851, 0}},      {"Cu", {8048, 930, 0}},
             {"Zn", {8639, 1012, 0}},     {"Ga", {9252, 1098, 0}},     {"Ge", {9886, 1188, 0}},
             {"As", {10544, 1282, 0}},    {"Se", {11222, 1379, 0}},    {"Br", {11924, 1481, 0}},
             {"Kr", {12651, 1581, 0}},    {"Rb", {13395, 1694, 0}},    {"Sr", {14165, 1807, 0}},
             {"Y", {14958, 1923, 0}},     {"Zr", {15775, 2042, 0}},    {"Nb", {16615, 2166, 0}},
             {"Mo", {17479, 2293, 0}},    {"Tc", {18367, 2424, 0}},    {"Ru", {19279, 2559, 0}},
             {"Rh", {20216, 2697, 0}},    {"Pd", {21177, 2839, 0}},    {"Ag", {22163, 2984, 0}},
             {"Cd", {23174, 3134, 0}},    {"In", {24210, 3287, 0}},    {"Sn", {25271, 3444, 0}},
             {"Sb", {26359, 3605, 0}},    {"Te", {27472, 3769, 0}},    {"I", {28612, 3938, 0}},
             {"Xe", {29782, 4106, 0}},    {"Cs", {30973, 4286, 0}},    {"Ba", {32194, 4466, 0}},
             {"La", {33442, 4651, 0}},    {"Ce", {34720, 4840, 883}},  {"Pr", {36026, 5033, 929}},
             {"Nd", {37361, 5230, 976}},  {"Pm", {38725, 5432, 1023}}, {"Sm", {40118, 5636, 1075}},
             {"Eu", {41542, 5846, 0}},    {"Gd", {42996, 6058, 1185}}, {"Tb", {44482, 6273, 1239}},
             {"Dy", {45998, 6495, 1291}}, {"Ho", {47547, 6720, 1348}}, {"Er", {49128, 6949, 1405}},
             {"Tm", {50742, 7180, 1462}}, {"Yb", {52389, 7416, 1522}}, {"Lu", {54070, 7656, 1582}},
             {"Hf", {55790, 7899, 1645}}, {"Ta", {57535, 8146, 1710}}, {"W", {59318, 8398, 1773}},
             {"Re", {0, 8652, 1837}},     {"Os", {0, 8911, 1909}},     {"Ir", {0, 9175, 1979}},
             {"Pt", {0, 9443, 2050}},     {"Au", {0, 9713, 2122}},     {"Hg", {0, 9989, 2195}},
             {"Tl", {0, 10268, 2271}},    {"Pb", {0, 10551, 2348}},    {"Bi", {0, 10839, 2423}},
             {"Po", {0, 11130, 2502}},    {"At", {0, 11426, 2582}},    {"Rn", {0, 11726, 2662}},
             {"Fr", {0, 12031, 2745}},    {"Ra", {0, 12339, 2826}},    {"Ac", {0, 12651, 2912}},
             {"Th", {0, 12968, 2997}},    {"Pa", {0, 13291, 3087}},    {"U", {0, 13618, 3171}},
             {"Np", {0, 13946, 3261}},    {"Pu", {0, 14282, 3351}},    {"Am", {0, 14620, 3444}}};

static const char families[] = "KLM";
static const char *const greek[] = {"α", "β", "γ"};

/* Where the family's letter stands in "Ag_La"; NULL when it is no such name. */
static const char *family_of(const char *line)
{
    const char *at = strchr(line, '_');
    return at && at[1] && strchr(families, at[1]) ? at + 1 : NULL;
}

double edx_mark_energy(const char *line)
{
    const char *family = family_of(line);
    if (!family || strcmp(family + 1, "a") != 0)
        return NAN;
    const size_t n = (size_t)(family - line) - 1;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        if (strlen(table[i].element) == n && strncmp(table[i].element, line, n) == 0) {
            const double eV = table[i].alpha_eV[strchr(families, *family) - families];
            return eV > 0 ? eV : (double)NAN;
        }
    return NAN;
}

const char *edx_mark_name(char out[EDX_MARK], const char *line)
{
    const char *family = family_of(line);
    const char *letter = family ? strchr("abg", family[1]) : NULL;
    if (family && letter && *letter)
        snprintf(out, EDX_MARK, "%.*s %c%s%.4s", (int)(family - line) - 1, line, *family,
                 greek[*letter == 'a'   ? 0
                       : *letter == 'b' ? 1
                                        : 2],
                 family + 2);
    else
        snprintf(out, EDX_MARK, "%.20s", line);
    return out;
}
