#include "task/window_list.h"

#include "base/room.h"

at_status at_window_list_add(at_window_list *list, at_window window, at_error *err) {
    if (list->n == list->cap) {
        int cap = 2 * list->cap + 256;
        at_window *more = at_room_resize(list->of, (size_t)cap * sizeof *more);
        if (!more) return at_fail_memory(err, (size_t)cap * sizeof *more);
        list->of = more;
        list->cap = cap;
    }
    list->of[list->n++] = window;
    return AT_OK;
}
