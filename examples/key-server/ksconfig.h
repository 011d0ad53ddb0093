/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ksconfig: what the key server hands out, and to whom. */
#pragma once

#include "appkeys.h"

G_BEGIN_DECLS

typedef struct
{
  AppKeys *keys;
  gchar *listen, *server_url;   /* server_url: what is told to clients; may be NULL */
  GRegex *rooms, *identities, *publishers;      /* of the whole name */
  guint valid_s;
  gchar **origins;              /* of pages that may ask; "*": all */
  gchar *viewer, *modules;      /* folders of the page and of livekit-client; both NULL: no page */
} KsConfig;

/* Everything that is wrong is added to the problems; the result is of use only if there are none. */
KsConfig *ks_config_read (AppSettings * settings, AppProblems * problems);
void ks_config_free (KsConfig * config);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (KsConfig, ks_config_free)

G_END_DECLS
