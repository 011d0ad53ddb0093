/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of lkroster. Each callback adds a word to the fixture's log; what was not expected fails. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "fakemessages.h"
#include "lkroster-private.h"

typedef struct
{
  LkRoster *roster;
  GString *log;
  GPtrArray *infos;             /* Livekit__ParticipantInfo, of the next update */
} Fixture;

/* ---- callbacks: each looks up what it is told ---- */

static void
note (Fixture * f, const gchar * what, const gchar * id)
{
  if (f->log->len)
    g_string_append_c (f->log, ' ');
  g_string_append_printf (f->log, "%s:%s", what, id);
}

static void
check_counts_agree (const LkPublication * publication, gpointer n)
{
  ++*(guint *) n;
  fail_unless (publication->sid != NULL && publication->mime_type != NULL);
}

static void
on_participant_joined (const LkParticipant * participant, gpointer data)
{
  Fixture *f = data;
  guint n = 0;

  fail_unless (lk_roster_find_participant (f->roster, participant->sid) == participant);
  lk_roster_foreach_track (f->roster, check_counts_agree, &n);
  note (f, "joined", participant->sid);
}

static void
on_participant_updated (const LkParticipant * participant, gpointer data)
{
  Fixture *f = data;

  fail_unless (lk_roster_find_participant (f->roster, participant->sid) == participant);
  note (f, "updated", participant->sid);
}

static void
on_participant_left (const LkParticipant * participant, gpointer data)
{
  Fixture *f = data;

  fail_unless (lk_roster_find_participant (f->roster, participant->sid) == NULL);
  note (f, "left", participant->sid);
}

static void
on_track_added (const LkPublication * publication, gpointer data)
{
  Fixture *f = data;

  fail_unless (lk_roster_find_track (f->roster, publication->sid) == publication);
  fail_unless (lk_roster_find_participant (f->roster, publication->participant_sid) != NULL);
  note (f, "added", publication->sid);
}

static void
on_track_changed (const LkPublication * publication, gpointer data)
{
  Fixture *f = data;

  fail_unless (lk_roster_find_track (f->roster, publication->sid) == publication);
  note (f, "changed", publication->sid);
}

static void
on_track_removed (const LkPublication * publication, gpointer data)
{
  Fixture *f = data;

  fail_unless (lk_roster_find_track (f->roster, publication->sid) != publication);
  note (f, "removed", publication->sid);
}

static void
on_local_changed (const LkParticipant * participant, gpointer data)
{
  Fixture *f = data;

  fail_unless (lk_roster_get_local (f->roster) == participant);
  note (f, "local", participant->sid);
}

/* ---- fixture ---- */

static Livekit__ParticipantInfo *
add_info (Fixture * f, const gchar * sid, const gchar * identity, guint version)
{
  Livekit__ParticipantInfo *info = fake_participant_new (sid, identity, identity);

  info->version = version;
  g_ptr_array_add (f->infos, info);
  return info;
}

static Livekit__TrackInfo *
add_track (Livekit__ParticipantInfo * info, const gchar * sid)
{
  Livekit__TrackInfo *track = fake_track_new (sid, LIVEKIT__TRACK_TYPE__VIDEO, LIVEKIT__TRACK_SOURCE__CAMERA, "front",
      "video/H264");

  fake_participant_add_track (info, track);
  return track;
}

static Fixture *
fixture_new (void)
{
  static const LkRosterDelegate delegate = {
    on_participant_joined, on_participant_updated, on_participant_left, on_track_added, on_track_changed,
    on_track_removed, on_local_changed
  };
  Fixture *f = g_new0 (Fixture, 1);

  f->roster = lk_roster_new (&delegate, f);
  f->log = g_string_new (NULL);
  f->infos = g_ptr_array_new_with_free_func ((GDestroyNotify) fake_participant_free);
  lk_roster_set_local (f->roster, add_info (f, "PA_me", "alice", 1));
  g_ptr_array_set_size (f->infos, 0);
  return f;
}

static void
fixture_free (Fixture * f)
{
  lk_roster_free (f->roster);
  g_string_free (f->log, TRUE);
  g_ptr_array_unref (f->infos);
  g_free (f);
}

static void
expect_log (Fixture * f, const gchar * expected)
{
  fail_unless_equals_string (f->log->str, expected);
  g_string_truncate (f->log, 0);
  g_ptr_array_set_size (f->infos, 0);
}

/* What was added by add_info() goes in, and this must come out. */
static void
expect_update (Fixture * f, const gchar * expected)
{
  lk_roster_update (f->roster, (Livekit__ParticipantInfo **) f->infos->pdata, f->infos->len);
  expect_log (f, expected);
}

static void
expect_replace (Fixture * f, const gchar * expected)
{
  lk_roster_replace_all (f->roster, (Livekit__ParticipantInfo **) f->infos->pdata, f->infos->len);
  expect_log (f, expected);
}

/* ---- tests ---- */

GST_START_TEST (test_join_publish_unpublish_leave)
{
  Fixture *f = fixture_new ();
  Livekit__ParticipantInfo *bob = add_info (f, "PA_1", "bob", 1);

  add_track (bob, "TR_1");
  add_track (bob, "TR_2");
  add_info (f, "PA_2", "carol", 1);
  expect_update (f, "joined:PA_1 added:TR_1 added:TR_2 joined:PA_2");
  fail_unless_equals_int (lk_roster_n_participants (f->roster), 2);
  fail_unless_equals_string (lk_roster_find_track (f->roster, "TR_1")->participant_identity, "bob");

  add_track (add_info (f, "PA_1", "bob", 2), "TR_2");
  expect_update (f, "removed:TR_1");
  fail_unless (lk_roster_find_track (f->roster, "TR_1") == NULL);

  bob = add_info (f, "PA_1", "bob", 3);
  bob->state = LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED;
  expect_update (f, "removed:TR_2 left:PA_1");
  fail_unless (lk_roster_find_participant (f->roster, "PA_1") == NULL);
  fail_unless_equals_int (lk_roster_n_participants (f->roster), 1);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_changes_are_told_in_order)
{
  Fixture *f = fixture_new ();
  Livekit__ParticipantInfo *bob = add_info (f, "PA_1", "bob", 1);

  add_track (bob, "TR_1");
  add_track (bob, "TR_2");
  expect_update (f, "joined:PA_1 added:TR_1 added:TR_2");

  bob = add_info (f, "PA_1", "bob", 2);
  fake_set_text (&bob->name, "Robert");
  add_track (bob, "TR_3");
  add_track (bob, "TR_2")->muted = TRUE;
  expect_update (f, "updated:PA_1 removed:TR_1 added:TR_3 changed:TR_2");
  fail_unless_equals_string (lk_roster_find_track (f->roster, "TR_2")->participant_name, "Robert");
  fail_unless (lk_roster_find_track (f->roster, "TR_2")->muted);

  /* the same once more, and with another version */
  bob = add_info (f, "PA_1", "bob", 2);
  fake_set_text (&bob->name, "Robert");
  add_track (bob, "TR_3");
  add_track (bob, "TR_2")->muted = TRUE;
  g_ptr_array_add (f->infos, fake_participant_copy (bob));
  bob->version = 3;
  expect_update (f, "");
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_every_shown_field_is_compared)
{
  Fixture *f = fixture_new ();
  guint step;

  add_track (add_info (f, "PA_1", "bob", 1), "TR_1");
  expect_update (f, "joined:PA_1 added:TR_1");
  for (step = 0; step < 12; step++) {
    Livekit__ParticipantInfo *bob = add_info (f, "PA_1", "bob", step + 2);
    Livekit__TrackInfo *track = add_track (bob, "TR_1");
    Livekit__StringEntry *entry = g_new (Livekit__StringEntry, 1);

    livekit__string_entry__init (entry);
    fake_set_text (&entry->key, "k");
    fake_set_text (&entry->value, step >= 11 ? "w" : "v");
    track->width = 640;
    if (step >= 1)
      track->height = 480;
    if (step >= 2)
      fake_set_text (&track->mime_type, "video/VP8");
    if (step >= 3)
      fake_set_text (&track->name, "back");
    if (step >= 4)
      track->encryption = LIVEKIT__ENCRYPTION__TYPE__GCM;
    if (step >= 5)
      track->stereo = TRUE;
    if (step >= 6)
      fake_set_text (&track->stream, "camera");
    if (step >= 7)
      track->source = LIVEKIT__TRACK_SOURCE__SCREEN_SHARE;
    if (step >= 8)
      fake_set_text (&bob->metadata, "m");
    if (step >= 9)
      bob->permission->hidden = TRUE;
    if (step >= 10) {
      bob->attributes = g_new (Livekit__StringEntry *, 1);
      bob->attributes[bob->n_attributes++] = entry;
    } else {
      livekit__string_entry__free_unpacked (entry, NULL);
    }
    expect_update (f, step < 8 ? "changed:TR_1" : "updated:PA_1");
  }
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_older_versions_are_ignored)
{
  Fixture *f = fixture_new ();
  Livekit__ParticipantInfo *bob = add_info (f, "PA_1", "bob", 5);

  add_track (bob, "TR_1");
  expect_update (f, "joined:PA_1 added:TR_1");
  bob = add_info (f, "PA_1", "bob", 4);
  fake_set_text (&bob->name, "old");
  expect_update (f, "");
  fail_unless_equals_string (lk_roster_find_participant (f->roster, "PA_1")->name, "bob");

  /* leaving is final, whatever its version */
  bob = add_info (f, "PA_1", "bob", 1);
  bob->state = LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED;
  expect_update (f, "removed:TR_1 left:PA_1");
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_known_identity_with_new_sid)
{
  Fixture *f = fixture_new ();
  Livekit__ParticipantInfo *bob = add_info (f, "PA_1", "bob", 9);

  add_track (bob, "TR_1");
  expect_update (f, "joined:PA_1 added:TR_1");
  add_track (add_info (f, "PA_2", "bob", 1), "TR_2");
  /* that the old one is gone comes late, or was never known */
  add_info (f, "PA_1", "bob", 10)->state = LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED;
  add_info (f, "PA_0", "bob", 1)->state = LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED;
  expect_update (f, "removed:TR_1 left:PA_1 joined:PA_2 added:TR_2");
  fail_unless_equals_string (lk_roster_find_participant (f->roster, "PA_2")->identity, "bob");
  fail_unless_equals_int (lk_roster_n_participants (f->roster), 1);

  /* without an identity nobody is the same */
  add_info (f, "PA_3", "", 1);
  add_info (f, "PA_4", "", 1);
  expect_update (f, "joined:PA_3 joined:PA_4");
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_replace_all)
{
  Fixture *f = fixture_new ();
  Livekit__ParticipantInfo *bob = add_info (f, "PA_1", "bob", 9);

  add_track (bob, "TR_1");
  add_track (bob, "TR_2");
  add_track (add_info (f, "PA_2", "carol", 1), "TR_3");
  add_info (f, "PA_3", "dave", 1);
  expect_update (f, "joined:PA_1 added:TR_1 added:TR_2 joined:PA_2 added:TR_3 joined:PA_3");

  /* carol gone, dave with a new sid, bob with an older version after a restart of the server */
  add_info (f, "PA_me", "alice", 1);
  bob = add_info (f, "PA_1", "bob", 1);
  add_track (bob, "TR_2");
  add_info (f, "PA_4", "dave", 1);
  expect_replace (f, "removed:TR_3 left:PA_2 left:PA_3 removed:TR_1 joined:PA_4");

  expect_replace (f, "removed:TR_2 left:PA_1 left:PA_4");
  fail_unless_equals_int (lk_roster_n_participants (f->roster), 0);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_local)
{
  Fixture *f = fixture_new ();
  Livekit__ParticipantInfo *me = add_info (f, "PA_me", "alice", 1);

  add_track (me, "TR_own");
  expect_update (f, "");
  me = add_info (f, "PA_me", "alice", 2);
  me->permission->can_publish = FALSE;
  expect_update (f, "local:PA_me");
  fail_if (lk_roster_get_local (f->roster)->permission.can_publish);
  add_info (f, "PA_me", "alice", 1);
  expect_update (f, "");

  /* a session of ours from before, or the one that replaces us */
  add_info (f, "PA_old", "alice", 7);
  add_info (f, "PA_older", "alice", 7)->state = LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED;
  expect_update (f, "");
  fail_unless_equals_int (lk_roster_n_participants (f->roster), 0);
  fail_unless_equals_string (lk_roster_find_participant (f->roster, "PA_me")->identity, "alice");

  lk_roster_clear (f->roster);
  fail_unless (lk_roster_get_local (f->roster) == NULL);
  expect_log (f, "");
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_odd_tracks)
{
  Fixture *f = fixture_new ();
  Livekit__ParticipantInfo *bob = add_info (f, "PA_1", "bob", 1);
  Livekit__TrackInfo *track;

  add_track (bob, "");
  add_track (bob, "TR_1");
  add_track (bob, "TR_1")->muted = TRUE;        /* twice: the last counts */
  add_track (bob, "TR_2")->type = 7;
  track = add_track (bob, "TR_3");
  track->source = 99;
  fake_set_text (&track->mime_type, "");
  /* TR_1 is bob's */
  add_track (add_info (f, "PA_2", "carol", 1), "TR_1");
  add_info (f, "", "nobody", 1);
  expect_update (f, "joined:PA_1 added:TR_1 added:TR_3 joined:PA_2");
  fail_unless_equals_int (lk_roster_find_track (f->roster, "TR_3")->source, LK_SOURCE_UNKNOWN);
  fail_unless_equals_string (lk_roster_find_track (f->roster, "TR_3")->mime_type, "video/H264");
  fail_unless (lk_roster_find_track (f->roster, "TR_1")->muted);

  /* another kind is another track */
  bob = add_info (f, "PA_1", "bob", 2);
  add_track (bob, "TR_1")->type = LIVEKIT__TRACK_TYPE__AUDIO;
  expect_update (f, "removed:TR_1 removed:TR_3 added:TR_1");
  fail_unless_equals_int (lk_roster_find_track (f->roster, "TR_1")->kind, LK_TRACK_AUDIO);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_limits)
{
  LkRoster *roster = lk_roster_new (NULL, NULL);
  Fixture *f = fixture_new ();
  Livekit__ParticipantInfo *bob = add_info (f, "PA_bob", "bob", 1);
  gchar id[20];
  guint i, n = 0;

  for (i = 0; i < LK_ROSTER_MAX_TRACKS + 5; i++) {
    g_snprintf (id, sizeof id, "TR_%u", i);
    add_track (bob, id);
  }
  for (i = 0; i < LK_ROSTER_MAX_PARTICIPANTS + 5; i++) {
    g_snprintf (id, sizeof id, "PA_%u", i);
    add_info (f, id, id, 1);
  }
  lk_roster_update (roster, (Livekit__ParticipantInfo **) f->infos->pdata, f->infos->len);
  fail_unless_equals_int (lk_roster_n_participants (roster), LK_ROSTER_MAX_PARTICIPANTS);
  lk_roster_foreach_track (roster, check_counts_agree, &n);
  fail_unless_equals_int (n, LK_ROSTER_MAX_TRACKS);
  lk_roster_free (roster);
  fixture_free (f);
}
GST_END_TEST;

/* Any sequence of updates leaves what the callbacks told. */
GST_START_TEST (test_random_updates)
{
  Fixture *f = fixture_new ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (7);
  gchar sid[20], identity[20], track_sid[20];
  guint i, k, t, n;

  for (i = 0; i < 3000; i++) {
    for (k = g_rand_int_range (rand, 0, 4); k > 0; k--) {
      Livekit__ParticipantInfo *info;

      g_snprintf (sid, sizeof sid, "PA_%d", g_rand_int_range (rand, 0, 6));
      g_snprintf (identity, sizeof identity, "id%d", g_rand_int_range (rand, 0, 4));
      info = add_info (f, sid, identity, g_rand_int_range (rand, 0, 3));
      if (g_rand_int_range (rand, 0, 5) == 0)
        info->state = LIVEKIT__PARTICIPANT_INFO__STATE__DISCONNECTED;
      for (t = g_rand_int_range (rand, 0, 4); t > 0; t--) {
        g_snprintf (track_sid, sizeof track_sid, "TR_%d", g_rand_int_range (rand, 0, 8));
        add_track (info, track_sid)->type = g_rand_int_range (rand, 0, 4);
      }
    }
    if (g_rand_int_range (rand, 0, 10) == 0)
      lk_roster_replace_all (f->roster, (Livekit__ParticipantInfo **) f->infos->pdata, f->infos->len);
    else
      lk_roster_update (f->roster, (Livekit__ParticipantInfo **) f->infos->pdata, f->infos->len);
    g_ptr_array_set_size (f->infos, 0);
    n = 0;
    lk_roster_foreach_track (f->roster, check_counts_agree, &n);
    fail_unless (n <= 8 && lk_roster_n_participants (f->roster) <= 4);
  }
  /* all that came must go */
  lk_roster_replace_all (f->roster, NULL, 0);
  fail_unless (strstr (f->log->str, "joined") != NULL);
  n = 0;
  lk_roster_foreach_track (f->roster, check_counts_agree, &n);
  fail_unless_equals_int (n, 0);
  fixture_free (f);
}
GST_END_TEST;

GST_START_TEST (test_copies_and_names)
{
  Fixture *f = fixture_new ();
  LkPublication *copy;

  add_track (add_info (f, "PA_1", "bob", 1), "TR_1");
  expect_update (f, "joined:PA_1 added:TR_1");
  copy = lk_publication_copy (lk_roster_find_track (f->roster, "TR_1"));
  lk_roster_clear (f->roster);
  fail_unless_equals_string (copy->sid, "TR_1");
  fail_unless_equals_string (copy->participant_identity, "bob");
  lk_publication_free (copy);
  lk_publication_free (NULL);

  fail_unless_equals_string (lk_track_kind_name (LK_TRACK_VIDEO), "video");
  fail_unless_equals_string (lk_track_source_name (LK_SOURCE_SCREEN_SHARE_AUDIO), "screen-share-audio");
  fail_unless_equals_string (lk_track_source_name (99), "unknown");
  fixture_free (f);
}
GST_END_TEST;

static Suite *
roster_suite (void)
{
  Suite *s = suite_create ("roster");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_join_publish_unpublish_leave);
  tcase_add_test (tc, test_changes_are_told_in_order);
  tcase_add_test (tc, test_every_shown_field_is_compared);
  tcase_add_test (tc, test_older_versions_are_ignored);
  tcase_add_test (tc, test_known_identity_with_new_sid);
  tcase_add_test (tc, test_replace_all);
  tcase_add_test (tc, test_local);
  tcase_add_test (tc, test_odd_tracks);
  tcase_add_test (tc, test_limits);
  tcase_add_test (tc, test_random_updates);
  tcase_add_test (tc, test_copies_and_names);
  return s;
}

GST_CHECK_MAIN (roster);
