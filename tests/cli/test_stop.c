/* at_train is asked to stop at any moment, step 1 included; the same call then comes to the same end. */
#include "cli/same_run.h"

typedef struct listening {
    long asked, stop_at; /* stop is said at this question (counted from 0) and only there; -1: never */
    long asked_after;    /* questions after the word was given */
    const char *until;   /* a file at whose sight stop is said, or NULL */
    int slices;          /* the note that features are there already */
    int tokens;          /* the note that the tokens are */
} listening;

static int stop(void *context) {
    listening *l = context;
    if (l->until && !access(l->until, F_OK)) return 1;
    if (l->stop_at >= 0 && l->asked > l->stop_at) l->asked_after++;
    return l->asked++ == l->stop_at;
}

static void hear(void *context, const at_event *event) {
    if (event->text && strstr(event->text, "examples are there already")) ((listening *)context)->slices++;
    if (event->text && strstr(event->text, "tokens of an earlier start are there")) ((listening *)context)->tokens++;
}

/* Settings as name, value, ..., NULL. Files are below $D. */
static at_status train_with(const char *const *settings, const char *output, listening *l, at_error *err) {
    char path[4200];
    at_options *o = at_options_new(AT_CMD_TRAIN);
    const at_listener listener = {l, hear, stop};
    for (; *settings; settings += 2) {
        snprintf(path, sizeof path, "%s/%s", getenv("D"), settings[1]);
        check_ok(at_options_set(o, settings[0], access(path, F_OK) ? settings[1] : path, err), err);
    }
    snprintf(path, sizeof path, "%s/%s", getenv("D"), output);
    check_ok(at_options_set(o, "output", path, err), err);
    l->asked = l->asked_after = l->slices = l->tokens = 0;
    at_status st = at_train(o, &listener, err);
    at_options_free(o);
    return st;
}

static const char *const TWO_STEP[] = {"model", "model", "train", "train.csv", "folds", "2", "epochs", "2", "threads", "2", NULL};
static const char *const HEAD[] = {"model", "model", "train", "train.csv", "method", "head", "head", "pooler", "threads", "2", NULL};
static const char *const LARGE[] = {"model", "model", "train", "large.csv", "method", "head", "head", "mean", "threads", "2", NULL};

/* Stopped at questions that lie ever further apart, each time from the beginning, and gone on with. */
static void stop_everywhere(const char *const *settings) {
    at_error err;
    listening l = {.stop_at = -1};
    program_expect("rm -rf $D/calm", 0, "", "");
    check_ok(train_with(settings, "calm", &l, &err), &err);
    long all = l.asked;
    assert_true(all > 100);
    for (long at = 0; at < all; at += 1 + at * 2 / 3) {
        program_expect("rm -rf $D/stopped", 0, "", "");
        l.stop_at = at;
        check_fails(train_with(settings, "stopped", &l, &err), AT_STOPPED, &err, "stopped");
        if (l.asked_after > 8) fail_msg("stopped at question %ld of %ld, and %ld came after it", at, all, l.asked_after);
        l.stop_at = -1;
        check_ok(train_with(settings, "stopped", &l, &err), &err);
        program_expect(SAME "cd $D && same calm stopped", 0, "", "");
    }
}

static void two_step(void **state) {
    (void)state;
    stop_everywhere(TWO_STEP);
}

static void head(void **state) {
    (void)state;
    stop_everywhere(HEAD);
}

/* Features are kept in slices: what is there is not computed again. */
static void features_go_on_where_they_were(void **state) {
    (void)state;
    at_error err;
    listening l = {.stop_at = -1};
    tiny_rows_write("large.csv", 20000, 5);
    check_ok(train_with(LARGE, "large", &l, &err), &err);
    assert_int_equal(l.slices + l.tokens, 0);
    char first[4200];
    snprintf(first, sizeof first, "%s/again/work/features-mean.done", getenv("D"));
    l.until = first; /* the first slice is kept */
    check_fails(train_with(LARGE, "again", &l, &err), AT_STOPPED, &err, " examples");
    l.until = NULL;
    check_ok(train_with(LARGE, "again", &l, &err), &err);
    assert_int_equal(l.slices, 1);
    assert_int_equal(l.tokens, 1);
    program_expect(SAME "cd $D && same large again", 0, "", "");
}

typedef at_status (*command)(const at_options *o, const at_listener *listener, at_error *err);

static at_status answer_with(unsigned which, command run, const char *data, listening *l, at_error *err) {
    const at_listener listener = {l, hear, stop};
    char path[3][4200];
    const char *const name[] = {which == AT_CMD_EMBED ? "model" : "large", "large.csv", "answers"};
    for (int i = 0; i < 3; i++) snprintf(path[i], sizeof path[i], "%s/%s", getenv("D"), name[i]);
    at_options *o = at_options_new(which);
    check_ok(at_options_set(o, "model", path[0], err), err);
    check_ok(at_options_set(o, data, path[1], err), err);
    check_ok(at_options_set(o, "output", path[2], err), err);
    l->asked = l->asked_after = 0;
    at_status st = run(o, &listener, err);
    at_options_free(o);
    return st;
}

/* Answers are stopped between chunks of texts, not at the end of them all; nothing is left behind. */
static void answers_stop_between_chunks(void **state) {
    (void)state;
    static const struct {
        unsigned which;
        command run;
        const char *data;
    } COMMANDS[] = {{AT_CMD_EVAL, at_evaluate, "data"}, {AT_CMD_PREDICT, at_predict_file, "input"}, {AT_CMD_EMBED, at_embed_file, "input"}};
    at_error err;
    for (int i = 0; i < 3; i++) {
        listening l = {.stop_at = -1};
        check_ok(answer_with(COMMANDS[i].which, COMMANDS[i].run, COMMANDS[i].data, &l, &err), &err);
        if (l.asked < 40) fail_msg("%s: asked only %ld times", COMMANDS[i].data, l.asked);
        program_expect("rm -r $D/answers", 0, "", "");
        l.stop_at = l.asked / 2;
        check_fails(answer_with(COMMANDS[i].which, COMMANDS[i].run, COMMANDS[i].data, &l, &err), AT_STOPPED, &err, "stopped");
        if (l.asked_after > 8) fail_msg("%s: %ld questions after the word", COMMANDS[i].data, l.asked_after);
        program_expect("! ls -A $D | grep -q answers", 0, "", "");
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_step),
        cmocka_unit_test(head),
        cmocka_unit_test(features_go_on_where_they_were),
        cmocka_unit_test(answers_stop_between_chunks),
    };
    return cmocka_run_group_tests(tests, tiny_rows_make, tiny_folder_remove);
}
