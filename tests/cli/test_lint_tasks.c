/* attune check of every task's data, and what --fix mends, from outside. */
#include "cli/tiny_folder.h"

/* A file of the lines given, made in $D. */
#define FILE_OF(name, lines) "cd $D && printf '%b\\n' " lines " > " name " && "

static void numbers_stay_in_their_range(void **state) {
    (void)state;
    program_expect(FILE_OF("s.csv", "text,score 'some words here,1.5' 'other words there,7' 'more of them,-0.1'") "$A check s.csv --task regress --score-range 0,5", 3,
                   "error: s.csv:3: 7 (column 'score') is not from 0 to 5\nerror: s.csv:4: -0.1 (column 'score') is not from 0 to 5", "");
    program_expect("cd $D && $A check s.csv --task regress --score-range -1,7", 0, "s.csv (3 rows)", "");
    program_expect("cd $D && $A check s.csv --task regress --score-range 5,0", 2, "", "--score-range: '5,0' is not LOW,HIGH");
}

/* Numbers of pairs, too; where nothing is a number, the option says so and is not passed over. */
static void a_range_is_never_passed_over(void **state) {
    (void)state;
    program_expect(FILE_OF("e.csv", "anchor,positive,score 'a b,c d,1' 'e f,g h,7' 'i j,k l,-3'") "$A check e.csv --score-range 0,5", 3,
                   "error: e.csv:3: 7 (column 'score') is not from 0 to 5\nerror: e.csv:4: -3 (column 'score') is not from 0 to 5", "");
    program_expect("cd $D && $A check e.csv --task embed --score-range 0,5", 3, "e.csv:4: -3 (column 'score') is not from 0 to 5", "");
    program_expect(FILE_OF("c.csv", "text,score 'a b,1.5' 'c d,abc' 'e f,9'") "$A check c.csv --score-range 0,5", 3,
                   "error: c.csv:3: 'abc' (column 'score') is not a number", "");
    program_expect("cd $D && $A check c.csv --task classify --score-range 0,5", 2, "", "--score-range: c.csv has no scores for the task classify");
    program_expect(FILE_OF("p.csv", "anchor,positive 'a b,c d' 'e f,g h'") "$A check p.csv --score-range 0,5", 2, "", "--score-range: p.csv has no scores for the task embed");
}

static void every_text_of_a_row_counts(void **state) {
    (void)state;
    program_expect(FILE_OF("p.csv", "anchor,positive 'a b,c d' 'e f,' 'x y, ' 'same,same'") "$A check p.csv", 3,
                   "error: p.csv:3: the text (column 'positive') is empty\nerror: p.csv:4: the text (column 'positive') is empty", "2 errors in the data");
    program_expect(FILE_OF("t.csv", "negative,anchor,positive 'n n,a b,p p' 'm m,c d,p p' 'r r,,q q' ',e f,g h' 'N n,A  b,P p'") "$A check t.csv", 3,
                   "error: t.csv:4: the text (column 'anchor') is empty\nerror: t.csv:5: the text (column 'negative') is empty", "");
    program_expect("cd $D && $A check t.csv | grep repeated; $A check t.csv | grep 'same text'", 0, "warning: t.csv:6: the same text as in line 2: 'A  b'\n", "");
    program_expect("cd $D && $A check t.csv | grep -c 'same text'", 0, "1\n", "");
    program_expect(FILE_OF("l.csv", "text,label 'a b,x' 'c d,x' 'e f,y' 'g h,'") "$A check l.csv --task embed", 3,
                   "warning: l.csv:4: label 'y' has only 1 row: there is no text that this one should be near", "");
    program_expect("cd $D && $A check l.csv --task embed", 3, "error: l.csv:5: the label (column 'label') is empty", "");
    program_expect("cd $D && printf 'a b\\nc d\\n' > x.txt && $A check x.txt --task embed --input-format lines", 2, "", "x.txt: embeddings are learned from pairs");
    program_expect(FILE_OF("k.csv", "anchor,positive,score 'a b,c d,1' 'e f,g h,1'") "$A check k.csv", 3, "error: k.csv: every pair has the same score", "");
    program_expect("cd $D && $A check --train e.csv --test p.csv", 3, "error: p.csv:3: the text (column 'positive') is empty", "");
    program_expect("cd $D && printf 'anchor,positive,negative\\na  b,c,d   d\\n' > f.csv && $A check f.csv --quiet --fix f2.csv > /dev/null; cat f2.csv", 0, "a b,c,d d\n", "");
}

/* What training passes over is no error. */
static void every_bad_list_is_told(void **state) {
    (void)state;
    program_expect(FILE_OF("m.jsonl", "'{\"text\": \"a b c\", \"labels\": [\"x\", \"y\"]}' '{\"text\": \"d e f\", \"labels\": \"x\"}' '{\"text\": \"g h i\", \"labels\": [\"x\", 1.5]}' "
                           "'{\"text\": \"j k l\", \"labels\": [\"y\"]}' '{\"text\": \"m n o\"}'") "$A check m.jsonl", 3,
                   "error: m.jsonl:2: 'labels' is not a list of labels\nerror: m.jsonl:3: label 2 of the list 'labels' is neither a text nor a whole number\n"
                   "error: m.jsonl:5: 'labels' is not a list of labels\n", "3 errors in the data");
    program_expect("cd $D && echo '{\"text\": \"p q r\", \"labels\": [\"z\"]}' > n.jsonl && $A check m.jsonl --test n.jsonl", 3, "error: n.jsonl:1: label 'z' is not one of", "4 errors in the data");
}

static void blank_lines_of_plain_texts(void **state) {
    (void)state;
    program_expect("cd $D && printf 'some text here\\n\\nanother text\\n' > b.txt && $A check b.txt --task mask", 0, "b.txt (3 rows): nothing found", "");
    program_expect("cd $D && $A check b.txt --task language", 0, "b.txt (3 rows): nothing found", "");
}

static void spans_overlap_and_cut(void **state) {
    (void)state;
    program_expect(FILE_OF("o.jsonl", "'{\"text\": \"Angela Merkel spoke\", \"entities\": [[0, 13, \"PER\"], [7, 13, \"LOC\"], [14, 17, \"X\"]]}'") "$A check o.jsonl", 3,
                   "error: o.jsonl:1: span 2 (LOC, 7 to 13) overlaps span 1 (PER, 0 to 13)", "1 error in the data");
    program_expect("cd $D && $A check o.jsonl", 3, "warning: o.jsonl:1: span 3 (X, 14 to 17) begins or ends inside a word", "");
}

static void what_is_seen_seldom(void **state) {
    (void)state;
    program_expect("cd $D && (for i in {1..9}; do printf 'word%d B-A\\nx O\\n\\n' $i; done; printf 'y B-C\\n') > r.conll && $A check r.conll", 0, "label 'C' has only 1 part", "");
    program_expect("cd $D && $A check r.conll | grep -c \"label 'A'\"", 1, "0\n", "");
    program_expect("cd $D && (echo text,tags; for i in {1..9}; do echo \"text number $i,a|b\"; done; echo 'and another,c') > m.csv && $A check m.csv --task multi-label --label-column tags", 0,
                   "label 'c' has only 1 row", "");
}

static void splits_overlap(void **state) {
    (void)state;
    program_expect("cd $D && printf 'Ann B-P\\nmet O\\nBob B-P\\n\\nshe O\\nleft O\\n' > a.conll && printf 'ANN B-P\\nmet O\\nBob O\\n' > b.conll && $A check --train a.conll --test b.conll", 0,
                   "warning: b.conll:1: the same text as in a.conll:1, labelled 'B-P O B-P' there and 'B-P O O' here: 'ANN met Bob'", "");
    program_expect(FILE_OF("q.jsonl", "'{\"question\": \"Who won the game?\", \"context\": \"Denver won.\", \"answers\": [{\"text\": \"Denver\", \"answer_start\": 0}]}'")
                   "sed 's/the game/it/' q.jsonl > r.jsonl && $A check --train q.jsonl --test r.jsonl", 0, "r.jsonl: 1 of 1 texts (column 'context') are asked about in q.jsonl, too", "");
    program_expect("cd $D && $A check --train q.jsonl --test q.jsonl", 0, "the same text as in q.jsonl:1", "");
}

static void nearly_the_same(void **state) {
    (void)state;
    program_expect(FILE_OF("n.csv", "text,label 'The parcel came two days late but the packaging was fine,x' 'something else entirely was said in this one,y' "
                           "'The parcel came two days late but the packaging was good,y'") "$A check n.csv", 0,
                   "note: n.csv:4: nearly the same text (8", "");
    program_expect("cd $D && $A check n.csv", 0, "%) as in line 2, labelled 'x' there and 'y' here: 'The parcel", "");
    program_expect("cd $D && head -3 n.csv > n1.csv && (echo text,label; tail -1 n.csv) > n2.csv && $A check n1.csv --test n2.csv", 3, "warning: n2.csv:2: nearly the same text (8", "");
}

/* ---- mending ---- */

static void texts_are_mended(void **state) {
    (void)state;
    program_expect("cd $D && printf 'id;text;label\\n1;\"  caf\\303\\203\\302\\251  au   lait \";x\\n2;plain \"quoted\" text;y \\n3;caf\\303\\251 au lait;x\\n4;bell\\007;y\\n' > w.csv && "
                   "$A check w.csv --fix w2.csv", 0, "w2.csv: 4 changes; what is left is for you to decide: attune check w2.csv", "");
    program_expect("cd $D && cat w2.csv", 0, "id;text;label\n1;caf\303\251 au lait;x\n2;\"plain \"\"quoted\"\" text\";y\n4;bell;y\n", "");
    program_expect("cd $D && $A check w.csv --fix w2.csv --json | grep mended", 0, "\"text\":\"w.csv:2: encoding, white space of column 'text' mended\"", "");
    program_expect("cd $D && $A check w.csv --fix w2.csv", 0, "w.csv:4: left out: the same row as in line 2", "");
    program_expect("cd $D && $A check w2.csv --fix w3.csv && cmp w2.csv w3.csv", 0, "w3.csv: 0 changes", "");
    program_expect(FILE_OF("j.jsonl", "'{\"text\": \" a  b\", \"n\": 1.50, \"label\": \"x\"}' '{\"text\": \"c\", \"label\": null}'") "$A check j.jsonl --quiet --fix k.jsonl; cat k.jsonl", 0,
                   "{\"text\": \"a b\", \"n\": 1.50, \"label\": \"x\"}\n{\"text\": \"c\"}\n", "");
    program_expect("cd $D && printf '__label__a __label__b one  two\\n__label__c three\\n' > f.txt && $A check f.txt --quiet --fix f2.txt > /dev/null; cat f2.txt", 0,
                   "__label__a __label__b one two\n__label__c three\n", "");
}

static void tags_are_mended_and_the_rest_stays(void **state) {
    (void)state;
    program_expect("cd $D && printf -- '-DOCSTART- -X- O\\n\\na  N  O\\r\\nb N I-X\\nc N I-X\\n\\n# note\\nd N B-X\\ne N I-Y\\n\\na N O\\nb N B-X\\nc N I-X\\n\\nf N O\\n' > t.conll && "
                   "$A check t.conll --scheme iob2 --fix t2.conll", 0, "t.conll:4: the tag of token 2, I-X, is now B-X", "");
    program_expect("cd $D && cat t2.conll", 0, "-DOCSTART- -X- O\n\na  N  O\r\nb N B-X\nc N I-X\n\n# note\nd N B-X\ne N B-Y\n\nf N O\n", "");
    program_expect("cd $D && $A check t2.conll --scheme iob2 | grep -c expects", 1, "0\n", "");
    program_expect("cd $D && printf 'a I-X\\nb I-X\\nc O\\nd B-X\\n' > u.conll && $A check u.conll --scheme iobes --quiet --fix u2.conll > /dev/null; cat u2.conll", 0, "a B-X\nb E-X\nc O\nd S-X\n", "");
    program_expect(FILE_OF("l.jsonl", "'{\"tokens\": [\"a\", \"b\"], \"ner_tags\": [\"O\", \"I-X\"]}' '{\"tokens\": [\"c\"], \"ner_tags\": [\"B-X\"]}' '{\"tokens\": [\"d\"], \"ner_tags\": [\"B-X\"]}'")
                   "$A check l.jsonl --scheme iob2 --quiet --fix l2.jsonl > /dev/null; head -1 l2.jsonl", 0, "{\"tokens\": [\"a\", \"b\"], \"ner_tags\": [\"O\", \"B-X\"]}\n", "");
}

#define SQUAD "'{\"version\": \"1.1\", \"data\": [{\"title\": \"t\", \"paragraphs\": [{\"context\": \"Denver won. Denver is big.\", \"qas\": [" \
              "{\"id\": \"1\", \"question\": \"What is big?\", \"answers\": [{\"text\": \"big\", \"answer_start\": 3}]}," \
              "{\"id\": \"2\", \"question\": \"Who won?\", \"answers\": [{\"text\": \"Denver\", \"answer_start\": 5}]}," \
              "{\"id\": \"3\", \"question\": \"What is big?\", \"answers\": [{\"text\": \"big\", \"answer_start\": 22}]}]}]}]}'"

static void offsets_are_mended_where_there_is_one_place(void **state) {
    (void)state;
    program_expect(FILE_OF("q.json", SQUAD) "$A check q.json --fix q2.json", 0, "q.json:1: question '1': the answer 'big' is at 22, not at 3", "");
    program_expect("cd $D && grep -o '\"id\":\"[0-9]\"\\|start\":[0-9]*' q2.json | tr '\\n' ' '", 0, "\"id\":\"1\" start\":22 \"id\":\"2\" start\":5 ", "");
    program_expect("cd $D && $A check q2.json", 3, "q2.json:1: question '2': the answer 'Denver' is not at character 5 of its text; it is at 0", "1 error in the data");
    program_expect("cd $D && printf 'question,context,answer,answer_start\\nWhat is big?,Denver is big.,big,1\\n' > q.csv && $A check q.csv --quiet --fix q2.csv && cat q2.csv", 0,
                   "What is big?,Denver is big.,big,10\n", "");
    program_expect(FILE_OF("q.jsonl", "'{\"question\": \"What?\", \"context\": \"x is  big\", \"answers\": {\"text\": [\"big\"], \"answer_start\": [0]}}'")
                   "$A check q.jsonl --quiet --fix q2.jsonl > /dev/null; cat q2.jsonl", 0, "\"context\": \"x is  big\", \"answers\": {\"text\": [\"big\"], \"answer_start\": [6]}}", "");
}

#define QUESTION(id, question, rest) "{\"id\": \"" id "\", \"question\": \"" question "\", " rest "}"
/* Published files are one line: every message says which question it is about. */
static void questions_are_named(void **state) {
    (void)state;
    program_expect(FILE_OF("n.json", "'{\"version\": \"v2.0\", \"data\": [{\"paragraphs\": [{\"context\": \"Denver won. Denver is big.\", \"qas\": ["
                           QUESTION("a", "", "\"answers\": [{\"text\": \"big\", \"answer_start\": 22}]") "," QUESTION("b", "Who?", "\"answers\": [{\"text\": \"\", \"answer_start\": 0}]") ","
                           QUESTION("c", "Who won it?", "\"answers\": [{\"text\": \"Denv\", \"answer_start\": 0}, {\"text\": \"enver\", \"answer_start\": 13}]") ","
                           QUESTION("c", "Who won it?", "\"answers\": [{\"text\": \"Denver\", \"answer_start\": 0}]") ","
                           QUESTION("d", "Is it?", "\"is_impossible\": true, \"answers\": [{\"text\": \"Denver\", \"answer_start\": 0}]") ","
                           QUESTION("e", "Was it?", "\"is_impossible\": true, \"answers\": [{\"text\": \"Dublin\", \"answer_start\": 0}]") "]}]}]}'")
                   "$A check n.json > n.txt", 3, "", "2 errors");
    program_expect("cd $D && cat n.txt", 0, "error: n.json:1: question 'a': the text (column 'question') is empty", "");
    program_expect("cd $D && cat n.txt", 0, "error: n.json:1: question 'b': an answer is empty", "");
    program_expect("cd $D && cat n.txt", 0, "warning: n.json:1: question 'c': the answer 'Denv', at character 0, begins or ends inside a word\n"
                   "warning: n.json:1: question 'c': the answer 'enver', at character 13, begins or ends inside a word\n  Look", "");
    program_expect("cd $D && cat n.txt", 0, "warning: n.json:1: question 'c': the id is that of line 1, too, which asks 'Who won it?'", "");
    program_expect("cd $D && cat n.txt", 0, "warning: n.json:1: question 'c': the same text as in line 1, question 'c'", "");
    program_expect("cd $D && cat n.txt", 0, "warning: n.json:1: question 'd': is_impossible is true, and the answer 'Denver' stands in the text\n  They", "");
    program_expect("cd $D && printf 'question,context,answer,is_impossible\\nWho?,Denver won.,Denver,TRUE\\nWho won?,Denver won.,Denver,\\n' > i.csv && $A check i.csv", 0,
                   "warning: i.csv:2: is_impossible is true, and the answer 'Denver' stands in the text", "");
}

/* The two files say the same: what is read, and what is said of it, is the same but for the line. */
static void squad_and_rows_are_read_alike(void **state) {
    (void)state;
    program_expect(FILE_OF("s.json", "'{\"version\": \"v2.0\", \"data\": [{\"paragraphs\": [{\"context\": \"Denver won it.\", \"qas\": ["
                           QUESTION("a", "Who won?", "\"answers\": [{\"text\": \"Denver\"}]") "," QUESTION("b", "Was it?", "\"is_impossible\": true, \"answers\": [{\"text\": \"won\"}]") ","
                           QUESTION("c", "Who is?", "\"answers\": [{\"text\": \"Dublin\"}]") "]}]}]}'")
                   FILE_OF("s.jsonl", "'" QUESTION("a", "Who won?", "\"context\": \"Denver won it.\", \"answers\": [{\"text\": \"Denver\"}]") "' '"
                           QUESTION("b", "Was it?", "\"context\": \"Denver won it.\", \"is_impossible\": true, \"answers\": [{\"text\": \"won\"}]") "' '"
                           QUESTION("c", "Who is?", "\"context\": \"Denver won it.\", \"answers\": [{\"text\": \"Dublin\"}]") "'")
                   "for f in s.json s.jsonl; do $A check $f 2> /dev/null | sed \"s/$f:[0-9]*/F/; s/$f/F/\" > $f.txt; done; diff s.json.txt s.jsonl.txt && cat s.json.txt", 0,
                   "error: F: question 'c': the answer 'Dublin' is nowhere in its text", "");
    program_expect("cd $D && cat s.json.txt", 0, "warning: F: question 'b': is_impossible is true, and the answer 'won' stands in the text", "");
}

static void nothing_is_lost(void **state) {
    (void)state;
    program_expect("cd $D && printf 'text,label\\na b,x\\nc,y,z\\n' > b.csv && $A check b.csv --fix b2.csv; s=$?; ls b2.csv; exit $s", 3, "", "error: b.csv: 1 row cannot be read and would be lost; correct it first");
    program_expect("cd $D && $A check w.csv --fix w.csv", 2, "", "--fix w.csv: is the file itself");
    program_expect("cd $D && $A check w.csv --test w2.csv --fix w3.csv", 2, "", "--fix mends one file");
    program_expect("cd $D && $A check w.csv --fix no/such/folder.csv", 5, "", "error: no/such/folder.csv");
}

/* Of a text that is there twice the labels are a set, in whatever form. */
static void labels_are_compared_as_sets(void **state) {
    (void)state;
    program_expect("cd $D && printf 'text,labels\na b,x|y\na b,y|x\nc d,\nc d,x\ne f,y|x\n' > s.csv && $A check s.csv", 0, "s.csv:5: the same text as in line 4, labelled '' there and 'x' here", "");
    program_expect("cd $D && $A check s.csv", 0, "s.csv:3: the same text as in line 2: 'a b'", "");
    program_expect("cd $D && printf 'text,p,q\na b,1,1\na b,1,0\nc d,0,0\ne f,1,0\ne f,1,0\n' > flags.csv && $A check flags.csv", 0, "flags.csv:3: the same text as in line 2, with other labels: 'a b'", "");
    program_expect("cd $D && $A check flags.csv", 0, "flags.csv:6: the same text as in line 5: 'e f'", "");
    program_expect("cd $D && printf '{\"text\":\"a b\",\"labels\":[\"q\",\"p\"]}\n{\"text\":\"c d\",\"labels\":[\"q\"]}\n' > s.jsonl && $A check flags.csv s.jsonl", 0,
                   "s.jsonl:1: the same text as in flags.csv:2: 'a b'", "");
    program_expect("cd $D && $A check flags.csv s.jsonl", 0, "s.jsonl:2: the same text as in flags.csv:4, with other labels: 'c d'", "");
}

/* What no change asks for stays: how lines end, and the mark of UTF-8. */
static void mending_keeps_how_lines_end(void **state) {
    (void)state;
    program_expect("cd $D && printf '\xef\xbb\xbftext,score\r\na  b,1.5\r\nc,2.5\r\n' > w.csv && $A check w.csv --fix w2.csv --quiet > done && printf '\xef\xbb\xbftext,score\r\na b,1.5\r\nc,2.5\r\n' | cmp - w2.csv",
                   0, "", "");
    program_expect("cd $D && printf '{\"text\": \"a  b\", \"score\": 1.5}\r\n' > w.jsonl && $A check w.jsonl --task regress --fix w2.jsonl --quiet > done && printf '{\"text\": \"a b\", \"score\": 1.5}\r\n' | cmp - w2.jsonl", 0, "", "");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(labels_are_compared_as_sets), cmocka_unit_test(mending_keeps_how_lines_end),
        cmocka_unit_test(numbers_stay_in_their_range), cmocka_unit_test(a_range_is_never_passed_over), cmocka_unit_test(every_text_of_a_row_counts),
        cmocka_unit_test(blank_lines_of_plain_texts), cmocka_unit_test(every_bad_list_is_told), cmocka_unit_test(spans_overlap_and_cut), cmocka_unit_test(what_is_seen_seldom), cmocka_unit_test(splits_overlap),
        cmocka_unit_test(nearly_the_same), cmocka_unit_test(texts_are_mended), cmocka_unit_test(tags_are_mended_and_the_rest_stays),
        cmocka_unit_test(offsets_are_mended_where_there_is_one_place), cmocka_unit_test(questions_are_named), cmocka_unit_test(squad_and_rows_are_read_alike), cmocka_unit_test(nothing_is_lost),
    };
    return cmocka_run_group_tests(tests, tiny_folder_make, tiny_folder_remove);
}
