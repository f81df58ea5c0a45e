#include "client/palette.h"

#include <string.h>

#define LEVELS 16
#define GREY_RAMP 232
#define GREY_STEPS 24

/* Cividis (Nunez, Anderton and Renslow 2018) at 16 equal steps. */
static const uint32_t cividis[LEVELS] = {0x00224e, 0x002e6c, 0x1e3a6f, 0x35456c, 0x47516c, 0x575d6d,
                                         0x666970, 0x757575, 0x848279, 0x948e77, 0xa59c74, 0xb7a96e,
                                         0xc8b866, 0xdbc75a, 0xeed649, 0xfee838};

/* PuOr (ColorBrewer), purple to orange, at 16 equal steps. */
static const uint32_t puor[LEVELS] = {0x2d004b, 0x461a6e, 0x5e3a91, 0x786baa, 0x9484b9, 0xb0a8cf,
                                      0xcac9e2, 0xe2e1ee, 0xf8eee2, 0xfcdcb4, 0xfdc57f, 0xf2a746,
                                      0xe28a1d, 0xc76c0a, 0xa35406, 0x7f3b08};

static const uint32_t glyphs_16[] = {0xb7, 0x2591, 0x2592, 0x2593, 0x2588};

edx_depth edx_depth_guess(const char *colorterm, const char *term)
{
    if (colorterm && (strstr(colorterm, "truecolor") || strstr(colorterm, "24bit")))
        return EDX_TRUECOLOUR;
    if (!term || !*term || strcmp(term, "dumb") == 0 || strncmp(term, "vt", 2) == 0)
        return EDX_MONO;
    if (strstr(term, "direct"))
        return EDX_TRUECOLOUR;
    return strstr(term, "256") ? EDX_256 : strstr(term, "mono") ? EDX_MONO : EDX_16;
}

bool edx_depth_parse(const char *name, edx_depth *out)
{
    static const struct {
        const char *name;
        edx_depth depth;
    } names[] = {{"truecolor", EDX_TRUECOLOUR},
                 {"truecolour", EDX_TRUECOLOUR},
                 {"256", EDX_256},
                 {"16", EDX_16},
                 {"mono", EDX_MONO}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(name, names[i].name) == 0) {
            *out = names[i].depth;
            return true;
        }
    return false;
}

edx_colour edx_palette_role(edx_depth depth, edx_role role)
{
    /* Middle tones, so that they can be read on dark and on light ground. */
    static const struct {
        uint32_t rgb, of_256, of_16;
    } roles[EDX_ROLES] = {
        [EDX_FAINT] = {0x808890, 245, 8},   [EDX_ACCENT] = {0x2f81f7, 33, 6},
        [EDX_GOOD] = {0x2da44e, 35, 2},     [EDX_WARN] = {0xc08a00, 136, 3},
        [EDX_BAD] = {0xe5484d, 167, 1},     [EDX_PLOT] = {0x2f81f7, 33, 6},
        [EDX_BAR] = {0x1d3557, 24, 4},      [EDX_INK] = {0xf1f5fa, 255, 15},
        [EDX_SERIES_1] = {0x2f81f7, 33, 6}, [EDX_SERIES_2] = {0xd98200, 172, 3},
        [EDX_SERIES_3] = {0x1a9e73, 36, 2}, [EDX_SERIES_4] = {0xc069a5, 169, 5},
    };
    if (role == EDX_TEXT || depth == EDX_MONO)
        return EDX_COLOUR_DEFAULT;
    if (depth == EDX_16)
        return EDX_COLOUR_16(roles[role].of_16);
    return depth == EDX_256 ? EDX_COLOUR_256(roles[role].of_256) : EDX_COLOUR_RGB(roles[role].rgb);
}

edx_role edx_palette_series(uint64_t i)
{
    return (edx_role)(EDX_SERIES_1 + i % (EDX_ROLES - EDX_SERIES_1));
}

int edx_palette_levels(edx_depth depth)
{
    return depth == EDX_MONO ? 10 : depth == EDX_16 ? 5 : LEVELS;
}

bool edx_palette_halves(edx_depth depth)
{
    return depth >= EDX_256;
}

/* Lightness of a colour, 0 to 255 (Rec. 601). */
static uint32_t luma(uint32_t rgb)
{
    return (299 * (rgb >> 16 & 255) + 587 * (rgb >> 8 & 255) + 114 * (rgb & 255)) / 1000;
}

static uint32_t fade_to_grey(uint32_t rgb, uint32_t fade)
{
    uint32_t grey = luma(rgb), out = 0;
    for (int shift = 16; shift >= 0; shift -= 8) {
        uint32_t channel = rgb >> shift & 255;
        out |= (channel * (EDX_FADE_ALL - fade) + grey * fade) / EDX_FADE_ALL << shift;
    }
    return out;
}

static edx_colour colour_of(edx_depth depth, const uint32_t *table, int level, int fade)
{
    int last = edx_palette_levels(depth) - 1;
    uint32_t l = (uint32_t)(level < 0 ? 0 : level > last ? last : level);
    if (depth == EDX_TRUECOLOUR)
        return EDX_COLOUR_RGB(fade_to_grey(table[l], (uint32_t)fade));
    if (depth == EDX_256)
        return EDX_COLOUR_256(GREY_RAMP + 3 + l * (GREY_STEPS - 4) / (LEVELS - 1));
    return EDX_COLOUR_DEFAULT;
}

edx_colour edx_palette_map(edx_depth depth, int level, int fade)
{
    return colour_of(depth, cividis, level, fade);
}

edx_colour edx_palette_signed(edx_depth depth, int level, int fade)
{
    return colour_of(depth, puor, level, fade);
}

uint32_t edx_palette_glyph(edx_depth depth, int level)
{
    int last = edx_palette_levels(depth == EDX_MONO ? EDX_MONO : EDX_16) - 1;
    int l = level < 0 ? 0 : level > last ? last : level;
    return depth == EDX_MONO ? (uint32_t)('0' + l) : glyphs_16[l];
}

edx_colour edx_palette_contrast(edx_depth depth, edx_colour ground)
{
    uint32_t value = EDX_COLOUR_VALUE(ground);
    if (depth == EDX_256)
        return EDX_COLOUR_256(value > GREY_RAMP + GREY_STEPS / 2 ? 16u : 231u);
    return EDX_COLOUR_RGB(luma(value) > 110 ? 0x000000u : 0xffffffu);
}
