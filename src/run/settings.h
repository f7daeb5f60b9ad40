/* Settings as the library itself reads them. The table (settings.c) and the public calls (attune.h) are the whole
 * truth; these are typed views of the same values.
 *
 * A name that the table does not have for the options' command is our mistake, and ends in an assertion; the values were
 * checked against type, choices and bounds when they were set, so that reading cannot fail. */
#ifndef AT_RUN_SETTINGS_H
#define AT_RUN_SETTINGS_H

#include "base/json.h"

/* The setting that a command knows by `name` (name or alias, '-' and '_' equal, case ignored), or NULL. */
const at_setting *at_setting_find(unsigned command, const char *name);
/* Of a name of transformers' TrainingArguments that is no setting here: what stands in its place; else NULL. */
const char *at_setting_instead(const char *name);
/* The words for one command: "train". NULL where no command has that bit. */
const char *at_command_name(unsigned command);
unsigned at_options_command(const at_options *options);

/* 1 where the value is "auto": the caller chooses, and says what and why. */
int at_options_is_auto(const at_options *options, const char *name);
int at_options_given(const at_options *options, const char *name);
/* The value, or `otherwise` where it is "auto" or there is none. */
const char *at_options_text(const at_options *options, const char *name, const char *otherwise);
double at_options_real(const at_options *options, const char *name, double otherwise);
long long at_options_int(const at_options *options, const char *name, long long otherwise);
int at_options_flag(const at_options *options, const char *name);
/* The index of a choice's value in the setting's own list ("auto pooler mean": 0, 1, 2). */
int at_options_choice(const at_options *options, const char *name);
/* The items of a comma-separated value, spaces around them removed, empty ones left out; NULL-terminated, in the arena.
 * NULL: no memory. */
char **at_options_list(const at_options *options, const char *name, at_arena *arena, int *n);

/* Every setting of the command with its value as an object, in the table's order: numbers as numbers, flags as booleans,
 * none as null. What a run folder keeps, and what two runs are compared by. NULL: no memory. */
json_t *at_options_json(const at_options *options);

/* Reads a YAML text; `path` is for its errors. What at_options_load does after it has read the file. */
at_status at_options_parse_yaml(at_options *options, const char *path, const char *text, size_t len, at_error *err);
/* Sets from a file (rank 1) or a call (rank 2): a lower rank never replaces a higher one. */
at_status at_options_put(at_options *options, const char *name, const char *value, int rank, at_error *err);

#endif
