#include "report/model_card.h"

#include <stdio.h>
#include <string.h>

#include "base/str.h"
#include "base/file.h"

/* ---- names ---- */

static const char *last_part(const char *path, at_arena *arena) {
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    size_t begin = n;
    while (begin && path[begin - 1] != '/') begin--;
    const char *part = at_strndup(arena, path + begin, n - begin);
    return part ? part : "";
}

static int is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '_' || c == '.';
}

/* "org/name" of letters that the hub allows, and no folder of that path. */
static int is_hub_name(const char *base) {
    int slashes = 0;
    if (!is_name_character(*base) || *base == '.') return 0;
    for (const char *p = base; *p; p++) {
        slashes += *p == '/';
        if (!is_name_character(*p) && *p != '/') return 0;
    }
    return slashes == 1 && base[strlen(base) - 1] != '/' && !at_is_folder(base);
}

const char *at_card_hub_name(const char *base, at_arena *arena) {
    static const char CACHE[] = "models--";
    if (!base) return NULL;
    if (is_hub_name(base)) return base;
    const char *folder = strstr(base, CACHE);
    if (!folder || (folder > base && folder[-1] != '/')) return NULL;
    folder += sizeof CACHE - 1;
    const char *between = strstr(folder, "--"), *end = strchr(folder, '/');
    if (!end) end = folder + strlen(folder);
    if (!between || between >= end) return NULL;
    return at_format(arena, "%.*s/%.*s", (int)(between - folder), folder, (int)(end - between - 2), between + 2);
}

/* ---- pieces of text ---- */

/* A YAML string in double quotes. */
static void add_yaml(at_str *s, const char *text) {
    at_str_add(s, "\"");
    for (const char *p = text; *p; p++) {
        if (*p == '"' || *p == '\\') at_str_add(s, "\\");
        if ((unsigned char)*p < ' ') at_str_addf(s, "\\x%02x", (unsigned)(unsigned char)*p);
        else at_str_add_bytes(s, p, 1);
    }
    at_str_add(s, "\"");
}

/* Text in a cell of a table or a line: what Markdown would take for its own is escaped. */
static void add_plain(at_str *s, const char *text) {
    for (const char *p = text; *p; p++) {
        if (strchr("\\|`*_<>[]#", *p)) at_str_add(s, "\\");
        at_str_add_bytes(s, (unsigned char)*p < ' ' ? " " : p, 1);
    }
}

static void add_part(at_str *s, const char *path) { add_plain(s, last_part(path, s->arena)); }

/* ---- front matter ---- */

static void add_metric_names(at_str *s, const at_card *c) {
    const at_card_result *r = c->test.n ? &c->test : &c->eval;
    if (r->n && r->n_metrics) at_str_add(s, "metrics:\n");
    for (int i = 0; i < r->n_metrics && r->n; i++) at_str_addf(s, "- %s\n", r->metric[i].name);
}

static const char *pipeline_of(const at_card *c) { return c->pipeline ? c->pipeline : "text-classification"; }

static void add_front(at_str *s, const at_card *c) {
    const char *hub = at_card_hub_name(c->base, s->arena);
    at_str_addf(s, "---\nlibrary_name: %s\npipeline_tag: %s\n", c->library == AT_CARD_TRANSFORMERS ? "transformers" : "sentence-transformers", pipeline_of(c));
    if (hub) {
        at_str_add(s, "base_model: ");
        add_yaml(s, hub);
        at_str_add(s, "\n");
    }
    at_str_addf(s, "tags:\n- attune\n- %s\n", pipeline_of(c));
    add_metric_names(s, c);
    at_str_add(s, "---\n\n");
}

/* ---- what it is ---- */

static void add_what(at_str *s, const at_card *c) {
    const char *hub = at_card_hub_name(c->base, s->arena);
    at_str_add(s, "# ");
    add_part(s, c->folder ? c->folder : "model");
    at_str_addf(s, "\n\nA %s of %s", c->noun ? c->noun : "classifier", c->pairs ? "pairs of texts" : "texts");
    if (c->n_labels) at_str_addf(s, " with %d labels", c->n_labels);
    at_str_add(s, ", fine-tuned");
    if (c->base) {
        at_str_add(s, " from ");
        if (hub) add_plain(s, hub);
        else add_part(s, c->base);
    }
    at_str_addf(s, " with attune %s.", at_version());
    if (c->family) at_str_addf(s, " Family: %s.", c->family);
    if (c->n_parameters) at_str_addf(s, " Parameters: %.1f million.", (double)c->n_parameters / 1e6);
    if (c->max_tokens && c->longer) at_str_addf(s, " It reads %d tokens at once; %s.", c->max_tokens, c->longer);
    else if (c->max_tokens) at_str_addf(s, " It reads the first %d tokens of an input; what follows is cut off.", c->max_tokens);
    at_str_add(s, "\n\n");
}

static void add_labels(at_str *s, const at_card *c) {
    if (!c->n_labels) return;
    at_str_add(s, "## Labels\n\n| id | label | rows trained on |\n|---:|---|---:|\n");
    for (int i = 0; i < c->n_labels; i++) {
        at_str_addf(s, "| %d | ", i);
        add_plain(s, c->label[i].name);
        at_str_addf(s, " | %ld |\n", c->label[i].n_train);
    }
    at_str_addf(s, "\n%s%s", c->labels_note ? c->labels_note : "", c->labels_note ? "\n\n" : "");
}

static void add_training(at_str *s, const at_card *c) {
    at_str_addf(s, "## Training\n\nTrained on %ld rows", c->n_train);
    if (c->train_file) {
        at_str_add(s, " of ");
        add_part(s, c->train_file);
    }
    if (c->method) at_str_addf(s, ", method %s", c->method);
    if (c->head) at_str_addf(s, ", head %s", c->head);
    at_str_add(s, ".");
    if (c->kept) at_str_addf(s, " %s", c->kept);
    at_str_add(s, "\n\n");
    if (!c->n_settings) return;
    at_str_add(s, "| setting | value |\n|---|---|\n");
    for (int i = 0; i < c->n_settings; i++) {
        at_str_add(s, "| ");
        add_plain(s, c->setting[i].name);
        at_str_add(s, " | ");
        add_plain(s, c->setting[i].value ? c->setting[i].value : "");
        at_str_add(s, " |\n");
    }
    at_str_add(s, "\n");
}

/* ---- results ---- */

static void add_result(at_str *s, const at_card_result *r, const char *title) {
    if (!r->n) return;
    at_str_addf(s, "%s (%ld rows", title, r->n);
    if (r->file) {
        at_str_add(s, " of ");
        add_part(s, r->file);
    }
    at_str_add(s, ")\n\n| metric | value | 95% interval |\n|---|---:|---|\n");
    for (int i = 0; i < r->n_metrics; i++) {
        const at_card_metric *m = &r->metric[i];
        at_str_addf(s, "| %s | %.4f | ", m->name, m->value);
        if (isfinite(m->low) && isfinite(m->high)) at_str_addf(s, "%.3f to %.3f |\n", m->low, m->high);
        else at_str_add(s, "|\n");
    }
    at_str_add(s, "\n");
}

static const char *whose_rows(const at_card *c) {
    switch (c->judging) {
    case AT_CARD_JUDGED_FOLDS:
        return "The evaluation is out-of-fold: the data was cut into folds, and every row was answered by a model that had not been trained on it. The model "
               "in this folder was trained on all rows.";
    case AT_CARD_JUDGED_SPLIT: return "The evaluation rows were cut off the training file and not trained on.";
    default: return "The evaluation rows come from a file of their own and were not trained on.";
    }
}

static const char *what_they_chose(const at_card *c) {
    if (c->judging == AT_CARD_JUDGED_FOLDS) return "";
    if (c->averaged) return " What is kept is the mean of the training's last weights, not the state that did best on them; they decided no more than whether it is kept "
               "at all, and thresholds where there are any.";
    return " The best state of the model was chosen by them, so that their figures are a little too good.";
}

static void add_trust(at_str *s, const at_card *c) {
    enum { FEW = 300 };
    const at_card_result *r = c->test.n ? &c->test : &c->eval;
    at_str_add(s, "### How far to trust these figures\n\n");
    if (c->eval.n) at_str_addf(s, "%s%s\n", whose_rows(c), what_they_chose(c));
    if (c->test.n) at_str_add(s, "Nothing was chosen by the test rows: their figures are the ones to quote.\n");
    at_str_add(s, "The interval says how far chance alone, through the choice of the rows, may have moved a figure.");
    if (r->n < FEW) at_str_addf(s, " With %ld rows it is wide: a difference of a few points between two models means little.", r->n);
    at_str_add(s, "\nThe figures hold for texts like those; texts from elsewhere, or later, may be harder.\n\n");
}

static void add_results(at_str *s, const at_card *c) {
    if (!c->eval.n && !c->test.n) return;
    at_str_add(s, "## Results\n\n");
    add_result(s, &c->test, "Test");
    add_result(s, &c->eval, "Evaluation");
    add_trust(s, c);
}

static void add_notes(at_str *s, const at_card *c) {
    if (!c->n_notes) return;
    at_str_add(s, "## Worth knowing\n\n");
    for (int i = 0; i < c->n_notes; i++) {
        at_str_add(s, "- ");
        add_plain(s, c->note[i]);
        at_str_add(s, "\n");
    }
    at_str_add(s, "\n");
}

/* ---- use ---- */

static const char TRANSFORMERS_USE[] =
    "from transformers import pipeline\n\n"
    "model = pipeline(\"%s\", model=FOLDER%s%s)\n"
    "print(model(%s))\n";
static const char SENTENCES_USE[] =
    "from sentence_transformers import SentenceTransformer\n\n"
    "model = SentenceTransformer(FOLDER)\n"
    "logits = model.encode(%s)  # one row a text, one column a label in the order above\n"
    "print(logits.argmax(axis=1))\n";

static const char EMBEDDINGS_USE[] =
    "## Use\n\nFOLDER is the folder of this file. With attune:\n\n"
    "    attune embed --model FOLDER --input texts.txt --output vectors.npy\n"
    "    attune search --model FOLDER --corpus texts.txt --query \"what is looked for\"\n\n"
    "With sentence-transformers:\n\n```python\nfrom sentence_transformers import SentenceTransformer\n\n"
    "model = SentenceTransformer(FOLDER)\n"
    "vectors = model.encode([\"a text\", \"another\"])\n"
    "print(model.similarity(vectors, vectors))\n```\n";

static void add_use(at_str *s, const at_card *c) {
    if (c->library == AT_CARD_EMBEDDINGS) {
        at_str_add(s, EMBEDDINGS_USE);
        return;
    }
    int sentences = c->library == AT_CARD_SENTENCE_TRANSFORMERS;
    char text[128];
    snprintf(text, sizeof text, "\"%.100s\"", c->text ? c->text : "a new text");
    const char *texts = sentences ? "[\"a new text\"]" : c->pairs ? "{\"text\": \"the first text\", \"text_pair\": \"the second\"}" : text;
    const char *example = c->example ? c->example : c->pairs ? "--pairs $'the first text\\tthe second'" : text;
    at_str_addf(s, "## Use\n\nFOLDER is the folder of this file. With attune:\n\n    attune %s --model FOLDER %s\n\n", c->command ? c->command : "predict", example);
    if (sentences && c->pairs) return; /* its encode() takes no pairs */
    at_str_addf(s, "With %s:\n\n```python\n", sentences ? "sentence-transformers" : "transformers");
    const char *arguments = c->pipeline_arguments;
    if (c->use) at_str_add(s, c->use);
    else if (sentences) at_str_addf(s, SENTENCES_USE, texts);
    else at_str_addf(s, TRANSFORMERS_USE, pipeline_of(c), arguments ? ", " : "", arguments ? arguments : "", texts);
    at_str_add(s, "```\n");
}

at_status at_model_card(const at_card *card, at_arena *arena, char **text, at_error *err) {
    at_str s = {.arena = arena};
    add_front(&s, card);
    add_what(&s, card);
    add_labels(&s, card);
    add_training(&s, card);
    add_results(&s, card);
    add_notes(&s, card);
    add_use(&s, card);
    *text = s.text;
    return s.failed ? at_fail_memory(err, s.cap) : AT_OK;
}
