// SPDX-License-Identifier: Apache-2.0

// libedit keeps its settings in global variables, which Swift cannot touch safely; these functions
// are the few of them that the shell's line editor sets or reads.

#ifndef THOLOS_CEDIT_SHIM_H
#define THOLOS_CEDIT_SHIM_H

#include <stdio.h>
#include <editline/readline.h>

static inline void edit_set_name(const char *name) { rl_readline_name = name; }

// What a word ends at, for completion: libedit keeps the address.
#define EDIT_WORD_BREAKS " \t\n\"\\'`@$><=;|&{(,."

static inline void edit_set_completion(rl_completion_func_t *function) {
    rl_attempted_completion_function = function;
    rl_basic_word_break_characters = EDIT_WORD_BREAKS;
    rl_completer_word_break_characters = (char *)EDIT_WORD_BREAKS;
}

static inline void edit_set_key_reader(int (*function)(FILE *)) { rl_getc_function = function; }

// Called by a completion function: do not fall back to names of files; what to add after a match.
static inline void edit_finish_completion(char appended) {
    rl_attempted_completion_over = 1;
    rl_completion_append_character = appended;
}

static inline int edit_history_first(void) { return history_base; }

static inline int edit_history_count(void) { return history_length; }

static inline const char *edit_line(void) { return rl_line_buffer; }

#endif
