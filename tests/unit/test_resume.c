/* Checkpoints: a stopped, killed or damaged run ends with the bits of one that was never disturbed. */
#include "check.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/str.h"
#include "tiny_training.h"

/* Hundreds of checkpoints are synced: in memory where the system has such a folder. */
static char in_memory[] = "/dev/shm/attune-resume-XXXXXX", on_disk[] = "/tmp/attune-resume-XXXXXX";
static const char *model_folder;
static char run_folder[64];

static double average; /* of the trainings that follow */

static tiny_training base(void) {
    tiny_training t = tiny_training_new(model_folder);
    t.hyper.eval_steps = 5;
    t.hyper.unfreeze_epochs = 0.6;
    t.hyper.learning_rate = 1e-2;
    t.hyper.average = average;
    t.hyper.save_seconds = 1e-9; /* at every step */
    t.run_folder = run_folder;
    return t;
}

static tiny_training undisturbed(void) {
    tiny_training t = base();
    t.run_folder = NULL;
    tiny_training_run(&t);
    check_ok(t.status, &t.err);
    return t;
}

static void clear(void) { at_folder_remove(run_folder, NULL); }

static void list(char ***names, int *n, at_arena *arena) {
    at_error err;
    check_ok(at_folder_list(arena, run_folder, names, n, &err), &err);
}

static void a_stop_at_every_step_changes_nothing(void **state) {
    (void)state;
    tiny_training whole = undisturbed(), t = base();
    assert_true(average > 0 || whole.best_step < whole.steps); /* else the best state is not put to the test */
    for (int stop = 0; stop < whole.steps; stop++) {
        t.stop_before = stop;
        tiny_training_run(&t);
        if (t.status != AT_STOPPED) fail_msg("stop before %d: %d %s", stop, (int)t.status, t.err.text);
        t.stop_before = -1;
        tiny_training_run(&t);
        assert_int_equal(t.resumed_from, stop);
        tiny_same_training(&whole, &t);
        assert_int_equal(t.warnings, 0);
        clear();
    }
    t.stop_before = 1; /* one step a process */
    for (int step = 0; step <= whole.steps; step++) tiny_training_run(&t); /* the last one evaluates and ends */
    tiny_same_training(&whole, &t);
    clear();
    tiny_training_free(&whole);
    tiny_training_free(&t);
}

/* Before steps, and between the chunks of an evaluation. */
static void a_stop_at_every_question_changes_nothing(void **state) {
    (void)state;
    tiny_training whole = undisturbed(), t = base();
    assert_true(whole.asked >= whole.steps + whole.evaluations);
    for (int stop = 0; stop < whole.asked; stop++) {
        t.stop_at = stop;
        tiny_training_run(&t);
        if (t.status != AT_STOPPED) fail_msg("stop at question %d: %d %s", stop, (int)t.status, t.err.text);
        t.stop_at = -1;
        tiny_training_run(&t);
        tiny_same_training(&whole, &t);
        clear();
    }
    t.stop_at = 0; /* in the evaluation before step 1, again and again */
    for (int i = 0; i < 3; i++) tiny_training_run(&t);
    assert_int_equal(t.status, AT_STOPPED);
    t.stop_at = -1;
    tiny_training_run(&t);
    tiny_same_training(&whole, &t);
    clear();
    tiny_training_free(&whole);
    tiny_training_free(&t);
}

/* With a mean of the weights under way. */
static void a_stopped_mean_goes_on(void **state) {
    average = 0.6;
    a_stop_at_every_step_changes_nothing(state);
    a_stop_at_every_question_changes_nothing(state);
    average = 0;
}

static void at_most_two_are_kept(void **state) {
    (void)state;
    tiny_training t = base();
    tiny_training_run(&t);
    check_ok(t.status, &t.err);
    at_arena arena = {0};
    char **names;
    int n;
    list(&names, &n, &arena);
    assert_int_equal(n, 2);
    assert_string_equal(names[0], "checkpoint-20");
    assert_string_equal(names[1], "checkpoint-21");
    tiny_training again = base(); /* a finished run that is called again has nothing left to do */
    tiny_training_run(&again);
    assert_int_equal(again.resumed_from, 21);
    assert_memory_equal(t.weights, again.weights, t.n_weights * sizeof *t.weights);
    assert_true(t.best_main == again.best_main);
    at_arena_free(&arena);
    clear();
    tiny_training_free(&t);
    tiny_training_free(&again);
}

static void kills_at_random_points_change_nothing(void **state) {
    (void)state;
    tiny_training whole = undisturbed(), t = base();
    struct timespec began, ended;
    clock_gettime(CLOCK_MONOTONIC, &began);
    tiny_training_run(&t);
    clock_gettime(CLOCK_MONOTONIC, &ended);
    uint64_t micros = (uint64_t)((ended.tv_sec - began.tv_sec) * 1000000 + (ended.tv_nsec - began.tv_nsec) / 1000);
    clear();
    int killed = 0;
    for (uint64_t round = 0; killed < 20 && round < 100; round++) { /* on a busy machine many are done before the kill */
        for (uint64_t kill_nth = 0; kill_nth < 3; kill_nth++) { /* killed up to three times on its way */
            pid_t child = fork();
            if (!child) {
                tiny_training_run(&t);
                _exit(t.status != AT_OK);
            }
            usleep((useconds_t)at_random_below(7, round * 3 + kill_nth, micros));
            int how;
            kill(child, SIGKILL);
            waitpid(child, &how, 0);
            killed += WIFSIGNALED(how);
        }
        tiny_training_run(&t);
        tiny_same_training(&whole, &t);
        clear();
    }
    assert_true(killed >= 20);
    tiny_training_free(&whole);
    tiny_training_free(&t);
}

static void flip(const char *path, off_t at) {
    int fd = open(path, O_RDWR);
    unsigned char byte;
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= (unsigned char)(1 << (at % 8));
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    close(fd);
}

/* Makes checkpoints 11 and 12, the latter with a best state of its own. */
static void make_two(void) {
    tiny_training t = base();
    t.stop_before = 12;
    tiny_training_run(&t);
    assert_int_equal(t.status, AT_STOPPED);
    tiny_training_free(&t);
}

static void damage_is_seen_and_the_older_one_taken(void **state) {
    (void)state;
    static const char *const files[] = {"weights.safetensors", "moments.safetensors", "squares.safetensors",
                                        "best.safetensors", "state.json", "manifest.json"};
    tiny_training whole = undisturbed(), t = base();
    for (int f = 0; f < 6; f++)
        for (int how = 0; how < 7; how++) {
            char path[256];
            struct stat info;
            make_two();
            snprintf(path, sizeof path, "%s/checkpoint-12/%s", run_folder, files[f]);
            if (stat(path, &info)) fail_msg("%s is not there", path);
            if (how < 4) flip(path, (off_t)at_random_below(3, (uint64_t)(10 * f + how), (uint64_t)info.st_size - 1));
            else if (how == 4) assert_int_equal(truncate(path, info.st_size - 2), 0); /* more than a last newline */
            else if (how == 5) assert_int_equal(truncate(path, 0), 0);
            else assert_int_equal(unlink(path), 0);
            tiny_training_run(&t);
            if (t.resumed_from != 11) fail_msg("%s, damage %d: resumed from %d: %s", files[f], how, t.resumed_from, t.notes);
            assert_non_null(strstr(t.notes, "older checkpoint"));
            tiny_same_training(&whole, &t);
            clear();
        }
    tiny_training_free(&whole);
    tiny_training_free(&t);
}

static void every_bit_of_the_manifest_counts(void **state) {
    (void)state;
    make_two();
    char path[256];
    struct stat info;
    snprintf(path, sizeof path, "%s/checkpoint-12/manifest.json", run_folder);
    assert_int_equal(stat(path, &info), 0);
    tiny_training t = base();
    for (off_t at = 0; at < info.st_size - 1; at += 3) {
        flip(path, at);
        t.stop_before = 0;
        tiny_training_run(&t);
        if (!strstr(t.notes, "checkpoint-11 ")) fail_msg("byte %ld: %s", (long)at, t.notes);
        flip(path, at);
    }
    clear();
    tiny_training_free(&t);
}

static void a_foreign_checkpoint_is_left_alone(void **state) {
    (void)state;
    make_two();
    tiny_training t = base();
    t.fingerprint = "another configuration";
    t.run_folder = run_folder;
    t.hyper.max_steps = 4;
    tiny_training_run(&t);
    check_ok(t.status, &t.err);
    assert_int_equal(t.resumed_from, -1);
    assert_non_null(strstr(t.notes, "other settings or other data"));
    at_arena arena = {0};
    char **names;
    int n;
    list(&names, &n, &arena);
    assert_int_equal(n, 4);
    at_arena_free(&arena);
    clear();
    tiny_training_free(&t);
}

/* What a crash can leave: a folder with any part of a checkpoint under its temporary name. */
static void what_a_crash_left_is_cleared_away(void **state) {
    (void)state;
    static const char *const files[] = {"weights.safetensors", "moments.safetensors", "squares.safetensors",
                                        "best.safetensors", "state.json", "manifest.json"};
    tiny_training whole = undisturbed(), t = base();
    for (int prefix = 0; prefix <= 6; prefix++) {
        at_arena arena = {0};
        at_error err;
        make_two();
        char *complete = at_path_join(&arena, run_folder, "checkpoint-12"), *partial = at_path_join(&arena, run_folder, ".checkpoint-12.tmp");
        assert_int_equal(rename(complete, partial), 0);
        for (int f = prefix; f < 6; f++) assert_int_equal(unlink(at_path_join(&arena, partial, files[f])), 0);
        check_ok(at_file_write(at_path_join(&arena, partial, ".weights.safetensors.tmp.77"), "half", 4, &err), &err);
        tiny_training_run(&t);
        assert_int_equal(t.resumed_from, 11);
        tiny_same_training(&whole, &t);
        assert_false(at_file_exists(partial));
        at_arena_free(&arena);
        clear();
    }
    tiny_training_free(&whole);
    tiny_training_free(&t);
}

/* The disk takes no more after n bytes a file: the training goes on, says so, and older checkpoints stay. */
static void a_full_disk_keeps_training(void **state) {
    (void)state;
    tiny_training whole = undisturbed(), t = base();
    struct rlimit before, small;
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (rlim_t bytes = 0; bytes < 130000; bytes = bytes ? bytes * 3 : 1) {
        make_two();
        small = before;
        small.rlim_cur = bytes;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        tiny_training_run(&t);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(t.resumed_from, 12);
        tiny_same_training(&whole, &t);
        at_arena arena = {0};
        char **names;
        int n;
        list(&names, &n, &arena);
        assert_int_equal(n, 2);
        if (t.warnings) assert_string_equal(names[1], "checkpoint-12");
        else assert_true(bytes > 20000);
        at_arena_free(&arena);
        clear();
    }
    tiny_training_free(&whole);
    tiny_training_free(&t);
}

int main(void) {
    model_folder = mkdtemp(in_memory);
    if (!model_folder) model_folder = mkdtemp(on_disk);
    if (!model_folder) return 1;
    snprintf(run_folder, sizeof run_folder, "%s/run", model_folder);
    tiny_model_write(model_folder);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stop_at_every_step_changes_nothing),
        cmocka_unit_test(a_stop_at_every_question_changes_nothing),
        cmocka_unit_test(a_stopped_mean_goes_on),
        cmocka_unit_test(at_most_two_are_kept),
        cmocka_unit_test(kills_at_random_points_change_nothing),
        cmocka_unit_test(damage_is_seen_and_the_older_one_taken),
        cmocka_unit_test(every_bit_of_the_manifest_counts),
        cmocka_unit_test(a_foreign_checkpoint_is_left_alone),
        cmocka_unit_test(what_a_crash_left_is_cleared_away),
        cmocka_unit_test(a_full_disk_keeps_training),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    at_folder_remove(model_folder, NULL);
    return failed;
}
