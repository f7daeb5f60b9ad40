/* Rooms: arrays that grow, on the heap while they are small. Large ones lie in a file without a name that is mapped (at_pages_map), so that
 * private memory does not grow with a user's data; where the disk has no room for it, on the heap. */
#ifndef AT_BASE_ROOM_H
#define AT_BASE_ROOM_H

#include "base/arena.h"

/* From here on memory that grows with data is in a file: what the heap, too, would give pages of their own. */
enum { AT_MAPPED_BYTES = 1 << 17 };

/* As realloc: `room` NULL begins one; NULL where there is no memory, and `room` is as it was. For any type, not zeroed. */
void *at_room_resize(void *room, size_t bytes);
void at_room_free(void *room);

/* Pages that lie in files leave the resident memory of the process until they are touched again; nothing is lost, and any thread may go on
 * with them meanwhile. For what is done with, for now. Nothing where all is on the heap. */
void at_room_idle(void *room);
void at_arena_idle(const at_arena *arena);
/* For step `i` of a long loop: idle at every `every`-th. */
static inline void at_arena_pass(const at_arena *arena, size_t i, size_t every) {
    if (i % every == every - 1) at_arena_idle(arena);
}
/* memcpy in pieces; the arena's pages, among them those of `to` or `from`, are idle after each. */
void at_arena_copy(const at_arena *arena, void *to, const void *from, size_t bytes);

#endif
