#include "text/protobuf.h"

#include <string.h>

static int varint(at_pb *pb, uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 64 && pb->p < pb->end; shift += 7) {
        unsigned char byte = *pb->p++;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80)) return 1;
    }
    return 0;
}

static int fixed(at_pb *pb, size_t n) {
    if ((size_t)(pb->end - pb->p) < n) return 0;
    pb->value = 0;
    for (size_t i = 0; i < n; i++) pb->value |= (uint64_t)pb->p[i] << 8 * i;
    pb->p += n;
    return 1;
}

static int bytes(at_pb *pb) {
    uint64_t len;
    if (!varint(pb, &len) || len > (uint64_t)(pb->end - pb->p)) return 0;
    pb->bytes = pb->p;
    pb->len = (size_t)len;
    pb->p += len;
    return 1;
}

int at_pb_next(at_pb *pb) {
    uint64_t key;
    int ok = 0;
    if (pb->p >= pb->end || pb->broken) return 0;
    if (varint(pb, &key) && key >> 3 && key >> 3 < (1u << 29)) {
        pb->number = (uint32_t)(key >> 3);
        pb->type = (int)(key & 7);
        if (pb->type == AT_PB_VARINT) ok = varint(pb, &pb->value);
        if (pb->type == AT_PB_64) ok = fixed(pb, 8);
        if (pb->type == AT_PB_32) ok = fixed(pb, 4);
        if (pb->type == AT_PB_BYTES) ok = bytes(pb);
    }
    pb->broken = !ok;
    return ok;
}

float at_pb_float(const at_pb *pb) {
    uint32_t bits = (uint32_t)pb->value;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}
