#include "client/keys.h"

#include "client/choice.h"

static void turn_page(edx_view *view, bool forward)
{
    view->page = (edx_page)((view->page + (forward ? 1 : EDX_PAGES - 1)) % EDX_PAGES);
}

/* Pages without items know maps by number. */
static void number(edx_view *view, const edx_latest *model, size_t i)
{
    edx_view maps = {.page = EDX_PAGE_MAPS};
    size_t count = edx_choice_count(view, model);
    bool own = view->page == EDX_PAGE_PARTICLES || view->page == EDX_PAGE_COMPONENTS;
    if (i < (own ? count : edx_choice_count(&maps, model)))
        edx_choice_set(view, model, i);
}

/* What needs no more than the view. */
static void command(edx_view *view, int key)
{
    switch (key) {
    case 'u':
        view->measure = (edx_measure)((view->measure + 1) % EDX_MEASURES);
        break;
    case ' ':
        view->frozen = !view->frozen;
        break;
    case '?':
        view->help = !view->help;
        break;
    case '\t':
    case EDX_KEY_BACKTAB:
        turn_page(view, key == '\t');
        break;
    default:
        break;
    }
}

static edx_action action_of(int key)
{
    switch (key) {
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
        edx_choice_move(view, model, key == EDX_KEY_UP ? -1 : 1, 0);
    else if (key == EDX_KEY_LEFT || key == EDX_KEY_RIGHT)
        edx_choice_move(view, model, 0, key == EDX_KEY_LEFT ? -1 : 1);
    else if (key == 'n' || key == 'p')
        edx_choice_step(view, model, key == 'n');
    else if (key == 's')
        edx_choice_switch(view, model);
    else if (key >= '1' && key <= '9')
        number(view, model, (size_t)(key - '1'));
    else
        command(view, key);
    return action_of(key);
}
