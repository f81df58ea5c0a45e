/* A terminal: keys in, canvases out. The one file behind this header is the only one that includes
 * ncurses, which sets the terminal up, reads keys and puts everything back; pictures go out as our
 * own sequences, for ncurses knows no half blocks in true colour. */
#ifndef EDX_CLIENT_SCREEN_H
#define EDX_CLIENT_SCREEN_H

#include "client/canvas.h"
#include "proto/status.h"

typedef struct edx_screen edx_screen;

/* Takes the terminal over. IO when standard input or output is none that ncurses knows. */
edx_status edx_screen_new(edx_depth depth, edx_screen **out, edx_error *err);
/* Gives it back as it was. */
void edx_screen_free(edx_screen **screen);

/* A key that waits: a character, a key of client/keys.h, or EDX_KEY_NONE. Takes in changes of size
 * on the way. */
int edx_screen_key(edx_screen *screen);
/* The canvas for the next picture, as large as the terminal; NULL without memory. */
edx_canvas *edx_screen_canvas(edx_screen *screen);
/* Sends what changed since the last picture, and a bell. IO when the terminal is gone. */
edx_status edx_screen_show(edx_screen *screen, bool bell, edx_error *err);
/* The next picture is sent whole, for something else has written to the terminal. */
void edx_screen_forget(edx_screen *screen);

#endif
