/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* ksviewer: the viewer's page. */

#include "ksviewer.h"

/* Scripts and styles of this server alone; media and signalling from wherever LiveKit's server is. */
#define POLICY "default-src 'self'; connect-src * ws: wss:; media-src 'self' blob:; img-src 'self' data:; " \
    "frame-ancestors 'none'"

static const struct
{
  const gchar *path, *file, *type;
  gboolean is_module;
} files[] = {
  {"/", "index.html", "text/html; charset=utf-8"},
  {"/viewer.js", "viewer.js", "text/javascript; charset=utf-8"},
  {"/tile.js", "tile.js", "text/javascript; charset=utf-8"},
  {"/viewer.css", "viewer.css", "text/css; charset=utf-8"},
  {"/livekit-client.js", KS_VIEWER_MODULE, "text/javascript; charset=utf-8", TRUE},
};

struct _KsViewer
{
  struct
  {
    gchar *text;
    gsize size;
    const gchar *type;
  } pages[G_N_ELEMENTS (files)];
};

static void
on_page (KsViewer * viewer, guint index, SoupServerMessage * message)
{
  SoupMessageHeaders *headers = soup_server_message_get_response_headers (message);

  if (!app_http_allow (message, "GET, HEAD"))
    return;
  soup_message_headers_replace (headers, "Content-Security-Policy", POLICY);
  soup_message_headers_replace (headers, "Referrer-Policy", "no-referrer");
  app_http_answer (message, SOUP_STATUS_OK, viewer->pages[index].type, viewer->pages[index].text,
      (gssize) viewer->pages[index].size);
}

static void
on_request (SoupServerMessage * message, const gchar * path, GHashTable * query, gpointer data)
{
  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    if (g_str_equal (path, files[i].path)) {
      on_page (data, i, message);
      return;
    }
  }
  app_http_answer_text (message, SOUP_STATUS_NOT_FOUND, "no such page");
}

KsViewer *
ks_viewer_new (AppHttp * http, const gchar * folder, const gchar * modules, GError ** error)
{
  g_autoptr (KsViewer) viewer = g_new0 (KsViewer, 1);

  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree gchar *path = g_build_filename (files[i].is_module ? modules : folder, files[i].file, NULL);

    viewer->pages[i].type = files[i].type;
    if (!g_file_get_contents (path, &viewer->pages[i].text, &viewer->pages[i].size, error))
      return NULL;
  }
  app_http_add (http, "/", on_request, viewer);
  return g_steal_pointer (&viewer);
}

void
ks_viewer_free (KsViewer * viewer)
{
  if (viewer == NULL)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (files); i++)
    g_free (viewer->pages[i].text);
  g_free (viewer);
}
