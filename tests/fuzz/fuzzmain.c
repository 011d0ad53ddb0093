/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: in place of libFuzzer: each file of the folders that are named is one input. */

#include "fuzz.h"

static guint
replay (const gchar * folder)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &error);
  const gchar *name;
  guint n = 0;

  if (dir == NULL)
    g_error ("%s", error->message);
  while ((name = g_dir_read_name (dir)) != NULL) {
    g_autofree gchar *path = g_build_filename (folder, name, NULL), *data = NULL;
    gsize size;

    if (!g_file_get_contents (path, &data, &size, &error))
      g_error ("%s", error->message);
    /* said first, so that it is the last line of a crash */
    g_print ("%s\n", name);
    LLVMFuzzerTestOneInput ((const uint8_t *) data, size);
    n++;
  }
  return n;
}

int
main (int argc, char **argv)
{
  LLVMFuzzerInitialize (&argc, &argv);
  if (argc < 2)
    g_error ("usage: %s FOLDER...", argv[0]);
  for (gint i = 1; i < argc; i++) {
    guint n = replay (argv[i]);

    if (n == 0)
      g_error ("%s is empty", argv[i]);
    g_print ("%s: %u inputs\n", argv[i], n);
  }
  return 0;
}
