/* A team: threads that share one piece of work for a microsecond or more, where a pool (thread.h) would spend longer waking them. Between two
 * calls its members watch for the next one for a moment before they sleep. */
#ifndef AT_BASE_TEAM_H
#define AT_BASE_TEAM_H

#include "base/err.h"

typedef struct at_team at_team;

/* n_threads counts the caller; 1 starts no thread. */
at_status at_team_open(at_team **team, int n_threads, at_error *err);
void at_team_close(at_team *team);
int at_team_parts(const at_team *team); /* 1 for NULL */

/* task(context, part, parts) once for each part, by whichever member is free (parts must not wait for each other: on a busy machine the caller may do
 * all of them); returns when all are done. One caller at a time; team NULL: the caller alone. */
void at_team_run(at_team *team, void (*task)(void *context, int part, int parts), void *context);

#endif
