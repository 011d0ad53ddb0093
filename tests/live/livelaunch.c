/* SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * livelaunch: gst-launch with eyes, for the live tests. Runs a pipeline and prints what happens to it as JSON lines.
 *
 * Every line has "event" and "t", microseconds of the monotonic clock, which all processes of a test share. Commands
 * come on standard input: "eos", "set ELEMENT PROPERTY VALUE", "get ELEMENT PROPERTY", "release ELEMENT PAD",
 * "request ELEMENT PAD TEE" (a new branch of the tee into it),
 * "unlink ELEMENT PAD" and "relink ELEMENT PAD" (what a pad feeds), "branch-state PAD ready|playing" (the same),
 * "probe" (threads, descriptors and memory of the process), "rtp" (packets sent, by payload type), "quit".
 */

#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <glib-unix.h>
#include <gst/gst.h>
#include <json-glib/json-glib.h>

#include "../../examples/framemark.h"
#include "avwatch.h"
#include "commands.h"
#include "rtpwatch.h"
#include "vpxlayers.h"

#define CYCLE_DEADLINE_US (60 * G_USEC_PER_SEC)
#define SETTLE_DEADLINE_US (3 * G_USEC_PER_SEC)
/* GstDtlsConnectionState, which has no header. */
#define DTLS_CONNECTED 4
#define MISSED_DTLS_MS 300
#define POLL_US 2000
#define DECLARED_LATENCY (2 * GST_SECOND)

typedef struct
{
  gchar *name;
  gint buffers, keyframes, gaps;        /* atomic */
  gboolean gone;                        /* with the lock of App, as is the next */
  GstElement *branch;                   /* what was linked to it */
} PadWatch;

typedef struct
{
  GMainLoop *loop;
  GstElement *pipeline;
  GHashTable *branches;         /* element name -> description of what each of its new pads feeds */
  GMutex lock;
  GPtrArray *pads;              /* PadWatch, owned; with lock */
  gint result;
} App;

static gchar **opt_caps, **opt_watch, **opt_branch, **opt_paint, **opt_read, **opt_digest, **opt_declare, **opt_beep;
static gboolean opt_miss_dtls;
static gint opt_cycles, opt_until = 20, opt_pads = 1, opt_clock_ppm, opt_lose;
static gboolean opt_stay, opt_rtp;
static gchar *opt_layers;

static const GOptionEntry entries[] = {
  {"watch", 'w', 0, G_OPTION_ARG_STRING_ARRAY, &opt_watch, "Report pads, first buffers, gaps and EOS", "ELEMENT"},
  {"branch", 'b', 0, G_OPTION_ARG_STRING_ARRAY, &opt_branch, "What each new pad feeds", "ELEMENT=DESCRIPTION"},
  {"paint", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &opt_paint, "Number the raw frames that leave it", "ELEMENT"},
  {"read", 'r', 0, G_OPTION_ARG_STRING_ARRAY, &opt_read, "Print the numbers of frames that reach it", "ELEMENT"},
  {"beep", 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt_beep, "Print where beeps begin in S16LE that reaches it", "ELEMENT"},
  {"digest", 'd', 0, G_OPTION_ARG_STRING_ARRAY, &opt_digest, "Print digests of buffers that reach it", "ELEMENT"},
  {"declare", 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt_declare, "Make it declare 2 s of latency", "ELEMENT"},
  {"rtp", 0, 0, G_OPTION_ARG_NONE, &opt_rtp, "Count the packets that are sent, for the command", NULL},
  {"miss-dtls", 0, 0, G_OPTION_ARG_NONE, &opt_miss_dtls, "Let webrtcbin miss that DTLS is connected", NULL},
  {"lose", 0, 0, G_OPTION_ARG_INT, &opt_lose, "Lose each Nth packet of Opus that comes in", "N"},
  {"layers", 0, 0, G_OPTION_ARG_STRING, &opt_layers, "Make a vp8enc write two temporal layers", "ELEMENT"},
  {"caps", 0, 0, G_OPTION_ARG_STRING_ARRAY, &opt_caps, "Print the caps that leave it", "ELEMENT"},
  {"clock-ppm", 0, 0, G_OPTION_ARG_INT, &opt_clock_ppm, "Let the pipeline's clock run fast by N millionths", "N"},
  {"stay", 0, 0, G_OPTION_ARG_NONE, &opt_stay, "Go on after EOS", NULL},
  {"cycles", 'c', 0, G_OPTION_ARG_INT, &opt_cycles, "Go N times to PLAYING and back to NULL", "N"},
  {"until", 'u', 0, G_OPTION_ARG_INT, &opt_until, "Buffers on each watched pad that end a cycle", "N"},
  {"pads", 0, 0, G_OPTION_ARG_INT, &opt_pads, "Number of watched pads that it takes", "N"},
  {NULL}
};

/* Printing */

static void
add_value (JsonBuilder * builder, const gchar * name, const GValue * value)
{
  json_builder_set_member_name (builder, name);
  if (G_VALUE_HOLDS_STRING (value)) {
    json_builder_add_string_value (builder, g_value_get_string (value));
  } else if (G_VALUE_HOLDS_BOOLEAN (value)) {
    json_builder_add_boolean_value (builder, g_value_get_boolean (value));
  } else if (!G_VALUE_HOLDS_ENUM (value) && g_value_type_transformable (G_VALUE_TYPE (value), G_TYPE_INT64)) {
    g_auto (GValue) number = G_VALUE_INIT;

    g_value_init (&number, G_TYPE_INT64);
    g_value_transform (value, &number);
    json_builder_add_int_value (builder, g_value_get_int64 (&number));
  } else {
    g_autofree gchar *text = gst_value_serialize (value);

    json_builder_add_string_value (builder, text);
  }
}

static gboolean
add_field (GQuark field, const GValue * value, gpointer builder)
{
  add_value (builder, g_quark_to_string (field), value);
  return TRUE;
}

/* Prints one line; takes the structure, whose name is the event. */
static void
emit (GstStructure * structure)
{
  g_autoptr (JsonBuilder) builder = json_builder_new ();
  g_autoptr (JsonNode) root = NULL;
  g_autofree gchar *line = NULL;

  json_builder_begin_object (builder);
  json_builder_set_member_name (builder, "event");
  json_builder_add_string_value (builder, gst_structure_get_name (structure));
  json_builder_set_member_name (builder, "t");
  json_builder_add_int_value (builder, g_get_monotonic_time ());
  gst_structure_foreach (structure, add_field, builder);
  json_builder_end_object (builder);
  root = json_builder_get_root (builder);
  line = json_to_string (root, FALSE);
  printf ("%s\n", line);
  gst_structure_free (structure);
}

/* Watching pads */

static void
count_buffer (GstPad * pad, PadWatch * watch, GstBuffer * buffer)
{
  gboolean key = !GST_BUFFER_FLAG_IS_SET (buffer, GST_BUFFER_FLAG_DELTA_UNIT);

  if (key)
    g_atomic_int_inc (&watch->keyframes);
  if (g_atomic_int_add (&watch->buffers, 1) == 0) {
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);

    emit (gst_structure_new ("first-buffer", "pad", G_TYPE_STRING, watch->name, "key", G_TYPE_BOOLEAN, key,
            "size", G_TYPE_UINT64, (guint64) gst_buffer_get_size (buffer),
            "pts", G_TYPE_UINT64, GST_BUFFER_PTS (buffer), "caps", GST_TYPE_CAPS, caps, NULL));
  }
}

static GstPadProbeReturn
watch_probe (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  PadWatch *watch = data;
  GstEvent *event;

  if (info->type & GST_PAD_PROBE_TYPE_BUFFER) {
    count_buffer (pad, watch, GST_PAD_PROBE_INFO_BUFFER (info));
  } else if (info->type & GST_PAD_PROBE_TYPE_BUFFER_LIST) {
    GstBufferList *list = GST_PAD_PROBE_INFO_BUFFER_LIST (info);

    for (guint i = 0; i < gst_buffer_list_length (list); i++)
      count_buffer (pad, watch, gst_buffer_list_get (list, i));
  } else if (GST_EVENT_TYPE (event = GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_GAP) {
    if (g_atomic_int_add (&watch->gaps, 1) == 0)
      emit (gst_structure_new ("first-gap", "pad", G_TYPE_STRING, watch->name, NULL));
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    emit (gst_structure_new ("pad-eos", "pad", G_TYPE_STRING, watch->name, NULL));
  }
  return GST_PAD_PROBE_OK;
}

/* Prints the pad with its own properties, those that no pad of GStreamer has. */
static void
emit_pad (GstPad * pad, const gchar * event)
{
  GstStructure *structure = gst_structure_new (event, "pad", G_TYPE_STRING, GST_PAD_NAME (pad), NULL);
  g_autofree GParamSpec **specs = NULL;
  guint n_specs;

  specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (pad), &n_specs);
  for (guint i = 0; i < n_specs; i++) {
    g_auto (GValue) value = G_VALUE_INIT;

    if (g_type_is_a (GST_TYPE_GHOST_PAD, specs[i]->owner_type) || !(specs[i]->flags & G_PARAM_READABLE))
      continue;
    g_value_init (&value, specs[i]->value_type);
    g_object_get_property (G_OBJECT (pad), specs[i]->name, &value);
    gst_structure_set_value (structure, specs[i]->name, &value);
  }
  emit (structure);
}

static GstElement *
feed_branch (App * app, GstPad * pad, const gchar * description)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstPad) sink = NULL;
  GstElement *bin = gst_parse_bin_from_description (description, TRUE, &error);

  if (bin == NULL)
    g_error ("%s: %s", description, error->message);
  gst_bin_add (GST_BIN (app->pipeline), bin);
  gst_element_sync_state_with_parent (bin);
  sink = gst_element_get_static_pad (bin, "sink");
  if (gst_pad_link (pad, sink) != GST_PAD_LINK_OK)
    emit (gst_structure_new ("link-failed", "pad", G_TYPE_STRING, GST_PAD_NAME (pad), NULL));
  return gst_object_ref (bin);
}

static void
pad_added (GstElement * element, GstPad * pad, gpointer data)
{
  App *app = data;
  const gchar *description = g_hash_table_lookup (app->branches, GST_ELEMENT_NAME (element));
  PadWatch *watch = g_new0 (PadWatch, 1);

  if (!g_object_replace_data (G_OBJECT (element), "pad-coming", NULL, pad, NULL, NULL))
    g_error ("several threads add pads to %s at once", GST_ELEMENT_NAME (element));
  watch->name = gst_pad_get_name (pad);
  g_mutex_lock (&app->lock);
  g_ptr_array_add (app->pads, watch);
  g_mutex_unlock (&app->lock);
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_BUFFER_LIST |
      GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, watch_probe, watch, NULL);
  emit_pad (pad, "pad-added");
  if (description != NULL && GST_PAD_IS_SRC (pad))
    watch->branch = feed_branch (app, pad, description);
  g_object_set_data (G_OBJECT (element), "pad-coming", NULL);
}

static void
pad_removed (GstElement * element, GstPad * pad, gpointer data)
{
  App *app = data;

  emit_pad (pad, "pad-removed");
  g_mutex_lock (&app->lock);
  for (guint i = 0; i < app->pads->len; i++) {
    PadWatch *watch = g_ptr_array_index (app->pads, i);

    watch->gone |= g_str_equal (watch->name, GST_PAD_NAME (pad));
  }
  g_mutex_unlock (&app->lock);
}

static gboolean
pad_existing (GstElement * element, GstPad * pad, gpointer data)
{
  pad_added (element, pad, data);
  return TRUE;
}

/* Numbers and digests */

static GstPadProbeReturn
paint_probe (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  static gint next;
  GstBuffer *buffer = gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));
  guint number = (guint) g_atomic_int_add (&next, 1);

  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  if (!frame_mark_write_buffer (pad, buffer, number))
    g_error ("cannot paint on %s", GST_PAD_NAME (pad));
  emit (gst_structure_new ("painted", "number", G_TYPE_UINT, number, "pts", G_TYPE_UINT64, GST_BUFFER_PTS (buffer),
          "captured", G_TYPE_INT64, av_watch_real_time (pad, buffer), NULL));
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
read_probe (GstPad * pad, GstPadProbeInfo * info, gpointer name)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  guint number = 0;
  gboolean valid = frame_mark_read_buffer (pad, buffer, &number);

  emit (gst_structure_new ("frame", "element", G_TYPE_STRING, name, "number", G_TYPE_INT, valid ? (gint) number : -1,
          "pts", G_TYPE_UINT64, av_watch_running_time (pad, GST_BUFFER_PTS (buffer)),
          "captured", G_TYPE_INT64, av_watch_captured (buffer), NULL));
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
beep_probe (GstPad * pad, GstPadProbeInfo * info, gpointer name)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  GstClockTime pts;

  if (av_watch_find_beep (pad, buffer, &pts))
    emit (gst_structure_new ("beep", "element", G_TYPE_STRING, name,
            "pts", G_TYPE_UINT64, av_watch_running_time (pad, pts),
            "captured", G_TYPE_INT64, av_watch_captured (buffer), NULL));
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
digest_probe (GstPad * pad, GstPadProbeInfo * info, gpointer name)
{
  GstBuffer *buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  g_autofree gchar *digest = NULL;
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    g_error ("cannot map a buffer on %s", GST_PAD_NAME (pad));
  digest = g_compute_checksum_for_data (G_CHECKSUM_MD5, map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  emit (gst_structure_new ("digest", "element", G_TYPE_STRING, name, "digest", G_TYPE_STRING, digest,
          "pts", G_TYPE_UINT64, GST_BUFFER_PTS (buffer), NULL));
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
caps_probe (GstPad * pad, GstPadProbeInfo * info, gpointer name)
{
  GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
  GstCaps *caps;

  if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
    gst_event_parse_caps (event, &caps);
    emit (gst_structure_new ("caps", "element", G_TYPE_STRING, name, "caps", GST_TYPE_CAPS, caps, NULL));
  }
  return GST_PAD_PROBE_OK;
}

/* Called with the answer of what is upstream. */
static GstPadProbeReturn
declare_probe (GstPad * pad, GstPadProbeInfo * info, gpointer data)
{
  GstQuery *query = GST_PAD_PROBE_INFO_QUERY (info);

  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
    gst_query_set_latency (query, TRUE, DECLARED_LATENCY, GST_CLOCK_TIME_NONE);
  return GST_PAD_PROBE_OK;
}

static GstElement *
find (App * app, const gchar * name)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (app->pipeline), name);

  if (element == NULL)
    g_error ("no element %s", name);
  return element;
}

static void
add_probes (App * app, gchar ** names, const gchar * pad_name, GstPadProbeType type, GstPadProbeCallback probe)
{
  for (gchar ** name = names; name != NULL && *name != NULL; name++) {
    g_autoptr (GstElement) element = find (app, *name);
    g_autoptr (GstPad) pad = gst_element_get_static_pad (element, pad_name);

    gst_pad_add_probe (pad, type, probe, *name, NULL);
  }
}

static void
install_watches (App * app)
{
  for (gchar ** spec = opt_branch; spec != NULL && *spec != NULL; spec++) {
    g_auto (GStrv) parts = g_strsplit (*spec, "=", 2);

    g_hash_table_insert (app->branches, g_strdup (parts[0]), g_strdup (parts[1]));
  }
  for (gchar ** name = opt_watch; name != NULL && *name != NULL; name++) {
    g_autoptr (GstElement) element = find (app, *name);

    g_signal_connect (element, "pad-added", G_CALLBACK (pad_added), app);
    g_signal_connect (element, "pad-removed", G_CALLBACK (pad_removed), app);
    gst_element_foreach_pad (element, pad_existing, app);
  }
  add_probes (app, opt_paint, "src", GST_PAD_PROBE_TYPE_BUFFER, paint_probe);
  add_probes (app, opt_read, "sink", GST_PAD_PROBE_TYPE_BUFFER, read_probe);
  add_probes (app, opt_beep, "sink", GST_PAD_PROBE_TYPE_BUFFER, beep_probe);
  add_probes (app, opt_digest, "sink", GST_PAD_PROBE_TYPE_BUFFER, digest_probe);
  add_probes (app, opt_caps, "src", GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, caps_probe);
  add_probes (app, opt_declare, "src", GST_PAD_PROBE_TYPE_QUERY_UPSTREAM | GST_PAD_PROBE_TYPE_PULL, declare_probe);
}

/* The bus */

static void
emit_error (GstMessage * message, const gchar * event, GError * error, const gchar * debug)
{
  const GstStructure *details = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    gst_message_parse_error_details (message, &details);
  emit (gst_structure_new (event, "source", G_TYPE_STRING, GST_OBJECT_NAME (message->src),
          "domain", G_TYPE_STRING, g_quark_to_string (error->domain), "code", G_TYPE_INT, error->code,
          "text", G_TYPE_STRING, error->message, "debug", G_TYPE_STRING, debug,
          "reason", G_TYPE_STRING, details ? gst_structure_get_string (details, "reason") : NULL, NULL));
}

static void
error_or_warning (App * app, GstMessage * message)
{
  g_autoptr (GError) error = NULL;
  g_autofree gchar *debug = NULL;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
    gst_message_parse_warning (message, &error, &debug);
    emit_error (message, "warning", error, debug);
    return;
  }
  gst_message_parse_error (message, &error, &debug);
  emit_error (message, "error", error, debug);
  app->result = 1;
  g_main_loop_quit (app->loop);
}

static void
state_changed (App * app, GstMessage * message)
{
  GstState new_state;

  if (GST_MESSAGE_SRC (message) != GST_OBJECT (app->pipeline))
    return;
  gst_message_parse_state_changed (message, NULL, &new_state, NULL);
  emit (gst_structure_new ("state", "state", G_TYPE_STRING, gst_element_state_get_name (new_state), NULL));
}

static gboolean
bus_message (GstBus * bus, GstMessage * message, gpointer data)
{
  App *app = data;

  switch (GST_MESSAGE_TYPE (message)) {
    case GST_MESSAGE_ERROR:
    case GST_MESSAGE_WARNING:
      error_or_warning (app, message);
      break;
    case GST_MESSAGE_STATE_CHANGED:
      state_changed (app, message);
      break;
    case GST_MESSAGE_LATENCY:
      gst_bin_recalculate_latency (GST_BIN (app->pipeline));
      break;
    case GST_MESSAGE_ELEMENT:
      if (g_str_has_prefix (gst_structure_get_name (gst_message_get_structure (message)), "livekit-"))
        emit (gst_structure_copy (gst_message_get_structure (message)));
      break;
    case GST_MESSAGE_EOS:
      emit (gst_structure_new_empty ("eos"));
      if (!opt_stay)
        g_main_loop_quit (app->loop);
      break;
    default:
      break;
  }
  return G_SOURCE_CONTINUE;
}

/* The process */

static guint
count_entries (const gchar * path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

/* Without what the allocator keeps for later. */
static guint
resident_kib (void)
{
  g_autofree gchar *status = NULL;
  const gchar *line;

  malloc_trim (0);
  if (!g_file_get_contents ("/proc/self/status", &status, NULL, NULL) || !(line = strstr (status, "VmRSS:")))
    return 0;
  return (guint) g_ascii_strtoull (line + strlen ("VmRSS:"), NULL, 10);
}

/* What is allocated, and not what the allocator keeps for later. */
static guint
allocated_kib (void)
{
  struct mallinfo2 info = mallinfo2 ();

  return (guint) ((info.uordblks + info.hblkhd) / 1024);
}

static void
emit_probe (void)
{
  emit (gst_structure_new ("probe", "threads", G_TYPE_UINT, count_entries ("/proc/self/task"),
          "fds", G_TYPE_UINT, count_entries ("/proc/self/fd"), "rss-kib", G_TYPE_UINT, resident_kib (),
          "heap-kib", G_TYPE_UINT, allocated_kib (), NULL));
}

/* Commands */

static void
emit_rtp (gpointer structure)
{
  emit (structure);
}

static void
print_property (App * app, const gchar * name, const gchar * property)
{
  g_autoptr (GstElement) element = gst_bin_get_by_name (GST_BIN (app->pipeline), name);
  g_auto (GValue) value = G_VALUE_INIT;
  GstStructure *structure = gst_structure_new ("property", "element", G_TYPE_STRING, name,
      "property", G_TYPE_STRING, property, NULL);

  /* playbin3 adds its sinks late. */
  if (element == NULL) {
    gst_structure_set (structure, "value", G_TYPE_STRING, "", NULL);
    emit (structure);
    return;
  }
  if (GST_IS_CHILD_PROXY (element))
    gst_child_proxy_get_property (GST_CHILD_PROXY (element), property, &value);
  else
    g_object_get_property (G_OBJECT (element), property, &value);
  gst_structure_set_value (structure, "value", &value);
  emit (structure);
}

/* Upstream of a pad is blocked before the pad goes, so that it never sees "not linked". */
static gboolean
release_blocked_pad (gpointer data)
{
  GstPad *peer = data;
  g_autoptr (GstPad) pad = gst_pad_get_peer (peer);
  g_autoptr (GstElement) element = pad ? gst_pad_get_parent_element (pad) : NULL;

  if (element != NULL) {
    gst_pad_unlink (peer, pad);
    gst_element_release_request_pad (element, pad);
    emit (gst_structure_new ("released", "pad", G_TYPE_STRING, GST_PAD_NAME (pad), NULL));
  }
  return G_SOURCE_REMOVE;
}

static GstPadProbeReturn
block_probe (GstPad * peer, GstPadProbeInfo * info, gpointer data)
{
  g_idle_add_full (G_PRIORITY_DEFAULT, release_blocked_pad, gst_object_ref (peer), gst_object_unref);
  return GST_PAD_PROBE_OK;
}

static void
release_pad (App * app, const gchar * name, const gchar * pad_name)
{
  g_autoptr (GstElement) element = find (app, name);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, pad_name);
  g_autoptr (GstPad) peer = pad ? gst_pad_get_peer (pad) : NULL;

  if (peer == NULL)
    g_error ("no linked pad %s.%s", name, pad_name);
  gst_pad_add_probe (peer, GST_PAD_PROBE_TYPE_BLOCK_DOWNSTREAM, block_probe, NULL, NULL);
}

static GstElement *
find_branch (App * app, const gchar * pad_name)
{
  GstElement *branch = NULL;

  g_mutex_lock (&app->lock);
  for (guint i = 0; i < app->pads->len; i++) {
    PadWatch *watch = g_ptr_array_index (app->pads, i);

    if (watch->branch && !watch->gone && g_str_equal (watch->name, pad_name))
      branch = watch->branch;
  }
  g_mutex_unlock (&app->lock);
  if (branch == NULL)
    g_error ("nothing is linked to %s", pad_name);
  return branch;
}

static void
link_branch (App * app, const gchar * name, const gchar * pad_name, gboolean is_linked)
{
  g_autoptr (GstElement) element = find (app, name);
  g_autoptr (GstPad) pad = gst_element_get_static_pad (element, pad_name);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (find_branch (app, pad_name), "sink");

  if (is_linked)
    gst_pad_link (pad, sink);
  else
    gst_pad_unlink (pad, sink);
}

/* A new branch of a tee into a requested pad. */
static void
request_pad (App * app, const gchar * name, const gchar * pad_name, const gchar * tee_name)
{
  g_autoptr (GstElement) element = find (app, name), tee = find (app, tee_name);
  GstElement *queue = gst_element_factory_make ("queue", NULL);

  gst_util_set_object_arg (G_OBJECT (queue), "leaky", "downstream");
  gst_bin_add (GST_BIN (app->pipeline), queue);
  if (!gst_element_link_pads (queue, "src", element, pad_name))
    g_error ("cannot link %s.%s", name, pad_name);
  gst_element_sync_state_with_parent (queue);
  gst_element_link (tee, queue);
}

static void
set_property (App * app, const gchar * name, const gchar * property, const gchar * value)
{
  g_autoptr (GstElement) element = find (app, name);
  g_autoptr (GObject) target = NULL;
  GParamSpec *spec;

  if (!GST_IS_CHILD_PROXY (element)) {
    gst_util_set_object_arg (G_OBJECT (element), property, value);
    return;
  }
  if (!gst_child_proxy_lookup (GST_CHILD_PROXY (element), property, &target, &spec))
    g_error ("no property %s in %s", property, name);
  gst_util_set_object_arg (target, spec->name, value);
}

static void
run_command (gpointer data, gchar ** words)
{
  App *app = data;
  guint n = g_strv_length (words);

  if (n == 1 && g_str_equal (words[0], "eos"))
    gst_element_send_event (app->pipeline, gst_event_new_eos ());
  else if (n == 1 && g_str_equal (words[0], "quit"))
    g_main_loop_quit (app->loop);
  else if (n == 1 && g_str_equal (words[0], "probe"))
    emit_probe ();
  else if (n == 1 && g_str_equal (words[0], "rtp"))
    g_list_free_full (rtp_watch_read (), emit_rtp);
  else if (n == 3 && g_str_equal (words[0], "get"))
    print_property (app, words[1], words[2]);
  else if (n == 3 && g_str_equal (words[0], "release"))
    release_pad (app, words[1], words[2]);
  else if (n == 3 && g_str_equal (words[0], "unlink"))
    link_branch (app, words[1], words[2], FALSE);
  else if (n == 3 && g_str_equal (words[0], "relink"))
    link_branch (app, words[1], words[2], TRUE);
  else if (n == 3 && g_str_equal (words[0], "branch-state"))
    gst_element_set_state (find_branch (app, words[1]),
        g_str_equal (words[2], "ready") ? GST_STATE_READY : GST_STATE_PLAYING);
  else if (n == 4 && g_str_equal (words[0], "request"))
    request_pad (app, words[1], words[2], words[3]);
  else if (n == 4 && g_str_equal (words[0], "set"))
    set_property (app, words[1], words[2], words[3]);
  else
    g_error ("unknown command %s", words[0]);
}

/* Running */

static void
run_once (App * app)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (app->pipeline);
  gint64 start;

  gst_bus_add_watch (bus, bus_message, app);
  watch_commands (app->loop, run_command, app);
  emit (gst_structure_new_empty ("start"));
  gst_element_set_state (app->pipeline, GST_STATE_PLAYING);
  g_main_loop_run (app->loop);
  start = g_get_monotonic_time ();
  gst_element_set_state (app->pipeline, GST_STATE_NULL);
  emit (gst_structure_new ("stopped", "us", G_TYPE_INT64, g_get_monotonic_time () - start, NULL));
  gst_bus_remove_watch (bus);
}

/* Handles what is on the bus; TRUE if it was an error. */
static gboolean
drain_bus (App * app)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (app->pipeline);
  GstMessage *message;

  while ((message = gst_bus_pop (bus)) != NULL) {
    bus_message (bus, message, app);
    gst_message_unref (message);
  }
  return app->result != 0;
}

static gboolean
media_flowed (App * app)
{
  gboolean flowed;

  g_mutex_lock (&app->lock);
  flowed = app->pads->len >= (guint) opt_pads;
  for (guint i = 0; i < app->pads->len; i++) {
    PadWatch *watch = g_ptr_array_index (app->pads, i);

    flowed &= g_atomic_int_get (&watch->buffers) >= opt_until;
  }
  g_mutex_unlock (&app->lock);
  return flowed;
}

/* After a cycle: what fed the pads that are gone goes too, the others count from 0 again. */
static void
clean_up_cycle (App * app)
{
  g_mutex_lock (&app->lock);
  for (guint i = app->pads->len; i > 0; i--) {
    PadWatch *watch = g_ptr_array_index (app->pads, i - 1);

    g_atomic_int_set (&watch->buffers, 0);
    if (watch->branch != NULL && watch->gone)
      gst_bin_remove (GST_BIN (app->pipeline), watch->branch);
    if (watch->gone)
      g_ptr_array_remove_index (app->pads, i - 1);
  }
  g_mutex_unlock (&app->lock);
}

static gboolean
run_cycle (App * app, gint number, guint n_threads)
{
  gint64 start = g_get_monotonic_time (), end;

  gst_element_set_state (app->pipeline, GST_STATE_PLAYING);
  while (!media_flowed (app)) {
    if (drain_bus (app) || g_get_monotonic_time () > start + CYCLE_DEADLINE_US)
      break;
    g_usleep (POLL_US);
  }
  end = g_get_monotonic_time ();
  gst_element_set_state (app->pipeline, GST_STATE_NULL);
  drain_bus (app);
  start = g_get_monotonic_time ();
  if (end - start > CYCLE_DEADLINE_US || app->result != 0)
    return FALSE;
  clean_up_cycle (app);
  while (count_entries ("/proc/self/task") > n_threads && g_get_monotonic_time () < start + SETTLE_DEADLINE_US)
    g_usleep (POLL_US);
  emit (gst_structure_new ("cycle", "number", G_TYPE_INT, number, "down-us", G_TYPE_INT64, start - end,
          "threads", G_TYPE_UINT, count_entries ("/proc/self/task"),
          "fds", G_TYPE_UINT, count_entries ("/proc/self/fd"), "rss-kib", G_TYPE_UINT, resident_kib (),
          "heap-kib", G_TYPE_UINT, allocated_kib (), NULL));
  return TRUE;
}

/* The first cycle loads plugins and makes threads that stay (GLib's pools); what it leaves is the mark. */
static void
run_cycles (App * app)
{
  guint n_threads = G_MAXUINT;

  for (gint i = 0; i < opt_cycles; i++) {
    if (!run_cycle (app, i, n_threads)) {
      emit (gst_structure_new ("cycle-failed", "number", G_TYPE_INT, i, NULL));
      app->result = 1;
      return;
    }
    if (i == 1)
      n_threads = count_entries ("/proc/self/task");
  }
}

static void
print_totals (App * app)
{
  for (guint i = 0; i < app->pads->len; i++) {
    PadWatch *watch = g_ptr_array_index (app->pads, i);

    emit (gst_structure_new ("total", "pad", G_TYPE_STRING, watch->name, "buffers", G_TYPE_INT, watch->buffers,
            "keyframes", G_TYPE_INT, watch->keyframes, "gaps", G_TYPE_INT, watch->gaps, NULL));
  }
}

static void
pad_watch_free (PadWatch * watch)
{
  g_clear_object (&watch->branch);
  g_free (watch->name);
  g_free (watch);
}

static GstElement *
parse (int *argc, char ***argv)
{
  g_autoptr (GOptionContext) context = g_option_context_new ("PIPELINE");
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  g_option_context_add_group (context, gst_init_get_option_group ());
  if (g_option_context_parse (context, argc, argv, &error) && *argc == 2)
    pipeline = gst_parse_launch ((*argv)[1], &error);
  if (pipeline == NULL || error != NULL) {
    g_printerr ("livelaunch: %s\n", error ? error->message : "one argument, the pipeline, is needed");
    exit (2);
  }
  if (!GST_IS_PIPELINE (pipeline)) {
    GstElement *single = pipeline;

    pipeline = gst_pipeline_new (NULL);
    gst_bin_add (GST_BIN (pipeline), single);
  }
  return pipeline;
}

/* As after a race in webrtcbin 1.22: DTLS is connected, and it has not heard of it. */

typedef struct
{
  GstElement *dtlssrtpenc;
  gulong handler;               /* webrtcbin's */
} MissedDtls;

static gboolean
hear_again (gpointer data)
{
  MissedDtls *missed = data;

  g_signal_handler_unblock (missed->dtlssrtpenc, missed->handler);
  gst_object_unref (missed->dtlssrtpenc);
  g_free (missed);
  emit (gst_structure_new_empty ("dtls-missed"));
  return G_SOURCE_REMOVE;
}

/* It is told more than once. */
static gboolean
hear_again_when_connected (gpointer data)
{
  MissedDtls *missed = data;
  gint state;

  g_object_get (missed->dtlssrtpenc, "connection-state", &state, NULL);
  if (state != DTLS_CONNECTED)
    return G_SOURCE_CONTINUE;
  g_timeout_add (MISSED_DTLS_MS, hear_again, missed);
  return G_SOURCE_REMOVE;
}

static void
miss_dtls (GstBin * pipeline, GstBin * bin, GstElement * element, gpointer unused)
{
  GstElementFactory *factory = gst_element_get_factory (element);
  MissedDtls *missed;

  if (factory == NULL || !g_str_equal (GST_OBJECT_NAME (factory), "dtlssrtpenc"))
    return;
  missed = g_new0 (MissedDtls, 1);
  missed->dtlssrtpenc = gst_object_ref (element);
  missed->handler = g_signal_handler_find (element, G_SIGNAL_MATCH_ID | G_SIGNAL_MATCH_DETAIL,
      g_signal_lookup ("notify", G_TYPE_OBJECT), g_quark_from_static_string ("connection-state"), NULL, NULL, NULL);
  g_signal_handler_block (element, missed->handler);
  g_timeout_add (POLL_US / 1000, hear_again_when_connected, missed);
}

static void
use_fast_clock (GstElement * pipeline)
{
  g_autoptr (GstClock) clock = g_object_new (GST_TYPE_SYSTEM_CLOCK, "name", "fast-clock", NULL);
  GstClockTime now = gst_clock_get_internal_time (clock);

  gst_object_ref_sink (clock);
  gst_clock_set_calibration (clock, now, now, 1000000 + opt_clock_ppm, 1000000);
  gst_pipeline_use_clock (GST_PIPELINE (pipeline), clock);
}

int
main (int argc, char **argv)
{
  App app = { 0 };

  setvbuf (stdout, NULL, _IOLBF, 0);
  app.pipeline = gst_object_ref_sink (parse (&argc, &argv));
  app.loop = g_main_loop_new (NULL, FALSE);
  app.branches = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  app.pads = g_ptr_array_new_with_free_func ((GDestroyNotify) pad_watch_free);
  install_watches (&app);
  if (opt_clock_ppm)
    use_fast_clock (app.pipeline);
  if (opt_layers) {
    g_autoptr (GstElement) encoder = find (&app, opt_layers);

    vpx_layers_set_up (encoder);
  }
  if (opt_miss_dtls)
    g_signal_connect (app.pipeline, "deep-element-added", G_CALLBACK (miss_dtls), NULL);
  if (opt_lose > 0)
    rtp_watch_lose (GST_BIN (app.pipeline), (guint) opt_lose);
  if (opt_rtp)
    rtp_watch_install (GST_BIN (app.pipeline));
  if (opt_cycles > 0)
    run_cycles (&app);
  else
    run_once (&app);
  print_totals (&app);
  gst_clear_object (&app.pipeline);
  g_ptr_array_unref (app.pads);
  g_hash_table_unref (app.branches);
  g_main_loop_unref (app.loop);
  gst_deinit ();                /* the leaks tracer prints what is alive now */
  return app.result;
}
