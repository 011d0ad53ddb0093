/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekiturihandler: GstURIHandler of livekitsrc. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekituri.h"

/* With OBJECT_LOCK: a GStrv, the properties that the URI has set; none while there is no URI. */
static G_DEFINE_QUARK (gst-livekit-uri-names, uri_names);

static GStrv
copy_names (GstURIHandler * handler)
{
  GStrv names;

  GST_OBJECT_LOCK (handler);
  names = g_strdupv (g_object_get_qdata (G_OBJECT (handler), uri_names_quark ()));
  GST_OBJECT_UNLOCK (handler);
  return names;
}

static GstURIType
get_uri_type (GType type)
{
  return GST_URI_SRC;
}

static const gchar *const *
get_protocols (GType type)
{
  return gst_livekit_uri_protocols;
}

static gchar *
get_uri (GstURIHandler * handler)
{
  g_auto (GStrv) names = copy_names (handler);

  return names ? gst_livekit_uri_make (G_OBJECT (handler), (const gchar * const *) names) : NULL;
}

static gboolean
set_uri (GstURIHandler * handler, const gchar * uri, GError ** error)
{
  g_auto (GStrv) old_names = copy_names (handler);
  GStrv names;
  GstState state;

  GST_OBJECT_LOCK (handler);
  state = GST_STATE (handler);
  GST_OBJECT_UNLOCK (handler);
  if (state > GST_STATE_READY) {
    g_set_error_literal (error, GST_URI_ERROR, GST_URI_ERROR_BAD_STATE, "The URI can be set in NULL and READY alone.");
    return FALSE;
  }
  names = gst_livekit_uri_apply (G_OBJECT (handler), uri, (const gchar * const *) old_names, error);
  if (names == NULL)
    return FALSE;
  GST_OBJECT_LOCK (handler);
  g_object_set_qdata_full (G_OBJECT (handler), uri_names_quark (), names, (GDestroyNotify) g_strfreev);
  GST_OBJECT_UNLOCK (handler);
  return TRUE;
}

void
gst_livekit_uri_handler_init (gpointer iface, gpointer unused)
{
  GstURIHandlerInterface *handler = iface;

  handler->get_type = get_uri_type;
  handler->get_protocols = get_protocols;
  handler->get_uri = get_uri;
  handler->set_uri = set_uri;
}
