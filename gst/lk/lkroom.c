/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkroom: the state machine. */

#include "lkroom-private.h"

#include "lkbackoff.h"
#include "lkerror.h"
#include "lklog.h"

/* For ICE and DTLS of a session that is new, or whose transport broke. The server takes 15 s to call ICE failed. */
#define TRANSPORT_TIMEOUT_MS 15000
#define GOODBYE_TIMEOUT_MS 500
/* A session that lived shorter counts as a failed try: else a server that throws us out would be asked without a
 * pause. */
#define STEADY_MS 500
/* Tries that come soon: after a loss, and after a silent server has answered. */
#define N_SOON 2
/* What is refused or unreachable is so at once. */
#define SILENT_TRY_MS 1000
/* Longer than the longest pause and the longest try after one that was given up. */
#define GHOST_MS 60000

static void start_try (gpointer data);

const gchar *
lk_room_state_name (LkRoomState state)
{
  switch (state) {
    case LK_ROOM_IDLE:
      return "idle";
    case LK_ROOM_FETCHING_TOKEN:
      return "fetching-token";
    case LK_ROOM_CONNECTING:
      return "connecting";
    case LK_ROOM_JOINED:
      return "joined";
    case LK_ROOM_RESUMING:
      return "resuming";
    case LK_ROOM_REJOINING:
      return "rejoining";
    case LK_ROOM_LEAVING:
      return "leaving";
    case LK_ROOM_CLOSED:
      return "closed";
  }
  return "unknown";
}

gint64
lk_room_now_ms (LkRoom * self)
{
  return self->hooks.now_ms ();
}

gboolean
lk_room_is_reconnecting (LkRoom * self)
{
  return self->state == LK_ROOM_RESUMING || self->state == LK_ROOM_REJOINING;
}

/* A server that was frozen takes up each try that waited for it, also those that we gave up: each may take our place when
 * another one has come through. */
static void
forget_old_ghosts (LkRoom * self)
{
  while (self->ghosts->len && lk_room_now_ms (self) - g_array_index (self->ghosts, gint64, 0) > GHOST_MS)
    g_array_remove_index (self->ghosts, 0);
}

static void
note_ghost (LkRoom * self)
{
  gint64 now_ms = lk_room_now_ms (self);

  if (self->is_answered || now_ms - self->try_since_ms < SILENT_TRY_MS)
    return;
  forget_old_ghosts (self);
  g_array_append_val (self->ghosts, now_ms);
}

gboolean
lk_room_take_ghost (LkRoom * self)
{
  forget_old_ghosts (self);
  if (self->ghosts->len == 0)
    return FALSE;
  g_array_remove_index (self->ghosts, 0);
  self->n_soon = N_SOON;
  return TRUE;
}

static void
drop_client (LkRoom * self)
{
  if (self->client == NULL)
    return;
  note_ghost (self);
  self->hooks.client_free (g_steal_pointer (&self->client));
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Timers: started and stopped by the hooks of the states, stopped also by the event that they wait for */

void
lk_room_arm (LkRoom * self, guint64 * timer, gint64 delay_ms, LkLoopFunc func)
{
  self->hooks.cancel (self->loop, timer);
  *timer = self->hooks.post_after (self->loop, (guint) CLAMP (delay_ms, 0, G_MAXUINT), func, self, NULL);
}

void
lk_room_disarm (LkRoom * self, guint64 * timer)
{
  self->hooks.cancel (self->loop, timer);
}

static void
on_join_timeout (gpointer data)
{
  LkRoom *self = data;

  self->join_timer = 0;
  if (self->state == LK_ROOM_JOINED && self->is_paused)
    return;
  if (self->state == LK_ROOM_JOINED)
    lk_room_close_with_error (self, g_error_new (LK_ERROR, LK_ERROR_MEDIA,
            "The media connection did not come up within %u ms", self->join_timeout_ms));
  else if (self->last_error != NULL)
    lk_room_close_with_error (self, g_error_copy (self->last_error));
  else
    lk_room_close_with_error (self, g_error_new (LK_ERROR, LK_ERROR_TIMEOUT, "Not in the room within %u ms",
            self->join_timeout_ms));
}

static void
on_reconnect_timeout (gpointer data)
{
  LkRoom *self = data;
  const gchar *cause = self->last_error != NULL ? self->last_error->message : "no answer";

  self->reconnect_timer = 0;
  lk_room_close_with_error (self, g_error_new (LK_ERROR, LK_ERROR_CONNECTION_LOST,
          "Not back in the room within %u ms: %s", self->reconnect_timeout_ms, cause));
}

static void
on_transport_timeout (gpointer data)
{
  LkRoom *self = data;
  g_autoptr (GError) error = NULL;

  self->transport_timer = 0;
  if (self->is_paused)
    return;
  error = g_error_new (LK_ERROR, LK_ERROR_MEDIA, "The media connection did not come up within %d s",
      TRANSPORT_TIMEOUT_MS / 1000);
  lk_room_begin_rejoin (self, error);
}

static void
arm_reconnect_timer (LkRoom * self)
{
  if (self->reconnect_timeout_ms > 0)
    lk_room_arm (self, &self->reconnect_timer, self->since_ms + self->reconnect_timeout_ms - lk_room_now_ms (self),
        on_reconnect_timeout);
}

/* Of a first join the join timer takes care. */
static void
arm_transport_timer (LkRoom * self)
{
  if (self->was_up && !self->transport_is_up && self->transport_timer == 0)
    lk_room_arm (self, &self->transport_timer, TRANSPORT_TIMEOUT_MS, on_transport_timeout);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* States */

static void
on_leave_timeout (gpointer data)
{
  LkRoom *self = data;

  self->leave_timer = 0;
  lk_room_set_state_in_loop (self, LK_ROOM_CLOSED, self->final_error);
}

static void
leave_state (LkRoom * self, LkRoomState next)
{
  gboolean is_joining = next == LK_ROOM_FETCHING_TOKEN || next == LK_ROOM_CONNECTING || next == LK_ROOM_JOINED;

  lk_room_disarm (self, &self->retry_timer);
  lk_room_disarm (self, &self->leave_timer);
  /* these run over several states */
  if (!is_joining)
    lk_room_disarm (self, &self->join_timer);
  if (next != LK_ROOM_RESUMING && next != LK_ROOM_REJOINING)
    lk_room_disarm (self, &self->reconnect_timer);
  if (next != LK_ROOM_RESUMING && next != LK_ROOM_JOINED)
    lk_room_disarm (self, &self->transport_timer);
  if (self->state == LK_ROOM_JOINED) {
    self->steady_since_ms = 0;
    lk_room_pause_publishing (self);
  }
}

/* Milliseconds until the next try, which is planned here; @error is what ended the last one. */
static guint
plan_try (LkRoom * self, LkRoomState before, const GError * error)
{
  guint delay_ms = 0;

  /* When the token is there, connecting is the same try. */
  if (before != LK_ROOM_FETCHING_TOKEN || self->state != LK_ROOM_CONNECTING) {
    guint step = self->attempt++;

    if (self->n_soon > 0) {
      step = MIN (step, N_SOON + 1 - self->n_soon);
      self->n_soon--;
    }
    delay_ms = lk_backoff_delay_ms (step, (guint64) MAX (lk_room_now_ms (self) - self->since_ms, 0),
        self->hooks.random ());
  }
  delay_ms = MAX (delay_ms, lk_error_retry_after_ms (error));
  lk_room_arm (self, &self->retry_timer, delay_ms, start_try);
  return delay_ms;
}

static void
say_goodbye (LkRoom * self)
{
  Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;

  leave.reason = LIVEKIT__DISCONNECT_REASON__CLIENT_INITIATED;
  leave.action = LIVEKIT__LEAVE_REQUEST__ACTION__DISCONNECT;
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_LEAVE;
  request.leave = &leave;
  self->hooks.client_send (self->client, &request);
  self->hooks.client_close (self->client);
}

static void
enter_leaving (LkRoom * self, LkRoomState before)
{
  lk_room_drop_fetch (self);
  if (before == LK_ROOM_JOINED && self->is_in_session && self->client != NULL) {
    say_goodbye (self);
    lk_room_arm (self, &self->leave_timer, GOODBYE_TIMEOUT_MS, on_leave_timeout);
  } else {
    drop_client (self);
    /* CLOSED comes later, not from inside the call that asked for it */
    lk_room_arm (self, &self->leave_timer, 0, on_leave_timeout);
  }
  self->is_in_session = FALSE;
}

/* Returns the milliseconds until the next try. */
static guint
enter_state (LkRoom * self, LkRoomState before, const GError * error)
{
  switch (self->state) {
    case LK_ROOM_FETCHING_TOKEN:
      if (before == LK_ROOM_IDLE && self->join_timeout_ms > 0)
        lk_room_arm (self, &self->join_timer, self->join_timeout_ms, on_join_timeout);
      return plan_try (self, before, error);
    case LK_ROOM_CONNECTING:
      return plan_try (self, before, error);
    case LK_ROOM_RESUMING:
      arm_reconnect_timer (self);
      arm_transport_timer (self);
      return plan_try (self, before, error);
    case LK_ROOM_REJOINING:
      arm_reconnect_timer (self);
      return plan_try (self, before, error);
    case LK_ROOM_JOINED:
      if (self->transport_is_up)
        self->steady_since_ms = lk_room_now_ms (self);
      arm_transport_timer (self);
      return 0;
    case LK_ROOM_LEAVING:
      enter_leaving (self, before);
      return 0;
    case LK_ROOM_CLOSED:
      drop_client (self);
      return 0;
    case LK_ROOM_IDLE:
      return 0;
  }
  return 0;
}

/* The only writer of the state. The delegate may do anything from here, so that callers look at the state anew, or
 * end. */
void
lk_room_set_state_in_loop (LkRoom * self, LkRoomState state, const GError * error)
{
  LkRoomState before = self->state;
  guint next_try_ms, attempt;

  lk_loop_assert_current (self->loop);

  leave_state (self, state);
  self->state = state;
  next_try_ms = enter_state (self, before, error);
  attempt = lk_room_is_reconnecting (self) || state == LK_ROOM_FETCHING_TOKEN || state == LK_ROOM_CONNECTING
      ? self->attempt : 0;
  if (lk_room_is_reconnecting (self))
    lk_info ("room", "%s attempt=%u next-try-ms=%u reason=%s", lk_room_state_name (state), attempt, next_try_ms,
        error != NULL ? error->message : "-");
  else if (state == LK_ROOM_CLOSED)
    lk_info ("room", "left reason=%s", error != NULL ? error->message : "asked");
  else
    lk_debug ("room", "state %s -> %s attempt=%u reason=%s", lk_room_state_name (before), lk_room_state_name (state),
        attempt, error != NULL ? error->message : "-");
  LK_ROOM_TELL (self, state_changed, self, state, error, attempt, next_try_ms);
}

/* @error is what ended the state before; it is kept for what a timer may have to say. */
static void
change_state (LkRoom * self, LkRoomState state, const GError * error)
{
  GError *copy = error != NULL ? g_error_copy (error) : NULL;

  g_clear_error (&self->last_error);
  self->last_error = copy;
  lk_room_set_state_in_loop (self, state, copy);
}

void
lk_room_close_with_error (LkRoom * self, GError * error)
{
  if (self->state == LK_ROOM_LEAVING || self->state == LK_ROOM_CLOSED) {
    g_clear_error (&error);
    return;
  }
  g_clear_error (&self->final_error);
  self->final_error = error;
  lk_room_set_state_in_loop (self, LK_ROOM_LEAVING, NULL);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Losing a session */

/* Out of JOINED. What was steady begins a new count of tries and time; a session that hardly lived goes on with the
 * old. */
static void
begin_outage (LkRoom * self)
{
  gint64 now_ms = lk_room_now_ms (self);

  if (self->steady_since_ms == 0 || now_ms - self->steady_since_ms < STEADY_MS)
    return;
  self->since_ms = now_ms;
  self->attempt = 0;
  self->has_switched = self->has_answered = FALSE;
  self->n_soon = 0;
}

/* A new session is needed: a rejoin, or the next try of a first join whose transport never was up. */
void
lk_room_begin_rejoin (LkRoom * self, const GError * error)
{
  if (self->state == LK_ROOM_JOINED)
    begin_outage (self);
  if (self->state == LK_ROOM_RESUMING && !self->has_switched) {
    /* once per outage at once: the server answers, it only does not know us any more */
    self->has_switched = TRUE;
    self->attempt = 0;
  }
  drop_client (self);
  lk_room_forget_session (self);
  if (self->regions != NULL)
    lk_room_go_to_next_region (self);
  change_state (self, self->was_up ? LK_ROOM_REJOINING : LK_ROOM_CONNECTING, error);
}

static void
begin_resume (LkRoom * self, const GError * error)
{
  begin_outage (self);
  drop_client (self);
  change_state (self, LK_ROOM_RESUMING, error);
}

/* Before its transport was up a session ends with the websocket, at the server's. */
void
lk_room_lost (LkRoom * self, const GError * error)
{
  lk_info ("room", "lost room=%s reason=%s", self->room_sid != NULL ? self->room_sid : "-", error->message);
  if (self->transport_was_up && self->can_resume)
    begin_resume (self, error);
  else
    lk_room_begin_rejoin (self, error);
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Tries */

static void
on_client_opened (LkSignalClient * client, gboolean is_v1, gboolean is_loopback, gpointer data)
{
  LkRoom *self = data;

  if (client != self->client)
    return;
  self->is_answered = TRUE;
  self->is_single_peer = is_v1;
  self->use_v0 = !is_v1;
  self->server_is_loopback = is_loopback;
}

static void
on_client_message (LkSignalClient * client, const Livekit__SignalResponse * response, gpointer data)
{
  LkRoom *self = data;

  if (client == self->client)
    lk_room_handle_message (self, response);
}

static void
on_client_closed (LkSignalClient * client, const GError * reason, gpointer data)
{
  LkRoom *self = data;
  g_autoptr (GError) error = NULL;

  if (client != self->client)
    return;
  /* the reason belongs to the client, which ends here */
  error = reason != NULL ? g_error_copy (reason) :
      g_error_new (LK_ERROR, LK_ERROR_CONNECT, "The connection was closed");
  switch (self->state) {
    case LK_ROOM_CONNECTING:
    case LK_ROOM_RESUMING:
    case LK_ROOM_REJOINING:
      lk_room_attempt_failed (self, error);
      break;
    case LK_ROOM_JOINED:
      lk_room_lost (self, error);
      break;
    case LK_ROOM_LEAVING:
      lk_room_set_state_in_loop (self, LK_ROOM_CLOSED, self->final_error);
      break;
    case LK_ROOM_IDLE:
    case LK_ROOM_FETCHING_TOKEN:
    case LK_ROOM_CLOSED:
      drop_client (self);
      break;
  }
}

void
lk_room_start_connect (LkRoom * self)
{
  static const LkSignalClientDelegate delegate = { on_client_opened, on_client_message, on_client_closed };
  LkSignalSettings settings = { NULL, };
  g_autofree gchar *clean_url = lk_error_clean_url (lk_room_choose_server_url (self));

  settings.server_url = lk_room_choose_server_url (self);
  settings.token = self->token;
  settings.http = self->http;
  settings.client_version = self->client_version;
  settings.use_v0 = self->use_v0;
  if (self->claims->can_update_own_metadata) {
    settings.metadata = self->metadata;
    settings.attributes = self->attributes;
  }
  if (self->state == LK_ROOM_RESUMING) {
    settings.reconnect = TRUE;
    settings.participant_sid = self->participant_sid;
    settings.reconnect_reason = self->reconnect_reason;
    settings.ping_interval_s = self->ping_interval_s;
    settings.ping_timeout_s = self->ping_timeout_s;
  } else {
    lk_info ("room", "joining url=%s room=%s identity=%s attempt=%u", clean_url,
        self->claims->room != NULL ? self->claims->room : "-",
        self->claims->identity != NULL ? self->claims->identity : "-", self->attempt);
  }
  drop_client (self);
  self->is_answered = FALSE;
  self->try_since_ms = lk_room_now_ms (self);
  self->client = self->hooks.client_new (self->loop, &delegate, self);
  self->hooks.client_connect (self->client, &settings);
}

static void
start_try (gpointer data)
{
  LkRoom *self = data;

  self->retry_timer = 0;
  switch (self->state) {
    case LK_ROOM_FETCHING_TOKEN:
      lk_room_start_fetch (self);
      break;
    case LK_ROOM_RESUMING:
      if (lk_room_token_is_valid (self)) {
        lk_room_start_connect (self);
      } else {
        /* another token may name another identity: no session to resume */
        g_autoptr (GError) error = g_error_new (LK_ERROR, LK_ERROR_TOKEN, "The access token has expired");

        lk_room_begin_rejoin (self, error);
      }
      break;
    case LK_ROOM_CONNECTING:
    case LK_ROOM_REJOINING:
      if (lk_room_token_is_valid (self))
        lk_room_start_connect (self);
      else
        lk_room_renew_token (self);
      break;
    case LK_ROOM_IDLE:
    case LK_ROOM_JOINED:
    case LK_ROOM_LEAVING:
    case LK_ROOM_CLOSED:
      g_assert_not_reached ();
  }
}

static gboolean
is_refused_token (const GError * error)
{
  guint status = lk_error_http_status (error);

  return g_error_matches (error, LK_ERROR, LK_ERROR_UNAUTHORIZED) && (status == 401 || status == 403);
}

/* Who was in the room knows that the server is one, and that its host had a good name: what says otherwise now is
 * something on the way, a load balancer without a server behind it or the portal of a network, and goes away. */
static gboolean
is_fatal (LkRoom * self, const GError * error, gboolean is_of_region)
{
  if (lk_room_is_reconnecting (self) && g_error_matches (error, LK_ERROR, LK_ERROR_NOT_LIVEKIT))
    return FALSE;
  /* a fault of one region; the others, or the server of the settings, may do better */
  if (is_of_region && (g_error_matches (error, LK_ERROR, LK_ERROR_NOT_LIVEKIT)
          || g_error_matches (error, LK_ERROR, LK_ERROR_TLS)))
    return FALSE;
  return lk_error_is_final (error);
}

static gboolean
is_refused_resume (const GError * error)
{
  guint status = lk_error_http_status (error);

  return status >= 400 && status < 500 && status != 408 && status != 429 && !is_refused_token (error);
}

/* A server that was silent and answers is back, and will soon have what it lacks: one that was frozen for a minute takes
 * nobody (HTTP 500) for some tenths of a second. Once per outage, for what answers may be a proxy. */
static void
take_first_answer (LkRoom * self, const GError * error)
{
  if (self->has_answered || self->attempt <= N_SOON || !g_error_matches (error, LK_ERROR, LK_ERROR_SERVER)
      || !g_error_matches (self->last_error, LK_ERROR, LK_ERROR_CONNECT))
    return;
  self->has_answered = TRUE;
  self->n_soon = N_SOON;
}

void
lk_room_attempt_failed (LkRoom * self, const GError * reason)
{
  g_autoptr (GError) error = g_error_copy (reason);
  /* a server was asked, and not a source of tokens alone */
  gboolean is_of_region = self->region_url != NULL && self->client != NULL;

  drop_client (self);
  if (g_error_matches (error, LK_ERROR, LK_ERROR_NOT_LIVEKIT))
    self->use_v0 = FALSE;       /* v1 may be there by now */
  if (lk_room_is_reconnecting (self) && is_refused_token (error) && !self->has_renewed_token
      && lk_token_source_is_renewable (self->token_source)) {
    self->must_renew_token = self->has_renewed_token = TRUE;
    lk_room_begin_rejoin (self, error);
  } else if (self->state == LK_ROOM_RESUMING && is_refused_resume (error)) {
    lk_room_begin_rejoin (self, error);
  } else if (is_fatal (self, error, is_of_region)) {
    lk_room_close_with_error (self, g_steal_pointer (&error));
  } else {
    /* a session is resumed where it is */
    if (is_of_region && self->state != LK_ROOM_RESUMING) {
      lk_room_go_to_next_region (self);
      /* the next has not asked for a pause */
      lk_error_set_retry_after_ms (error, 0);
    }
    take_first_answer (self, error);
    change_state (self, self->state, error);
  }
}

/* ------------------------------------------------------------------------------------------------------------------ */
/* Commands that change the state */

/* Tells that a command makes no sense now; the state stays. */
static void
refuse_command (LkRoom * self, const gchar * what)
{
  g_autoptr (GError) error =
      g_error_new (LK_ERROR, LK_ERROR_SETTINGS, "Cannot %s while %s", what, lk_room_state_name (self->state));

  lk_warning ("room", "command refused: %s", error->message);
  LK_ROOM_TELL (self, state_changed, self, self->state, error, 0, 0);
}

void
lk_room_join_in_loop (LkRoom * self, const LkRoomSettings * settings)
{
  lk_loop_assert_current (self->loop);

  switch (self->state) {
    case LK_ROOM_IDLE:
      lk_room_take_settings (self, settings);
      self->since_ms = lk_room_now_ms (self);
      if (self->token_source != NULL)
        lk_room_set_state_in_loop (self, LK_ROOM_FETCHING_TOKEN, NULL);
      else
        lk_room_close_with_error (self, g_error_new (LK_ERROR, LK_ERROR_TOKEN, "There is no access token"));
      break;
    case LK_ROOM_FETCHING_TOKEN:
    case LK_ROOM_CONNECTING:
    case LK_ROOM_JOINED:
    case LK_ROOM_RESUMING:
    case LK_ROOM_REJOINING:
    case LK_ROOM_LEAVING:
      refuse_command (self, "join");
      break;
    case LK_ROOM_CLOSED:
      lk_warning ("room", "a closed room cannot be joined");
      break;
  }
}

void
lk_room_leave_in_loop (LkRoom * self)
{
  lk_loop_assert_current (self->loop);

  switch (self->state) {
    case LK_ROOM_IDLE:
    case LK_ROOM_JOINED:
      lk_room_close_with_error (self, NULL);
      break;
    case LK_ROOM_FETCHING_TOKEN:
    case LK_ROOM_CONNECTING:
    case LK_ROOM_RESUMING:
    case LK_ROOM_REJOINING:
      lk_room_close_with_error (self, g_error_new (LK_ERROR, LK_ERROR_CANCELLED, "Told to leave while %s",
              lk_room_state_name (self->state)));
      break;
    case LK_ROOM_LEAVING:
    case LK_ROOM_CLOSED:
      break;
  }
}

void
lk_room_set_reconnect_timeout_in_loop (LkRoom * self, guint timeout_ms)
{
  lk_loop_assert_current (self->loop);

  self->reconnect_timeout_ms = timeout_ms;
  lk_room_disarm (self, &self->reconnect_timer);
  if (lk_room_is_reconnecting (self))
    arm_reconnect_timer (self);
}

void
lk_room_set_needs_in_loop (LkRoom * self, gboolean needs_publish, gboolean needs_subscribe)
{
  lk_loop_assert_current (self->loop);

  self->needs_publish = needs_publish;
  self->needs_subscribe = needs_subscribe;
}

void
lk_room_set_paused_in_loop (LkRoom * self, gboolean is_paused)
{
  lk_loop_assert_current (self->loop);

  self->is_paused = is_paused;
  if (is_paused || self->state != LK_ROOM_JOINED || self->transport_is_up)
    return;
  if (!self->was_up && self->join_timeout_ms > 0)
    lk_room_arm (self, &self->join_timer, self->join_timeout_ms, on_join_timeout);
  arm_transport_timer (self);
}

void
lk_room_transport_up_in_loop (LkRoom * self)
{
  lk_loop_assert_current (self->loop);

  if (self->state != LK_ROOM_JOINED && self->state != LK_ROOM_RESUMING)
    return;
  lk_room_disarm (self, &self->transport_timer);
  lk_room_disarm (self, &self->join_timer);
  if (!self->transport_is_up && self->state == LK_ROOM_JOINED)
    self->steady_since_ms = lk_room_now_ms (self);
  self->transport_is_up = self->transport_was_up = self->was_up = TRUE;
}

void
lk_room_transport_lost_in_loop (LkRoom * self, LkSignalTarget target)
{
  g_autoptr (GError) error = NULL;

  lk_loop_assert_current (self->loop);

  /* What never was up is not lost; its timer runs. */
  if (!self->transport_is_up || (self->state != LK_ROOM_JOINED && self->state != LK_ROOM_RESUMING))
    return;
  self->transport_is_up = FALSE;
  self->reconnect_reason = target == LK_TARGET_PUBLISHER ? LIVEKIT__RECONNECT_REASON__RR_PUBLISHER_FAILED
      : LIVEKIT__RECONNECT_REASON__RR_SUBSCRIBER_FAILED;
  if (self->state == LK_ROOM_RESUMING) {
    arm_transport_timer (self);
    return;
  }
  error = g_error_new (LK_ERROR, LK_ERROR_MEDIA, "The media connection was lost");
  lk_room_lost (self, error);
}

void
lk_room_transport_failed_in_loop (LkRoom * self, const gchar * why)
{
  g_autoptr (GError) error = NULL;

  lk_loop_assert_current (self->loop);

  if (self->state != LK_ROOM_JOINED && self->state != LK_ROOM_RESUMING)
    return;
  error = g_error_new (LK_ERROR, LK_ERROR_MEDIA, "The media connection failed: %s",
      why != NULL ? why : "no reason given");
  lk_info ("room", "lost room=%s reason=%s", self->room_sid, error->message);
  lk_room_begin_rejoin (self, error);
}
