/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ksviewer: the viewer's page. Its few files are read once, so no path of a request ever reaches the disk. */
#pragma once

#include "apphttp.h"

G_BEGIN_DECLS

/* What it needs of the folder of modules. */
#define KS_VIEWER_MODULE "livekit-client/dist/livekit-client.umd.js"

typedef struct _KsViewer KsViewer;

/* @folder holds the page, @modules livekit-client. NULL with an error that names the file that is missing. */
KsViewer *ks_viewer_new (AppHttp * http, const gchar * folder, const gchar * modules, GError ** error);
void ks_viewer_free (KsViewer * viewer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (KsViewer, ks_viewer_free)

G_END_DECLS
