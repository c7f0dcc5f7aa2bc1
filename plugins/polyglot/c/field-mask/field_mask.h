// The policy: what is hidden and protected, and what that means for a request.
#ifndef FIELD_MASK_H
#define FIELD_MASK_H

#include "text.h"

typedef exports_wardlock_policy_request_hook_request_t request_t;
typedef exports_wardlock_policy_request_hook_answer_t answer_t;
typedef wardlock_policy_types_list_field_t fields_t;

// `Field`, or `Module.Field`.
typedef struct {
  bool has_module;
  text_t module;
  text_t field;
} entry_t;

typedef struct {
  entry_t *ptr;
  size_t len;
} entries_t;

typedef struct {
  entries_t hide;
  entries_t protect;
} policy_t;

// Reads an entry; false where it is neither `Field` nor `Module.Field`.
bool entry_parse(text_t text, entry_t *entry);

// Refuses a request. The message must be on the heap; an empty hint is none.
answer_t deny(text_t code, text_t message, text_t hint);

// Judges a request.
answer_t field_mask_on_request(const policy_t *policy, const request_t *request);

#endif
