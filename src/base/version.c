#include "attune.h"

#define TEXT(x) #x
#define DOTTED(a, b, c) TEXT(a) "." TEXT(b) "." TEXT(c)

const char *at_version(void) { return DOTTED(AT_VERSION_MAJOR, AT_VERSION_MINOR, AT_VERSION_PATCH); }
