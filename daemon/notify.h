/* What systemd wants to know of us. Knows libsystemd; does nothing outside a unit. */
#ifndef EDX_DAEMON_NOTIFY_H
#define EDX_DAEMON_NOTIFY_H

#include <stdint.h>

void edx_notify_ready(void);
void edx_notify_stopping(void);
void edx_notify_watchdog(void);
/* A line for systemctl status, printf style. */
void edx_notify_status(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* Asks for that much more time to start or stop, from now on. */
void edx_notify_extend(uint64_t usec);
/* The watchdog's period in microseconds; 0 when none is asked for. */
uint64_t edx_notify_watchdog_usec(void);

#endif
