/* Colours of a terminal at four depths: those of maps, those of words. */
#ifndef EDX_CLIENT_PALETTE_H
#define EDX_CLIENT_PALETTE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum edx_depth { EDX_MONO, EDX_16, EDX_256, EDX_TRUECOLOUR } edx_depth;

/* What the environment's COLORTERM and TERM (each may be NULL) promise. */
edx_depth edx_depth_guess(const char *colorterm, const char *term);
/* "truecolor" (or "truecolour"), "256", "16", "mono"; false when it is none. */
bool edx_depth_parse(const char *name, edx_depth *out);

/* A colour as a cell holds it: a kind in the top byte, below it 0xRRGGBB or an index. */
typedef uint32_t edx_colour;
#define EDX_COLOUR_DEFAULT 0u
#define EDX_COLOUR_RGB(rgb) (0x01000000u | (rgb))
#define EDX_COLOUR_256(i) (0x02000000u | (i))
#define EDX_COLOUR_16(i) (0x03000000u | (i))
#define EDX_COLOUR_KIND(c) ((c) >> 24)
#define EDX_COLOUR_VALUE(c) ((c)&0xffffffu)

typedef enum edx_role {
    EDX_TEXT,
    EDX_FAINT,
    EDX_ACCENT,
    EDX_GOOD,
    EDX_WARN,
    EDX_BAD,
    EDX_PLOT,
    EDX_BAR,      /* ground of the top line */
    EDX_INK,      /* words on that ground */
    EDX_SERIES_1, /* curves, told apart by people of every colour vision */
    EDX_SERIES_2,
    EDX_SERIES_3,
    EDX_SERIES_4,
    EDX_ROLES
} edx_role;

edx_colour edx_palette_role(edx_depth depth, edx_role role);
/* The role of curve number i: four in turn. */
edx_role edx_palette_series(uint64_t i);

/* Steps of a map: 16 in colour, five glyphs at 16 colours, ten digits at mono. */
int edx_palette_levels(edx_depth depth);
/* True where a cell shows two pixels, one above the other, by colour alone. */
bool edx_palette_halves(edx_depth depth);
/* The colour of a level of a map (truecolour: cividis, 256: greys). fade 0 to 4 takes its colour
 * away step by step, to grey of the same lightness; 256 colours have none to lose. */
edx_colour edx_palette_map(edx_depth depth, int level, int fade);
/* The same for values around zero (truecolour: PuOr). */
edx_colour edx_palette_signed(edx_depth depth, int level, int fade);
/* The glyph of a level at 16 colours and mono. */
uint32_t edx_palette_glyph(edx_depth depth, int level);
/* Black or white, whichever stands out from a colour of edx_palette_map. */
edx_colour edx_palette_contrast(edx_depth depth, edx_colour ground);

#define EDX_FADE_ALL 4
#define EDX_GLYPH_MISSING 0x2571u /* a slanting line */
#define EDX_GLYPH_UNSURE 0x2573u  /* a cross: the uncertainty is as large as what is shown */
#define EDX_GLYPH_UPPER 0x2580u   /* the upper half of a cell */

#endif
