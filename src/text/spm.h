/* A SentencePiece .model file (sentencepiece_model.proto) taken apart. Private to src/text. */
#ifndef AT_TEXT_SPM_H
#define AT_TEXT_SPM_H

#include "text/parts.h"

enum { AT_SPM_UNIGRAM = 1, AT_SPM_BPE, AT_SPM_WORD, AT_SPM_CHAR };
enum { AT_PIECE_NORMAL = 1, AT_PIECE_UNKNOWN, AT_PIECE_CONTROL, AT_PIECE_USER_DEFINED, AT_PIECE_UNUSED, AT_PIECE_BYTE };

typedef struct at_spm_piece {
    const char *text; /* not NUL-terminated; valid UTF-8 without NUL, 1 to AT_TOKEN_BYTES bytes */
    size_t len;
    float score; /* finite */
    int type;
} at_spm_piece;

typedef struct at_spm { /* what points into the file lives as long as its bytes */
    at_spm_piece *piece;
    int n;
    int model_type, byte_fallback, unknown;
    const unsigned char *charsmap;
    size_t charsmap_len;
    at_spm_rules rules;
} at_spm;

/* read_spm_class.c: the class of transformers that `config` names ("AlbertTokenizer", ..., also with Fast), where it reads these files in a way of its
 * own; NULL where it does not. */
typedef struct at_spm_class at_spm_class;
const at_spm_class *at_spm_class_find(const json_t *config);
/* read_spm.c: t->vocab and t->model as transformers makes them of such a file of BPE: every way to cut a piece, of whatever type, in two pieces is a merge, and
 * those of a piece come before those of the next, the shortest beginning first. */
at_status at_tokenizer_set_spm_bpe(at_tokenizer *t, const char *path, const at_spm *spm, const char *unknown, at_error *err);
/* As that class of transformers 5.23 reads the file. `config`, `added`: as of at_tokenizer_read_spm. */
at_status at_tokenizer_read_spm_class(at_tokenizer *t, const char *path, const at_spm *spm, const at_spm_class *class, const json_t *config,
                                      const json_t *added, at_error *err);

#endif
