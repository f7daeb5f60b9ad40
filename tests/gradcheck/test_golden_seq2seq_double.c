/* The golden test of whole models once more in double, where a small error of a backward pass cannot hide in rounding. */
#include "../golden/test_golden_seq2seq.c"
