/* Windows of texts that are longer than a model reads, row after row. */
#ifndef AT_TASK_WINDOW_LIST_H
#define AT_TASK_WINDOW_LIST_H

#include "base/err.h"

typedef struct at_window {
    int row, first, end;      /* what is read of the row: words, or tokens of its text */
    int answers, answers_end; /* what is answered of it, where a task deals that out */
} at_window;

/* A long text's arrays are idle (room.h) after so many windows. */
enum { AT_IDLE_WINDOWS = 256 };

/* Zero-initialise; at_room_free(of) ends it. */
typedef struct at_window_list {
    at_window *of;
    int n, cap;
} at_window_list;

at_status at_window_list_add(at_window_list *list, at_window window, at_error *err);

#endif
