/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkjson: whether a text from the network is JSON that json-glib may see. */

#include "lkjson.h"

#include <string.h>

typedef struct
{
  const gchar *p, *end;
} Scan;

/* What may come next. */
typedef enum
{
  VALUE,
  VALUE_OR_END,                 /* behind [ */
  NAME,
  NAME_OR_END,                  /* behind { */
  COMMA_OR_END,
} Next;

static gchar
peek (Scan * scan)
{
  return scan->p < scan->end ? *scan->p : '\0';
}

static void
skip_space (Scan * scan)
{
  while (scan->p < scan->end && strchr (" \t\r\n", *scan->p) != NULL)
    scan->p++;
}

static gboolean
skip_char (Scan * scan, gchar c)
{
  if (peek (scan) != c)
    return FALSE;
  scan->p++;
  return TRUE;
}

/* The four digits of \u, or -1. */
static gint
skip_hex (Scan * scan)
{
  gint value = 0;

  for (guint i = 0; i < 4; i++) {
    gint digit = g_ascii_xdigit_value (peek (scan));

    if (digit < 0)
      return -1;
    value = value * 16 + digit;
    scan->p++;
  }
  return value;
}

static gboolean
skip_unicode_escape (Scan * scan)
{
  gint value = skip_hex (scan), low;

  if (value <= 0 || (value >= 0xdc00 && value <= 0xdfff))
    return FALSE;
  if (value < 0xd800 || value > 0xdbff)
    return TRUE;
  if (!skip_char (scan, '\\') || !skip_char (scan, 'u'))
    return FALSE;
  low = skip_hex (scan);
  return low >= 0xdc00 && low <= 0xdfff;
}

static gboolean
skip_string (Scan * scan)
{
  if (!skip_char (scan, '"'))
    return FALSE;
  while (scan->p < scan->end) {
    gchar c = *scan->p++;

    if (c == '"')
      return TRUE;
    if ((guchar) c < 0x20)
      return FALSE;
    if (c != '\\')
      continue;
    c = peek (scan);
    if (c == '\0' || strchr ("\"\\/bfnrtu", c) == NULL)
      return FALSE;
    scan->p++;
    if (c == 'u' && !skip_unicode_escape (scan))
      return FALSE;
  }
  return FALSE;
}

static gboolean
skip_digits (Scan * scan)
{
  const gchar *start = scan->p;

  while (g_ascii_isdigit (peek (scan)))
    scan->p++;
  return scan->p > start;
}

static gboolean
skip_number (Scan * scan)
{
  skip_char (scan, '-');
  if (!skip_char (scan, '0') && !skip_digits (scan))
    return FALSE;
  if (skip_char (scan, '.') && !skip_digits (scan))
    return FALSE;
  if (!skip_char (scan, 'e') && !skip_char (scan, 'E'))
    return TRUE;
  if (!skip_char (scan, '+'))
    skip_char (scan, '-');
  return skip_digits (scan);
}

static gboolean
skip_word (Scan * scan, const gchar * word)
{
  gsize length = strlen (word);

  if ((gsize) (scan->end - scan->p) < length || memcmp (scan->p, word, length) != 0)
    return FALSE;
  scan->p += length;
  return TRUE;
}

static gboolean
skip_scalar (Scan * scan)
{
  switch (peek (scan)) {
    case '"':
      return skip_string (scan);
    case 't':
      return skip_word (scan, "true");
    case 'f':
      return skip_word (scan, "false");
    case 'n':
      return skip_word (scan, "null");
    default:
      return skip_number (scan);
  }
}

static gboolean
skip_name (Scan * scan)
{
  if (!skip_string (scan))
    return FALSE;
  skip_space (scan);
  return skip_char (scan, ':');
}

/* Up to the bracket that closes the first one. No recursion: the kinds of the brackets that are open are bits. */
static gboolean
skip_container (Scan * scan, guint max_depth)
{
  guint64 objects = 0;
  guint depth = 0;
  Next next = VALUE;

  do {
    gchar c;

    skip_space (scan);
    c = peek (scan);
    if ((c == ']' && (next == VALUE_OR_END || next == COMMA_OR_END) && !(objects & 1))
        || (c == '}' && (next == NAME_OR_END || next == COMMA_OR_END) && (objects & 1))) {
      scan->p++;
      objects >>= 1;
      depth--;
      next = COMMA_OR_END;
    } else if (next == COMMA_OR_END) {
      if (!skip_char (scan, ','))
        return FALSE;
      next = objects & 1 ? NAME : VALUE;
    } else if (next == NAME || next == NAME_OR_END) {
      if (!skip_name (scan))
        return FALSE;
      next = VALUE;
    } else if (c == '{' || c == '[') {
      if (++depth > max_depth)
        return FALSE;
      scan->p++;
      objects = objects << 1 | (c == '{');
      next = c == '{' ? NAME_OR_END : VALUE_OR_END;
    } else {
      if (depth == 0 || !skip_scalar (scan))
        return FALSE;
      next = COMMA_OR_END;
    }
  } while (depth > 0);
  return TRUE;
}

gboolean
lk_json_is_valid (const gchar * text, gsize length, guint max_depth)
{
  Scan scan = { text, text + length };

  g_return_val_if_fail (max_depth <= LK_JSON_MAX_DEPTH, FALSE);

  if (!g_utf8_validate_len (text, length, NULL) || !skip_container (&scan, max_depth))
    return FALSE;
  skip_space (&scan);
  return scan.p == scan.end;
}
