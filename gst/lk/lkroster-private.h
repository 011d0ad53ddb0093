/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroster: what changes it. For the room and for tests; who only looks needs lkroster.h alone.
 *
 * Each call tells its changes before it returns. While it tells, the roster already is as it will be for that
 * participant, and none of these may be called. */
#pragma once

#include "lkroster.h"

#include "livekit.pb-c.h"

G_BEGIN_DECLS

/* Who we are, from a join or a move. Not told: the caller tells the join itself. */
void lk_roster_set_local (LkRoster * roster, const Livekit__ParticipantInfo * info);

/* A ParticipantUpdate: participants that are not in it stay. Older versions are ignored. Our own sid is told by
 * local_changed; another sid with our own identity is a session of ours from before, or one that replaces us, and is
 * ignored: the server tells that by a LeaveRequest. */
void lk_roster_update (LkRoster * roster, Livekit__ParticipantInfo ** infos, gsize n_infos);

/* Everybody, after a rejoin or a move: who is missing leaves first. Versions begin anew. */
void lk_roster_replace_all (LkRoster * roster, Livekit__ParticipantInfo ** infos, gsize n_infos);

/* Forgets all, ourselves too, and tells nobody. To have everybody leave, replace all by none before. */
void lk_roster_clear (LkRoster * roster);

G_END_DECLS
