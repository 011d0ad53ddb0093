/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: the `tracks` property, and what it is compared with: a line of patterns, then identity, name and sid of a
 * track, a line each. The first byte is the kind of the track and its source. */

#include "fuzz.h"

#include <string.h>

#include "gstlivekitpattern.h"

/* As lkmessage lets through. Blanks at the ends of an item in a list do not count, so that those in a name cannot. */
static gboolean
is_plain (const gchar * text)
{
  return g_utf8_validate (text, -1, NULL) && !g_ascii_isspace (text[0])
      && (*text == '\0' || !g_ascii_isspace (text[strlen (text) - 1]));
}

int
LLVMFuzzerTestOneInput (const uint8_t * data, size_t size)
{
  g_autofree gchar *text = fuzz_text (data, size);
  g_auto (GStrv) lines = g_strsplit (size > 0 ? text + 1 : "", "\n", 4);
  guint n = g_strv_length (lines);
  GstLiveKitPatterns *patterns = gst_livekit_patterns_new (n > 0 ? lines[0] : NULL);
  g_autofree gchar *own = NULL, *unnamed = NULL;
  LkPublication publication = { NULL, };

  publication.participant_sid = (gchar *) "PA_x";
  publication.participant_identity = n > 1 ? lines[1] : (gchar *) "";
  publication.participant_name = (gchar *) "";
  publication.name = n > 2 ? lines[2] : (gchar *) "";
  publication.sid = n > 3 ? lines[3] : (gchar *) "TR_x";
  publication.mime_type = publication.stream = (gchar *) "";
  publication.kind = size > 0 && (data[0] & 1) ? LK_TRACK_VIDEO : LK_TRACK_AUDIO;
  publication.source = size > 0 ? (LkTrackSource) ((data[0] >> 1) % 5) : 0;
  if (g_utf8_validate (publication.participant_identity, -1, NULL) && g_utf8_validate (publication.name, -1, NULL)
      && g_utf8_validate (publication.sid, -1, NULL))
    gst_livekit_patterns_match (patterns, &publication);
  gst_livekit_patterns_free (patterns);
  if (!is_plain (publication.participant_identity) || !is_plain (publication.name) || !is_plain (publication.sid))
    return 0;

  /* what names a track matches it */
  own = gst_livekit_pattern_of (&publication, TRUE);
  unnamed = gst_livekit_pattern_of (&publication, FALSE);
  fuzz_check (own != NULL && unnamed != NULL);
  patterns = gst_livekit_patterns_new (own);
  if (*publication.participant_identity != '\0' && publication.sid[0] != '\0')
    fuzz_check (gst_livekit_patterns_match (patterns, &publication));
  gst_livekit_patterns_free (patterns);
  return 0;
}
