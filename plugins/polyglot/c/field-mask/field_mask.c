// Hides and protects fields: the policy of plugins/guests/field-mask, in C.
//
// A hidden field is not read, not filtered by and not written; a protected one is not written. The host has parsed
// which fields a request touches, from query, COQL, criteria and bodies; where it could not tell, nothing passes. A
// read that lists hidden fields in `fields=` is narrowed, everything else is refused.
//
// Each request meets a fresh instance, so nothing is freed here.

#include "field_mask.h"

#include <stdlib.h>

typedef wardlock_policy_types_field_t field_t;

// Only plain names are compared: others might be folded to a hidden one behind our back.
static bool is_plain(text_t name) {
  for (size_t at = 0; at < name.len; at++) {
    uint8_t c = name.ptr[at];
    bool is_alphanumeric = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (!is_alphanumeric && !text_contains(TEXT("_$.-:*"), c)) return false;
  }
  split_t segments = text_split(name);
  for (text_t segment; text_next(&segments, '.', &segment);) {
    if (segment.len == 0) return false;
  }
  return true;
}

bool entry_parse(text_t text, entry_t *entry) {
  *entry = (entry_t){.has_module = text_contains(text, '.')};
  split_t parts = text_split(text);
  if (entry->has_module) text_next(&parts, '.', &entry->module);
  entry->field = parts.rest;
  return !text_contains(entry->field, '.') && is_plain(entry->field) &&
         (!entry->has_module || is_plain(entry->module)) && !text_contains(text, '*');
}

// A dotted name goes through lookups: `Account_Name.Phone` is a phone of some other module, so every part counts, and
// only the first is known to be the request's own module's.
static bool covers(const entry_t *entry, text_t of, text_t name) {
  if (text_equals(name, TEXT("*"))) return true;
  bool known = of.len > 0;
  split_t segments = text_split(name);
  for (text_t segment; text_next(&segments, '.', &segment); known = false) {
    bool is_of_module = !entry->has_module || !known || text_is_same(entry->module, of);
    if (is_of_module && text_is_same(entry->field, segment)) return true;
  }
  return false;
}

static bool any_covers(entries_t entries, text_t of, text_t name) {
  for (size_t at = 0; at < entries.len; at++) {
    if (covers(&entries.ptr[at], of, name)) return true;
  }
  return false;
}

static bool hides(const policy_t *policy, text_t of, text_t name) { return any_covers(policy->hide, of, name); }

// --- answers; the bindings free what is in them, so all of it is copied to the heap

static wardlock_policy_types_reason_t reason(text_t code, text_t message) {
  return (wardlock_policy_types_reason_t){.code = text_copy(code), .message = message};
}

answer_t deny(text_t code, text_t message, text_t hint) {
  answer_t answer = {.verdict.tag = WARDLOCK_POLICY_TYPES_VERDICT_DENY};
  answer.verdict.val.deny = reason(code, message);
  answer.verdict.val.deny.hint.is_some = hint.len > 0;
  answer.verdict.val.deny.hint.val = text_copy(hint);
  return answer;
}

static answer_t deny_name(text_t code, text_t what, text_t name, text_t hint) {
  text_t message = text_copy(what);
  text_put(&message, name);
  return deny(code, message, hint);
}

static answer_t hidden(text_t name, text_t hint) {
  return deny_name(TEXT("field_hidden"), TEXT("hidden on this connection: "), name, hint);
}

static answer_t unclear(text_t name) {
  text_t message = text_copy(TEXT("not a plain field name: "));
  text_put_quoted(&message, name);
  return deny(TEXT("field_unclear"), message, TEXT("use the field's API name"));
}

// --- the policy

// What no edit can mend: names that cannot be judged, hidden filters, hidden or protected writes.
static bool refuse(const policy_t *policy, fields_t touched, answer_t *answer) {
  for (size_t at = 0; at < touched.len; at++) {
    field_t field = touched.ptr[at];
    if (!is_plain(field.name)) {
      *answer = unclear(field.name);
      return true;
    }
    bool is_hidden = hides(policy, field.of, field.name);
    if (field.how == WARDLOCK_POLICY_TYPES_FIELD_USE_FILTER && is_hidden) {
      *answer = hidden(field.name, TEXT("leave it out of search criteria, conditions and sort order"));
      return true;
    }
    if (field.how == WARDLOCK_POLICY_TYPES_FIELD_USE_WRITE &&
        (is_hidden || any_covers(policy->protect, field.of, field.name))) {
      *answer = deny_name(TEXT("field_protected"), TEXT("may not be written: "), field.name,
                          TEXT("leave it out of the body"));
      return true;
    }
  }
  return false;
}

// Returns what `fields=` lists, the empty names too.
static texts_t listed_names(const request_t *request) {
  texts_t listed = {NULL, 0};
  for (size_t at = 0; at < request->query.len; at++) {
    wardlock_policy_types_parameter_t parameter = request->query.ptr[at];
    if (!text_equals(parameter.name, TEXT("fields"))) continue;
    split_t names = text_split(parameter.value);
    for (text_t name; text_next(&names, ',', &name);) texts_push(&listed, text_trim(name));
  }
  return listed;
}

static bool is_listed(texts_t listed, text_t name) {
  for (size_t at = 0; at < listed.len; at++) {
    if (text_is_same(listed.ptr[at], name)) return true;
  }
  return false;
}

static bool is_hidden_read(const policy_t *policy, field_t field) {
  return field.how == WARDLOCK_POLICY_TYPES_FIELD_USE_READ && hides(policy, field.of, field.name);
}

// What the host has not reported is judged all the same, in every module that is touched.
static bool is_hidden(const policy_t *policy, const request_t *request, text_t name) {
  fields_t touched = request->operation.fields.val;
  for (size_t at = 0; at < touched.len; at++) {
    if (is_hidden_read(policy, touched.ptr[at]) && text_is_same(touched.ptr[at].name, name)) return true;
  }
  request_plugin_list_string_t resources = request->operation.resources;
  for (size_t at = 0; at < resources.len; at++) {
    if (hides(policy, resources.ptr[at], name)) return true;
  }
  return false;
}

static void join(text_t *names, text_t separator, text_t name) {
  if (names->len > 0) text_put(names, separator);
  text_put(names, name);
}

// Takes hidden fields out of `fields=`, where all that is hidden stands there.
static answer_t narrow(const policy_t *policy, const request_t *request) {
  texts_t listed = listed_names(request);
  for (size_t at = 0; at < listed.len; at++) {
    if (listed.ptr[at].len > 0 && !is_plain(listed.ptr[at])) return unclear(listed.ptr[at]);
  }
  fields_t touched = request->operation.fields.val;
  for (size_t at = 0; at < touched.len; at++) {
    text_t name = touched.ptr[at].name;
    if (is_hidden_read(policy, touched.ptr[at]) && !is_listed(listed, name)) {
      return hidden(name, TEXT("leave it out of the columns"));
    }
  }
  text_t left_out = {NULL, 0}, kept = {NULL, 0};
  for (size_t at = 0; at < listed.len; at++) {
    text_t name = listed.ptr[at];
    if (name.len == 0) continue;
    if (is_hidden(policy, request, name)) {
      join(&left_out, TEXT(", "), name);
    } else {
      join(&kept, TEXT(","), name);
    }
  }
  if (left_out.len == 0) return (answer_t){.verdict.tag = WARDLOCK_POLICY_TYPES_VERDICT_ALLOW};
  if (kept.len == 0) return hidden(left_out, TEXT("ask for other fields"));
  wardlock_policy_types_edit_t *edit = calloc(1, sizeof(*edit));
  if (edit == NULL) abort();
  edit->tag = WARDLOCK_POLICY_TYPES_EDIT_SET_QUERY;
  edit->val.set_query = (wardlock_policy_types_parameter_t){text_copy(TEXT("fields")), kept};
  text_t message = text_copy(TEXT("left out: "));
  text_put(&message, left_out);
  answer_t answer = {.verdict.tag = WARDLOCK_POLICY_TYPES_VERDICT_SHAPE};
  answer.verdict.val.shape.edits = (wardlock_policy_types_list_edit_t){edit, 1};
  answer.verdict.val.shape.reason = reason(TEXT("fields_narrowed"), message);
  return answer;
}

answer_t field_mask_on_request(const policy_t *policy, const request_t *request) {
  if (!request->operation.fields.is_some) {
    return deny(TEXT("fields_unknown"), text_copy(TEXT("it cannot be told which fields this request touches")),
                TEXT("name the fields you need: `fields=` on a read, columns in COQL"));
  }
  answer_t answer;
  return refuse(policy, request->operation.fields.val, &answer) ? answer : narrow(policy, request);
}
