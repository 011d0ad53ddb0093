/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsdp: checks and edits of session descriptions. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitsdp.h"

#include <string.h>
#include "lkerror.h"

static const gchar *const directions[] = { "sendrecv", "sendonly", "recvonly", "inactive" };

static gboolean
is_direction (const gchar * key)
{
  for (guint i = 0; i < G_N_ELEMENTS (directions); i++) {
    if (g_strcmp0 (key, directions[i]) == 0)
      return TRUE;
  }
  return FALSE;
}

const gchar *
gst_livekit_sdp_get_direction (const GstSDPMedia * media)
{
  for (guint i = 0; i < gst_sdp_media_attributes_len (media); i++) {
    const GstSDPAttribute *attr = gst_sdp_media_get_attribute (media, i);

    if (is_direction (attr->key))
      return attr->key;
  }
  return "sendrecv";
}

void
gst_livekit_sdp_set_direction (GstSDPMedia * media, const gchar * direction)
{
  for (guint i = gst_sdp_media_attributes_len (media); i > 0; i--) {
    if (is_direction (gst_sdp_media_get_attribute (media, i - 1)->key))
      gst_sdp_media_remove_attribute (media, i - 1);
  }
  gst_sdp_media_add_attribute (media, direction, "");
}

const gchar *
gst_livekit_sdp_get_mid (const GstSDPMedia * media)
{
  return gst_sdp_media_get_attribute_val (media, "mid");
}

static gboolean
refuse (GError ** error, const gchar * what, guint index)
{
  g_set_error (error, LK_ERROR, LK_ERROR_PROTOCOL, "The session description has %s (section %u).", what, index);
  return FALSE;
}

static gboolean
has_value (const GstSDPMessage * sdp, const GstSDPMedia * media, const gchar * key)
{
  const gchar *value = gst_sdp_media_get_attribute_val (media, key);

  if (value == NULL)
    value = gst_sdp_message_get_attribute_val (sdp, key);
  return value != NULL && *value != '\0';
}

static gboolean
check_media (const GstSDPMessage * sdp, guint index, GHashTable * mids, GError ** error)
{
  const GstSDPMedia *media = gst_sdp_message_get_media (sdp, index);
  const gchar *mid = gst_livekit_sdp_get_mid (media);
  const gchar *kind = gst_sdp_media_get_media (media);

  if (mid == NULL || *mid == '\0' || strlen (mid) > 64)
    return refuse (error, "no usable a=mid", index);
  if (!g_hash_table_add (mids, (gpointer) mid))
    return refuse (error, "an a=mid twice", index);
  if (g_strcmp0 (kind, "audio") != 0 && g_strcmp0 (kind, "video") != 0 && g_strcmp0 (kind, "application") != 0)
    return refuse (error, "an unknown kind of media", index);
  /* An m-line without any gives one that is empty. */
  if (gst_sdp_media_formats_len (media) == 0 || gst_sdp_media_formats_len (media) > 256
      || *gst_sdp_media_get_format (media, 0) == '\0')
    return refuse (error, "no formats, or too many", index);
  if (!has_value (sdp, media, "ice-ufrag") || !has_value (sdp, media, "ice-pwd"))
    return refuse (error, "no ICE credentials", index);
  if (!has_value (sdp, media, "fingerprint"))
    return refuse (error, "no DTLS fingerprint", index);
  if (!has_value (sdp, media, "setup"))
    return refuse (error, "no DTLS role", index);
  return TRUE;
}

static gboolean
check_bundle (const GstSDPMessage * sdp, GHashTable * mids, GError ** error)
{
  for (guint i = 0; i < gst_sdp_message_attributes_len (sdp); i++) {
    const GstSDPAttribute *attr = gst_sdp_message_get_attribute (sdp, i);
    g_auto (GStrv) names = NULL;

    if (g_strcmp0 (attr->key, "group") != 0 || attr->value == NULL || !g_str_has_prefix (attr->value, "BUNDLE"))
      continue;
    names = g_strsplit (attr->value, " ", -1);
    for (guint n = 1; names[n] != NULL; n++) {
      if (*names[n] != '\0' && !g_hash_table_contains (mids, names[n]))
        return refuse (error, "a bundle of a section that is not there", n);
    }
  }
  return TRUE;
}

/* The first section of a bundle carries it. webrtcbin aborts the process when that is not the description's first. */
static gboolean
check_carrier (const GstSDPMessage * sdp, GError ** error)
{
  g_autofree gchar *first =
      g_strconcat ("BUNDLE ", gst_livekit_sdp_get_mid (gst_sdp_message_get_media (sdp, 0)), NULL);
  gsize length = strlen (first);

  for (guint i = 0; i < gst_sdp_message_attributes_len (sdp); i++) {
    const GstSDPAttribute *attr = gst_sdp_message_get_attribute (sdp, i);

    if (g_strcmp0 (attr->key, "group") != 0 || attr->value == NULL || !g_str_has_prefix (attr->value, "BUNDLE "))
      continue;
    if (!g_str_has_prefix (attr->value, first) || (attr->value[length] != ' ' && attr->value[length] != '\0'))
      return refuse (error, "a bundle that another section than the first carries", i);
  }
  return TRUE;
}

/* webrtcbin aborts the process when mids change places, so they must stay where they were. */
static gboolean
check_against (const GstSDPMessage * sdp, gboolean is_answer, const GstSDPMessage * offer, GError ** error)
{
  guint n = gst_sdp_message_medias_len (offer);

  if (is_answer ? gst_sdp_message_medias_len (sdp) != n : gst_sdp_message_medias_len (sdp) < n)
    return refuse (error, "another number of sections than the offer", gst_sdp_message_medias_len (sdp));
  for (guint i = 0; i < n; i++) {
    const GstSDPMedia *ours = gst_sdp_message_get_media (offer, i), *theirs = gst_sdp_message_get_media (sdp, i);

    if (g_strcmp0 (gst_livekit_sdp_get_mid (ours), gst_livekit_sdp_get_mid (theirs)) != 0)
      return refuse (error, "its sections in another order", i);
    if (g_strcmp0 (gst_sdp_media_get_media (ours), gst_sdp_media_get_media (theirs)) != 0)
      return refuse (error, "a section of another kind", i);
  }
  return TRUE;
}

GstSDPMessage *
gst_livekit_sdp_parse (const gchar * text, gboolean is_answer, const GstSDPMessage * offer, GError ** error)
{
  GstSDPMessage *sdp = NULL;
  g_autoptr (GHashTable) mids = g_hash_table_new (g_str_hash, g_str_equal);
  gsize length = text ? strlen (text) : 0;
  guint n_media;

  if (length == 0 || length > GST_LIVEKIT_SDP_MAX_BYTES || !g_str_has_prefix (text, "v=0")) {
    refuse (error, "no content, or far too much", 0);
    return NULL;
  }
  if (gst_sdp_message_new_from_text (text, &sdp) != GST_SDP_OK) {
    refuse (error, "a syntax error", 0);
    return NULL;
  }
  n_media = gst_sdp_message_medias_len (sdp);
  if (n_media == 0 || n_media > GST_LIVEKIT_SDP_MAX_MEDIA) {
    refuse (error, "no sections, or too many", n_media);
    goto refused;
  }
  for (guint i = 0; i < n_media; i++) {
    if (!check_media (sdp, i, mids, error))
      goto refused;
  }
  if (!check_bundle (sdp, mids, error) || (offer && !check_against (sdp, is_answer, offer, error))
      || !check_carrier (sdp, error))
    goto refused;
  return sdp;

refused:
  gst_sdp_message_free (sdp);
  return NULL;
}

static void
remove_formats (GstSDPMedia * media)
{
  while (gst_sdp_media_formats_len (media) > 0)
    gst_sdp_media_remove_format (media, 0);
  for (guint i = gst_sdp_media_attributes_len (media); i > 0; i--) {
    const gchar *key = gst_sdp_media_get_attribute (media, i - 1)->key;

    if (g_strcmp0 (key, "rtpmap") == 0 || g_strcmp0 (key, "fmtp") == 0 || g_strcmp0 (key, "rtcp-fb") == 0)
      gst_sdp_media_remove_attribute (media, i - 1);
  }
}

static void
add_attribute (GstSDPMedia * media, const gchar * key, const gchar * format, ...) G_GNUC_PRINTF (3, 4);

static void
add_attribute (GstSDPMedia * media, const gchar * key, const gchar * format, ...)
{
  g_autofree gchar *value = NULL;
  va_list args;

  va_start (args, format);
  value = g_strdup_vprintf (format, args);
  va_end (args);
  gst_sdp_media_add_attribute (media, key, value);
}

static void
write_codec (GstSDPMedia * media, const GstLiveKitCodec * codec)
{
  guint pt = codec->payload_type, rtx = codec->rtx_payload_type;
  const gchar *name = gst_livekit_codec_get_sdp_name (codec);
  gchar format[8];

  g_snprintf (format, sizeof format, "%u", pt);
  gst_sdp_media_add_format (media, format);
  if (codec->channels)
    add_attribute (media, "rtpmap", "%u %s/%u/%u", pt, name, codec->clock_rate, codec->channels);
  else
    add_attribute (media, "rtpmap", "%u %s/%u", pt, name, codec->clock_rate);
  if (codec->fmtp)
    add_attribute (media, "fmtp", "%u %s", pt, codec->fmtp);
  add_attribute (media, "rtcp-fb", "%u nack", pt);
  if (codec->kind == LK_TRACK_VIDEO) {
    add_attribute (media, "rtcp-fb", "%u nack pli", pt);
    add_attribute (media, "rtcp-fb", "%u ccm fir", pt);
    /* The first for both directions, the second for what comes: the server uses either (docs/bandwidth.md). */
    add_attribute (media, "rtcp-fb", "%u transport-cc", pt);
    add_attribute (media, "rtcp-fb", "%u goog-remb", pt);
  }
  if (rtx) {
    g_snprintf (format, sizeof format, "%u", rtx);
    gst_sdp_media_add_format (media, format);
    add_attribute (media, "rtpmap", "%u rtx/%u", rtx, codec->clock_rate);
    add_attribute (media, "fmtp", "%u apt=%u", rtx, pt);
  }
}

void
gst_livekit_sdp_write_codecs (GstSDPMedia * media, const GstLiveKitCodec * own, gboolean all)
{
  LkTrackKind kind = g_strcmp0 (gst_sdp_media_get_media (media), "video") == 0 ? LK_TRACK_VIDEO : LK_TRACK_AUDIO;

  remove_formats (media);
  if (own)
    write_codec (media, own);
  for (const GstLiveKitCodec * codec = gst_livekit_codecs (); all && codec->encoding_name; codec++) {
    if (codec->kind == kind && codec != own)
      write_codec (media, codec);
  }
}

/* Whether payload type @format is @codec by the section's rtpmap; for H.264 also by the parameters that we handle. */
static gboolean
format_is (const GstSDPMedia * media, const gchar * format, const GstLiveKitCodec * codec)
{
  g_autofree gchar *prefix = g_strdup_printf ("%s %s/", format, gst_livekit_codec_get_sdp_name (codec));
  g_autofree gchar *fmtp_prefix = g_strdup_printf ("%s ", format);
  gboolean matches = FALSE, params_fit = !g_str_equal (codec->encoding_name, "H264");

  for (guint i = 0; i < gst_sdp_media_attributes_len (media); i++) {
    const GstSDPAttribute *attr = gst_sdp_media_get_attribute (media, i);

    if (attr->value == NULL)
      continue;
    if (g_str_equal (attr->key, "rtpmap"))
      matches |= g_ascii_strncasecmp (attr->value, prefix, strlen (prefix)) == 0;
    else if (g_str_equal (attr->key, "fmtp") && g_str_has_prefix (attr->value, fmtp_prefix))
      params_fit |= strstr (attr->value, "packetization-mode=1") && strstr (attr->value, "profile-level-id=42e0");
  }
  return matches && params_fit;
}

static gboolean
is_offered (const GstSDPMedia * offered, const GstLiveKitCodec * codec)
{
  gchar format[8];

  g_snprintf (format, sizeof format, "%u", codec->payload_type);
  for (guint i = 0; i < gst_sdp_media_formats_len (offered); i++) {
    if (g_strcmp0 (gst_sdp_media_get_format (offered, i), format) == 0)
      return format_is (offered, format, codec);
  }
  return FALSE;
}

void
gst_livekit_sdp_answer_codecs (GstSDPMedia * media, const GstSDPMedia * offered, const GstLiveKitCodec * own)
{
  LkTrackKind kind = g_strcmp0 (gst_sdp_media_get_media (media), "video") == 0 ? LK_TRACK_VIDEO : LK_TRACK_AUDIO;

  if (own == NULL || !is_offered (offered, own))
    return;
  remove_formats (media);
  write_codec (media, own);
  for (const GstLiveKitCodec * codec = gst_livekit_codecs (); codec->encoding_name; codec++) {
    if (codec->kind == kind && codec != own && is_offered (offered, codec))
      write_codec (media, codec);
  }
}

void
gst_livekit_sdp_prefer_codec (GstSDPMedia * media, const GstLiveKitCodec * codec)
{
  g_autoptr (GPtrArray) first = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GPtrArray) rest = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < gst_sdp_media_formats_len (media); i++) {
    const gchar *format = gst_sdp_media_get_format (media, i);

    g_ptr_array_add (format_is (media, format, codec) ? first : rest, g_strdup (format));
  }
  while (gst_sdp_media_formats_len (media) > 0)
    gst_sdp_media_remove_format (media, 0);
  for (guint i = 0; i < first->len; i++)
    gst_sdp_media_add_format (media, g_ptr_array_index (first, i));
  for (guint i = 0; i < rest->len; i++)
    gst_sdp_media_add_format (media, g_ptr_array_index (rest, i));
}

void
gst_livekit_sdp_hide_red (GstSDPMessage * sdp)
{
  for (guint m = 0; m < gst_sdp_message_medias_len (sdp); m++) {
    GstSDPMedia *media = (GstSDPMedia *) gst_sdp_message_get_media (sdp, m);

    for (guint i = 0; i < gst_sdp_media_attributes_len (media); i++) {
      const GstSDPAttribute *attr = gst_sdp_media_get_attribute (media, i);
      const gchar *name = g_str_equal (attr->key, "rtpmap") && attr->value ? strchr (attr->value, ' ') : NULL;

      if (name && g_ascii_strncasecmp (name, " red/", 5) == 0) {
        GstSDPAttribute edited = { g_strdup ("rtpmap"),
          g_strdup_printf ("%.*s " GST_LIVEKIT_RED_NAME "%s", (gint) (name - attr->value), attr->value, name + 4)
        };
        gst_sdp_media_replace_attribute (media, i, &edited);
      }
    }
  }
}

void
gst_livekit_sdp_write_msid (GstSDPMedia * media, const gchar * stream, const gchar * track)
{
  g_autofree gchar *msid = g_strdup_printf ("%s %s", stream, track);

  for (guint i = gst_sdp_media_attributes_len (media); i > 0; i--) {
    const GstSDPAttribute *attr = gst_sdp_media_get_attribute (media, i - 1);
    const gchar *field;

    if (g_str_equal (attr->key, "msid")) {
      gst_sdp_media_remove_attribute (media, i - 1);
    } else if (g_str_equal (attr->key, "ssrc") && attr->value && (field = strchr (attr->value, ' '))
        && g_str_has_prefix (field + 1, "msid:")) {
      GstSDPAttribute edited = { g_strdup ("ssrc"),
        g_strdup_printf ("%.*s msid:%s", (gint) (field - attr->value), attr->value, msid)
      };
      gst_sdp_media_replace_attribute (media, i - 1, &edited);
    }
  }
  gst_sdp_media_add_attribute (media, "msid", msid);
}

guint
gst_livekit_sdp_find_extension (const GstSDPMedia * media, const gchar * uri)
{
  for (guint i = 0; i < gst_sdp_media_attributes_len (media); i++) {
    const GstSDPAttribute *attr = gst_sdp_media_get_attribute (media, i);
    const gchar *field = g_str_equal (attr->key, "extmap") && attr->value ? strchr (attr->value, ' ') : NULL;
    guint64 id;

    if (field == NULL || !g_str_has_prefix (field + 1, uri) || (field[1 + strlen (uri)] & ~' ') != 0)
      continue;
    id = g_ascii_strtoull (attr->value, NULL, 10);
    /* RFC 8285: one-byte headers have 1 to 14. */
    return id <= 14 ? (guint) id : 0;
  }
  return 0;
}

void
gst_livekit_sdp_add_extension (GstSDPMedia * media, guint id, const gchar * uri)
{
  if (gst_livekit_sdp_find_extension (media, uri) == 0)
    add_attribute (media, "extmap", "%u %s", id, uri);
}

void
gst_livekit_sdp_set_ice_credentials (GstSDPMessage * sdp, const gchar * ufrag, const gchar * pwd)
{
  for (guint m = 0; m < gst_sdp_message_medias_len (sdp); m++) {
    GstSDPMedia *media = (GstSDPMedia *) gst_sdp_message_get_media (sdp, m);

    for (guint i = gst_sdp_media_attributes_len (media); i > 0; i--) {
      const gchar *key = gst_sdp_media_get_attribute (media, i - 1)->key;

      if (g_str_equal (key, "ice-ufrag") || g_str_equal (key, "ice-pwd"))
        gst_sdp_media_remove_attribute (media, i - 1);
    }
    gst_sdp_media_add_attribute (media, "ice-ufrag", ufrag);
    gst_sdp_media_add_attribute (media, "ice-pwd", pwd);
  }
}

/* Of an "ssrc" attribute, else 0. */
static guint32
attribute_ssrc (const GstSDPAttribute * attr)
{
  return g_str_equal (attr->key, "ssrc") && attr->value ? (guint32) g_ascii_strtoull (attr->value, NULL, 10) : 0;
}

void
gst_livekit_sdp_collect_ssrcs (const GstSDPMessage * sdp, GHashTable * ssrcs)
{
  for (guint m = 0; m < gst_sdp_message_medias_len (sdp); m++) {
    const GstSDPMedia *media = gst_sdp_message_get_media (sdp, m);

    for (guint i = 0; i < gst_sdp_media_attributes_len (media); i++) {
      guint32 ssrc = attribute_ssrc (gst_sdp_media_get_attribute (media, i));

      if (ssrc)
        g_hash_table_add (ssrcs, GUINT_TO_POINTER (ssrc));
    }
  }
}

const gchar *
gst_livekit_sdp_find_mid (const GstSDPMessage * sdp, guint32 ssrc)
{
  for (guint m = 0; ssrc && m < gst_sdp_message_medias_len (sdp); m++) {
    const GstSDPMedia *media = gst_sdp_message_get_media (sdp, m);

    for (guint i = 0; i < gst_sdp_media_attributes_len (media); i++) {
      if (attribute_ssrc (gst_sdp_media_get_attribute (media, i)) == ssrc)
        return gst_sdp_media_get_attribute_val (media, "mid");
    }
  }
  return NULL;
}

gboolean
gst_livekit_sdp_has_fingerprint (const GstSDPMessage * sdp, const gchar * fingerprint)
{
  g_autofree gchar *wanted = g_strdup_printf ("sha-256 %s", fingerprint);

  for (guint m = 0; m < gst_sdp_message_medias_len (sdp); m++) {
    const gchar *value = gst_sdp_media_get_attribute_val (gst_sdp_message_get_media (sdp, m), "fingerprint");

    if (value == NULL)
      value = gst_sdp_message_get_attribute_val (sdp, "fingerprint");
    if (value == NULL || g_ascii_strcasecmp (value, wanted) != 0)
      return FALSE;
  }
  return gst_sdp_message_medias_len (sdp) > 0;
}
