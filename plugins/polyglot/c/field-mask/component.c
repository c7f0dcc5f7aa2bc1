// What the component exports: `wardlock:policy/settings` and `wardlock:policy/request-hook`. The bindings call these
// functions by name, and free what they hand over, so all of it is copied to the heap.

#include <stdlib.h>

#include "field_mask.h"
#include "settings.h"

// The build writes it, of plugins/guests/field-mask/schema.json: the file as a string literal.
static const char SCHEMA[] =
#include "schema.inc"
    ;

typedef exports_wardlock_policy_settings_list_problem_t problems_t;

static policy_t policy;
static bool is_configured;

static void *allocate(size_t count, size_t size) {
  void *ptr = calloc(count, size);
  if (ptr == NULL && count > 0) abort();
  return ptr;
}

void exports_wardlock_policy_settings_describe(exports_wardlock_policy_settings_description_t *description) {
  text_t *capabilities = allocate(1, sizeof(text_t));
  capabilities[0] = text_copy(TEXT("shape"));
  *description = (exports_wardlock_policy_settings_description_t){
      .name = text_copy(TEXT("field-mask")),
      .version = text_copy(TEXT("0.1.0")),
      .capabilities = {capabilities, 1},
  };
}

void exports_wardlock_policy_settings_schema(text_t *schema) { *schema = text_copy(TEXT(SCHEMA)); }

static void add_problem(problems_t *problems, text_t path, text_t message) {
  size_t size = (problems->len + 1) * sizeof(*problems->ptr);
  problems->ptr = realloc(problems->ptr, size);
  if (problems->ptr == NULL) abort();
  problems->ptr[problems->len++] = (exports_wardlock_policy_settings_problem_t){text_copy(path), text_copy(message)};
}

static entries_t parse_entries(text_t key, texts_t listed, problems_t *problems) {
  entries_t entries = {allocate(listed.len, sizeof(entry_t)), listed.len};
  for (size_t at = 0; at < listed.len; at++) {
    if (entry_parse(listed.ptr[at], &entries.ptr[at])) continue;
    text_t path = text_copy(TEXT("/"));
    text_put(&path, key);
    text_put_byte(&path, '/');
    text_put_number(&path, at, 10);
    add_problem(problems, path, TEXT("is neither `Field` nor `Module.Field`, by API names"));
  }
  return entries;
}

// Returns true when the settings are taken.
bool exports_wardlock_policy_settings_configure(text_t *json, problems_t *problems) {
  *problems = (problems_t){NULL, 0};
  settings_t settings;
  const char *wrong = settings_parse(*json, &settings);
  if (wrong != NULL) {
    text_t message;
    request_plugin_string_set(&message, wrong);
    add_problem(problems, TEXT(""), message);
    return false;
  }
  policy_t configured = {
      .hide = parse_entries(TEXT("hide"), settings.hide, problems),
      .protect = parse_entries(TEXT("protect"), settings.protect, problems),
  };
  if (settings.hide.len == 0 && settings.protect.len == 0) {
    add_problem(problems, TEXT(""), TEXT("names no field: `hide` or `protect` must"));
  }
  if (problems->len == 0 && is_configured) add_problem(problems, TEXT(""), TEXT("already configured"));
  if (problems->len > 0) return false;
  policy = configured;
  is_configured = true;
  return true;
}

void exports_wardlock_policy_request_hook_on_request(request_t *request, answer_t *answer) {
  *answer = is_configured ? field_mask_on_request(&policy, request)
                          : deny(TEXT("not_configured"),
                                 text_copy(TEXT("the plugin got a request before its settings")), TEXT(""));
}
