/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appmetrics: figures in Prometheus' text format (version 0.0.4). */

#include "appmetrics.h"

#include <string.h>

void
app_metrics_begin (GString * text, const gchar * name, AppMetricKind kind, const gchar * help)
{
  g_string_append_printf (text, "# HELP %s %s\n# TYPE %s %s\n", name, help, name,
      kind == APP_METRIC_COUNTER ? "counter" : "gauge");
}

static void
append_label (GString * text, gchar before, const gchar * name, const gchar * value)
{
  g_string_append_printf (text, "%c%s=\"", before, name);
  for (const gchar * p = value; *p != '\0'; p++) {
    if (*p == '\n')
      g_string_append (text, "\\n");
    else if (*p == '"' || *p == '\\')
      g_string_append_printf (text, "\\%c", *p);
    else
      g_string_append_c (text, *p);
  }
  g_string_append_c (text, '"');
}

void
app_metrics_add (GString * text, const gchar * name, gdouble value, ...)
{
  gchar number[G_ASCII_DTOSTR_BUF_SIZE];
  const gchar *label;
  gchar before = '{';
  va_list labels;

  g_string_append (text, name);
  va_start (labels, value);
  while ((label = va_arg (labels, const gchar *)) != NULL) {
    const gchar *label_value = va_arg (labels, const gchar *);

    append_label (text, before, label, label_value != NULL ? label_value : "");
    before = ',';
  }
  va_end (labels);
  if (before == ',')
    g_string_append_c (text, '}');
  g_string_append_printf (text, " %s\n", g_ascii_dtostr (number, sizeof number, value));
}

void
app_metrics_single (GString * text, const gchar * name, AppMetricKind kind, const gchar * help, gdouble value)
{
  app_metrics_begin (text, name, kind, help);
  app_metrics_add (text, name, value, NULL);
}
