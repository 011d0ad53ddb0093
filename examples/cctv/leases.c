/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* leases: which of the cameras are this gateway's. */

#include "leases.h"

#include <hiredis/hiredis.h>
#include <string.h>

#include "applog.h"
#include "lktoken.h"

/* Each tick renews; who misses five has gone, and the next tick of another takes over: within seven seconds in all. */
#define TICK_US (1 * G_TIME_SPAN_SECOND)
#define LEASE_MS "5000"
#define TIMEOUT_S 1
/* Beyond its share a gateway takes what nobody has wanted for so many ticks. */
#define SPARE_TICKS 2

#define RENEW "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('pexpire',KEYS[1],ARGV[2]) end return 0"
#define GIVE_BACK "if redis.call('get',KEYS[1])==ARGV[1] then return redis.call('del',KEYS[1]) end return 0"
/* The gateways that have shown themselves lately, by the clock of Redis. */
#define PRESENT "local t=redis.call('time') local now=t[1]*1000+math.floor(t[2]/1000) " \
    "redis.call('zadd',KEYS[1],now,ARGV[1]) redis.call('zremrangebyscore',KEYS[1],0,now-ARGV[2]) " \
    "return redis.call('zcard',KEYS[1])"

struct _CctvLeases
{
  /* constant after construction */
  gchar *host, *user, *password, *prefix;
  guint16 port;
  guint max_cameras;
  gchar *owner;                 /* what our leases hold: unlike any other process's */
  void (*changed) (gpointer data);
  gpointer data;
  GThread *thread;

  /* lock */
  GMutex lock;
  GCond wake;
  gboolean is_ending, is_connected;
  GPtrArray *wanted;            /* ids */
  GHashTable *held;             /* ids */
  guint idle_id;

  /* the thread's */
  redisContext *redis;
  GHashTable *spare;            /* id -> ticks that nobody has had it */
  gboolean is_present, is_told;
};

/* --- talking with Redis --- */

static void
disconnect (CctvLeases * leases)
{
  g_clear_pointer (&leases->redis, redisFree);
}

/* Said once until it works again. */
static void
tell (CctvLeases * leases, const gchar * text)
{
  if (!leases->is_told)
    app_warning ("Redis: %s", text);
  leases->is_told = TRUE;
}

/* NULL when the connection has failed, which is closed then. An error that Redis answers is one, too. What it does not
 * understand it repeats, the password as well. */
static redisReply *
ask (CctvLeases * leases, const gchar * format, ...)
{
  redisReply *reply;
  va_list arguments;

  if (leases->redis == NULL)
    return NULL;
  va_start (arguments, format);
  reply = redisvCommand (leases->redis, format, arguments);
  va_end (arguments);
  if (reply && reply->type != REDIS_REPLY_ERROR)
    return reply;
  if (reply == NULL)
    tell (leases, leases->redis->errstr);
  else if (g_str_has_prefix (format, "AUTH"))
    tell (leases, "it does not take the password");
  else
    tell (leases, reply->str);
  if (reply)
    freeReplyObject (reply);
  disconnect (leases);
  return NULL;
}

/* -1 when the connection has failed. */
static gint64
ask_number (redisReply * reply)
{
  gint64 value = -1;

  if (reply) {
    value = reply->type == REDIS_REPLY_INTEGER ? reply->integer : 0;
    freeReplyObject (reply);
  }
  return value;
}

static gboolean
log_in (CctvLeases * leases)
{
  redisReply *reply;

  if (leases->password == NULL)
    return TRUE;
  if (leases->user)
    reply = ask (leases, "AUTH %s %s", leases->user, leases->password);
  else
    reply = ask (leases, "AUTH %s", leases->password);
  if (reply)
    freeReplyObject (reply);
  return reply != NULL;
}

static gboolean
connect_if_needed (CctvLeases * leases)
{
  const struct timeval timeout = {.tv_sec = TIMEOUT_S };

  if (leases->redis)
    return TRUE;
  leases->redis = redisConnectWithTimeout (leases->host, leases->port, timeout);
  if (leases->redis && leases->redis->err == 0) {
    redisSetTimeout (leases->redis, timeout);
    return log_in (leases);
  }
  tell (leases, leases->redis ? leases->redis->errstr : "no connection");
  disconnect (leases);
  return FALSE;
}

static gint64
call_script (CctvLeases * leases, const gchar * script, const gchar * id)
{
  return ask_number (ask (leases, "EVAL %s 1 %slease:%s %s %s", script, leases->prefix, id, leases->owner, LEASE_MS));
}

/* 1 = it is ours now, 0 = it is another's. */
static gint64
take (CctvLeases * leases, const gchar * id)
{
  redisReply *reply = ask (leases, "SET %slease:%s %s NX PX %s", leases->prefix, id, leases->owner, LEASE_MS);
  gint64 taken = reply == NULL ? -1 : reply->type == REDIS_REPLY_STATUS;

  if (reply)
    freeReplyObject (reply);
  return taken;
}

static gint64
is_free (CctvLeases * leases, const gchar * id)
{
  gint64 exists = ask_number (ask (leases, "EXISTS %slease:%s", leases->prefix, id));

  return exists < 0 ? -1 : exists == 0;
}

/* --- a tick --- */

static gboolean
on_changed (gpointer data)
{
  CctvLeases *leases = data;

  g_mutex_lock (&leases->lock);
  leases->idle_id = 0;
  g_mutex_unlock (&leases->lock);
  leases->changed (leases->data);
  return G_SOURCE_REMOVE;
}

static void
tell_change_locked (CctvLeases * leases)
{
  if (leases->idle_id == 0)
    leases->idle_id = g_idle_add (on_changed, leases);
}

static void
set_held (CctvLeases * leases, const gchar * id, gboolean is_held)
{
  g_mutex_lock (&leases->lock);
  if (is_held ? g_hash_table_add (leases->held, g_strdup (id)) : g_hash_table_remove (leases->held, id))
    tell_change_locked (leases);
  g_mutex_unlock (&leases->lock);
}

static void
set_connected (CctvLeases * leases, gboolean is_connected)
{
  gboolean is_new;

  g_mutex_lock (&leases->lock);
  is_new = is_connected && !leases->is_connected;
  leases->is_connected = is_connected;
  g_mutex_unlock (&leases->lock);
  if (is_new)
    app_info ("Redis answers");
  if (is_connected)
    leases->is_told = FALSE;
}

static GPtrArray *
copy_ids (CctvLeases * leases, gboolean is_held)
{
  GPtrArray *ids = g_ptr_array_new_with_free_func (g_free);

  g_mutex_lock (&leases->lock);
  for (guint i = 0; i < leases->wanted->len; i++) {
    const gchar *id = g_ptr_array_index (leases->wanted, i);

    if (g_hash_table_contains (leases->held, id) == is_held)
      g_ptr_array_add (ids, g_strdup (id));
  }
  g_mutex_unlock (&leases->lock);
  return ids;
}

/* Those that are in the configuration no more. */
static GPtrArray *
copy_unwanted (CctvLeases * leases)
{
  GPtrArray *ids = g_ptr_array_new_with_free_func (g_free);
  GHashTableIter iter;
  gpointer id;

  g_mutex_lock (&leases->lock);
  g_hash_table_iter_init (&iter, leases->held);
  while (g_hash_table_iter_next (&iter, &id, NULL)) {
    if (!g_ptr_array_find_with_equal_func (leases->wanted, id, g_str_equal, NULL))
      g_ptr_array_add (ids, g_strdup (id));
  }
  g_mutex_unlock (&leases->lock);
  return ids;
}

static void
give_back (CctvLeases * leases, const gchar * id)
{
  if (call_script (leases, GIVE_BACK, id) >= 0)
    set_held (leases, id, FALSE);
}

/* A lease that ran out while Redis was gone, or with its memory, is taken again if nobody was faster. */
static void
renew (CctvLeases * leases, const gchar * id)
{
  gint64 is_ours = call_script (leases, RENEW, id);

  if (is_ours == 0)
    is_ours = take (leases, id);
  if (is_ours == 0) {
    app_warning ("camera %s: another gateway has it now", id);
    set_held (leases, id, FALSE);
  }
}

/* TRUE when it may be taken although the share is full. */
static gboolean
is_spare (CctvLeases * leases, const gchar * id)
{
  guint ticks = GPOINTER_TO_UINT (g_hash_table_lookup (leases->spare, id));

  ticks = is_free (leases, id) == 1 ? ticks + 1 : 0;
  g_hash_table_insert (leases->spare, g_strdup (id), GUINT_TO_POINTER (ticks));
  return ticks > SPARE_TICKS;
}

static void
take_some (CctvLeases * leases, GPtrArray * others, guint n_held, guint share)
{
  for (guint i = 0; i < others->len && leases->redis; i++) {
    const gchar *id = g_ptr_array_index (others, i);

    if (leases->max_cameras && n_held >= leases->max_cameras)
      return;
    if ((n_held < share || is_spare (leases, id)) && take (leases, id) == 1) {
      g_hash_table_remove (leases->spare, id);
      set_held (leases, id, TRUE);
      n_held++;
    }
  }
}

/* How many cameras a gateway has when all have as many; 0 = Redis does not answer. */
static guint
get_share (CctvLeases * leases, guint n_cameras)
{
  gint64 n_gateways = ask_number (ask (leases, "EVAL %s 1 %sgateways %s %s", PRESENT, leases->prefix, leases->owner,
          LEASE_MS));

  n_gateways = MIN (n_gateways, G_MAXINT);
  return n_gateways <= 0 ? 0 : (guint) ((n_cameras + n_gateways - 1) / n_gateways);
}

static void
tick (CctvLeases * leases)
{
  g_autoptr (GPtrArray) unwanted = copy_unwanted (leases), held = copy_ids (leases, TRUE);
  g_autoptr (GPtrArray) others = copy_ids (leases, FALSE);
  guint share = connect_if_needed (leases) ? get_share (leases, held->len + others->len) : 0;

  for (guint i = 0; i < unwanted->len && leases->redis; i++)
    give_back (leases, g_ptr_array_index (unwanted, i));
  for (guint i = 0; i < held->len && leases->redis; i++)
    renew (leases, g_ptr_array_index (held, i));
  /* One after the other, so that a gateway that came later gets its part without all pictures halting at once. */
  if (share > 0 && held->len > share)
    give_back (leases, g_ptr_array_index (held, held->len - 1));
  /* At the first tick it only shows itself: those that start together share from the beginning. */
  else if (share > 0 && leases->is_present)
    take_some (leases, others, held->len, share);
  leases->is_present = leases->redis != NULL;
  set_connected (leases, leases->redis != NULL);
}

/* TRUE: the leases end. */
static gboolean
wait_for_tick (CctvLeases * leases)
{
  gint64 until = g_get_monotonic_time () + TICK_US;
  gboolean is_ending;

  g_mutex_lock (&leases->lock);
  while (!leases->is_ending && g_cond_wait_until (&leases->wake, &leases->lock, until));
  is_ending = leases->is_ending;
  g_mutex_unlock (&leases->lock);
  return is_ending;
}

static void
give_all_back (CctvLeases * leases)
{
  GHashTableIter iter;
  gpointer id;

  g_hash_table_iter_init (&iter, leases->held);
  while (leases->redis && g_hash_table_iter_next (&iter, &id, NULL))
    call_script (leases, GIVE_BACK, id);
  if (leases->redis)
    ask_number (ask (leases, "ZREM %sgateways %s", leases->prefix, leases->owner));
}

static gpointer
run (gpointer data)
{
  CctvLeases *leases = data;

  do
    tick (leases);
  while (!wait_for_tick (leases));
  give_all_back (leases);
  disconnect (leases);
  return NULL;
}

/* --- main thread --- */

CctvLeases *
cctv_leases_new (const CctvSettings * settings, void (*changed) (gpointer data), gpointer data)
{
  CctvLeases *leases = g_new0 (CctvLeases, 1);
  g_autofree gchar *uuid = g_uuid_string_random ();

  leases->host = g_strdup (settings->redis_host);
  leases->port = settings->redis_port;
  leases->user = g_strdup (settings->redis_user);
  leases->password = g_strdup (settings->redis_password);
  leases->prefix = g_strdup (settings->redis_prefix);
  leases->max_cameras = settings->max_cameras;
  leases->owner = g_strdup_printf ("%s:%s", settings->gateway_name ? settings->gateway_name : g_get_host_name (), uuid);
  leases->changed = changed;
  leases->data = data;
  leases->wanted = g_ptr_array_new_with_free_func (g_free);
  leases->held = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  leases->spare = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  g_mutex_init (&leases->lock);
  g_cond_init (&leases->wake);
  leases->thread = g_thread_new ("leases", run, leases);
  return leases;
}

void
cctv_leases_free (CctvLeases * leases)
{
  g_mutex_lock (&leases->lock);
  leases->is_ending = TRUE;
  g_cond_signal (&leases->wake);
  g_mutex_unlock (&leases->lock);
  g_thread_join (leases->thread);
  g_clear_handle_id (&leases->idle_id, g_source_remove);
  g_ptr_array_unref (leases->wanted);
  g_hash_table_unref (leases->held);
  g_hash_table_unref (leases->spare);
  g_mutex_clear (&leases->lock);
  g_cond_clear (&leases->wake);
  g_free (leases->host);
  g_free (leases->user);
  lk_token_clear (leases->password);
  g_free (leases->prefix);
  g_free (leases->owner);
  g_free (leases);
}

void
cctv_leases_set_cameras (CctvLeases * leases, GPtrArray * ids)
{
  g_mutex_lock (&leases->lock);
  g_ptr_array_set_size (leases->wanted, 0);
  for (guint i = 0; i < ids->len; i++)
    g_ptr_array_add (leases->wanted, g_strdup (g_ptr_array_index (ids, i)));
  g_mutex_unlock (&leases->lock);
}

gboolean
cctv_leases_has (CctvLeases * leases, const gchar * id)
{
  gboolean has;

  g_mutex_lock (&leases->lock);
  has = g_hash_table_contains (leases->held, id);
  g_mutex_unlock (&leases->lock);
  return has;
}

void
cctv_leases_forget (CctvLeases * leases, const gchar * id)
{
  g_mutex_lock (&leases->lock);
  g_hash_table_remove (leases->held, id);
  g_mutex_unlock (&leases->lock);
}

gboolean
cctv_leases_is_connected (CctvLeases * leases)
{
  gboolean is_connected;

  g_mutex_lock (&leases->lock);
  is_connected = leases->is_connected;
  g_mutex_unlock (&leases->lock);
  return is_connected;
}
