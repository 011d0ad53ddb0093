/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroster: participants and their publications, as the server last told them. */
#include "lkroster.h"

#include "lklog.h"
#include "lkroster-info.h"
#include "lkroster-private.h"

typedef struct
{
  LkParticipant info;
  GPtrArray *tracks;            /* LkPublication, owned, in the order of the server */
  GList link;                   /* in roster->participants */
  gboolean is_kept;             /* only during lk_roster_replace_all() */
} Member;

struct _LkRoster
{
  /* constant after construction */
  LkRosterDelegate delegate;
  gpointer data;

  Member *local;                /* without tracks */
  GQueue participants;          /* Member, owned, in the order of joining */
  GHashTable *by_sid;           /* participant sid -> Member */
  GHashTable *by_identity;      /* identity -> Member; nobody with an empty one */
  GHashTable *tracks;           /* track sid -> LkPublication */

  gboolean is_telling;
  guint n_skipped;              /* in this call */
};

/* What one ParticipantInfo did to one participant. Told after the roster has changed. */
typedef struct
{
  GPtrArray *removed;           /* owned */
  GPtrArray *added, *changed;   /* not owned */
  gboolean is_new, is_updated;
} Changes;

#define tell(roster, callback, subject) \
  G_STMT_START { \
    if ((roster)->delegate.callback) \
      (roster)->delegate.callback ((subject), (roster)->data); \
  } G_STMT_END

/* ---- members ---- */

static Member *
member_new (const Livekit__ParticipantInfo * info)
{
  Member *member = g_new0 (Member, 1);

  lk_participant_read (&member->info, info);
  member->tracks = g_ptr_array_new_with_free_func ((GDestroyNotify) lk_publication_free);
  member->link.data = member;
  return member;
}

static void
member_free (Member * member)
{
  if (!member)
    return;
  lk_participant_clear (&member->info);
  g_ptr_array_unref (member->tracks);
  g_free (member);
}

/* TRUE if something changed that is worth telling; the version alone is not. Sid and identity stay: they are keys. */
static gboolean
member_read (Member * member, const Livekit__ParticipantInfo * info)
{
  LkParticipant fresh;
  gboolean differs;

  lk_participant_read (&fresh, info);
  g_free (fresh.sid);
  g_free (fresh.identity);
  fresh.sid = g_steal_pointer (&member->info.sid);
  fresh.identity = g_steal_pointer (&member->info.identity);
  differs = lk_participant_differs (&member->info, &fresh);
  lk_participant_clear (&member->info);
  member->info = fresh;
  return differs;
}

/* ---- the roster itself ---- */

LkRoster *
lk_roster_new (const LkRosterDelegate * delegate, gpointer data)
{
  LkRoster *roster = g_new0 (LkRoster, 1);

  if (delegate)
    roster->delegate = *delegate;
  roster->data = data;
  g_queue_init (&roster->participants);
  roster->by_sid = g_hash_table_new (g_str_hash, g_str_equal);
  roster->by_identity = g_hash_table_new (g_str_hash, g_str_equal);
  roster->tracks = g_hash_table_new (g_str_hash, g_str_equal);
  return roster;
}

void
lk_roster_clear (LkRoster * roster)
{
  GList *link;

  g_return_if_fail (roster != NULL && !roster->is_telling);

  g_hash_table_remove_all (roster->tracks);
  g_hash_table_remove_all (roster->by_identity);
  g_hash_table_remove_all (roster->by_sid);
  while ((link = g_queue_pop_head_link (&roster->participants)))
    member_free (link->data);
  g_clear_pointer (&roster->local, member_free);
}

void
lk_roster_free (LkRoster * roster)
{
  if (!roster)
    return;
  lk_roster_clear (roster);
  g_hash_table_unref (roster->tracks);
  g_hash_table_unref (roster->by_identity);
  g_hash_table_unref (roster->by_sid);
  g_free (roster);
}

static void
insert_member (LkRoster * roster, Member * member)
{
  g_queue_push_tail_link (&roster->participants, &member->link);
  g_hash_table_insert (roster->by_sid, member->info.sid, member);
  if (*member->info.identity)
    g_hash_table_insert (roster->by_identity, member->info.identity, member);
}

/* Out of all lists, with its tracks; the caller has it then. */
static void
take_member_out (LkRoster * roster, Member * member)
{
  guint i;

  g_queue_unlink (&roster->participants, &member->link);
  g_hash_table_remove (roster->by_sid, member->info.sid);
  if (g_hash_table_lookup (roster->by_identity, member->info.identity) == member)
    g_hash_table_remove (roster->by_identity, member->info.identity);
  for (i = 0; i < member->tracks->len; i++) {
    LkPublication *publication = g_ptr_array_index (member->tracks, i);

    g_hash_table_remove (roster->tracks, publication->sid);
  }
}

static void
remove_member (LkRoster * roster, Member * member)
{
  guint i;

  take_member_out (roster, member);
  roster->is_telling = TRUE;
  for (i = 0; i < member->tracks->len; i++)
    tell (roster, track_removed, g_ptr_array_index (member->tracks, i));
  tell (roster, participant_left, &member->info);
  roster->is_telling = FALSE;
  member_free (member);
}

/* ---- one participant's tracks ---- */

static gboolean
track_is_usable (LkRoster * roster, const Member * owner, const Livekit__TrackInfo * info)
{
  const LkPublication *known;

  if (!info->sid || !*info->sid || (gint) info->type < LK_TRACK_AUDIO || (gint) info->type > LK_TRACK_DATA)
    return FALSE;
  /* a sid has one owner */
  known = g_hash_table_lookup (roster->tracks, info->sid);
  return !known || g_str_equal (known->participant_sid, owner->info.sid);
}

/* The tracks of @info by sid, those that may not be kept left out. */
static GHashTable *
usable_tracks (LkRoster * roster, const Member * owner, const Livekit__ParticipantInfo * info)
{
  GHashTable *usable = g_hash_table_new (g_str_hash, g_str_equal);
  gsize i;

  for (i = 0; i < info->n_tracks; i++) {
    Livekit__TrackInfo *track = info->tracks[i];

    if (!track_is_usable (roster, owner, track) || (g_hash_table_size (usable) >= LK_ROSTER_MAX_TRACKS
            && !g_hash_table_contains (usable, track->sid)))
      roster->n_skipped++;
    else
      g_hash_table_insert (usable, track->sid, track);
  }
  return usable;
}

/* A track that comes back as another kind is another track. */
static gboolean
is_same_track (const LkPublication * known, const Livekit__TrackInfo * info)
{
  return info && (gint) info->type == (gint) known->kind;
}

static void
take_out_gone_tracks (LkRoster * roster, Member * member, GHashTable * usable, Changes * changes)
{
  guint i = 0;

  while (i < member->tracks->len) {
    LkPublication *known = g_ptr_array_index (member->tracks, i);

    if (is_same_track (known, g_hash_table_lookup (usable, known->sid))) {
      i++;
      continue;
    }
    g_hash_table_remove (roster->tracks, known->sid);
    g_ptr_array_add (changes->removed, g_ptr_array_steal_index (member->tracks, i));
  }
}

/* What is left of @member's tracks is in @usable, too. */
static void
read_known_tracks (LkRoster * roster, Member * member, GHashTable * usable, Changes * changes)
{
  guint i;

  for (i = 0; i < member->tracks->len; i++) {
    LkPublication *known = g_ptr_array_index (member->tracks, i);
    LkPublication *fresh = lk_publication_new (&member->info, g_hash_table_lookup (usable, known->sid));

    g_hash_table_remove (usable, known->sid);
    if (lk_publication_differs (known, fresh))
      g_ptr_array_add (changes->changed, fresh);
    g_hash_table_replace (roster->tracks, fresh->sid, fresh);
    member->tracks->pdata[i] = fresh;
    lk_publication_free (known);
  }
}

/* @usable holds what is new by now. In the order of the server, for pads are numbered by it. */
static void
add_new_tracks (LkRoster * roster, Member * member, const Livekit__ParticipantInfo * info, GHashTable * usable,
    Changes * changes)
{
  gsize i;

  for (i = 0; i < info->n_tracks; i++) {
    const Livekit__TrackInfo *track = info->tracks[i];
    LkPublication *publication;

    if (!track->sid || g_hash_table_lookup (usable, track->sid) != track)
      continue;
    publication = lk_publication_new (&member->info, track);
    g_hash_table_remove (usable, track->sid);
    g_hash_table_insert (roster->tracks, publication->sid, publication);
    g_ptr_array_add (member->tracks, publication);
    g_ptr_array_add (changes->added, publication);
  }
}

static void
read_tracks (LkRoster * roster, Member * member, const Livekit__ParticipantInfo * info, Changes * changes)
{
  g_autoptr (GHashTable) usable = usable_tracks (roster, member, info);

  take_out_gone_tracks (roster, member, usable, changes);
  read_known_tracks (roster, member, usable, changes);
  add_new_tracks (roster, member, info, usable, changes);
}

/* ---- one participant ---- */

static void
tell_changes (LkRoster * roster, const Member * member, const Changes * changes)
{
  guint i;

  roster->is_telling = TRUE;
  if (changes->is_new)
    tell (roster, participant_joined, &member->info);
  else if (changes->is_updated)
    tell (roster, participant_updated, &member->info);
  for (i = 0; i < changes->removed->len; i++)
    tell (roster, track_removed, g_ptr_array_index (changes->removed, i));
  for (i = 0; i < changes->added->len; i++)
    tell (roster, track_added, g_ptr_array_index (changes->added, i));
  for (i = 0; i < changes->changed->len; i++)
    tell (roster, track_changed, g_ptr_array_index (changes->changed, i));
  roster->is_telling = FALSE;
}

static Member *
add_member (LkRoster * roster, const Livekit__ParticipantInfo * info)
{
  Member *member = g_hash_table_lookup (roster->by_identity, info->identity ? info->identity : "");

  /* the participant reconnected, and nobody said that the old session is gone */
  if (member)
    remove_member (roster, member);
  if (g_queue_get_length (&roster->participants) >= LK_ROSTER_MAX_PARTICIPANTS) {
    roster->n_skipped++;
    return NULL;
  }
  member = member_new (info);
  insert_member (roster, member);
  return member;
}

/* @member as it is known, or NULL. */
static Member *
apply_info (LkRoster * roster, Member * member, const Livekit__ParticipantInfo * info)
{
  Changes changes = { NULL, };

  if (member) {
    changes.is_updated = member_read (member, info);
  } else {
    member = add_member (roster, info);
    changes.is_new = TRUE;
  }
  if (!member)
    return NULL;

  changes.removed = g_ptr_array_new_with_free_func ((GDestroyNotify) lk_publication_free);
  changes.added = g_ptr_array_new ();
  changes.changed = g_ptr_array_new ();
  read_tracks (roster, member, info, &changes);
  tell_changes (roster, member, &changes);
  g_ptr_array_unref (changes.removed);
  g_ptr_array_unref (changes.added);
  g_ptr_array_unref (changes.changed);
  return member;
}

static void
update_local (LkRoster * roster, const Livekit__ParticipantInfo * info)
{
  if (info->version < roster->local->info.version || !member_read (roster->local, info))
    return;
  roster->is_telling = TRUE;
  tell (roster, local_changed, &roster->local->info);
  roster->is_telling = FALSE;
}

static gboolean
is_local_sid (LkRoster * roster, const Livekit__ParticipantInfo * info)
{
  return roster->local && g_strcmp0 (roster->local->info.sid, info->sid) == 0;
}

static gboolean
is_local_identity (LkRoster * roster, const Livekit__ParticipantInfo * info)
{
  return roster->local && g_strcmp0 (roster->local->info.identity, info->identity) == 0;
}

static void
update_participant (LkRoster * roster, const Livekit__ParticipantInfo * info)
{
  Member *member;

  if (!info->sid || !*info->sid) {
    roster->n_skipped++;
    return;
  }
  if (is_local_sid (roster, info)) {
    update_local (roster, info);
    return;
  }
  if (is_local_identity (roster, info))
    return;

  member = g_hash_table_lookup (roster->by_sid, info->sid);
  if (info->state == LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED) {
    /* final, whatever its version: a sid does not come back */
    if (member)
      remove_member (roster, member);
    return;
  }
  if (!member || info->version >= member->info.version)
    apply_info (roster, member, info);
}

/* ---- changing it ---- */

void
lk_roster_set_local (LkRoster * roster, const Livekit__ParticipantInfo * info)
{
  g_return_if_fail (roster != NULL && info != NULL && !roster->is_telling);

  g_clear_pointer (&roster->local, member_free);
  roster->local = member_new (info);
}

static void
warn_of_skipped (LkRoster * roster)
{
  if (roster->n_skipped > 0)
    lk_warning ("roster", "participants or tracks skipped n=%u participants=%u", roster->n_skipped,
        lk_roster_n_participants (roster));
  roster->n_skipped = 0;
}

void
lk_roster_update (LkRoster * roster, Livekit__ParticipantInfo ** infos, gsize n_infos)
{
  gsize i;

  g_return_if_fail (roster != NULL && !roster->is_telling);

  for (i = 0; i < n_infos; i++)
    update_participant (roster, infos[i]);
  warn_of_skipped (roster);
}

static void
remove_missing (LkRoster * roster)
{
  GList *link = roster->participants.head;

  while (link) {
    Member *member = link->data;

    link = link->next;
    if (!member->is_kept)
      remove_member (roster, member);
    else
      member->is_kept = FALSE;
  }
}

void
lk_roster_replace_all (LkRoster * roster, Livekit__ParticipantInfo ** infos, gsize n_infos)
{
  Member *member;
  gsize i;

  g_return_if_fail (roster != NULL && !roster->is_telling);

  for (i = 0; i < n_infos; i++) {
    member = g_hash_table_lookup (roster->by_sid, infos[i]->sid ? infos[i]->sid : "");
    if (!member || infos[i]->state == LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED)
      continue;
    member->is_kept = TRUE;
    member->info.version = 0;
  }
  remove_missing (roster);
  lk_roster_update (roster, infos, n_infos);
}

/* ---- looking at it ---- */

guint
lk_roster_n_participants (LkRoster * roster)
{
  g_return_val_if_fail (roster != NULL, 0);

  return g_queue_get_length (&roster->participants);
}

const LkParticipant *
lk_roster_find_participant (LkRoster * roster, const gchar * sid)
{
  Member *member;

  g_return_val_if_fail (roster != NULL && sid != NULL, NULL);

  if (roster->local && g_str_equal (roster->local->info.sid, sid))
    return &roster->local->info;
  member = g_hash_table_lookup (roster->by_sid, sid);
  return member ? &member->info : NULL;
}

const LkPublication *
lk_roster_find_track (LkRoster * roster, const gchar * track_sid)
{
  g_return_val_if_fail (roster != NULL && track_sid != NULL, NULL);

  return g_hash_table_lookup (roster->tracks, track_sid);
}

const LkParticipant *
lk_roster_get_local (LkRoster * roster)
{
  g_return_val_if_fail (roster != NULL, NULL);

  return roster->local ? &roster->local->info : NULL;
}

void
lk_roster_foreach_participant (LkRoster * roster, void (*func) (const LkParticipant * participant, gpointer data),
    gpointer data)
{
  gboolean was_telling;

  g_return_if_fail (roster != NULL && func != NULL);

  was_telling = roster->is_telling;
  roster->is_telling = TRUE;
  for (GList * link = roster->participants.head; link; link = link->next)
    func (&((Member *) link->data)->info, data);
  roster->is_telling = was_telling;
}

void
lk_roster_foreach_track (LkRoster * roster, void (*func) (const LkPublication * publication, gpointer data),
    gpointer data)
{
  gboolean was_telling;
  GList *link;
  guint i;

  g_return_if_fail (roster != NULL && func != NULL);

  was_telling = roster->is_telling;
  roster->is_telling = TRUE;
  for (link = roster->participants.head; link; link = link->next) {
    Member *member = link->data;

    for (i = 0; i < member->tracks->len; i++)
      func (g_ptr_array_index (member->tracks, i), data);
  }
  roster->is_telling = was_telling;
}
