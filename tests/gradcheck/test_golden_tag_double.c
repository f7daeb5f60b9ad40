/* The golden test of labels of tokens once more in double. */
#include "../golden/test_golden_tag.c"
