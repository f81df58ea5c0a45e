#include "client/signals.h"

#include <signal.h>
#include <stddef.h>

/* The only state that a handler can reach. */
static volatile sig_atomic_t stop, continued;

static void on_signal(int number)
{
    if (number == SIGCONT)
        continued = 1;
    else
        stop = 1;
}

void edx_signals_catch(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGCONT};
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        sigaction(numbers[i], &action, NULL);
    action.sa_handler = SIG_IGN;
    sigaction(SIGPIPE, &action, NULL);
}

bool edx_signals_stop(void)
{
    return stop != 0;
}

bool edx_signals_continued(void)
{
    bool was = continued != 0;
    continued = 0;
    return was;
}
