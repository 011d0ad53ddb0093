/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitshare: what one layer may use of the link. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitshare.h"

#include <string.h>

/* Rates are measured over so long, and averaged over so many. */
#define BUCKET_US G_TIME_SPAN_SECOND
#define N_BUCKETS 3
/* Below it no picture is worth anything. */
#define LEAST_BPS 30000
#define GUESSED_BPS 100000
/* A stream that is slightly too large loses frames from time to time; one that is far too large would lose most. */
#define THIN_BELOW 0.75
#define THIN_AFTER_US (1000 * G_TIME_SPAN_MILLISECOND)
#define WHOLE_AFTER_US (3 * G_TIME_SPAN_SECOND)
#define UPDATE_US (200 * G_TIME_SPAN_MILLISECOND)
#define UPDATE_PERCENT 3

struct _GstLiveKitShare
{
  /* lock; never held while calling out */
  GMutex lock;
  GstLiveKitLink *link;
  guint64 n_bytes;
  gboolean is_thinned;
  guint target_bps;

  /* room loop only */
  guint64 n_bytes_before;
  gint64 bucket_us;
  guint buckets[N_BUCKETS];     /* bit/s, the latest first */
  guint n_buckets;
  guint full_bps;               /* what an encoder that obeys makes when nothing limits it */
  gboolean is_full_known;
  guint nominal_bps;            /* what upstream said then */
  gboolean is_obeyed, is_told;
  gint64 misfit_us, thinned_us, updated_us;
};

GstLiveKitShare *
gst_livekit_share_new (void)
{
  GstLiveKitShare *share = g_new0 (GstLiveKitShare, 1);

  g_mutex_init (&share->lock);
  share->target_bps = GST_LIVEKIT_TARGET_FREE;
  return share;
}

void
gst_livekit_share_free (GstLiveKitShare * share)
{
  g_clear_pointer (&share->link, gst_livekit_link_unref);
  g_mutex_clear (&share->lock);
  g_free (share);
}

void
gst_livekit_share_set_link (GstLiveKitShare * share, GstLiveKitLink * link)
{
  GstLiveKitLink *old;

  g_mutex_lock (&share->lock);
  old = share->link;
  share->link = link ? gst_livekit_link_ref (link) : NULL;
  share->is_thinned = FALSE;
  g_mutex_unlock (&share->lock);
  g_clear_pointer (&old, gst_livekit_link_unref);
}

void
gst_livekit_share_count (GstLiveKitShare * share, gsize bytes)
{
  g_mutex_lock (&share->lock);
  share->n_bytes += bytes;
  g_mutex_unlock (&share->lock);
}

static GstLiveKitLink *
ref_link (GstLiveKitShare * share, gboolean * is_thinned)
{
  GstLiveKitLink *link;

  g_mutex_lock (&share->lock);
  link = share->link ? gst_livekit_link_ref (share->link) : NULL;
  *is_thinned = share->is_thinned;
  g_mutex_unlock (&share->lock);
  return link;
}

/* A thinned stream is too little to find out whether more of it fits, and its key frames are too far apart to be
 * padding. */
static gboolean
is_held_back (GstLiveKitLink * link, gboolean is_thinned)
{
  return is_thinned && (link == NULL || !gst_livekit_link_is_probing (link));
}

gboolean
gst_livekit_share_admits (GstLiveKitShare * share, gboolean is_delta)
{
  gboolean is_thinned;
  g_autoptr (GstLiveKitLink) link = ref_link (share, &is_thinned);

  if (is_delta && is_held_back (link, is_thinned))
    return FALSE;
  return link == NULL || gst_livekit_link_has_room (link);
}

gboolean
gst_livekit_share_may_resume (GstLiveKitShare * share)
{
  gboolean is_thinned;
  g_autoptr (GstLiveKitLink) link = ref_link (share, &is_thinned);

  return !is_held_back (link, is_thinned) && (link == NULL || gst_livekit_link_may_resume (link));
}

guint
gst_livekit_share_get_target (GstLiveKitShare * share)
{
  guint target_bps;

  g_mutex_lock (&share->lock);
  target_bps = share->target_bps;
  g_mutex_unlock (&share->lock);
  return target_bps;
}

/* --- room loop --- */

static void
measure (GstLiveKitShare * share)
{
  gint64 now_us = g_get_monotonic_time (), elapsed_us = now_us - share->bucket_us;
  guint64 n_bytes, bps;

  if (elapsed_us < BUCKET_US)
    return;
  g_mutex_lock (&share->lock);
  n_bytes = share->n_bytes;
  g_mutex_unlock (&share->lock);
  bps = (n_bytes - share->n_bytes_before) * 8 * G_USEC_PER_SEC / (guint64) elapsed_us;
  share->n_bytes_before = n_bytes;
  /* Nobody has asked for a while, or never: who knows when that came. Nothing comes while upstream pauses. */
  if (elapsed_us < 2 * BUCKET_US && bps != 0) {
    memmove (share->buckets + 1, share->buckets, sizeof share->buckets - sizeof *share->buckets);
    share->buckets[0] = lk_allocator_with_headers ((guint) MIN (bps, G_MAXINT32));
    share->n_buckets = MIN (share->n_buckets + 1, N_BUCKETS);
  }
  share->bucket_us = now_us;
}

static guint
average (GstLiveKitShare * share)
{
  guint64 sum = 0;

  for (guint i = 0; i < share->n_buckets; i++)
    sum += share->buckets[i];
  return share->n_buckets ? (guint) (sum / share->n_buckets) : 0;
}

/* An encoder that obeys a limit makes, and says that it makes, what it was allowed. Was it never without one, it is
 * allowed more until it makes no more. */
static void
learn_full_rate (GstLiveKitShare * share, guint * nominal, gboolean is_limited)
{
  if (!is_limited || !share->is_obeyed) {
    share->full_bps = average (share);
    share->is_full_known = share->n_buckets > 0;
    share->nominal_bps = *nominal;
  } else {
    if (!share->is_full_known)
      share->full_bps = MAX (share->full_bps, average (share) / 2 * 3);
    *nominal = MAX (*nominal, share->nominal_bps);
  }
}

void
gst_livekit_share_describe_in_loop (GstLiveKitShare * share, guint level, guint n_levels, guint nominal,
    gboolean is_limited, LkAllocatorLayer * layer)
{
  guint rate_bps;

  measure (share);
  learn_full_rate (share, &nominal, is_limited);
  rate_bps = share->full_bps;
  if (nominal && (share->is_obeyed || share->n_buckets == 0))
    rate_bps = lk_allocator_with_headers (nominal);
  if (rate_bps == 0)
    rate_bps = GUESSED_BPS;
  layer->level = level;
  if (share->is_obeyed)
    layer->min_bps = level == 0 ? LEAST_BPS : rate_bps / 2;
  else
    layer->min_bps = level == 0 ? (guint) (THIN_BELOW * share->buckets[0]) : rate_bps;
  layer->max_bps = n_levels == 1 && (nominal == 0 || !share->is_obeyed) ? G_MAXINT32 : MAX (rate_bps, layer->min_bps);
}

static gboolean
judge_thinning (GstLiveKitShare * share, const LkAllocatorShare * given, gboolean is_limited, gboolean is_thinned)
{
  gint64 now_us = g_get_monotonic_time ();

  if (!is_limited || !given->is_on || share->is_obeyed) {
    share->misfit_us = now_us;
    return FALSE;
  }
  if (is_thinned)
    return given->is_thinned || now_us - share->thinned_us < WHOLE_AFTER_US;
  if (!given->is_thinned)
    share->misfit_us = now_us;
  share->thinned_us = now_us;
  return now_us - share->misfit_us > THIN_AFTER_US;
}

/* Less is said at once, more now and then. */
static gboolean
is_news (GstLiveKitShare * share, guint before, guint now)
{
  gint64 now_us = g_get_monotonic_time ();
  guint64 change = before > now ? before - now : now - before;

  if (!share->is_told)
    return TRUE;
  if (before == now || (now > before && before != 0 && now_us - share->updated_us < UPDATE_US))
    return FALSE;
  return before == 0 || now == 0 || change * 100 >= (guint64) before * UPDATE_PERCENT;
}

void
gst_livekit_share_apply_in_loop (GstLiveKitShare * share, const LkAllocatorShare * given, gboolean is_limited,
    GstLiveKitShareChange * change)
{
  guint target_bps = !is_limited ? GST_LIVEKIT_TARGET_FREE : given->is_on ? given->encoder_bps : 0, before;
  gboolean was_thinned, is_thinned;

  g_mutex_lock (&share->lock);
  before = share->target_bps;
  was_thinned = share->is_thinned;
  g_mutex_unlock (&share->lock);
  is_thinned = judge_thinning (share, given, is_limited, was_thinned);
  *change = (GstLiveKitShareChange) {
    .has_room = !is_limited || given->is_on,.thinning_begins = is_thinned && !was_thinned,
    .has_target = is_news (share, before, target_bps),.target_bps = target_bps };
  g_mutex_lock (&share->lock);
  share->is_thinned = is_thinned;
  if (change->has_target)
    share->target_bps = target_bps;
  g_mutex_unlock (&share->lock);
  if (change->has_target) {
    share->updated_us = g_get_monotonic_time ();
    share->is_told = TRUE;
  }
}

void
gst_livekit_share_set_obeyed_in_loop (GstLiveKitShare * share, gboolean is_obeyed)
{
  share->is_obeyed = is_obeyed;
}
