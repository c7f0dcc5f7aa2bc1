// Texts as the component model hands them over: UTF-8 with a length, not ended by a NUL.
#ifndef TEXT_H
#define TEXT_H

#include "request_plugin.h"

typedef request_plugin_string_t text_t;

// A literal as a text. It is not to be freed.
#define TEXT(literal) ((text_t){(uint8_t *)(literal), sizeof(literal) - 1})

// Texts in order.
typedef struct {
  text_t *ptr;
  size_t len;
} texts_t;

bool text_equals(text_t one, text_t other);
// Compares without case, of ASCII only.
bool text_is_same(text_t one, text_t other);
bool text_contains(text_t text, char byte);
// Trims what Unicode calls white space.
text_t text_trim(text_t text);

// What is left of a text whose parts are taken off one by one. Every text has at least one part.
typedef struct {
  text_t rest;
  bool more;
} split_t;

split_t text_split(text_t text);
// Takes the next part; false when there is none left.
bool text_next(split_t *split, char separator, text_t *part);

void texts_push(texts_t *texts, text_t text);

// Returns a copy on the heap.
text_t text_copy(text_t text);
// Appends to a copy, or to an empty text. Memory that runs out ends the plugin, which denies.
void text_put(text_t *text, text_t more);
void text_put_byte(text_t *text, uint8_t byte);
// Appends the UTF-8 of a character.
void text_put_char(text_t *text, uint32_t c);
void text_put_number(text_t *text, uint32_t number, uint32_t base);
// Appends a name in quotes so that a look-alike shows: what is not printable ASCII is spelt `\u{…}`.
void text_put_quoted(text_t *text, text_t name);

#endif
