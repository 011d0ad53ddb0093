/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "vpxlayers.h"

#define ALONE "no-ref-golden+no-ref-alt+no-upd-golden+no-upd-alt"

G_GNUC_BEGIN_IGNORE_DEPRECATIONS

static void
set_integers (GstElement * encoder, const gchar * property, gint first, gint second)
{
  g_auto (GValue) value = G_VALUE_INIT;
  GValueArray *array = g_value_array_new (2);

  g_value_init (&value, G_TYPE_INT);
  g_value_set_int (&value, first);
  g_value_array_append (array, &value);
  g_value_set_int (&value, second);
  g_value_array_append (array, &value);
  g_object_set (encoder, property, array, NULL);
  g_value_array_free (array);
}

G_GNUC_END_IGNORE_DEPRECATIONS

void
vpx_layers_set_up (GstElement * encoder)
{
  gint bitrate;

  g_object_get (encoder, "target-bitrate", &bitrate, NULL);
  g_object_set (encoder, "temporal-scalability-number-layers", 2, "temporal-scalability-periodicity", 2, NULL);
  set_integers (encoder, "temporal-scalability-layer-id", 0, 1);
  set_integers (encoder, "temporal-scalability-rate-decimator", 2, 1);
  set_integers (encoder, "temporal-scalability-target-bitrate", bitrate / 2, bitrate);
  gst_util_set_object_arg (G_OBJECT (encoder), "temporal-scalability-layer-flags",
      "<" ALONE "," ALONE "+no-upd-last+no-upd-entropy>");
  gst_util_set_object_arg (G_OBJECT (encoder), "temporal-scalability-layer-sync-flags", "<false,true>");
}
