/* base/team: every part of a call is done once, by whoever is free; a team closes however soon after a call. */
#include "base/team.h"

#include <stdatomic.h>
#include <unistd.h>

#include "check.h"

enum { MOST = 8 };

typedef struct tally {
    atomic_int done[MOST];
} tally;

static void count(void *context, int part, int n) {
    (void)n;
    atomic_fetch_add(&((tally *)context)->done[part], 1);
}

static at_team *open_team(int n) {
    at_error err;
    at_team *team;
    check_ok(at_team_open(&team, n, &err), &err);
    return team;
}

static void each_part_is_done_once(void **state) {
    (void)state;
    for (int n = 1; n <= MOST; n++) {
        at_team *team = open_team(n);
        assert_int_equal(at_team_parts(team), n);
        for (int call = 0; call < 500; call++) {
            tally t = {0};
            at_team_run(team, count, &t);
            for (int i = 0; i < MOST; i++) assert_int_equal(atomic_load(&t.done[i]), i < n);
        }
        at_team_close(team);
    }
}

/* A member that is just coming to a call when the team closes must not sleep through the end: it once did, one time in some hundred thousand. */
static void a_team_closes_right_after_a_call(void **state) {
    (void)state;
    alarm(120); /* in place of waiting for ever */
    for (int round = 0; round < 20000; round++) {
        at_team *team = open_team(2 + round % 3);
        tally t = {0};
        for (int call = 0; call <= round % 4; call++) at_team_run(team, count, &t);
        at_team_close(team);
    }
    alarm(0);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(each_part_is_done_once), cmocka_unit_test(a_team_closes_right_after_a_call)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
