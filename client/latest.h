/* The newest decoded result of every topic, and the alarms that nobody has acknowledged yet. */
#ifndef EDX_CLIENT_LATEST_H
#define EDX_CLIENT_LATEST_H

#include <stdbool.h>

#include "client/message.h"
#include "proto/result.h"

typedef struct edx_latest edx_latest;

edx_latest *edx_latest_new(void);
void edx_latest_free(edx_latest **model);

/* Decodes a message of edxd and makes it the newest of its topic; takes the message over, whatever
 * comes out. A message that cannot be decoded leaves the one before. Results of another acquisition
 * than the newest status, and older, are dropped. */
edx_status edx_latest_take(edx_latest *model, edx_message *message, edx_error *err);

/* Takes over a reply to "history": from now on topic shows that message. STATE with the daemon's
 * words when it refused. */
edx_status edx_latest_past(edx_latest *model, edx_result_topic topic, edx_message *reply,
                           edx_error *err);
/* Every topic shows its newest again. */
void edx_latest_present(edx_latest *model);

/* What topic shows, NULL when nothing came. Valid until the model changes. */
const edx_result *edx_latest_get(const edx_latest *model, edx_result_topic topic);
/* What every body carries, of any decoded result. */
const edx_result_head *edx_result_head_of(const edx_result *result);

/* Seconds since the newest message of topic came, at the monotonic time now; NaN: none yet. */
double edx_latest_age(const edx_latest *model, edx_result_topic topic, double now);
/* Seconds that what topic shows is behind what edxd has sent, as its status tells; 0 when it is
 * not. */
double edx_latest_behind(const edx_latest *model, edx_result_topic topic);

/* The frames that the latest messages of edx.trend said are needed, oldest first, at most 8, of
 * this acquisition; none while an earlier message is shown. */
const double *edx_latest_forecasts(const edx_latest *model, size_t *n);

typedef struct edx_latched {
    edx_alarm alarm; /* active as edxd said last */
    bool acknowledged;
} edx_latched;

/* Alarms that are active or not acknowledged, the gravest unacknowledged first. */
const edx_latched *edx_latest_alarms(const edx_latest *model, size_t *n);
void edx_latest_acknowledge(edx_latest *model);
/* True once after an alarm was raised. */
bool edx_latest_rang(edx_latest *model);

#endif
