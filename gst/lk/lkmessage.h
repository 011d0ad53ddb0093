/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkmessage: packs and unpacks signal messages, and tells them in one line for the log. Pure.
 *
 * What comes from the network is checked here: after lk_message_unpack() every string is valid UTF-8 and ids are short.
 * Members that are messages may still be missing (NULL), and enums may have values that we do not know. */
#pragma once

#include <glib.h>

#include "livekit.pb-c.h"

G_BEGIN_DECLS

#define LK_MESSAGE_MAX_BYTES (4 * 1024 * 1024)
#define LK_MESSAGE_MAX_UNPACKED_BYTES (32 * 1024 * 1024)
#define LK_MESSAGE_MAX_ID_BYTES 1024
#define LK_MESSAGE_MAX_CANDIDATE_BYTES (64 * 1024)

GBytes *lk_message_pack (const Livekit__SignalRequest * request);

/* NULL with LK_ERROR_PROTOCOL. A message of a kind that we do not know is fine: its message_case is NOT_SET. */
Livekit__SignalResponse *lk_message_unpack (GBytes * bytes, GError ** error);
void lk_message_free (Livekit__SignalResponse * response);

/* The value of the query parameter join_request of /rtc/v1: WrappedJoinRequest in URL-safe base64 with padding, not yet
 * percent-escaped. Compressed if that makes it smaller. */
gchar *lk_message_pack_join (const Livekit__JoinRequest * request);

/* Kind and ids, e.g. "join room=RM_x participant=PA_y others=3 ice_servers=2". Never tokens, credentials, descriptions,
 * candidates, metadata. */
gchar *lk_message_summary_request (const Livekit__SignalRequest * request);
gchar *lk_message_summary_response (const Livekit__SignalResponse * response);

/* mid to track sid, string to string, own copies. Never NULL; @description may be. */
GHashTable *lk_message_mid_map (const Livekit__SessionDescription * description);

/* TrickleRequest.candidateInit. @mid may be NULL. */
gchar *lk_message_candidate_to_json (const gchar * candidate, const gchar * mid, guint mline_index);
/* FALSE with LK_ERROR_PROTOCOL. An empty candidate is the end of candidates. What is null, empty or missing: the
 * candidate becomes "", the mid NULL, the index 0, for with BUNDLE there is one transport. */
gboolean lk_message_candidate_from_json (const gchar * json, gchar ** candidate, gchar ** mid, guint * mline_index,
    GError ** error);

G_END_DECLS
