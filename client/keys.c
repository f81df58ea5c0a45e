#include "client/keys.h"

static void move(edx_view *view, const edx_latest *model, int rows, int cols)
{
    edx_picture picture = edx_view_picture(view, model);
    if (!picture.rows)
        return;
    edx_view_cursor(view, &picture, view->cursor);
    view->has_cursor = true;
    if ((rows < 0 && view->cursor[0] > 0) || (rows > 0 && view->cursor[0] + 1 < picture.rows))
        view->cursor[0] += (uint64_t)rows;
    if ((cols < 0 && view->cursor[1] > 0) || (cols > 0 && view->cursor[1] + 1 < picture.cols))
        view->cursor[1] += (uint64_t)cols;
}

static void choose(edx_view *view, size_t picture)
{
    view->chosen = true;
    view->selected = picture;
}

static void cycle(edx_view *view, const edx_latest *model, bool forward)
{
    size_t count = edx_picture_count(model);
    choose(view, (edx_view_shown(view, model) + (forward ? 1 : count - 1)) % count);
}

static edx_action command(edx_view *view, int key)
{
    switch (key) {
    case 'u':
        view->measure = (edx_measure)((view->measure + 1) % EDX_MEASURES);
        return EDX_ACT_NONE;
    case ' ':
        view->frozen = !view->frozen;
        return EDX_ACT_NONE;
    case '?':
        view->help = !view->help;
        return EDX_ACT_NONE;
    case 'q':
        return EDX_ACT_QUIT;
    case 'a':
        return EDX_ACT_ACKNOWLEDGE;
    case '[':
        return EDX_ACT_EARLIER;
    case ']':
        return EDX_ACT_LATER;
    case 'l':
        return EDX_ACT_LIVE;
    default:
        return EDX_ACT_NONE;
    }
}

edx_action edx_view_key(edx_view *view, const edx_latest *model, int key)
{
    if (key == EDX_KEY_UP || key == EDX_KEY_DOWN)
        move(view, model, key == EDX_KEY_UP ? -1 : 1, 0);
    else if (key == EDX_KEY_LEFT || key == EDX_KEY_RIGHT)
        move(view, model, 0, key == EDX_KEY_LEFT ? -1 : 1);
    else if (key == '\t' || key == EDX_KEY_BACKTAB)
        cycle(view, model, key == '\t');
    else if (key >= '1' && key <= '9' && (size_t)(key - '1') < edx_picture_count(model))
        choose(view, (size_t)(key - '1'));
    else
        return command(view, key);
    return EDX_ACT_NONE;
}
