/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* webhook: what a livekit-server tells by POST, when it is the server's word. Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  CCTV_WEBHOOK_FORGED,          /* not signed by our key, not of this body, or too old */
  CCTV_WEBHOOK_BROKEN,          /* signed, but not understood */
  CCTV_WEBHOOK_OTHER,           /* of no interest here */
  CCTV_WEBHOOK_JOINED,          /* a participant has joined a room */
} CctvWebhookKind;

/* @authorization is the header of that name. JOINED: @room and @identity are to be freed. */
CctvWebhookKind cctv_webhook_read (const gchar * authorization, const gchar * body, gsize size, const gchar * api_key,
    const gchar * api_secret, gint64 now_s, gchar ** room, gchar ** identity);

G_END_DECLS
