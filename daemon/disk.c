#include "daemon/disk.h"

#include <stdarg.h>
#include <stdio.h>

static void show(edx_disk *disk, int64_t since_frame)
{
    for (int cause = 0; cause < EDX_DISK_CAUSES; cause++) {
        if (disk->fails[cause]) {
            const char *severity = cause == EDX_DISK_SLOW ? "warning" : "error";
            edx_alarms_raise(disk->alarms, "disk", severity, since_frame, "%s", disk->said[cause]);
            return;
        }
    }
    edx_alarms_clear(disk->alarms, "disk");
}

void edx_disk_fails(edx_disk *disk, edx_disk_cause cause, int64_t since_frame, const char *message,
                    ...)
{
    va_list args;
    va_start(args, message);
    vsnprintf(disk->said[cause], sizeof disk->said[cause], message, args);
    va_end(args);
    disk->fails[cause] = true;
    show(disk, since_frame);
}

void edx_disk_works(edx_disk *disk, edx_disk_cause cause)
{
    if (disk->fails[cause]) {
        disk->fails[cause] = false;
        show(disk, 0);
    }
}
