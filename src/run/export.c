/* attune export: a model folder as the file of another program. A format is a row of the table; what it takes from the folder beyond the
 * settings is its own affair. */
#include "export/export.h"

#include <string.h>

#include "base/file.h"
#include "base/str.h"
#include "model/gguf.h"
#include "run/events.h"
#include "run/models.h"
#include "run/settings.h"

typedef struct exporting {
    const at_options *options;
    const at_listener *listener;
    at_arena arena;
    const char *folder, *output;
} exporting;

static at_status to_onnx(exporting *e, at_error *err) {
    at_pool *pool = NULL;
    at_model *model = NULL;
    AT_TRY(at_pool_open(&pool, at_cpu_count(), err));
    at_model_options options = {.head = AT_HEAD_NONE, .keep_head = 1, .pool = pool};
    at_status st = at_model_open(e->folder, &options, &model, err);
    if (!st) st = at_export_onnx(model, e->output, err);
    at_model_close(model);
    at_pool_close(pool);
    return st;
}

/* Tokens that were added to a tokenizer without rows for them in the model: GGUF counts its vocabulary by the rows. */
static void tell_tokens_left_out(const exporting *e, const at_model *model) {
    at_tokenizer *tokenizer;
    if (at_model_tokenizer_open(e->folder, &tokenizer, NULL)) return; /* the export has its own reader, and its own errors */
    int more = at_tokenizer_size(tokenizer) - model->arch.vocab_size;
    at_tokenizer_close(tokenizer);
    if (more > 0)
        at_tell_warning(e->listener, "the tokenizer has %d token%s more than the %d words of the model, and GGUF no place for what is beyond them: such texts are cut otherwise there",
                        more, more == 1 ? "" : "s", model->arch.vocab_size);
}

/* Decoders as language models, encoders without what was put on them. */
static at_status to_gguf(exporting *e, at_error *err) {
    at_pool *pool = NULL;
    at_model *model = NULL;
    at_model_options options = {.head = AT_HEAD_NONE, .keep_head = 1, .sizes_only = 1};
    AT_TRY(at_model_open(e->folder, &options, &model, err));
    int causal = model->arch.causal, classifies = model->trained_head && model->head.kind != AT_HEAD_EMBED && model->head.kind != AT_HEAD_LM;
    at_model_close(model);
    if (causal && classifies) return at_fail(err, AT_USAGE, "%s: has a trained prediction network, which GGUF has no place for", e->folder);
    if (classifies)
        at_tell_warning(e->listener, "the trained prediction network has no place in GGUF; what is written is the body, for embeddings");
    AT_TRY(at_pool_open(&pool, at_cpu_count(), err));
    options = (at_model_options){.head = causal ? AT_HEAD_LM : AT_HEAD_NONE, .keep_head = 1, .pool = pool};
    at_status st = at_model_open(e->folder, &options, &model, err);
    if (!st) st = at_export_gguf(model, at_options_text(e->options, "type", "f16"), e->output, err);
    if (!st) tell_tokens_left_out(e, model);
    at_model_close(model);
    at_pool_close(pool);
    return st;
}

/* The folder again, for other tools, in the type that is asked for; a GGUF file becomes a folder. */
static at_status to_safetensors(exporting *e, at_error *err) {
    static const char *const TYPES[] = {"f32", "f16", "bf16", NULL};
    const char *type = at_options_text(e->options, "type", "f32");
    int form = at_word_index(type, TYPES);
    at_pool *pool = NULL;
    at_model *model = NULL;
    if (form < 0) return at_fail(err, AT_USAGE, "--type %s: safetensors take f32, f16 or bf16", type);
    if (at_file_exists(e->output)) return at_fail(err, AT_USAGE, "%s is there already; name a folder that is not", e->output);
    AT_TRY(at_pool_open(&pool, at_cpu_count(), err));
    at_model_options options = {.head = AT_HEAD_NONE, .keep_head = 1, .pool = pool};
    at_status st = at_model_open(e->folder, &options, &model, err);
    if (!st && (st = at_model_save_as(model, (at_saved_form)form, e->output, err))) at_folder_remove(e->output, NULL);
    at_model_close(model);
    at_pool_close(pool);
    return st;
}

static const struct {
    const char *name; /* as in the choices of the setting `to` */
    at_status (*write)(exporting *e, at_error *err);
} FORMATS[] = {{"onnx", to_onnx}, {"gguf", to_gguf}, {"safetensors", to_safetensors}};

static at_status export_model(exporting *e, at_error *err) {
    const char *name = at_options_text(e->options, "model", NULL), *to = at_options_text(e->options, "to", "");
    e->output = at_options_text(e->options, "output", NULL);
    if (!name) return at_fail(err, AT_USAGE, "--model is missing: the folder of a model");
    if (!e->output) return at_fail(err, AT_USAGE, "--output is missing: the file (of safetensors the folder) to write");
    AT_TRY(at_model_folder_find(&e->arena, name, &e->folder, err));
    for (size_t i = 0; i < sizeof FORMATS / sizeof *FORMATS; i++)
        if (!strcmp(FORMATS[i].name, to)) AT_TRY(FORMATS[i].write(e, err));
    at_tell(e->listener, "done", json_pack("{s:s, s:s, s:s}", "model", e->folder, "to", to, "output", e->output), "wrote %s", e->output);
    return AT_OK;
}

at_status at_export(const at_options *options, const at_listener *listener, at_error *err) {
    exporting e = {.options = options, .listener = listener};
    at_status st = export_model(&e, err);
    at_arena_free(&e.arena);
    return st;
}
