#include "settings.h"

// What is left to read. Readers return false where something else stands there.
typedef struct {
  const uint8_t *at;
  const uint8_t *end;
} reader_t;

static void skip_space(reader_t *reader) {
  while (reader->at < reader->end && (*reader->at == ' ' || (*reader->at >= '\t' && *reader->at <= '\r'))) {
    // JSON's white space is four of these six.
    if (*reader->at == '\v' || *reader->at == '\f') return;
    reader->at++;
  }
}

static bool read_sign(reader_t *reader, char sign) {
  skip_space(reader);
  if (reader->at == reader->end || *reader->at != sign) return false;
  reader->at++;
  return true;
}

static bool read_hex4(reader_t *reader, uint32_t *unit) {
  if (reader->end - reader->at < 4) return false;
  *unit = 0;
  for (int digit = 0; digit < 4; digit++) {
    uint8_t byte = *reader->at++;
    uint32_t value = byte <= '9' ? byte - '0' : (byte | 0x20) - 'a' + 10;
    if (value > 15 || (byte > '9' && value < 10)) return false;
    *unit = *unit << 4 | value;
  }
  return true;
}

// Reads what stands behind `\u`. Halves of a surrogate pair are no characters by themselves.
static bool read_unicode(reader_t *reader, uint32_t *c) {
  if (!read_hex4(reader, c)) return false;
  if (*c < 0xd800 || *c > 0xdfff) return true;
  uint32_t low;
  if (*c > 0xdbff || reader->end - reader->at < 6 || reader->at[0] != '\\' || reader->at[1] != 'u') return false;
  reader->at += 2;
  if (!read_hex4(reader, &low) || low < 0xdc00 || low > 0xdfff) return false;
  *c = 0x10000 + ((*c - 0xd800) << 10) + (low - 0xdc00);
  return true;
}

static bool read_escape(reader_t *reader, text_t *text) {
  if (reader->at == reader->end) return false;
  uint32_t c = *reader->at++;
  switch (c) {
    case '"': case '\\': case '/': break;
    case 'b': c = '\b'; break;
    case 'f': c = '\f'; break;
    case 'n': c = '\n'; break;
    case 'r': c = '\r'; break;
    case 't': c = '\t'; break;
    case 'u':
      if (!read_unicode(reader, &c)) return false;
      break;
    default: return false;
  }
  text_put_char(text, c);
  return true;
}

static bool read_string(reader_t *reader, text_t *text) {
  *text = (text_t){NULL, 0};
  if (!read_sign(reader, '"')) return false;
  while (reader->at < reader->end && *reader->at >= ' ') {
    uint8_t byte = *reader->at++;
    if (byte == '"') return true;
    if (byte != '\\') {
      text_put_byte(text, byte);
    } else if (!read_escape(reader, text)) {
      return false;
    }
  }
  return false;
}

static bool read_list(reader_t *reader, texts_t *texts) {
  if (!read_sign(reader, '[')) return false;
  if (read_sign(reader, ']')) return true;
  do {
    text_t text;
    if (!read_string(reader, &text)) return false;
    texts_push(texts, text);
  } while (read_sign(reader, ','));
  return read_sign(reader, ']');
}

static const char *read_members(reader_t *reader, settings_t *settings) {
  bool has_hide = false, has_protect = false;
  do {
    text_t key;
    if (!read_string(reader, &key) || !read_sign(reader, ':')) return "not a JSON object";
    bool is_hide = text_equals(key, TEXT("hide"));
    if (!is_hide && !text_equals(key, TEXT("protect"))) return "a key is neither `hide` nor `protect`";
    bool *has = is_hide ? &has_hide : &has_protect;
    if (*has) return "a key stands there twice";
    *has = true;
    if (!read_list(reader, is_hide ? &settings->hide : &settings->protect)) {
      return "`hide` or `protect` is not a list of strings";
    }
  } while (read_sign(reader, ','));
  return read_sign(reader, '}') ? NULL : "not a JSON object";
}

const char *settings_parse(text_t json, settings_t *settings) {
  *settings = (settings_t){{NULL, 0}, {NULL, 0}};
  reader_t reader = {json.ptr, json.ptr + json.len};
  if (!read_sign(&reader, '{')) return "not a JSON object";
  const char *wrong = read_sign(&reader, '}') ? NULL : read_members(&reader, settings);
  if (wrong != NULL) return wrong;
  skip_space(&reader);
  return reader.at == reader.end ? NULL : "something stands behind the JSON object";
}
