#include <string.h>

#include "model/family.h"

#define FAMILIES(X)                                                                                              \
    X(bert) X(roberta) X(xlm_roberta) X(camembert) X(distilbert) X(electra) X(albert) X(mpnet) X(deberta_v2)     \
    X(modernbert) X(nomic_bert) X(gpt2) X(gpt_neox) X(llama) X(mistral) X(qwen2) X(qwen3) X(gemma2) X(gemma3_text) X(phi3) X(olmo2) \
    X(t5) X(mt5) X(bart)

#define DECLARE(name) extern const at_family at_family_##name;
FAMILIES(DECLARE)

#define ADDRESS(name) &at_family_##name,
static const at_family *const LIST[] = {FAMILIES(ADDRESS) NULL};

const at_family *at_family_at(int i) { return LIST[i]; }

const at_family *at_family_find(const char *model_type) {
    for (int i = 0; LIST[i]; i++)
        if (!strcmp(LIST[i]->model_type, model_type)) return LIST[i];
    return NULL;
}
