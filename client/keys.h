/* What keys do to the view. */
#ifndef EDX_CLIENT_KEYS_H
#define EDX_CLIENT_KEYS_H

#include "client/view.h"

/* Keys that are no characters. */
enum {
    EDX_KEY_NONE = -1,
    EDX_KEY_UP = 0x110000,
    EDX_KEY_DOWN,
    EDX_KEY_LEFT,
    EDX_KEY_RIGHT,
    EDX_KEY_BACKTAB
};

/* What is left to do for the caller. */
typedef enum edx_action {
    EDX_ACT_NONE,
    EDX_ACT_QUIT,
    EDX_ACT_ACKNOWLEDGE,
    EDX_ACT_EARLIER,
    EDX_ACT_LATER,
    EDX_ACT_LIVE
} edx_action;

edx_action edx_view_key(edx_view *view, const edx_latest *model, int key);

#endif
