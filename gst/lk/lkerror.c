/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkerror: what can go wrong, one code per thing that an application can act on. */

#include "lkerror.h"

#include <gio/gio.h>
#include <string.h>

#define MAX_TEXT_BYTES 256
/* Texts are looked through to this length. What lies beyond could never be shown, unless all before it were tokens. */
#define MAX_LOOKED_AT_BYTES (64 * 1024)
#define REPLACEMENT "[token]"
#define ELLIPSIS "\342\200\246"
/* Shorter pieces of a JWT give nothing away; longer opaque words are no use to a reader, and may be a signature (43
 * letters with HS256) or an API secret. */
#define MIN_TOKEN_START 8
#define MIN_OPAQUE_WORD 40
/* {"alg":"none"} is 19 letters; no part of a host name with two dots gets near twice that in practice. */
#define MIN_TOKEN_PART 15

typedef enum
{
  FINAL_BY_CODE,
  FINAL_YES,
  FINAL_NO,
} Finality;

typedef struct
{
  guint http_status;
  guint retry_after_ms;
  Finality finality;
} LkErrorPrivate;

static void
lk_error_private_init (LkErrorPrivate * priv)
{
  priv->http_status = 0;
  priv->retry_after_ms = 0;
  priv->finality = FINAL_BY_CODE;
}

static void
lk_error_private_copy (const LkErrorPrivate * from, LkErrorPrivate * to)
{
  *to = *from;
}

static void
lk_error_private_clear (LkErrorPrivate * priv)
{
}

G_DEFINE_EXTENDED_ERROR (LkError, lk_error)

const gchar *
lk_error_reason (LkError code)
{
  static const gchar *const reasons[] = {
    [LK_ERROR_SETTINGS] = "settings",
    [LK_ERROR_RESOLVE] = "resolve",
    [LK_ERROR_CONNECT] = "connect",
    [LK_ERROR_TLS] = "tls",
    [LK_ERROR_NOT_LIVEKIT] = "not-livekit",
    [LK_ERROR_TOKEN_SOURCE] = "token-source",
    [LK_ERROR_TOKEN] = "token",
    [LK_ERROR_UNAUTHORIZED] = "unauthorized",
    [LK_ERROR_PERMISSION] = "permission",
    [LK_ERROR_NO_ROOM] = "no-room",
    [LK_ERROR_SERVER] = "server",
    [LK_ERROR_PROTOCOL] = "protocol",
    [LK_ERROR_TIMEOUT] = "timeout",
    [LK_ERROR_CONNECTION_LOST] = "connection-lost",
    [LK_ERROR_MEDIA] = "media",
    [LK_ERROR_DUPLICATE_IDENTITY] = "duplicate-identity",
    [LK_ERROR_REMOVED] = "removed",
    [LK_ERROR_ROOM_DELETED] = "room-deleted",
    [LK_ERROR_ROOM_CLOSED] = "room-closed",
    [LK_ERROR_SERVER_SHUTDOWN] = "server-shutdown",
    [LK_ERROR_DISCONNECTED] = "disconnected",
    [LK_ERROR_PUBLISH] = "publish",
    [LK_ERROR_CANCELLED] = "cancelled",
  };

  return (guint) code < G_N_ELEMENTS (reasons) ? reasons[code] : "unknown";
}

static gboolean
status_is_final (guint status)
{
  return status != 0 && status != 429 && status < 500;
}

static gboolean
code_is_final (LkError code, guint http_status)
{
  switch (code) {
    case LK_ERROR_SETTINGS:
    case LK_ERROR_TLS:
    case LK_ERROR_NOT_LIVEKIT:
    case LK_ERROR_TOKEN:
    case LK_ERROR_UNAUTHORIZED:
    case LK_ERROR_PERMISSION:
    case LK_ERROR_NO_ROOM:
    case LK_ERROR_DUPLICATE_IDENTITY:
    case LK_ERROR_REMOVED:
    case LK_ERROR_ROOM_DELETED:
    case LK_ERROR_ROOM_CLOSED:
    case LK_ERROR_CANCELLED:
      return TRUE;
    case LK_ERROR_TOKEN_SOURCE:
      return status_is_final (http_status);
    case LK_ERROR_RESOLVE:
    case LK_ERROR_CONNECT:
    case LK_ERROR_SERVER:
    case LK_ERROR_PROTOCOL:
    case LK_ERROR_TIMEOUT:
    case LK_ERROR_CONNECTION_LOST:
    case LK_ERROR_MEDIA:
    case LK_ERROR_SERVER_SHUTDOWN:
    case LK_ERROR_DISCONNECTED:
    case LK_ERROR_PUBLISH:
      return FALSE;
  }
  return FALSE;
}

gboolean
lk_error_is_final (const GError * error)
{
  const LkErrorPrivate *priv;

  if (error == NULL)
    return FALSE;
  if (error->domain != LK_ERROR)
    return g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  priv = lk_error_get_private (error);
  if (priv->finality != FINAL_BY_CODE)
    return priv->finality == FINAL_YES;
  return code_is_final ((LkError) error->code, priv->http_status);
}

void
lk_error_set_final (GError * error, gboolean is_final)
{
  g_return_if_fail (error != NULL && error->domain == LK_ERROR);
  lk_error_get_private (error)->finality = is_final ? FINAL_YES : FINAL_NO;
}

guint
lk_error_http_status (const GError * error)
{
  if (error == NULL || error->domain != LK_ERROR)
    return 0;
  return lk_error_get_private (error)->http_status;
}

guint
lk_error_retry_after_ms (const GError * error)
{
  if (error == NULL || error->domain != LK_ERROR)
    return 0;
  return lk_error_get_private (error)->retry_after_ms;
}

void
lk_error_set_retry_after_ms (GError * error, guint retry_after_ms)
{
  g_return_if_fail (error != NULL && error->domain == LK_ERROR);
  lk_error_get_private (error)->retry_after_ms = MIN (retry_after_ms, LK_ERROR_MAX_RETRY_AFTER_MS);
}

GError *
lk_error_new_http (LkError code, guint status, const gchar * format, ...)
{
  GError *error;
  va_list args;

  va_start (args, format);
  error = g_error_new_valist (LK_ERROR, (gint) code, format, args);
  va_end (args);
  lk_error_get_private (error)->http_status = status;
  return error;
}

/* Controls and line ends become spaces, several spaces one; what cannot be seen goes, for it could hide a token. */
static gchar *
make_one_line (const gchar * text, gsize length)
{
  g_autofree gchar *valid = g_utf8_make_valid (text, (gssize) length);
  GString *line = g_string_sized_new (length);

  for (const gchar * p = valid; *p != '\0'; p = g_utf8_next_char (p)) {
    gunichar c = g_utf8_get_char (p);
    GUnicodeType type = g_unichar_type (c);

    if (type == G_UNICODE_FORMAT)
      continue;
    if (type == G_UNICODE_CONTROL || g_unichar_isspace (c) || type == G_UNICODE_LINE_SEPARATOR
        || type == G_UNICODE_PARAGRAPH_SEPARATOR) {
      if (line->len > 0 && line->str[line->len - 1] != ' ')
        g_string_append_c (line, ' ');
    } else {
      g_string_append_unichar (line, c);
    }
  }
  if (line->len > 0 && line->str[line->len - 1] == ' ')
    g_string_truncate (line, line->len - 1);
  return g_string_free (line, FALSE);
}

static gboolean
is_part_char (gchar c)
{
  return g_ascii_isalnum (c) || c == '-' || c == '_';
}

static gboolean
is_word_char (gchar c)
{
  return is_part_char (c) || c == '.';
}

static gsize
span_until (const gchar * p, const gchar * delimiters)
{
  return strcspn (p, delimiters);
}

/* "Bearer", spaces and a value: the length up to the value, and of the value. */
static gboolean
match_bearer (const gchar * p, gchar before, gsize * head, gsize * value)
{
  gsize n = strlen ("Bearer");

  if (is_part_char (before) || g_ascii_strncasecmp (p, "Bearer", n) != 0)
    return FALSE;
  if (g_ascii_strncasecmp (p + n, "%20", 3) == 0)
    n += 3;
  else if (p[n] != '\0' && strchr (" :+=", p[n]) != NULL)
    n += strspn (p + n, " :+=\"'");
  else
    return FALSE;
  *head = n;
  *value = span_until (p + n, " \"',;<>&");
  return *value > 0;
}

static gboolean
ends_with (const gchar * line, const gchar * p, const gchar * suffix)
{
  gsize n = strlen (suffix);

  return (gsize) (p - line) >= n && g_ascii_strncasecmp (p - n, suffix, n) == 0;
}

/* At @p behind a name that ends in token or secret: =value as in queries and forms, ":"value" as in JSON. */
static gboolean
match_named_value (const gchar * line, const gchar * p, gsize * head, gsize * value)
{
  gsize n = 1;

  if ((*p != '=' && *p != '"') || (!ends_with (line, p, "token") && !ends_with (line, p, "secret")))
    return FALSE;

  if (*p == '=') {
    n += strspn (p + n, " \"'");
    *value = span_until (p + n, " \"'&,;<>");
  } else {
    n += strspn (p + n, " ");
    if (p[n++] != ':')
      return FALSE;
    n += strspn (p + n, " ");
    if (p[n++] != '"')
      return FALSE;
    *value = span_until (p + n, "\"");
  }
  *head = n;
  return *value > 0;
}

/* In @word, @length letters, digits, - _ and dots: where a token begins, or @length. */
static gsize
find_token (const gchar * word, gsize length)
{
  const gchar *start = g_strstr_len (word, (gssize) length, "eyJ");
  guint n_long_parts = 0;
  gsize part = 0;

  /* Every JSON object with a quoted member begins with eyJ in base64. What stands before it may be secret as well. */
  if (start != NULL && length - (gsize) (start - word) >= MIN_TOKEN_START)
    length = (gsize) (start - word);

  for (gsize i = 0; i <= length; i++) {
    if (i < length && word[i] != '.') {
      part++;
      continue;
    }
    if (part >= MIN_OPAQUE_WORD)
      return 0;
    if (part >= MIN_TOKEN_PART)
      n_long_parts++;
    part = 0;
  }
  return n_long_parts >= 3 ? 0 : length;
}

static gsize
append_word (GString * out, const gchar * word)
{
  gsize length = 0, trimmed, start;

  while (is_word_char (word[length]))
    length++;
  /* dots that end a sentence are not part of a token */
  for (trimmed = length; trimmed > 0 && word[trimmed - 1] == '.';)
    trimmed--;
  start = find_token (word, trimmed);
  g_string_append_len (out, word, (gssize) start);
  if (start < trimmed)
    g_string_append (out, REPLACEMENT);
  g_string_append_len (out, word + trimmed, (gssize) (length - trimmed));
  return length;
}

/* After "://": length of a user part with its @, or 0. */
static gsize
user_part_length (const gchar * p)
{
  gsize authority = span_until (p, "/?# \"'<>");
  const gchar *at = g_strrstr_len (p, (gssize) authority, "@");

  return at != NULL ? (gsize) (at - p) + 1 : 0;
}

static gchar *
hide_secrets (const gchar * line)
{
  GString *out = g_string_sized_new (strlen (line));
  const gchar *p = line;

  while (*p != '\0') {
    gchar before = p > line ? p[-1] : ' ';
    gsize head = 0, value = 0;

    if (match_bearer (p, before, &head, &value) || match_named_value (line, p, &head, &value)) {
      g_string_append_len (out, p, (gssize) head);
      g_string_append (out, REPLACEMENT);
      p += head + value;
    } else if (g_str_has_prefix (p, "://")) {
      g_string_append (out, "://");
      p += 3;
      p += user_part_length (p);
    } else if (is_word_char (*p) && !is_word_char (before)) {
      p += append_word (out, p);
    } else {
      g_string_append_c (out, *p++);
    }
  }
  return g_string_free (out, FALSE);
}

static void
shorten (gchar * text)
{
  gchar *end;

  if (strlen (text) <= MAX_TEXT_BYTES)
    return;
  end = text + MAX_TEXT_BYTES - strlen (ELLIPSIS);
  if (((guchar) * end & 0xc0) == 0x80)
    end = g_utf8_find_prev_char (text, end);
  strcpy (end, ELLIPSIS);
}

gchar *
lk_error_clean_text (const gchar * text, gssize length)
{
  g_autofree gchar *line = NULL;
  gchar *clean;

  if (text == NULL)
    return g_strdup ("");
  if (length < 0)
    length = (gssize) strlen (text);
  line = make_one_line (text, (gsize) MIN (length, MAX_LOOKED_AT_BYTES));
  clean = hide_secrets (line);
  shorten (clean);
  return clean;
}

/* A port that is no number: a password with a slash or a question mark in it, so that the end of the host was found in
 * the middle of the password. */
static gboolean
has_odd_port (const gchar * authority)
{
  const gchar *colon = strrchr (authority, ':');

  if (colon == NULL || strchr (colon, ']') != NULL)
    return FALSE;
  return colon[1 + strspn (colon + 1, "0123456789")] != '\0';
}

gchar *
lk_error_clean_url (const gchar * url)
{
  g_autofree gchar *bare = NULL, *authority = NULL;
  gchar *start, *at;
  gsize user = 0;

  if (url == NULL)
    return g_strdup ("");
  bare = g_strndup (url, strcspn (url, "?#"));
  start = strstr (bare, "://");
  if (start != NULL && start[3] != '/') {
    start += 3;
    user = user_part_length (start);
  } else {
    /* no URL as such: anything before an @ may be a password */
    start = bare;
    if ((at = strrchr (start, '@')) != NULL)
      user = (gsize) (at - start) + 1;
  }
  memmove (start, start + user, strlen (start + user) + 1);

  authority = g_strndup (start, strcspn (start, "/"));
  if (start != bare && has_odd_port (authority))
    *start = '\0';
  return lk_error_clean_text (bare, -1);
}
