/* Private to the jinja files: what filters share. */
#ifndef AT_TEXT_JINJA_FILTERS_H
#define AT_TEXT_JINJA_FILTERS_H

#include "text/jinja_value.h"

const at_jbuiltin *at_jlist_filter_find(const char *name, size_t len);
int at_jis_word(uint32_t cp); /* \w */

#endif
