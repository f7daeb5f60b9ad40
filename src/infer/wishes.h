/* What a person asks for of a text that is written; it wins over what the model's folder says. */
#ifndef AT_INFER_WISHES_H
#define AT_INFER_WISHES_H

enum { AT_MOST_BEAMS = 1024 };

typedef struct at_writing_wishes {
    int most_new, beams, no_repeat, early; /* tokens, texts, tokens of a run, at_early; -1: as the folder says */
    double length_penalty;                 /* NAN: as the folder says */
} at_writing_wishes;

#endif
