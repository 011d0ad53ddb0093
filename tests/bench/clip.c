/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "clip.h"

#include <string.h>

#define NAL_SLICE_FIRST 1
#define NAL_SLICE_LAST 5
#define NAL_DELIMITER 9
#define FNV_OFFSET G_GUINT64_CONSTANT (0xcbf29ce484222325)
#define FNV_PRIME G_GUINT64_CONSTANT (0x100000001b3)

struct _Clip
{
  GMappedFile *file;
  GArray *starts;               /* of gsize: where units begin, and where the last one ends */
};

/* Where the next start code begins from @at on, or @size. */
static gsize
find_start (const guint8 * data, gsize size, gsize at)
{
  const guint8 *one;

  for (; at + 3 <= size; at = (gsize) (one - data) + 1 - 2) {
    one = memchr (data + at + 2, 1, size - at - 2);
    if (one == NULL)
      return size;
    if (one[-1] == 0 && one[-2] == 0)
      return (gsize) (one - data) - 2;
  }
  return size;
}

Clip *
clip_open (const gchar * path)
{
  g_autoptr (GError) error = NULL;
  Clip *clip = g_new0 (Clip, 1);
  const guint8 *data;
  gsize size, at;

  clip->file = g_mapped_file_new (path, FALSE, &error);
  if (clip->file == NULL)
    g_error ("%s", error->message);
  data = (const guint8 *) g_mapped_file_get_contents (clip->file);
  size = g_mapped_file_get_length (clip->file);
  clip->starts = g_array_new (FALSE, FALSE, sizeof (gsize));
  for (at = find_start (data, size, 0); at + 3 < size; at = find_start (data, size, at + 3)) {
    /* A start code of four bytes begins one earlier. */
    gsize start = at > 0 && data[at - 1] == 0 ? at - 1 : at;

    if ((data[at + 3] & 0x1f) == NAL_DELIMITER)
      g_array_append_val (clip->starts, start);
  }
  if (clip->starts->len == 0)
    g_error ("%s has no access unit delimiters", path);
  g_array_append_val (clip->starts, size);
  return clip;
}

void
clip_free (Clip * clip)
{
  g_array_unref (clip->starts);
  g_mapped_file_unref (clip->file);
  g_free (clip);
}

guint
clip_n_units (Clip * clip)
{
  return clip->starts->len - 1;
}

GstBuffer *
clip_unit (Clip * clip, guint index)
{
  gsize start = g_array_index (clip->starts, gsize, index), end = g_array_index (clip->starts, gsize, index + 1);

  return gst_buffer_new_wrapped_full (GST_MEMORY_FLAG_READONLY, g_mapped_file_get_contents (clip->file) + start,
      end - start, 0, end - start, g_mapped_file_ref (clip->file), (GDestroyNotify) g_mapped_file_unref);
}

guint64
clip_hash_slices (const guint8 * data, gsize size)
{
  guint64 hash = FNV_OFFSET;
  gsize at = find_start (data, size, 0);

  while (at + 3 < size) {
    gsize start = at + 3, end = at = find_start (data, size, start);
    guint8 type = data[start] & 0x1f;

    while (end > start && data[end - 1] == 0)
      end--;
    if (type < NAL_SLICE_FIRST || type > NAL_SLICE_LAST)
      continue;
    for (gsize i = start; i < end; i++)
      hash = (hash ^ data[i]) * FNV_PRIME;
  }
  return hash;
}
