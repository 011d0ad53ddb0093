/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkremb: what to tell a sender that sends on what the receiver says (REMB). Pure.
 *
 * Takes every RTP packet of a transport: when it was sent, from the abs-send-time extension (24 bits, 6.18 fixed point
 * seconds, wraps every 64 s), and when it came. Each 100 ms, or more often while congested, lk_remb_write() makes the
 * RTCP packet of draft-alvestrand-rmcat-remb-03 §2.2, without its encryption. The value is lkbandwidth's while all is
 * well. LiveKit's server looks for a value that falls (Kendall's tau of the last twelve below -0.6, equal values
 * being one), not at the value: while congested it falls by 1.5 % in 100 ms, down to 0.7 of what arrives. In silence
 * it is the same as before. */
#pragma once

#include "lkbandwidth.h"

G_BEGIN_DECLS

typedef struct _LkRemb LkRemb;

#define LK_REMB_MAX_SSRCS 64
#define LK_REMB_MAX_BYTES (20 + 4 * LK_REMB_MAX_SSRCS)
#define LK_REMB_INTERVAL_US 100000

/* Reads abs-send-time, extension @id of an RTP packet from the network. FALSE: it has none, or is none. */
gboolean lk_remb_find_send_time (const guint8 * packet, gsize size, guint id, guint32 * abs_send_time);

LkRemb *lk_remb_new (const LkBandwidthConfig * config, gint64 now_us);
void lk_remb_free (LkRemb * self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (LkRemb, lk_remb_free);

/* A packet came. @bytes: with all its headers. RTX packets too, under their own SSRC. TRUE: the path seems to fill, and
 * lk_remb_write() should not wait for its time. */
gboolean lk_remb_add (LkRemb * self, guint32 ssrc, guint16 seqnum, guint32 abs_send_time, guint bytes, gint64 now_us);
/* Another path: forgets all. */
void lk_remb_reset (LkRemb * self, gint64 now_us);

/* One packet into @data of @size bytes; how many it has, 0 when there is nothing to say (no packet yet, or no room).
 * Call every LK_REMB_INTERVAL_US or more often, packets or not. */
gsize lk_remb_write (LkRemb * self, guint32 sender_ssrc, gint64 now_us, guint8 * data, gsize size);

/* When to write again. Shorter while congested. */
gint64 lk_remb_interval_us (LkRemb * self);

guint lk_remb_bps (LkRemb * self);
void lk_remb_get_status (LkRemb * self, gint64 now_us, LkBandwidthStatus * status);

G_END_DECLS
