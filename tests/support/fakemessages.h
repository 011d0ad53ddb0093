/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fakemessages: what the fake server says, and how it reads a join. All on the heap, to be freed by the
 * _free_unpacked() function of the type with a NULL allocator. */
#pragma once

#include <glib.h>

#include "livekit.pb-c.h"

G_BEGIN_DECLS

GBytes *fake_message_pack (const Livekit__SignalResponse * response);

/* The value of join_request. NULL with the words that the real server has for it. */
Livekit__JoinRequest *fake_join_request_unpack (const gchar * base64, const gchar ** why);

Livekit__ParticipantInfo *fake_participant_new (const gchar * sid, const gchar * identity, const gchar * name);
Livekit__ParticipantInfo *fake_participant_copy (const Livekit__ParticipantInfo * participant);
void fake_participant_free (Livekit__ParticipantInfo * participant);
void fake_participant_add_track (Livekit__ParticipantInfo * participant, Livekit__TrackInfo * track);   /* takes it */
Livekit__TrackInfo *fake_participant_find_track (const Livekit__ParticipantInfo * participant, const gchar * sid);
gboolean fake_participant_remove_track (Livekit__ParticipantInfo * participant, const gchar * sid);
void fake_participant_set_permission (Livekit__ParticipantInfo * participant, gboolean can_publish,
    gboolean can_subscribe);

Livekit__TrackInfo *fake_track_new (const gchar * sid, Livekit__TrackType type, Livekit__TrackSource source,
    const gchar * name, const gchar * mime_type);
/* As the server answers an AddTrackRequest. */
Livekit__TrackInfo *fake_track_new_from_request (const gchar * sid, const Livekit__AddTrackRequest * request);

/* Replaces a string member, whatever it is now. */
void fake_set_text (char **member, const gchar * text);

G_END_DECLS
