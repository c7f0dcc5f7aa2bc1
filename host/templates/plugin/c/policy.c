// The policy of @name@. It judges one request at a time, in a fresh instance: nothing that is kept here lives on.
//
// The bindings call these functions by name, and free what they are handed: so every text in an answer is a copy.

#include <stdio.h>
#include <string.h>

#include "request_plugin.h"

// `wardlock plugin build` writes it, of schema.json.
static const char SCHEMA[] =
#include "schema.inc"
    ;

// In the order of `effect` in wit/types.wit.
static const char *const EFFECTS[] = {"read", "write", "destructive"};
enum { EFFECT_COUNT = sizeof(EFFECTS) / sizeof(*EFFECTS) };

static bool allow[EFFECT_COUNT] = {true, false, false};

static bool contains(request_plugin_string_t text, const char *word) {
  size_t len = strlen(word);
  for (size_t at = 0; at + len <= text.len; at++) {
    if (memcmp(text.ptr + at, word, len) == 0) return true;
  }
  return false;
}

void exports_wardlock_policy_settings_describe(exports_wardlock_policy_settings_description_t *description) {
  memset(description, 0, sizeof(*description));
  request_plugin_string_dup(&description->name, "@name@");
  request_plugin_string_dup(&description->version, "0.1.0");
}

void exports_wardlock_policy_settings_schema(request_plugin_string_t *schema) {
  request_plugin_string_dup(schema, SCHEMA);
}

// Wardlock has checked the settings against the schema already: there is nothing but a list of these words, so looking for
// each of them is reading it. What the schema cannot say is checked here: return false, with a list of problems.
bool exports_wardlock_policy_settings_configure(request_plugin_string_t *settings,
                                                exports_wardlock_policy_settings_list_problem_t *problems) {
  problems->ptr = NULL;
  problems->len = 0;
  if (!contains(*settings, "\"allow\"")) return true;
  for (int effect = 0; effect < EFFECT_COUNT; effect++) {
    char quoted[16];
    snprintf(quoted, sizeof(quoted), "\"%s\"", EFFECTS[effect]);
    allow[effect] = contains(*settings, quoted);
  }
  return true;
}

static void deny(exports_wardlock_policy_request_hook_answer_t *answer, const char *code, const char *message,
                 const char *hint) {
  wardlock_policy_types_reason_t *reason = &answer->verdict.val.deny;
  answer->verdict.tag = WARDLOCK_POLICY_TYPES_VERDICT_DENY;
  request_plugin_string_dup(&reason->code, code);
  request_plugin_string_dup(&reason->message, message);
  reason->hint.is_some = true;
  request_plugin_string_dup(&reason->hint.val, hint);
}

void exports_wardlock_policy_request_hook_on_request(exports_wardlock_policy_request_hook_request_t *request,
                                                     exports_wardlock_policy_request_hook_answer_t *answer) {
  memset(answer, 0, sizeof(*answer));
  answer->verdict.tag = WARDLOCK_POLICY_TYPES_VERDICT_ALLOW;
  wardlock_policy_types_effect_t effect = request->operation.effect;
  if (effect < EFFECT_COUNT && allow[effect]) return;

  char message[64], hint[64] = "send one of:";
  const char *word = effect < EFFECT_COUNT ? EFFECTS[effect] : "such request";
  snprintf(message, sizeof(message), "this connection takes no %s", word);
  for (int allowed = 0; allowed < EFFECT_COUNT; allowed++) {
    if (!allow[allowed]) continue;
    strcat(hint, " ");
    strcat(hint, EFFECTS[allowed]);
  }
  deny(answer, "effect_not_allowed", message, hint);
}
