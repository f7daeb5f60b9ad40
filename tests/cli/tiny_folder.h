/* A trained classifier of 2 layers (tests/golden/data/pooler) with a vocabulary of letters, in a folder of its own. */
#ifndef AT_TESTS_TINY_FOLDER_H
#define AT_TESTS_TINY_FOLDER_H

#include "cli/program.h"

/* Sets $D to a new folder with model/ in it; the shell lines of the tests use it. */
static inline int tiny_folder_make(void **state) {
    (void)state;
    char folder[] = "/tmp/attune-tiny-XXXXXX", line[8192];
    if (!mkdtemp(folder)) return 1;
    setenv("D", folder, 1);
    snprintf(line, sizeof line,
             "mkdir $D/model && cp %s/config.json %s/model.safetensors $D/model && cd $D/model && "
             "printf '%%s\\n' '[PAD]' '[UNK]' '[CLS]' '[SEP]' '[MASK]' {a..z} ',' . '##a' '##e' '##o' good bad '##d' '##s' > vocab.txt && "
             "echo '{\"do_lower_case\": true, \"tokenizer_class\": \"BertTokenizer\"}' > tokenizer_config.json && "
             "printf 'text,label,id\\ngood,class a,1\\n\"a, b\",class b,2\\nc,class c,3\\nd bad,class a,4\\n' > $D/rows.csv",
             check_source("golden/data/pooler"), check_source("golden/data/pooler"));
    program_run run = program_shell(line);
    int failed = run.code;
    if (failed) printf("%s%s", run.out, run.err);
    program_free(&run);
    return failed;
}

static inline int tiny_folder_remove(void **state) {
    (void)state;
    program_run run = program_shell("rm -rf \"$D\"");
    program_free(&run);
    return 0;
}

#endif
