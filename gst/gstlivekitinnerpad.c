/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitinnerpad: parentless sink pads. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

#include "gstlivekitinnerpad.h"

/* The default answer of a pad without a template is its present caps, which would refuse any change. */
static gboolean
on_query (GstPad * pad, GstObject * parent, GstQuery * query)
{
  g_autoptr (GstCaps) any = NULL;
  GstCaps *filter;

  switch (GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
      gst_query_parse_caps (query, &filter);
      any = filter ? gst_caps_ref (filter) : gst_caps_new_any ();
      gst_query_set_caps_result (query, any);
      return TRUE;
    case GST_QUERY_ACCEPT_CAPS:
      gst_query_set_accept_caps_result (query, TRUE);
      return TRUE;
    default:
      return FALSE;
  }
}

GstPad *
gst_livekit_inner_pad_new (const gchar * name, gpointer data, GstPadChainFunction chain, GstPadEventFunction event)
{
  GstPad *pad = gst_object_ref_sink (gst_pad_new (name, GST_PAD_SINK));

  gst_pad_set_element_private (pad, data);
  gst_pad_set_chain_function (pad, chain);
  gst_pad_set_event_function (pad, event);
  gst_pad_set_query_function (pad, on_query);
  gst_pad_set_active (pad, TRUE);
  return pad;
}
