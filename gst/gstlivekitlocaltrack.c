/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitlocaltrack: one published track. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitlocaltrack.h"

#include <string.h>
#include "gstlivekitelements.h"
#include "lkerror.h"

#define GST_CAT_DEFAULT gst_livekit_debug

#define NO_SLOT G_MAXUINT

/* A layer and its place in the publication: 0 is the smallest. */
typedef struct
{
  GstLiveKitLayer *layer;       /* owned */
  GstLiveKitLayerFormat format; /* when attached, else as it is just now */
  guint slot;                   /* NO_SLOT = not published */
  gboolean is_known;
  guint nominal;                /* what its pad says when attached */
} Member;

struct _GstLiveKitLocalTrack
{
  LkLoop *loop;
  GstElement *element;          /* not owned */
  LkTrackKind kind;
  gchar *group;
  GstLiveKitTrackSettingsFunc get_settings;
  gpointer settings_data;

  GArray *members;              /* Member, in the order of their pads' numbers */
  gint64 wait_until_us;         /* for layers without a format, 0 = nothing is waited for */
  gchar *complaint;             /* what was wrong with the layers; told once */

  GstLiveKitPeer *peer;
  GstLiveKitSendSection *section;
  const GstLiveKitCodec *codec; /* as published */
  const GstLiveKitCodec *refused_codec; /* by the room, NULL = none */
  guint n_slots;
  GstLiveKitAligner *aligner;   /* with several layers */
  gchar *cid, *sid;
  gboolean is_negotiated, is_connected, is_forbidden;
  GstClockTime start_offset;
};

void
gst_livekit_track_settings_clear (GstLiveKitTrackSettings * settings)
{
  g_clear_pointer (&settings->name, g_free);
  g_clear_pointer (&settings->stream, g_free);
  g_clear_pointer (&settings->group, g_free);
}

GstLiveKitLocalTrack *
gst_livekit_local_track_new (LkLoop * loop, GstElement * element, LkTrackKind kind, const gchar * group,
    GstLiveKitTrackSettingsFunc get_settings, gpointer data)
{
  GstLiveKitLocalTrack *track = g_new0 (GstLiveKitLocalTrack, 1);

  track->loop = lk_loop_ref (loop);
  track->element = element;
  track->kind = kind;
  track->group = g_strdup (group);
  track->get_settings = get_settings;
  track->settings_data = data;
  track->members = g_array_new (FALSE, FALSE, sizeof (Member));
  return track;
}

void
gst_livekit_local_track_free (GstLiveKitLocalTrack * track)
{
  g_assert (track->section == NULL);
  for (guint i = 0; i < track->members->len; i++)
    gst_livekit_layer_unref (g_array_index (track->members, Member, i).layer);
  g_array_unref (track->members);
  g_free (track->group);
  g_free (track->cid);
  g_free (track->sid);
  g_free (track->complaint);
  lk_loop_unref (track->loop);
  g_free (track);
}

gboolean
gst_livekit_local_track_is_group (GstLiveKitLocalTrack * track, LkTrackKind kind, const gchar * group)
{
  return track->kind == kind && track->group && g_strcmp0 (track->group, group) == 0;
}

static Member *
get_member (GstLiveKitLocalTrack * track, guint i)
{
  return &g_array_index (track->members, Member, i);
}

static Member *
find_member (GstLiveKitLocalTrack * track, GstLiveKitLayer * layer, guint * index)
{
  for (guint i = 0; i < track->members->len; i++) {
    Member *member = get_member (track, i);

    if (member->layer == layer) {
      if (index)
        *index = i;
      return member;
    }
  }
  return NULL;
}

/* video_10 comes after video_9. */
static gint
compare_pads (GstLiveKitLayer * a, GstLiveKitLayer * b)
{
  const gchar *name = gst_livekit_layer_get_pad_name (a), *other = gst_livekit_layer_get_pad_name (b);
  gsize length = strlen (name), other_length = strlen (other);

  return length != other_length ? (length > other_length ? 1 : -1) : g_strcmp0 (name, other);
}

void
gst_livekit_local_track_add_layer (GstLiveKitLocalTrack * track, GstLiveKitLayer * layer)
{
  Member member = { gst_livekit_layer_ref (layer), {0}, NO_SLOT, FALSE, 0 };
  guint i = 0;

  lk_loop_assert_current (track->loop);
  while (i < track->members->len && compare_pads (get_member (track, i)->layer, layer) < 0)
    i++;
  g_array_insert_val (track->members, i, member);
}

static void
detach (GstLiveKitLocalTrack * track, Member * member)
{
  if (member->slot == NO_SLOT)
    return;
  member->slot = NO_SLOT;
  if (track->section)
    gst_livekit_peer_remove_source_in_loop (track->peer, track->section, member->format.src_pad);
  gst_livekit_layer_detach_in_loop (member->layer);
  if (track->sid)
    gst_livekit_layer_tell_published_in_loop (member->layer, NULL);
}

void
gst_livekit_local_track_remove_layer (GstLiveKitLocalTrack * track, GstLiveKitLayer * layer)
{
  guint i;
  Member *member = find_member (track, layer, &i);

  lk_loop_assert_current (track->loop);
  if (member == NULL)
    return;
  detach (track, member);
  gst_livekit_layer_unref (member->layer);
  g_array_remove_index (track->members, i);
}

gboolean
gst_livekit_local_track_has_layer (GstLiveKitLocalTrack * track, GstLiveKitLayer * layer)
{
  return find_member (track, layer, NULL) != NULL;
}

guint
gst_livekit_local_track_get_n_layers (GstLiveKitLocalTrack * track)
{
  return track->members->len;
}

GstLiveKitLayer *
gst_livekit_local_track_get_layer (GstLiveKitLocalTrack * track, guint i)
{
  return get_member (track, i)->layer;
}

/* --- which layer is which quality --- */

static guint64
area (const Member * member)
{
  return (guint64) member->format.width * member->format.height;
}

/* Which of several layers it is can be said of one with a size only. */
static gboolean
has_size (GstLiveKitLocalTrack * track, const Member * member)
{
  return track->kind != LK_TRACK_VIDEO || track->members->len == 1 || area (member) > 0;
}

/* How many are known. @unsized_too: also those that will not tell their size. */
static guint
update_formats (GstLiveKitLocalTrack * track, gboolean unsized_too)
{
  guint n_known = 0;

  for (guint i = 0; i < track->members->len; i++) {
    Member *member = get_member (track, i);

    member->is_known = gst_livekit_layer_get_format_in_loop (member->layer, &member->format)
        && (unsized_too || has_size (track, member));
    n_known += member->is_known;
  }
  return n_known;
}

static void
warn_of_shapes (GstLiveKitLocalTrack * track, const Member * a, const Member * b)
{
  const GstLiveKitLayerFormat *f = &a->format, *g = &b->format;
  gdouble width = (gdouble) f->width * g->height;
  gboolean same_aspect = ABS (width - (gdouble) g->width * f->height) * 50 <= width;

  /* Viewers ask for a height; the picture jumps where the aspect differs. */
  if (f->height == g->height || !same_aspect)
    GST_ELEMENT_WARNING (track->element, STREAM, FORMAT,
        ("Layers of the track '%s' differ in more than their size.", track->group),
        ("%s is %ux%u, %s is %ux%u; they are ordered by area", gst_livekit_layer_get_pad_name (a->layer), f->width,
            f->height, gst_livekit_layer_get_pad_name (b->layer), g->width, g->height));
}

static gboolean
check_pair (GstLiveKitLocalTrack * track, const Member * a, const Member * b, GError ** error)
{
  const gchar *name = gst_livekit_layer_get_pad_name (a->layer), *other = gst_livekit_layer_get_pad_name (b->layer);

  if (a->format.codec != b->format.codec) {
    g_set_error (error, LK_ERROR, LK_ERROR_PUBLISH,
        "The layers of the track '%s' have different codecs: %s is %s, %s is %s.", track->group, name,
        a->format.codec->encoding_name, other, b->format.codec->encoding_name);
    return FALSE;
  }
  if (area (a) == 0 && area (b) == 0) {
    g_set_error (error, LK_ERROR, LK_ERROR_PUBLISH,
        "Nothing tells the sizes of two layers of the track '%s': the caps of %s and %s need width and height.",
        track->group, name, other);
    return FALSE;
  }
  if (a->format.width == b->format.width && a->format.height == b->format.height) {
    g_set_error (error, LK_ERROR, LK_ERROR_PUBLISH,
        "Two layers of the track '%s' have the same size: %s and %s are %ux%u.", track->group, name, other,
        a->format.width, a->format.height);
    return FALSE;
  }
  warn_of_shapes (track, a, b);
  return TRUE;
}

static gboolean
check_layers (GstLiveKitLocalTrack * track, GError ** error)
{
  if (track->members->len > 1 && track->kind != LK_TRACK_VIDEO) {
    g_set_error (error, LK_ERROR, LK_ERROR_PUBLISH,
        "Several audio pads want to be the track '%s': give each a track-name of its own.", track->group);
    return FALSE;
  }
  if (track->members->len > GST_LIVEKIT_MAX_LAYERS) {
    g_set_error (error, LK_ERROR, LK_ERROR_PUBLISH, "The track '%s' has %u layers; LiveKit takes %u at most.",
        track->group, track->members->len, GST_LIVEKIT_MAX_LAYERS);
    return FALSE;
  }
  for (guint i = 0; i < track->members->len; i++) {
    for (guint j = i + 1; j < track->members->len; j++) {
      const Member *a = get_member (track, i), *b = get_member (track, j);

      if (a->is_known && b->is_known && !check_pair (track, a, b, error))
        return FALSE;
    }
  }
  return TRUE;
}

/* Those without a format will most probably go on in the order of the others: pads from small to large, or the
 * reverse. */
static void
choose_slots (GstLiveKitLocalTrack * track)
{
  gboolean rises = TRUE, falls = TRUE;
  const Member *before = NULL;
  guint n = track->members->len;

  for (guint i = 0; i < n; i++) {
    const Member *member = get_member (track, i);

    if (!member->is_known)
      continue;
    rises &= before == NULL || area (before) <= area (member);
    falls &= before == NULL || area (before) >= area (member);
    before = member;
  }
  for (guint i = 0; i < n; i++) {
    Member *member = get_member (track, i);
    guint rank = 0;

    if (!member->is_known)
      continue;
    for (guint j = 0; j < n; j++)
      rank += get_member (track, j)->is_known && area (get_member (track, j)) < area (member);
    member->slot = rises ? i : falls ? n - 1 - i : rank;
  }
}

/* --- publishing --- */

static void
read_settings (GstLiveKitLocalTrack * track, Member * member, GstLiveKitTrackSettings * settings)
{
  *settings = (GstLiveKitTrackSettings) {
  NULL,};
  track->get_settings (member->layer, settings, track->settings_data);
}

static guint
bitrate_of (GstLiveKitLocalTrack * track, Member * member)
{
  GstLiveKitTrackSettings settings;
  guint bitrate;

  read_settings (track, member, &settings);
  bitrate = settings.bitrate ? settings.bitrate : member->format.bitrate;
  gst_livekit_track_settings_clear (&settings);
  return bitrate;
}

/* Of one layer it is "high", of two "low" and "medium", as LiveKit's own clients say. */
static gint
quality_of_slot (GstLiveKitLocalTrack * track, guint slot)
{
  return track->n_slots == 1 ? 2 : (gint) slot;
}

static Member *
member_in_slot (GstLiveKitLocalTrack * track, guint slot)
{
  for (guint i = 0; i < track->members->len; i++) {
    if (get_member (track, i)->slot == slot)
      return get_member (track, i);
  }
  return NULL;
}

/* The server knows only layers that were announced: one that is still to come is taken for half or twice its
 * neighbour. */
static void
guess_layer (LkLayer * layers, guint slot, guint n)
{
  for (guint distance = 1; distance < n; distance++) {
    const LkLayer *below = slot >= distance ? &layers[slot - distance] : NULL;
    const LkLayer *above = slot + distance < n ? &layers[slot + distance] : NULL;

    if (below && below->width) {
      layers[slot].width = below->width << distance;
      layers[slot].height = below->height << distance;
      return;
    }
    if (above && above->width) {
      layers[slot].width = MAX (above->width >> distance, 2);
      layers[slot].height = MAX (above->height >> distance, 2);
      return;
    }
  }
}

/* Of one stream: each is twice as wide as the one below and takes three times its bitrate, as the modes of LiveKit's
 * own clients (L2T1 to L3T3_KEY) have it. */
static guint
fill_spatial_layers (GstLiveKitLocalTrack * track, LkLayer * layers)
{
  Member *member = get_member (track, 0);
  guint n = member->format.n_spatial_layers, bitrate = bitrate_of (track, member);

  for (guint layer = n; layer > 0; layer--, bitrate /= 3)
    layers[layer - 1] = (LkLayer) {
    .quality = (gint) layer - 1,.width = member->format.width >> (n - layer),.height =
          member->format.height >> (n - layer),.bitrate = bitrate};
  return n;
}

static guint
fill_layers (GstLiveKitLocalTrack * track, LkLayer * layers)
{
  if (track->n_slots == 1 && get_member (track, 0)->format.n_spatial_layers > 1)
    return fill_spatial_layers (track, layers);
  for (guint slot = 0; slot < track->n_slots; slot++) {
    Member *member = member_in_slot (track, slot);

    layers[slot] = (LkLayer) {
    .quality = quality_of_slot (track, slot)};
    if (member) {
      layers[slot].width = member->format.width;
      layers[slot].height = member->format.height;
      layers[slot].bitrate = bitrate_of (track, member);
    }
  }
  for (guint slot = 0; slot < track->n_slots; slot++) {
    if (layers[slot].width == 0)
      guess_layer (layers, slot, track->n_slots);
  }
  return track->n_slots;
}

static Member *
first_known (GstLiveKitLocalTrack * track)
{
  for (guint i = 0; i < track->members->len; i++) {
    if (get_member (track, i)->is_known)
      return get_member (track, i);
  }
  return NULL;
}

static void
announce (GstLiveKitLocalTrack * track, LkRoom * room, const GstLiveKitTrackSettings * settings)
{
  LkLayer layers[GST_LIVEKIT_MAX_LAYERS];
  LkPublishRequest request = {
    .cid = track->cid,.name = settings->name,.stream = settings->stream,.mime_type = track->codec->mime_type,
    .kind = track->kind,.source = settings->source,.muted = settings->muted,.has_dtx = settings->dtx,
    .is_stereo = first_known (track)->format.n_channels == 2,
    .has_red = g_str_equal (track->codec->mime_type, GST_LIVEKIT_MIME_TYPE_RED),
  };

  if (track->kind == LK_TRACK_VIDEO) {
    request.layers = layers;
    request.n_layers = fill_layers (track, layers);
    request.is_svc = track->n_slots == 1;
    request.width = layers[request.n_layers - 1].width;
    request.height = layers[request.n_layers - 1].height;
  }
  lk_room_publish_in_loop (room, &request);
}

static gboolean
attach (GstLiveKitLocalTrack * track, Member * member, GError ** error)
{
  const gchar *rid = gst_livekit_peer_rid (track->n_slots, member->slot);
  GstLiveKitTrackSettings settings;

  if (!gst_livekit_layer_attach_in_loop (member->layer, gst_livekit_peer_get_mid (track->section), rid,
          member->slot, &member->format)) {
    g_set_error (error, LK_ERROR, LK_ERROR_PUBLISH, "Pad %s has lost its format.",
        gst_livekit_layer_get_pad_name (member->layer));
    return FALSE;
  }
  /* Another codec has come since the track was announced. That is about to be told here, and all begins anew. */
  if (member->format.codec != track->codec) {
    gst_livekit_layer_detach_in_loop (member->layer);
    return TRUE;
  }
  read_settings (track, member, &settings);
  gst_livekit_layer_set_dtx_in_loop (member->layer, settings.dtx);
  gst_livekit_layer_set_aligner_in_loop (member->layer, track->aligner, member->slot);
  gst_livekit_share_set_link (gst_livekit_layer_get_share (member->layer), gst_livekit_peer_get_link (track->peer));
  member->nominal = settings.bitrate;
  gst_livekit_track_settings_clear (&settings);
  return gst_livekit_peer_add_source_in_loop (track->peer, track->section, member->format.src_pad, member->format.ssrc,
      error);
}

static gboolean
open_section (GstLiveKitLocalTrack * track, const gchar * stream, GError ** error)
{
  guint32 ssrc = 0;
  gboolean ok = TRUE;

  if (track->n_slots == 1)
    ssrc = get_member (track, 0)->format.ssrc;
  track->section = gst_livekit_peer_open_section_in_loop (track->peer, track->codec, stream ? stream : "gstreamer",
      track->cid, ssrc, track->n_slots, track, error);
  for (guint i = 0; track->section && ok && i < track->members->len; i++) {
    if (get_member (track, i)->slot != NO_SLOT)
      ok = attach (track, get_member (track, i), error);
  }
  return track->section && ok;
}

static gboolean
must_wait (GstLiveKitLocalTrack * track)
{
  gint64 now = g_get_monotonic_time ();

  if (track->wait_until_us == 0)
    track->wait_until_us = now + GST_LIVEKIT_LAYER_WAIT_MS * G_TIME_SPAN_MILLISECOND;
  return now < track->wait_until_us;
}

static void
start (GstLiveKitLocalTrack * track, LkRoom * room, const GstLiveKitTrackSettings * settings)
{
  g_autofree gchar *uuid = g_uuid_string_random ();

  track->codec = first_known (track)->format.codec;
  track->n_slots = track->members->len;
  track->cid = g_strdup_printf ("gst-%.8s-%s", uuid, gst_livekit_layer_get_pad_name (get_member (track, 0)->layer));
  track->is_negotiated = FALSE;
  track->wait_until_us = 0;
  if (track->n_slots > 1)
    track->aligner = gst_livekit_aligner_new ();
  choose_slots (track);
  announce (track, room, settings);
  for (guint i = 0; i < track->members->len; i++)
    gst_livekit_layer_set_muted_in_loop (get_member (track, i)->layer, settings->muted);
}

GstLiveKitPublishResult
gst_livekit_local_track_publish (GstLiveKitLocalTrack * track, LkRoom * room, GstLiveKitPeer * peer)
{
  g_autoptr (GError) error = NULL;
  GstLiveKitTrackSettings settings;
  guint n_known;
  gboolean ok;

  lk_loop_assert_current (track->loop);
  if (track->section || track->is_forbidden)
    return GST_LIVEKIT_PUBLISH_NOTHING;
  n_known = update_formats (track, FALSE);
  if (n_known < track->members->len) {
    if (update_formats (track, TRUE) == 0)
      return GST_LIVEKIT_PUBLISH_NOTHING;
    if (must_wait (track))
      return GST_LIVEKIT_PUBLISH_LATER;
    /* What has a size goes ahead. Where nothing has, one is enough to be the track. */
    if (n_known > 0)
      update_formats (track, FALSE);
  }
  if (first_known (track)->format.codec == track->refused_codec)
    return GST_LIVEKIT_PUBLISH_NOTHING;
  if (!check_layers (track, &error)) {
    if (g_strcmp0 (track->complaint, error->message) != 0)
      gst_livekit_local_track_fail (track, room, error);
    g_free (track->complaint);
    track->complaint = g_strdup (error->message);
    return GST_LIVEKIT_PUBLISH_NOTHING;
  }
  g_clear_pointer (&track->complaint, g_free);
  read_settings (track, first_known (track), &settings);
  track->peer = gst_livekit_peer_ref (peer);
  start (track, room, &settings);
  ok = open_section (track, settings.stream, &error);
  gst_livekit_track_settings_clear (&settings);
  if (ok)
    return GST_LIVEKIT_PUBLISH_OFFER;
  gst_livekit_local_track_fail (track, room, error);
  return GST_LIVEKIT_PUBLISH_NOTHING;
}

static void
update_gates (GstLiveKitLocalTrack * track)
{
  gboolean is_open = track->section && track->is_negotiated && track->is_connected;

  for (guint i = 0; i < track->members->len; i++) {
    if (get_member (track, i)->slot != NO_SLOT)
      gst_livekit_layer_set_open_in_loop (get_member (track, i)->layer, is_open, track->start_offset);
  }
}

/* The place that is left for it, when it fits between its neighbours. */
static guint
free_slot (GstLiveKitLocalTrack * track, const Member * late)
{
  for (guint slot = 0; slot < track->n_slots; slot++) {
    gboolean fits = TRUE;

    for (guint i = 0; i < track->members->len && fits; i++) {
      const Member *member = get_member (track, i);

      if (member->slot == NO_SLOT)
        continue;
      fits = member->slot != slot && (member->slot < slot ? area (member) < area (late) : area (member) > area (late));
    }
    if (fits)
      return slot;
  }
  return NO_SLOT;
}

gboolean
gst_livekit_local_track_admit (GstLiveKitLocalTrack * track, GstLiveKitLayer * layer)
{
  Member *member = find_member (track, layer, NULL);
  g_autoptr (GError) error = NULL;

  lk_loop_assert_current (track->loop);
  if (track->section == NULL || member->slot != NO_SLOT)
    return FALSE;
  update_formats (track, FALSE);
  if (!member->is_known || member->format.codec != track->codec || !check_layers (track, NULL))
    return FALSE;
  member->slot = free_slot (track, member);
  if (member->slot == NO_SLOT)
    return FALSE;
  if (!attach (track, member, &error)) {
    member->slot = NO_SLOT;
    return FALSE;
  }
  GST_INFO_OBJECT (track->element, "layer joins sid=%s pad=%s", track->sid, gst_livekit_layer_get_pad_name (layer));
  if (track->sid)
    gst_livekit_layer_tell_published_in_loop (layer, track->sid);
  update_gates (track);
  return TRUE;
}

gboolean
gst_livekit_local_track_unpublish (GstLiveKitLocalTrack * track, LkRoom * room)
{
  gboolean was_published = track->section != NULL;

  lk_loop_assert_current (track->loop);
  for (guint i = 0; i < track->members->len; i++)
    detach (track, get_member (track, i));
  if (track->section)
    gst_livekit_peer_close_section_in_loop (track->peer, track->section);
  track->section = NULL;
  g_clear_pointer (&track->aligner, gst_livekit_aligner_unref);
  g_clear_pointer (&track->peer, gst_livekit_peer_unref);
  track->is_negotiated = FALSE;
  if (track->cid && room)
    lk_room_unpublish_in_loop (room, track->cid);
  g_clear_pointer (&track->cid, g_free);
  g_clear_pointer (&track->sid, g_free);
  return was_published;
}

gboolean
gst_livekit_local_track_is_published (GstLiveKitLocalTrack * track)
{
  return track->section != NULL;
}

gboolean
gst_livekit_local_track_set_forbidden (GstLiveKitLocalTrack * track, gboolean forbidden)
{
  gboolean is_change = track->is_forbidden != forbidden;

  track->is_forbidden = forbidden;
  return is_change;
}

void
gst_livekit_local_track_set_negotiated (GstLiveKitLocalTrack * track, gboolean accepted)
{
  track->is_negotiated = accepted;
  update_gates (track);
}

void
gst_livekit_local_track_set_connected (GstLiveKitLocalTrack * track, gboolean is_connected, GstClockTime start_offset)
{
  track->is_connected = is_connected;
  track->start_offset = start_offset;
  update_gates (track);
}

void
gst_livekit_local_track_set_published (GstLiveKitLocalTrack * track, const gchar * sid)
{
  g_free (track->sid);
  track->sid = g_strdup (sid);
  for (guint i = 0; i < track->members->len; i++) {
    if (get_member (track, i)->slot != NO_SLOT)
      gst_livekit_layer_tell_published_in_loop (get_member (track, i)->layer, sid);
  }
}

void
gst_livekit_local_track_set_muted (GstLiveKitLocalTrack * track, LkRoom * room, gboolean muted)
{
  for (guint i = 0; i < track->members->len; i++)
    gst_livekit_layer_set_muted_in_loop (get_member (track, i)->layer, muted);
  if (track->sid)
    lk_room_set_track_muted_in_loop (room, track->sid, muted);
}

/* "h264", as the server says, or "video/H264", or nothing where there is but one. */
static gboolean
is_codec (GstLiveKitLocalTrack * track, const gchar * name)
{
  const gchar *slash = strchr (name, '/');
  const gchar *own = track->codec ? strchr (track->codec->mime_type, '/') + 1 : NULL;

  return own && (*name == '\0' || g_ascii_strcasecmp (slash ? slash + 1 : name, own) == 0);
}

void
gst_livekit_local_track_set_watched (GstLiveKitLocalTrack * track, const LkCodecQuality * codecs, guint n_codecs)
{
  for (guint c = 0; c < n_codecs; c++) {
    const gboolean *enabled = codecs[c].enabled;
    gboolean any = enabled[0] || enabled[1] || enabled[2];

    if (!is_codec (track, codecs[c].codec))
      continue;
    for (guint i = 0; i < track->members->len; i++) {
      Member *member = get_member (track, i);

      if (member->slot != NO_SLOT)
        gst_livekit_layer_set_watched_in_loop (member->layer, track->n_slots == 1 ? any : enabled[member->slot]);
    }
  }
}

guint
gst_livekit_local_track_get_senders (GstLiveKitLocalTrack * track, GstLiveKitLayer ** layers, guint * nominal)
{
  guint n = 0;

  if (track->kind != LK_TRACK_VIDEO)
    return 0;
  for (guint slot = 0; slot < track->n_slots && track->section; slot++) {
    Member *member = member_in_slot (track, slot);

    if (member == NULL || !gst_livekit_layer_wants_to_send_in_loop (member->layer))
      continue;
    layers[n] = member->layer;
    nominal[n++] = member->nominal ? member->nominal : gst_livekit_layer_get_tagged_bitrate (member->layer);
  }
  return n;
}

void
gst_livekit_local_track_tell_size (GstLiveKitLocalTrack * track, LkRoom * room)
{
  guint width = 0, height = 0;

  if (track->sid == NULL)
    return;
  for (guint i = 0; i < track->members->len; i++) {
    GstLiveKitLayerFormat format;

    if (!gst_livekit_layer_get_format_in_loop (get_member (track, i)->layer, &format))
      continue;
    width = MAX (width, format.width);
    height = MAX (height, format.height);
  }
  lk_room_update_video_track_in_loop (room, track->sid, width, height);
}

const gchar *
gst_livekit_local_track_get_cid (GstLiveKitLocalTrack * track)
{
  return track->cid;
}

const gchar *
gst_livekit_local_track_get_sid (GstLiveKitLocalTrack * track)
{
  return track->sid;
}

void
gst_livekit_local_track_fail (GstLiveKitLocalTrack * track, LkRoom * room, const GError * error)
{
  gst_livekit_local_track_unpublish (track, room);
  for (guint i = 0; i < track->members->len; i++)
    gst_livekit_layer_tell_failed_in_loop (get_member (track, i)->layer, error);
}

gboolean
gst_livekit_local_track_refuse_codec (GstLiveKitLocalTrack * track, LkRoom * room, const gchar * mime_type)
{
  g_autoptr (GError) error = NULL;

  if (mime_type == NULL || *mime_type == '\0' || g_ascii_strcasecmp (mime_type, track->codec->mime_type) == 0)
    return FALSE;
  track->refused_codec = track->codec;
  if (gst_livekit_layer_refuse_red_in_loop (get_member (track, 0)->layer)) {
    GST_INFO_OBJECT (track->element, "the room takes no redundant audio, plain Opus is sent pad=%s",
        gst_livekit_layer_get_pad_name (get_member (track, 0)->layer));
    gst_livekit_local_track_unpublish (track, room);
    return TRUE;
  }
  error = g_error_new (LK_ERROR, LK_ERROR_PUBLISH, "The room does not take the codec of pad %s, %s (but %s, for one).",
      gst_livekit_layer_get_pad_name (get_member (track, 0)->layer), track->codec->mime_type, mime_type);
  gst_livekit_local_track_fail (track, room, error);
  return TRUE;
}
