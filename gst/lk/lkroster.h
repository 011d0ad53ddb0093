/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroster: participants and their publications, as the server last told them. Pure; owned by one thread.
 *
 * LkParticipant and LkPublication are what the rest of the project sees of LiveKit's ParticipantInfo and TrackInfo.
 * They are owned by the roster and valid during the callback that shows them; publications can be copied. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum { LK_TRACK_AUDIO = 0, LK_TRACK_VIDEO = 1, LK_TRACK_DATA = 2 } LkTrackKind;

typedef enum
{
  LK_SOURCE_UNKNOWN = 0,
  LK_SOURCE_CAMERA = 1,
  LK_SOURCE_MICROPHONE = 2,
  LK_SOURCE_SCREEN_SHARE = 3,
  LK_SOURCE_SCREEN_SHARE_AUDIO = 4,
} LkTrackSource;

const gchar *lk_track_kind_name (LkTrackKind kind);     /* "audio", "video", "data" */
const gchar *lk_track_source_name (LkTrackSource source);       /* "camera", "screen-share", … */

typedef struct
{
  gboolean can_subscribe, can_publish, can_publish_data, can_update_metadata, hidden;
} LkPermission;

gboolean lk_permission_differs (const LkPermission * a, const LkPermission * b);

typedef struct
{
  gchar *sid, *identity, *name, *metadata;
  const gchar *kind;            /* "standard", "ingress", "egress", "sip", "agent", … */
  GHashTable *attributes;       /* string to string, never NULL */
  LkPermission permission;
  guint version;
} LkParticipant;

typedef struct
{
  gchar *sid, *name, *mime_type, *stream;       /* mime_type as registered: "video/H264"; never NULL, may be empty */
  LkTrackKind kind;
  LkTrackSource source;
  gboolean muted, is_encrypted, is_stereo;
  guint width, height;
  gchar *participant_sid, *participant_identity, *participant_name;
} LkPublication;

LkPublication *lk_publication_copy (const LkPublication * publication);
void lk_publication_free (LkPublication * publication);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LkPublication, lk_publication_free)

/* What changed, told one by one and in this order for a participant: joined or updated, tracks gone, tracks new, tracks
 * changed, left. A callback must not change the roster. The own participant is told by local_changed alone. */
typedef struct
{
  void (*participant_joined) (const LkParticipant * participant, gpointer data);
  void (*participant_updated) (const LkParticipant * participant, gpointer data);
  void (*participant_left) (const LkParticipant * participant, gpointer data);
  void (*track_added) (const LkPublication * publication, gpointer data);
  void (*track_changed) (const LkPublication * publication, gpointer data);     /* muted, name, size, codec */
  void (*track_removed) (const LkPublication * publication, gpointer data);
  void (*local_changed) (const LkParticipant * participant, gpointer data);
} LkRosterDelegate;

typedef struct _LkRoster LkRoster;

/* At most this many participants and this many tracks of one are kept; more are skipped with a warning. */
#define LK_ROSTER_MAX_PARTICIPANTS 5000
#define LK_ROSTER_MAX_TRACKS 500

LkRoster *lk_roster_new (const LkRosterDelegate * delegate, gpointer data);
void lk_roster_free (LkRoster * roster);

guint lk_roster_n_participants (LkRoster * roster);     /* others, without us */
const LkParticipant *lk_roster_find_participant (LkRoster * roster, const gchar * sid); /* NULL if unknown */
const LkPublication *lk_roster_find_track (LkRoster * roster, const gchar * track_sid);
const LkParticipant *lk_roster_get_local (LkRoster * roster);   /* NULL before the join */
void lk_roster_foreach_participant (LkRoster * roster, void (*func) (const LkParticipant * participant, gpointer data),
    gpointer data);            /* others, without us */
void lk_roster_foreach_track (LkRoster * roster, void (*func) (const LkPublication * publication, gpointer data),
    gpointer data);

G_END_DECLS
