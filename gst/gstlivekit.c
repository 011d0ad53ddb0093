/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekit: the plugin's entry. */
#ifdef HAVE_CONFIG_H
#include "config.h"
#endif

/**
 * plugin-livekit:
 *
 * Publishing to and watching LiveKit rooms: livekitsink and livekitsrc.
 */

#include "gstlivekitelements.h"
#include "rtp/gstlivekitrtpav1.h"
#include "rtp/gstlivekitrtpdependency.h"
#include "rtp/gstlivekitrtpred.h"
#include "lklog.h"

GST_DEBUG_CATEGORY (gst_livekit_debug);

static void
log_client_line (LkLogLevel level, const gchar * file, const gchar * function, gint line_number, const gchar * object,
    const gchar * line, gpointer data)
{
  static const GstDebugLevel levels[] = { GST_LEVEL_ERROR, GST_LEVEL_WARNING, GST_LEVEL_INFO, GST_LEVEL_DEBUG,
    GST_LEVEL_TRACE
  };

  gst_debug_log (gst_livekit_debug, levels[level], file, function, line_number, NULL, "%s: %s", object, line);
}

void
gst_livekit_init_once (void)
{
  static gsize once = 0;

  if (!g_once_init_enter (&once))
    return;
  GST_DEBUG_CATEGORY_INIT (gst_livekit_debug, "livekit", 0, "LiveKit rooms");
  lk_log_set_sink (log_client_line, NULL);
  lk_log_set_max_level (LK_LOG_TRACE);
  g_once_init_leave (&once, 1);
}

static gboolean
plugin_init (GstPlugin * plugin)
{
  gboolean ok = GST_ELEMENT_REGISTER (livekitsink, plugin);

  ok = GST_ELEMENT_REGISTER (livekitsrc, plugin) && ok;
  ok = GST_ELEMENT_REGISTER (livekitbitrate, plugin) && ok;
  ok = GST_ELEMENT_REGISTER (livekitrtpav1pay, plugin) && ok;
  ok = GST_ELEMENT_REGISTER (livekitrtpav1depay, plugin) && ok;
  ok = GST_ELEMENT_REGISTER (livekitrtpredpay, plugin) && ok;
  ok = GST_ELEMENT_REGISTER (livekitrtpreddepay, plugin) && ok;
  return GST_ELEMENT_REGISTER (livekitrtphdrextdependency, plugin) && ok;
}

GST_PLUGIN_DEFINE (GST_VERSION_MAJOR, GST_VERSION_MINOR, livekit, "LiveKit rooms: publish and watch", plugin_init,
    PACKAGE_VERSION, "LGPL", "gst-livekit", "https://livekit.io")
