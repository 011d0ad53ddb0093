/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* appmetrics: figures in Prometheus' text format (version 0.0.4). Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  APP_METRIC_GAUGE,
  APP_METRIC_COUNTER,
} AppMetricKind;

/* Begins a metric: all its values follow, before the next one begins. */
void app_metrics_begin (GString * text, const gchar * name, AppMetricKind kind, const gchar * help);
/* One value, with labels as pairs of name and value, NULL at the end. */
void app_metrics_add (GString * text, const gchar * name, gdouble value, ...) G_GNUC_NULL_TERMINATED;
/* Both, for a metric of one value. */
void app_metrics_single (GString * text, const gchar * name, AppMetricKind kind, const gchar * help, gdouble value);

G_END_DECLS
