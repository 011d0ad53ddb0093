/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsreceiver: one pipeline that receives: it runs while the track that it is for is in the room. On the main loop. */
#pragma once

#include "vsroom.h"
#include "vsrunner.h"

G_BEGIN_DECLS

typedef struct _VsReceiver VsReceiver;

VsReceiver *vs_receiver_new (const VsPipelineConfig * config, VsRoom * room, GstClock * clock);
void vs_receiver_free (VsReceiver * receiver);

/* Whether @pad of livekitsrc is a track that it is for, and it has none yet: then it takes it. */
gboolean vs_receiver_offer (VsReceiver * receiver, GstPad * pad);
gboolean vs_receiver_has (VsReceiver * receiver, GstPad * pad);
/* TRUE when it had that one. */
gboolean vs_receiver_withdraw (VsReceiver * receiver, GstPad * pad);
void vs_receiver_room_down (VsReceiver * receiver);
gboolean vs_receiver_element_failed (VsReceiver * receiver, GstObject * element, const GError * error);
/* Files are completed; the state of the runner tells when. */
void vs_receiver_end (VsReceiver * receiver);

const VsPipelineConfig *vs_receiver_get_config (VsReceiver * receiver);
VsRunner *vs_receiver_get_runner (VsReceiver * receiver);
void vs_receiver_get_counts (VsReceiver * receiver, guint64 * buffers, guint64 * bytes);

/* Whether a track with these names, of which some may be NULL, is the one that @wanted says. Pure. */
gboolean vs_receiver_matches (const gchar * wanted, const gchar * identity, const gchar * const *names);

G_END_DECLS
