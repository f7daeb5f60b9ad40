/* Reading protocol buffers: the fields of one message, one after the other, over bytes that nobody vouches for. */
#ifndef AT_TEXT_PROTOBUF_H
#define AT_TEXT_PROTOBUF_H

#include <stddef.h>
#include <stdint.h>

enum { AT_PB_VARINT = 0, AT_PB_64 = 1, AT_PB_BYTES = 2, AT_PB_32 = 5 };

typedef struct at_pb {
    const unsigned char *p, *end;
    int broken; /* the bytes are no message */
    /* the field that at_pb_next found */
    uint32_t number;
    int type;
    uint64_t value; /* VARINT, 64, 32 */
    const unsigned char *bytes;
    size_t len; /* BYTES */
} at_pb;

static inline at_pb at_pb_of(const void *bytes, size_t len) {
    return (at_pb){.p = bytes, .end = len ? (const unsigned char *)bytes + len : bytes};
}

/* 1 where there is a field; else the message is at its end, or broken. */
int at_pb_next(at_pb *pb);

float at_pb_float(const at_pb *pb); /* of a 32-bit field */

#endif
