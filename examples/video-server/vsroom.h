/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsroom: one participant: a pipeline of livekitsink and livekitsrc, made again when it failed for good. On the main
 * loop. */
#pragma once

#include <gst/gst.h>

#include "vsconfig.h"

G_BEGIN_DECLS

typedef struct _VsRoom VsRoom;

typedef struct
{
  void (*up) (gpointer data);   /* the pipeline has started: tracks may be added */
  void (*down) (gpointer data); /* it will be gone: nothing of it is used from now on */
  void (*pad_added) (GstPad * pad, gpointer data);      /* of livekitsrc */
  void (*pad_removed) (GstPad * pad, gpointer data);
  /* An element that somebody added to the pipeline failed. TRUE: that is seen to. */
  gboolean (*element_failed) (GstObject * element, const GError * error, gpointer data);
} VsRoomDelegate;

VsRoom *vs_room_new (const VsConfig * config, GstClock * clock, const VsRoomDelegate * delegate, gpointer data);
void vs_room_free (VsRoom * room);      /* only when it has ended */
void vs_room_start (VsRoom * room);
void vs_room_stop (VsRoom * room);

GstBin *vs_room_get_bin (VsRoom * room);        /* NULL unless it is up */
GstElement *vs_room_get_sink (VsRoom * room);   /* livekitsink; NULL without senders */
gboolean vs_room_has_ended (VsRoom * room);     /* there is none, and the one before has left */
gboolean vs_room_is_connected (VsRoom * room);
guint vs_room_get_restarts (VsRoom * room);

G_END_DECLS
