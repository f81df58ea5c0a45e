/* How far an update may go on with what need not follow every frame. That is done piece by piece,
 * each of the counts as they are when it begins, and what has to wait goes on with the next update;
 * nothing is added to the counts while an update is under way. */
#ifndef EDX_ANALYSIS_PACE_H
#define EDX_ANALYSIS_PACE_H

#include <stdbool.h>
#include <stddef.h>

/* NULL where a pace is asked for: everything at once. */
typedef struct edx_pace {
    void *context;
    bool (*begin)(void *context); /* whether there is time for a piece */
    void (*end)(void *context);   /* of the piece that began */
} edx_pace;

static inline bool edx_pace_begin(const edx_pace *pace)
{
    return pace == NULL || pace->begin(pace->context);
}

static inline void edx_pace_end(const edx_pace *pace)
{
    if (pace != NULL)
        pace->end(pace->context);
}

#endif
