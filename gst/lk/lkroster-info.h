/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroster-info: reads ParticipantInfo and TrackInfo. For the roster, and for the room's own tracks, which are in none.
 *
 * After lk_message_unpack() strings are valid; sources and kinds may have values that we do not know. */
#pragma once

#include "lkroster.h"

#include "livekit.pb-c.h"

G_BEGIN_DECLS

LkPublication *lk_publication_new (const LkParticipant * owner, const Livekit__TrackInfo * info);
/* The owner's name is the owner's change, not the track's. */
gboolean lk_publication_differs (const LkPublication * a, const LkPublication * b);

/* Fills all of @participant, which held nothing. */
void lk_participant_read (LkParticipant * participant, const Livekit__ParticipantInfo * info);
void lk_participant_clear (LkParticipant * participant);
/* In something that is worth telling: sid, identity and version are not. */
gboolean lk_participant_differs (const LkParticipant * a, const LkParticipant * b);

G_END_DECLS
