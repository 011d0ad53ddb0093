/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* vsparse: the text of a pipeline, made into one, and which of its ends meet the room. */

#include "vsparse.h"

#include <gst/app/gstappsink.h>
#include <gst/app/gstappsrc.h>
#include <string.h>

#include "applog.h"

/* characters of the text around a mark */
#define MARK_BEFORE 60
#define MARK_AFTER 30

void
vs_parsed_free (VsParsed * parsed)
{
  if (parsed == NULL)
    return;
  gst_clear_object (&parsed->pipeline);
  gst_clear_caps (&parsed->wanted);
  g_free (parsed);
}

/* Where the fault is */

static gboolean
is_word_char (gchar c)
{
  return g_ascii_isalnum (c) || c == '_' || c == '-';
}

static gssize
find_word (const gchar * text, const gchar * word)
{
  gsize length = strlen (word);

  if (length == 0)
    return -1;
  for (const gchar * p = strstr (text, word); p != NULL; p = strstr (p + 1, word)) {
    if ((p == text || !is_word_char (p[-1])) && !is_word_char (p[length]))
      return p - text;
  }
  return -1;
}

/* @name as GStreamer makes it from a factory's, "queue0", or as the text gives it, "name=queue0". */
static gssize
find_element (const gchar * text, const gchar * name)
{
  g_autofree gchar *given = g_strconcat ("name=", name, NULL), *factory = g_strdup (name);
  gssize found = find_word (text, given);
  gsize length = strlen (factory);

  if (found >= 0)
    return found;
  while (length > 0 && g_ascii_isdigit (factory[length - 1]))
    factory[--length] = '\0';
  return find_word (text, factory);
}

/* The part of @message behind @before up to a character of @end, or NULL; to be freed. */
static gchar *
cut_out (const gchar * message, const gchar * before, const gchar * end)
{
  const gchar *start = strstr (message, before);

  if (start == NULL)
    return NULL;
  start += strlen (before);
  return g_strndup (start, strcspn (start, end));
}

/* "could not link A to B[, A can't handle caps C]", "could not parse caps "C"". */
static gssize
find_link (const gchar * text, const gchar * message)
{
  g_autofree gchar *to = cut_out (message, " to ", " ,"), *media = cut_out (message, "handle caps ", " ,;");
  g_autofree gchar *caps = cut_out (message, "parse caps \"", ",;\"");
  gssize found = -1;

  if (media != NULL)
    found = find_word (text, media);
  else if (caps != NULL)
    found = find_word (text, caps);
  return found < 0 && to != NULL ? find_element (text, to) : found;
}

/* The last part of the shortest beginning of @text, up to a "!", that is no pipeline either. */
static gssize
find_syntax (const gchar * text, gint code)
{
  gsize start = 0;

  for (const gchar * p = strchr (text, '!'); p != NULL; p = strchr (p + 1, '!')) {
    gsize length = (gsize) (p - text);
    g_autofree gchar *beginning = g_strndup (text, length);
    g_autoptr (GError) error = NULL;
    GstElement *element;

    g_strchomp (beginning);
    element = gst_parse_launch_full (beginning, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);
    g_clear_pointer (&element, gst_object_unref);
    /* a beginning may end in a reference, which is no fault yet */
    if (error != NULL && error->code == code && !g_str_has_suffix (beginning, "."))
      break;
    start = length;
  }
  if (start > 0)
    start += 1 + strspn (text + start + 1, " ");
  return (gssize) start;
}

gssize
vs_parse_find_fault (const gchar * text, const GError * error)
{
  g_autofree gchar *quoted = cut_out (error->message, "\"", "\"");

  if (error->domain != GST_PARSE_ERROR)
    return -1;
  switch (error->code) {
    case GST_PARSE_ERROR_NO_SUCH_ELEMENT:
    case GST_PARSE_ERROR_NO_SUCH_PROPERTY:
    case GST_PARSE_ERROR_COULD_NOT_SET_PROPERTY:
      return quoted != NULL ? find_word (text, quoted) : -1;
    case GST_PARSE_ERROR_LINK:
      return find_link (text, error->message);
    case GST_PARSE_ERROR_SYNTAX:
      return find_syntax (text, error->code);
    default:
      return -1;
  }
}

/* The piece of @text around @at, and a mark below it. */
static void
append_mark (GString * problem, const gchar * text, gsize at)
{
  gsize start = at > MARK_BEFORE ? at - MARK_BEFORE : 0, end = MIN (at + MARK_AFTER, strlen (text));
  g_autofree gchar *piece = NULL;

  while (start > 0 && !g_ascii_isspace (text[start]))
    start--;
  while (text[end] != '\0' && !g_ascii_isspace (text[end]))
    end++;
  piece = g_strndup (text + start, end - start);
  g_string_append_printf (problem, "\n    %s%s%s\n    ", start > 0 ? "…" : "", piece, text[end] != '\0' ? " …" : "");
  g_string_append_printf (problem, "%*s^", (gint) (g_utf8_strlen (text + start, at - start) + (start > 0)), "");
}

static gchar *
describe_fault (const gchar * text, const GError * error)
{
  GString *problem = g_string_new (error->message);
  g_autofree gchar *shown = g_strdup (text);
  gssize at = vs_parse_find_fault (text, error);

  /* before it is cut: half of a URL is not known as one */
  app_log_hide_passwords (shown);
  if (at >= 0)
    append_mark (problem, shown, (gsize) at);
  else
    g_string_append_printf (problem, "\n    %s", shown);
  return g_string_free (problem, FALSE);
}

/* The ends */

static GstElement *
find_end (GstElement * pipeline, const gchar * name, GType type)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline), name);

  if (element == NULL)
    return NULL;
  /* the pipeline keeps it */
  gst_object_unref (element);
  return G_TYPE_CHECK_INSTANCE_TYPE (element, type) ? element : NULL;
}

static void
find_appsinks (VsParsed * parsed)
{
  static const gchar *const names[] = { "sink", "sink_l", "sink_m", "sink_h" };

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    GstElement *end = find_end (parsed->pipeline, names[i], GST_TYPE_APP_SINK);

    if (end != NULL)
      parsed->ends[parsed->n_ends++] = end;
    if (i == 0 && end != NULL)
      return;
  }
}

/* An open end gets an appsink or appsrc of ours, as if the text had one. */
static gboolean
close_end (VsParsed * parsed, GstPad * pad)
{
  gboolean is_sender = gst_pad_get_direction (pad) == GST_PAD_SRC;
  GstElement *end = gst_element_factory_make (is_sender ? "appsink" : "appsrc", NULL);
  g_autoptr (GstPad) other = NULL;

  if (end == NULL)
    return FALSE;
  gst_bin_add (GST_BIN (parsed->pipeline), end);
  other = gst_element_get_static_pad (end, is_sender ? "sink" : "src");
  if (!is_sender)
    g_object_set (end, "is-live", TRUE, "format", GST_FORMAT_TIME, NULL);
  parsed->is_sender = is_sender;
  parsed->ends[parsed->n_ends++] = end;
  return (is_sender ? gst_pad_link (pad, other) : gst_pad_link (other, pad)) == GST_PAD_LINK_OK;
}

/* What is not linked in the text's own elements. */
typedef struct
{
  GstPad *src, *sink;           /* the last of the sources, the first of the sinks, by the order of the text */
  guint n_srcs, n_sinks;
  guint n_later;                /* elements whose source pads come later: each may leave a sink open until then */
} OpenPads;

static void
open_pads_clear (OpenPads * open)
{
  gst_clear_object (&open->src);
  gst_clear_object (&open->sink);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (OpenPads, open_pads_clear)

static gboolean
has_later_pads (GstElement * element)
{
  for (const GList * l = gst_element_get_pad_template_list (element); l != NULL; l = l->next) {
    if (GST_PAD_TEMPLATE_DIRECTION (l->data) == GST_PAD_SRC && GST_PAD_TEMPLATE_PRESENCE (l->data) == GST_PAD_SOMETIMES)
      return element->numsrcpads == 0;
  }
  return FALSE;
}

static gboolean
count_open_pad (GstElement * element, GstPad * pad, gpointer data)
{
  OpenPads *open = data;

  if (gst_pad_is_linked (pad))
    return TRUE;
  if (GST_PAD_IS_SRC (pad)) {
    if (open->n_srcs++ == 0)
      open->src = gst_object_ref (pad);
  } else {
    /* elements come last first */
    open->n_sinks++;
    gst_object_replace ((GstObject **) & open->sink, GST_OBJECT (pad));
  }
  return TRUE;
}

static void
find_open_pads (GstElement * pipeline, OpenPads * open)
{
  g_autoptr (GstIterator) elements = gst_bin_iterate_elements (GST_BIN (pipeline));
  g_auto (GValue) item = G_VALUE_INIT;

  while (gst_iterator_next (elements, &item) == GST_ITERATOR_OK) {
    GstElement *element = g_value_get_object (&item);

    gst_element_foreach_pad (element, count_open_pad, open);
    open->n_later += has_later_pads (element);
    g_value_reset (&item);
  }
}

static gboolean
find_ends (VsParsed * parsed, gchar ** problem)
{
  GstElement *source = find_end (parsed->pipeline, "source", GST_TYPE_APP_SRC);
  g_auto (OpenPads) open = { NULL, };

  find_appsinks (parsed);
  find_open_pads (parsed->pipeline, &open);
  if (parsed->n_ends > 0 && source == NULL && open.n_srcs == 0 && (open.n_sinks == 0 || open.n_later > 0)) {
    parsed->is_sender = TRUE;
    return TRUE;
  }
  if (parsed->n_ends == 0 && source != NULL && open.n_srcs == 0 && (open.n_sinks == 0 || open.n_later > 0)) {
    parsed->ends[parsed->n_ends++] = source;
    return TRUE;
  }
  if (parsed->n_ends == 0 && source == NULL) {
    if (open.n_srcs == 1 && (open.n_sinks == 0 || open.n_later > 0))
      return close_end (parsed, open.src);
    if (open.n_srcs == 0 && open.n_sinks > open.n_later && (open.n_sinks == 1 || open.n_later > 0))
      return close_end (parsed, open.sink);
  }
  *problem = g_strdup ("it must have one end that meets the room: appsink name=sink (or sink_l, sink_m, sink_h), or "
      "appsrc name=source, or one pad that is not linked");
  return FALSE;
}

/* What a receiver takes */

static gboolean
has_name (const GstStructure * structure, const gchar * field, const gchar * const *names)
{
  const gchar *value = gst_structure_get_string (structure, field);
  g_autofree gchar *lower = value != NULL ? g_ascii_strdown (value, -1) : NULL;

  return lower != NULL && g_strv_contains (names, lower);
}

static void
add_structure (VsParsed * parsed, const GstStructure * structure)
{
  static const gchar *const audio[] = { "audio", "opus", "pcmu", "pcma", NULL };
  static const gchar *const video[] = { "video", "vp8", "vp9", "h264", "h265", "av1", NULL };
  const gchar *name = gst_structure_get_name (structure);

  if (g_str_equal (name, "application/x-rtp")) {
    parsed->takes_rtp = TRUE;
    parsed->takes_audio |= has_name (structure, "media", audio) || has_name (structure, "encoding-name", audio);
    parsed->takes_video |= has_name (structure, "media", video) || has_name (structure, "encoding-name", video);
  }
  parsed->takes_audio |= g_str_has_prefix (name, "audio/");
  parsed->takes_video |= g_str_has_prefix (name, "video/");
}

/* By the elements, where caps say nothing: what ends in an audio sink takes audio. */
static void
look_at_elements (VsParsed * parsed)
{
  g_autoptr (GstIterator) elements = gst_bin_iterate_recurse (GST_BIN (parsed->pipeline));
  g_auto (GValue) item = G_VALUE_INIT;
  gboolean audio = FALSE, video = FALSE;

  while (gst_iterator_next (elements, &item) == GST_ITERATOR_OK) {
    GstElementFactory *factory = gst_element_get_factory (g_value_get_object (&item));
    const gchar *class = factory != NULL ? gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS) : "";

    audio |= strstr (class, "Audio") != NULL;
    video |= strstr (class, "Video") != NULL;
    g_value_reset (&item);
  }
  if (audio != video) {
    parsed->takes_audio = audio;
    parsed->takes_video = video;
  }
}

static void
find_wanted (VsParsed * parsed)
{
  g_autoptr (GstPad) pad = gst_element_get_static_pad (parsed->ends[0], "src");

  parsed->wanted = gst_pad_peer_query_caps (pad, NULL);
  if (!gst_caps_is_any (parsed->wanted)) {
    for (guint i = 0; i < gst_caps_get_size (parsed->wanted); i++)
      add_structure (parsed, gst_caps_get_structure (parsed->wanted, i));
  }
  if (parsed->takes_audio == parsed->takes_video)
    look_at_elements (parsed);
}

VsParsed *
vs_parse (const gchar * text, gchar ** problem)
{
  g_autoptr (VsParsed) parsed = g_new0 (VsParsed, 1);
  g_autoptr (GError) error = NULL;
  GstElement *element = gst_parse_launch_full (text, NULL, GST_PARSE_FLAG_FATAL_ERRORS, &error);

  if (error != NULL) {
    g_clear_pointer (&element, gst_object_unref);
    *problem = describe_fault (text, error);
    return NULL;
  }
  if (GST_IS_PIPELINE (element)) {
    parsed->pipeline = gst_object_ref_sink (element);
  } else {
    parsed->pipeline = gst_object_ref_sink (gst_pipeline_new (NULL));
    gst_bin_add (GST_BIN (parsed->pipeline), element);
  }
  if (!find_ends (parsed, problem))
    return NULL;
  if (!parsed->is_sender)
    find_wanted (parsed);
  return g_steal_pointer (&parsed);
}
