/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsession-users: the elements of a session: who comes and goes, what they are told, whose clock is
 * followed. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitsession-private.h"

#include "gstlivekitelements.h"
#include "gstlivekitregistry.h"

#define GST_CAT_DEFAULT gst_livekit_debug

/* The promise of a state change: down in less than two seconds. */
#define LEAVE_LIMIT (1800 * G_TIME_SPAN_MILLISECOND)

GstLiveKitSessionUser *
gst_livekit_session_get_user (GstLiveKitSession * session, GstLiveKitRole role)
{
  return session->users[role].bin ? &session->users[role] : NULL;
}

/* --- what they are told --- */

void
gst_livekit_session_tell_publisher (GstLiveKitSession * session, GstStructure * message)
{
  GstLiveKitSessionUser *user = gst_livekit_session_get_user (session, GST_LIVEKIT_ROLE_PUBLISHER);

  if (user)
    user->delegate.message (session, message, user->data);
  else
    gst_structure_free (message);
}

void
gst_livekit_session_tell (GstLiveKitSession * session, GstStructure * message)
{
  for (guint i = 0; i < GST_LIVEKIT_N_ROLES; i++) {
    GstLiveKitSessionUser *user = gst_livekit_session_get_user (session, i);

    if (user)
      user->delegate.message (session, gst_structure_copy (message), user->data);
  }
  gst_structure_free (message);
}

void
gst_livekit_session_warn (GstLiveKitSession * session, const GError * error)
{
  for (guint i = 0; i < GST_LIVEKIT_N_ROLES; i++) {
    GstLiveKitSessionUser *user = gst_livekit_session_get_user (session, i);

    if (user)
      user->delegate.warning (session, error, user->data);
  }
}

void
gst_livekit_session_set_state_in_loop (GstLiveKitSession * session, GstLiveKitConnectionState state,
    const GError * reason, guint attempt, guint next_try_ms)
{
  session->state = state;
  for (guint i = 0; i < GST_LIVEKIT_N_ROLES; i++) {
    GstLiveKitSessionUser *user = gst_livekit_session_get_user (session, i);

    if (user)
      user->delegate.state_changed (session, state, reason, attempt, next_try_ms, user->data);
  }
}

/* --- turns: elements may change their states in threads of their own, but do it here one by one --- */

static void
take_turn (GstLiveKitSession * session)
{
  g_mutex_lock (&session->stop_lock);
  while (session->is_turn_taken)
    g_cond_wait (&session->stop_changed, &session->stop_lock);
  session->is_turn_taken = TRUE;
  g_mutex_unlock (&session->stop_lock);
}

static void
give_turn (GstLiveKitSession * session)
{
  g_mutex_lock (&session->stop_lock);
  session->is_turn_taken = FALSE;
  g_cond_broadcast (&session->stop_changed);
  g_mutex_unlock (&session->stop_lock);
}

/* --- states and clocks --- */

typedef struct
{
  GstLiveKitSession *session;
  gboolean is_paused;
  GstClockTimeDiff offsets[GST_LIVEKIT_N_ROLES];
} Times;

static void
times_in_loop (gpointer data)
{
  Times *times = data;

  for (guint i = 0; i < GST_LIVEKIT_N_ROLES; i++)
    gst_livekit_session_set_offset_in_loop (times->session, i, times->offsets[i]);
  lk_room_set_paused_in_loop (times->session->room, times->is_paused);
}

static void
follow_members (GstLiveKitSession * session)
{
  Times *times = g_new0 (Times, 1);
  GstBin *leader = NULL;

  for (guint i = 0; i < GST_LIVEKIT_N_ROLES; i++) {
    if (session->members[i] && session->is_playing[i] && (leader == NULL || session->members[i] == session->home))
      leader = session->members[i];
  }
  gst_livekit_core_follow (session->core, GST_ELEMENT_CAST (leader));
  times->session = session;
  times->is_paused = leader == NULL;
  for (guint i = 0; i < GST_LIVEKIT_N_ROLES; i++) {
    if (session->members[i] && session->is_playing[i])
      times->offsets[i] = gst_livekit_core_get_offset (session->core, GST_ELEMENT (session->members[i]));
  }
  lk_loop_post (session->loop, times_in_loop, times, g_free);
}

static void
move_home (GstLiveKitSession * session, GstBin * home)
{
  GST_DEBUG_OBJECT (session->element, "moves to %s", home ? GST_OBJECT_NAME (home) : "nowhere");
  session->home = home;
  gst_livekit_core_move (session->core, home);
}

static void
rest_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;

  session->subscriber_rests = TRUE;
  gst_livekit_session_reconcile_later (session);
}

static void
wake_in_loop (gpointer data)
{
  GstLiveKitSession *session = data;

  if (session->subscriber_rests)
    gst_livekit_session_reconcile_later (session);
  session->subscriber_rests = FALSE;
}

void
gst_livekit_session_set_playing (GstLiveKitSession * session, GstLiveKitRole role, gboolean is_playing)
{
  take_turn (session);
  session->is_playing[role] = is_playing;
  follow_members (session);
  /* When all are paused nothing flows, and nothing has to be asked for again. */
  if (role == GST_LIVEKIT_ROLE_SUBSCRIBER && is_playing)
    lk_loop_post (session->loop, wake_in_loop, session, NULL);
  else if (role == GST_LIVEKIT_ROLE_SUBSCRIBER && session->is_playing[GST_LIVEKIT_ROLE_PUBLISHER])
    lk_loop_post (session->loop, rest_in_loop, session, NULL);
  give_turn (session);
}

/* --- who comes --- */

typedef struct
{
  GstLiveKitSession *session;
  GstLiveKitRole role;
  GstLiveKitSessionUser user;
} Entrance;

static void
tell_needs (GstLiveKitSession * session)
{
  lk_room_set_needs_in_loop (session->room, session->users[GST_LIVEKIT_ROLE_PUBLISHER].bin != NULL,
      session->users[GST_LIVEKIT_ROLE_SUBSCRIBER].bin != NULL);
}

static void
enter_in_loop (gpointer data)
{
  Entrance *entrance = data;
  GstLiveKitSession *session = entrance->session;
  GstLiveKitSessionUser *user = &session->users[entrance->role];

  *user = entrance->user;
  tell_needs (session);
  if (gst_livekit_session_is_transport_up (session))
    gst_livekit_session_note_start_in_loop (session);
  gst_livekit_session_catch_up_in_loop (session, user);
  gst_livekit_session_tell_bandwidth_again_in_loop (session);
  if (entrance->role == GST_LIVEKIT_ROLE_SUBSCRIBER)
    gst_livekit_session_set_latency_in_loop (session, user->latency_ms);
  gst_livekit_session_reconcile_later (session);
}

static gboolean
give_back (GstLiveKitSession * session, GstLiveKitRole role)
{
  return session->registry == NULL || gst_livekit_registry_leave (session->registry, session, role);
}

static gboolean
end (GstLiveKitSession * session)
{
  gboolean is_down = gst_livekit_session_stop (session);

  /* What is stuck stays as it is: nothing waits for it. */
  if (is_down)
    gst_element_set_state (session->element, GST_STATE_NULL);
  move_home (session, NULL);
  return is_down;
}

static gboolean
check_token (GstLiveKitSession * session, GstLiveKitRole role, GError ** error)
{
  return lk_token_source_check (session->settings.room.token_source, session->settings.room.room,
      role == GST_LIVEKIT_ROLE_PUBLISHER, role == GST_LIVEKIT_ROLE_SUBSCRIBER, g_get_real_time () / G_USEC_PER_SEC,
      error);
}

gboolean
gst_livekit_session_enter (GstLiveKitSession * session, GstLiveKitRole role, GstBin * element,
    const GstLiveKitSessionDelegate * delegate, gpointer data, const GstLiveKitSessionSettings * settings,
    GError ** error)
{
  GstLiveKitSessionUser user = { element, *delegate, data, settings->latency_ms, settings->remote_track_flags };
  Entrance *entrance;

  take_turn (session);
  if (session->is_started && !check_token (session, role, error)) {
    if (give_back (session, role))
      end (session);
    give_turn (session);
    return FALSE;
  }
  session->members[role] = element;
  session->is_playing[role] = FALSE;
  if (role == GST_LIVEKIT_ROLE_SUBSCRIBER)
    gst_livekit_sync_set_latency (session->sync, settings->latency_ms * GST_MSECOND);
  if (session->home == NULL)
    move_home (session, element);
  if (session->is_started) {
    entrance = g_new (Entrance, 1);
    *entrance = (Entrance) {
    session, role, user};
    lk_loop_post (session->loop, enter_in_loop, entrance, g_free);
  } else {
    session->is_started = TRUE;
    session->users[role] = user;
    gst_livekit_core_follow (session->core, NULL);
    gst_livekit_session_start (session, settings);
  }
  give_turn (session);
  return TRUE;
}

/* --- who goes --- */

typedef struct
{
  GstLiveKitSession *session;
  GstLiveKitRole role;
  guint n_waits;
  gboolean is_done;             /* stop_lock */
} Exit;

static void
on_track_left (gpointer data)
{
  GstLiveKitSession *session = data;

  g_mutex_lock (&session->stop_lock);
  session->n_tracks_leaving--;
  g_cond_broadcast (&session->stop_changed);
  g_mutex_unlock (&session->stop_lock);
}

static void
leave_in_loop (gpointer data)
{
  Exit *exit = data;
  GstLiveKitSession *session = exit->session;
  guint n_leaving = 0;

  /* The server would bind packets of a track that has been unpublished to its section, and take no other track
   * there. */
  if (exit->role == GST_LIVEKIT_ROLE_PUBLISHER && session->publisher
      && gst_livekit_peer_is_sending_in_loop (session->publisher) && exit->n_waits++ < GST_LIVEKIT_DRAIN_STEPS) {
    lk_loop_post_after (session->loop, GST_LIVEKIT_DRAIN_STEP_MS, leave_in_loop, exit, NULL);
    return;
  }
  if (exit->role == GST_LIVEKIT_ROLE_PUBLISHER)
    gst_livekit_session_drop_local_in_loop (session);
  else
    n_leaving = gst_livekit_session_drop_remote_in_loop (session, on_track_left, session);
  session->users[exit->role].bin = NULL;
  tell_needs (session);
  g_mutex_lock (&session->stop_lock);
  session->n_tracks_leaving += n_leaving;
  exit->is_done = TRUE;
  g_cond_broadcast (&session->stop_changed);
  g_mutex_unlock (&session->stop_lock);
}

/* The loop is never held up; a track's downstream may be. */
static gboolean
leave_and_wait (GstLiveKitSession * session, GstLiveKitRole role)
{
  gint64 deadline = g_get_monotonic_time () + LEAVE_LIMIT;
  Exit exit = { session, role, 0, FALSE };
  gboolean is_free = TRUE;

  lk_loop_post (session->loop, leave_in_loop, &exit, NULL);
  g_mutex_lock (&session->stop_lock);
  while (!exit.is_done)
    g_cond_wait (&session->stop_changed, &session->stop_lock);
  while (is_free && session->n_tracks_leaving > 0)
    is_free = g_cond_wait_until (&session->stop_changed, &session->stop_lock, deadline);
  g_mutex_unlock (&session->stop_lock);
  return is_free;
}

/* When all are paused, what the publisher has sent last is held by webrtcbin's sinks, and its elements cannot stop. So
 * webrtcbin plays on, and what comes for the subscriber waits at its pads. */
static void
let_go (GstLiveKitSession * session, GstBin * other)
{
  if (other == NULL || session->is_playing[GST_LIVEKIT_ROLE_SUBSCRIBER])
    return;
  gst_livekit_core_follow (session->core, GST_ELEMENT (other));
}

gboolean
gst_livekit_session_leave (GstLiveKitSession * session, GstLiveKitRole role)
{
  GstBin *bin, *other;
  gboolean is_free;

  take_turn (session);
  bin = session->members[role];
  other = session->members[!role];
  session->members[role] = NULL;
  session->is_playing[role] = FALSE;
  if (give_back (session, role)) {
    is_free = end (session);
  } else {
    if (role == GST_LIVEKIT_ROLE_PUBLISHER)
      let_go (session, other);
    is_free = leave_and_wait (session, role);
    if (session->home == bin)
      move_home (session, other);
    if (other && role == GST_LIVEKIT_ROLE_SUBSCRIBER)
      follow_members (session);
  }
  give_turn (session);
  return is_free;
}

gboolean
gst_livekit_session_is_over (GstLiveKitSession * session)
{
  return g_atomic_int_get (&session->is_over);
}
