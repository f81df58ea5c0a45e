/* The alarm `disk`: what is wrong with the disk, as long as any of it is. */
#ifndef EDX_DAEMON_DISK_H
#define EDX_DAEMON_DISK_H

#include <stdbool.h>
#include <stdint.h>

#include "daemon/alarms.h"

/* The worst first: the alarm says the first of those that stand. */
typedef enum edx_disk_cause {
    EDX_DISK_RECORD, /* the recording takes nothing */
    EDX_DISK_SYNC,   /* it cannot be forced to the disk */
    EDX_DISK_STORE,  /* results cannot be stored */
    EDX_DISK_SLOW,
    EDX_DISK_CAUSES
} edx_disk_cause;

typedef struct edx_disk {
    edx_alarms *alarms;
    bool fails[EDX_DISK_CAUSES];
    char said[EDX_DISK_CAUSES][sizeof((edx_alarm *)0)->message];
} edx_disk;

void edx_disk_fails(edx_disk *disk, edx_disk_cause cause, int64_t since_frame, const char *message,
                    ...) __attribute__((format(printf, 4, 5)));
void edx_disk_works(edx_disk *disk, edx_disk_cause cause);

#endif
