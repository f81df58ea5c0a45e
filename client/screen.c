#include "client/screen.h"

#include <curses.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "client/keys.h"

#define ESCAPE_MS 25

struct edx_screen {
    SCREEN *terminal;
    edx_depth depth;
    edx_canvas *next, *shown;
    bool known; /* the terminal shows what shown holds */
    edx_bytes bytes;
};

/* Some terminals send these whatever mode they were asked into; '[' alone is a key of ours. */
static void name_arrows(void)
{
    static const struct {
        const char *sequence;
        int key;
    } arrows[] = {
        {"\033[A", KEY_UP}, {"\033[B", KEY_DOWN}, {"\033[C", KEY_RIGHT}, {"\033[D", KEY_LEFT}};
    for (size_t i = 0; i < sizeof arrows / sizeof *arrows; i++)
        define_key(arrows[i].sequence, arrows[i].key);
}

static void take_over(void)
{
    cbreak();
    noecho();
    nonl();
    keypad(stdscr, TRUE);
    name_arrows();
    nodelay(stdscr, TRUE);
    set_escdelay(ESCAPE_MS);
    curs_set(0);
    refresh();
}

edx_status edx_screen_new(edx_depth depth, edx_screen **out, edx_error *err)
{
    *out = NULL;
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
        return edx_fail(err, EDX_E_IO,
                        "no terminal, expected one (or use --once, or --json for programs)");
    edx_screen *screen = calloc(1, sizeof *screen);
    if (!screen)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the screen");
    screen->depth = depth;
    screen->terminal = newterm(NULL, stdout, stdin);
    if (!screen->terminal) {
        free(screen);
        return edx_fail(err, EDX_E_IO, "TERM=%s: unknown terminal, expected one like xterm",
                        getenv("TERM") ? getenv("TERM") : "");
    }
    take_over();
    *out = screen;
    return EDX_OK;
}

void edx_screen_free(edx_screen **screen)
{
    if (!*screen)
        return;
    endwin();
    delscreen((*screen)->terminal);
    edx_canvas_free(&(*screen)->next);
    edx_canvas_free(&(*screen)->shown);
    edx_bytes_free(&(*screen)->bytes);
    free(*screen);
    *screen = NULL;
}

void edx_screen_forget(edx_screen *screen)
{
    screen->known = false;
}

static int translate(int key)
{
    switch (key) {
    case KEY_UP:
        return EDX_KEY_UP;
    case KEY_DOWN:
        return EDX_KEY_DOWN;
    case KEY_LEFT:
        return EDX_KEY_LEFT;
    case KEY_RIGHT:
        return EDX_KEY_RIGHT;
    case KEY_BTAB:
        return EDX_KEY_BACKTAB;
    default:
        return key < KEY_MIN ? key : 0;
    }
}

int edx_screen_key(edx_screen *screen)
{
    int key = getch();
    while (key == KEY_RESIZE) {
        erase();
        refresh();
        edx_screen_forget(screen);
        key = getch();
    }
    return key == ERR ? EDX_KEY_NONE : translate(key);
}

edx_canvas *edx_screen_canvas(edx_screen *screen)
{
    int rows = getmaxy(stdscr), cols = getmaxx(stdscr);
    if (screen->next && screen->next->rows == rows && screen->next->cols == cols)
        return screen->next;
    edx_canvas_free(&screen->next);
    edx_canvas_free(&screen->shown);
    screen->known = false;
    screen->next = edx_canvas_new(rows, cols, screen->depth);
    screen->shown = edx_canvas_new(rows, cols, screen->depth);
    if (!screen->shown)
        edx_canvas_free(&screen->next);
    return screen->next;
}

static edx_status send_all(const char *data, size_t n, edx_error *err)
{
    while (n) {
        ssize_t sent = write(STDOUT_FILENO, data, n);
        if (sent < 0 && errno != EINTR && errno != EAGAIN)
            return edx_fail(err, EDX_E_IO, "terminal: %s", strerror(errno));
        if (sent > 0) {
            data += sent;
            n -= (size_t)sent;
        }
    }
    return EDX_OK;
}

edx_status edx_screen_show(edx_screen *screen, bool bell, edx_error *err)
{
    edx_bytes *bytes = &screen->bytes;
    edx_bytes_clear(bytes);
    edx_canvas_delta(screen->known ? screen->shown : NULL, screen->next, bytes);
    if (bytes->failed)
        return edx_fail(err, EDX_E_NOMEM, "no memory for the picture");
    edx_canvas *shown = screen->next;
    screen->next = screen->shown;
    screen->shown = shown;
    screen->known = true;
    if (bell)
        beep();
    fflush(stdout);
    return send_all(bytes->data, bytes->size, err);
}
