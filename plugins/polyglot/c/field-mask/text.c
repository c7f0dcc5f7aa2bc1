#include "text.h"

#include <stdlib.h>
#include <string.h>

static uint8_t lower(uint8_t byte) { return byte >= 'A' && byte <= 'Z' ? byte | 0x20 : byte; }

bool text_equals(text_t one, text_t other) {
  return one.len == other.len && memcmp(one.ptr, other.ptr, one.len) == 0;
}

bool text_is_same(text_t one, text_t other) {
  if (one.len != other.len) return false;
  for (size_t at = 0; at < one.len; at++) {
    if (lower(one.ptr[at]) != lower(other.ptr[at])) return false;
  }
  return true;
}

bool text_contains(text_t text, char byte) { return text.len > 0 && memchr(text.ptr, byte, text.len) != NULL; }

// The characters of Unicode's property White_Space; C's `isspace` knows the first six. The seventh is U+0085, which C does
// not take as `\u`.
static const char *const WHITE_SPACE[] = {
    "\t",     "\n",     "\v",     "\f",     "\r",     " ",      "\xc2\x85", "\u00a0", "\u1680",
    "\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",   "\u2007", "\u2008",
    "\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000",
};

text_t text_trim(text_t text) {
  for (size_t at = 0; at < sizeof(WHITE_SPACE) / sizeof(*WHITE_SPACE);) {
    size_t len = strlen(WHITE_SPACE[at]);
    bool begins = text.len >= len && memcmp(text.ptr, WHITE_SPACE[at], len) == 0;
    bool ends = text.len >= len && memcmp(text.ptr + text.len - len, WHITE_SPACE[at], len) == 0;
    if (begins) text.ptr += len;
    if (begins || ends) text.len -= len;
    // After one, any other may follow.
    at = begins || ends ? 0 : at + 1;
  }
  return text;
}

split_t text_split(text_t text) { return (split_t){.rest = text, .more = true}; }

bool text_next(split_t *split, char separator, text_t *part) {
  if (!split->more) return false;
  text_t rest = split->rest;
  const uint8_t *found = rest.len > 0 ? memchr(rest.ptr, separator, rest.len) : NULL;
  split->more = found != NULL;
  size_t len = split->more ? (size_t)(found - rest.ptr) : rest.len;
  *part = (text_t){rest.ptr, len};
  if (split->more) split->rest = (text_t){rest.ptr + len + 1, rest.len - len - 1};
  return true;
}

// Grows by doubling: a length that is a power of two is a full one.
static void *grown(void *ptr, size_t len, size_t size) {
  if ((len & (len - 1)) != 0) return ptr;
  void *larger = realloc(ptr, (len == 0 ? 1 : 2 * len) * size);
  if (larger == NULL) abort();
  return larger;
}

void texts_push(texts_t *texts, text_t text) {
  texts->ptr = grown(texts->ptr, texts->len, sizeof(text_t));
  texts->ptr[texts->len++] = text;
}

void text_put_byte(text_t *text, uint8_t byte) {
  text->ptr = grown(text->ptr, text->len, 1);
  text->ptr[text->len++] = byte;
}

void text_put(text_t *text, text_t more) {
  for (size_t at = 0; at < more.len; at++) text_put_byte(text, more.ptr[at]);
}

text_t text_copy(text_t text) {
  text_t copy = {NULL, 0};
  text_put(&copy, text);
  return copy;
}

void text_put_char(text_t *text, uint32_t c) {
  if (c < 0x80) {
    text_put_byte(text, c);
  } else if (c < 0x800) {
    text_put_byte(text, 0xc0 | c >> 6);
    text_put_byte(text, 0x80 | (c & 0x3f));
  } else if (c < 0x10000) {
    text_put_byte(text, 0xe0 | c >> 12);
    text_put_byte(text, 0x80 | (c >> 6 & 0x3f));
    text_put_byte(text, 0x80 | (c & 0x3f));
  } else {
    text_put_byte(text, 0xf0 | c >> 18);
    text_put_byte(text, 0x80 | (c >> 12 & 0x3f));
    text_put_byte(text, 0x80 | (c >> 6 & 0x3f));
    text_put_byte(text, 0x80 | (c & 0x3f));
  }
}

void text_put_number(text_t *text, uint32_t number, uint32_t base) {
  if (number >= base) text_put_number(text, number / base, base);
  text_put_byte(text, "0123456789abcdef"[number % base]);
}

// Reads a character at `at`, and moves on. What comes from the host is well-formed UTF-8.
static uint32_t next_char(text_t text, size_t *at) {
  uint8_t first = text.ptr[(*at)++];
  if (first < 0x80) return first;
  int more = first < 0xe0 ? 1 : first < 0xf0 ? 2 : 3;
  uint32_t c = first & (0x3f >> more);
  for (; more > 0; more--) c = c << 6 | (text.ptr[(*at)++] & 0x3f);
  return c;
}

void text_put_quoted(text_t *text, text_t name) {
  static const char SHORT[][2] = {{'\t', 't'}, {'\n', 'n'}, {'\r', 'r'}, {'\'', '\''}, {'"', '"'}, {'\\', '\\'}};
  text_put_byte(text, '"');
  for (size_t at = 0; at < name.len;) {
    uint32_t c = next_char(name, &at);
    char letter = 0;
    for (size_t i = 0; i < sizeof(SHORT) / sizeof(*SHORT); i++) {
      if (c == (uint32_t)SHORT[i][0]) letter = SHORT[i][1];
    }
    if (letter != 0) {
      text_put_byte(text, '\\');
      text_put_byte(text, letter);
    } else if (c >= ' ' && c <= '~') {
      text_put_byte(text, c);
    } else {
      text_put(text, TEXT("\\u{"));
      text_put_number(text, c, 16);
      text_put_byte(text, '}');
    }
  }
  text_put_byte(text, '"');
}
