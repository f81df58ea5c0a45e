#include "daemon/notify.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include <systemd/sd-daemon.h>

void edx_notify_ready(void)
{
    (void)sd_notify(0, "READY=1");
}

void edx_notify_stopping(void)
{
    (void)sd_notify(0, "STOPPING=1");
}

void edx_notify_watchdog(void)
{
    (void)sd_notify(0, "WATCHDOG=1");
}

void edx_notify_status(const char *fmt, ...)
{
    char text[256];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    (void)sd_notifyf(0, "STATUS=%s", text);
}

void edx_notify_extend(uint64_t usec)
{
    (void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRIu64, usec);
}

uint64_t edx_notify_watchdog_usec(void)
{
    uint64_t usec = 0;
    return sd_watchdog_enabled(0, &usec) > 0 ? usec : 0;
}
