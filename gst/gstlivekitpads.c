/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitpads: the elements' pads as their children. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitpads.h"

static GObject *
get_child_by_index (GstChildProxy * proxy, guint index)
{
  GstPad *pad;

  GST_OBJECT_LOCK (proxy);
  pad = g_list_nth_data (GST_ELEMENT (proxy)->pads, index);
  if (pad)
    gst_object_ref (pad);
  GST_OBJECT_UNLOCK (proxy);
  return (GObject *) pad;
}

static GObject *
get_child_by_name (GstChildProxy * proxy, const gchar * name)
{
  return (GObject *) gst_element_get_static_pad (GST_ELEMENT (proxy), name);
}

static guint
get_children_count (GstChildProxy * proxy)
{
  guint n;

  GST_OBJECT_LOCK (proxy);
  n = GST_ELEMENT (proxy)->numpads;
  GST_OBJECT_UNLOCK (proxy);
  return n;
}

void
gst_livekit_pads_child_proxy_init (gpointer iface, gpointer unused)
{
  GstChildProxyInterface *proxy = iface;

  proxy->get_child_by_index = get_child_by_index;
  proxy->get_child_by_name = get_child_by_name;
  proxy->get_children_count = get_children_count;
}
