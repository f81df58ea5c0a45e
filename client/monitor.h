/* The live monitor: feed and keys in, pictures out. */
#ifndef EDX_CLIENT_MONITOR_H
#define EDX_CLIENT_MONITOR_H

#include "client/feed.h"
#include "client/view.h"

/* Shows the feed until 'q' or a signal. history is asked at the control endpoint. */
edx_status edx_monitor_run(edx_feed *feed, const char *control, edx_view *view, edx_depth depth,
                           edx_error *err);

/* Waits until every topic that the status names is there, at most timeout_s, and writes one picture
 * of rows x cols to standard output. END when nothing came at all. */
edx_status edx_monitor_once(edx_feed *feed, edx_view *view, edx_depth depth, int rows, int cols,
                            double timeout_s, edx_error *err);

#endif
