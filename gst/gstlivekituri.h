/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekituri: livekit:// and livekits:// URIs to properties of an element, and back without secrets:
 * livekit://host:port/room?property=value&… */
#pragma once

#include <gst/gst.h>

G_BEGIN_DECLS

extern const gchar *const gst_livekit_uri_protocols[];  /* ends with NULL */

/* Sets server-url, room and what the query names; sets back what @old_names (from the URI before, may be NULL) lists
 * and this one does not. Returns the names in the query, to be freed, or NULL with GST_URI_ERROR and nothing
 * changed. */
GStrv gst_livekit_uri_apply (GObject * element, const gchar * uri, const gchar * const *old_names, GError ** error);
/* As the properties are now; those of @names that may not be read are left out. */
gchar *gst_livekit_uri_make (GObject * element, const gchar * const *names);

/* gstlivekiturihandler: a GInterfaceInitFunc for GST_TYPE_URI_HANDLER of an element whose properties the URI sets. */
void gst_livekit_uri_handler_init (gpointer iface, gpointer unused);

G_END_DECLS
