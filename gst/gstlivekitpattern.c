/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpattern: which tracks a livekitsrc shows. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitpattern.h"

#include <string.h>

typedef struct
{
  GPatternSpec *identity, *track;
} Pattern;

struct _GstLiveKitPatterns
{
  GPtrArray *list;              /* Pattern; empty = everything */
};

#define ESCAPED "/,%*?"

static gchar *
escape (const gchar * text)
{
  GString *out = g_string_new (NULL);

  for (; *text; text++) {
    if (strchr (ESCAPED, *text))
      g_string_append_printf (out, "%%%02X", (guchar) * text);
    else
      g_string_append_c (out, *text);
  }
  return g_string_free (out, FALSE);
}

static void
pattern_free (gpointer data)
{
  Pattern *pattern = data;

  g_pattern_spec_free (pattern->identity);
  g_pattern_spec_free (pattern->track);
  g_free (pattern);
}

/* Lower-case escapes, and escapes of what needs none, mean the same as ours: the pattern is brought to our form. GLib
 * aborts on patterns that are not UTF-8, as escapes can make them; made valid, such a pattern matches nothing that
 * there is. */
static gchar *
normalise (const gchar * text)
{
  g_autoptr (GString) out = g_string_new (NULL);

  for (; *text; text++) {
    gint high = text[0] == '%' ? g_ascii_xdigit_value (text[1]) : -1;
    gint low = high >= 0 ? g_ascii_xdigit_value (text[2]) : -1;
    gchar byte = (gchar) (high * 16 + low);

    if (low < 0) {
      g_string_append_c (out, *text);
      continue;
    }
    if (strchr (ESCAPED, byte))
      g_string_append_printf (out, "%%%02X", (guchar) byte);
    else
      g_string_append_c (out, byte);
    text += 2;
  }
  return g_utf8_make_valid (out->str, (gssize) out->len);
}

static Pattern *
pattern_new (const gchar * text)
{
  Pattern *pattern = g_new (Pattern, 1);
  const gchar *slash = strchr (text, '/');
  g_autofree gchar *raw_identity = slash ? g_strndup (text, slash - text) : g_strdup (text);
  g_autofree gchar *identity = normalise (raw_identity);
  g_autofree gchar *track = normalise (slash ? slash + 1 : "*");

  pattern->identity = g_pattern_spec_new (identity);
  pattern->track = g_pattern_spec_new (track);
  return pattern;
}

GstLiveKitPatterns *
gst_livekit_patterns_new (const gchar * text)
{
  GstLiveKitPatterns *patterns = g_new (GstLiveKitPatterns, 1);
  g_auto (GStrv) items = g_strsplit (text ? text : "", ",", -1);

  patterns->list = g_ptr_array_new_with_free_func (pattern_free);
  for (guint i = 0; items[i]; i++) {
    if (*g_strstrip (items[i]))
      g_ptr_array_add (patterns->list, pattern_new (items[i]));
  }
  return patterns;
}

void
gst_livekit_patterns_free (GstLiveKitPatterns * patterns)
{
  g_ptr_array_unref (patterns->list);
  g_free (patterns);
}

static gboolean
matches (GPatternSpec * spec, const gchar * text)
{
  g_autofree gchar *escaped = escape (text);

  return g_pattern_spec_match_string (spec, escaped);
}

static gboolean
matches_track (GPatternSpec * spec, const LkPublication * publication)
{
  return (*publication->name && matches (spec, publication->name)) || matches (spec, publication->sid)
      || matches (spec, lk_track_source_name (publication->source))
      || matches (spec, lk_track_kind_name (publication->kind));
}

gboolean
gst_livekit_patterns_match (GstLiveKitPatterns * patterns, const LkPublication * publication)
{
  if (patterns->list->len == 0)
    return TRUE;
  for (guint i = 0; i < patterns->list->len; i++) {
    Pattern *pattern = g_ptr_array_index (patterns->list, i);

    if (matches (pattern->identity, publication->participant_identity)
        && matches_track (pattern->track, publication))
      return TRUE;
  }
  return FALSE;
}

gchar *
gst_livekit_pattern_of (const LkPublication * publication, gboolean name_is_unique)
{
  const gchar *track = publication->sid;
  g_autofree gchar *identity = escape (publication->participant_identity);
  g_autofree gchar *escaped_track = NULL;

  if (*publication->name && name_is_unique)
    track = publication->name;
  else if (publication->source != LK_SOURCE_UNKNOWN)
    track = lk_track_source_name (publication->source);
  escaped_track = escape (track);
  return g_strdup_printf ("%s/%s", identity, escaped_track);
}
