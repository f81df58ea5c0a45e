#include "instrument/stop.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

struct edx_stop {
    int fd;
    unsigned asked;
};

static void both(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
}

edx_status edx_stop_new(edx_stop **out, edx_error *err)
{
    sigset_t set;
    both(&set);
    edx_stop *stop = calloc(1, sizeof *stop);
    *out = NULL;
    if (!stop)
        return edx_fail(err, EDX_E_NOMEM, "no memory");
    stop->fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    if (stop->fd < 0 || sigprocmask(SIG_BLOCK, &set, NULL) != 0) {
        edx_fail(err, EDX_E_IO, "signals: %s", strerror(errno));
        edx_stop_free(&stop);
        return EDX_E_IO;
    }
    *out = stop;
    return EDX_OK;
}

void edx_stop_free(edx_stop **stop)
{
    if (!*stop)
        return;
    sigset_t set;
    both(&set);
    edx_stop_asked(*stop); /* what was asked is not asked again */
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    if ((*stop)->fd >= 0)
        close((*stop)->fd);
    free(*stop);
    *stop = NULL;
}

void edx_stop_ask(edx_stop *stop)
{
    if (stop)
        stop->asked++;
}

unsigned edx_stop_asked(edx_stop *stop)
{
    if (!stop)
        return 0;
    struct signalfd_siginfo info;
    while (read(stop->fd, &info, sizeof info) == (ssize_t)sizeof info)
        stop->asked++;
    return stop->asked;
}

int edx_stop_fd(const edx_stop *stop)
{
    return stop ? stop->fd : -1;
}
