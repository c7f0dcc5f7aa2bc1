// The settings as they come: `{ "hide": ["Email"], "protect": ["Leads.Owner"] }`.
#ifndef SETTINGS_H
#define SETTINGS_H

#include "text.h"

typedef struct {
  texts_t hide;
  texts_t protect;
} settings_t;

// Reads the settings' JSON: exactly this shape, in any JSON spelling. Returns NULL, or what is wrong with it.
const char *settings_parse(text_t json, settings_t *settings);

#endif
