/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: once per process. */

#include "fuzz.h"

#include <gst/gst.h>
#include <stdlib.h>
#include <string.h>

/* A critical is a bug. */
static void
on_log (const gchar * domain, GLogLevelFlags level, const gchar * message, gpointer data)
{
  g_log_default_handler (domain, level, message, NULL);
  if (level & (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR))
    abort ();
}

/* Elements are not needed, and a scan of all plugins takes seconds. */
int
LLVMFuzzerInitialize (int *argc, char ***argv)
{
  g_setenv ("GST_REGISTRY_DISABLE", "yes", TRUE);
  g_setenv ("GST_PLUGIN_SYSTEM_PATH_1_0", "", TRUE);
  gst_init (NULL, NULL);
  g_log_set_default_handler (on_log, NULL);
  return 0;
}

gchar *
fuzz_text (const uint8_t * data, size_t size)
{
  gchar *text = g_malloc (size + 1);

  if (size > 0)
    memcpy (text, data, size);
  text[size] = '\0';
  return text;
}
