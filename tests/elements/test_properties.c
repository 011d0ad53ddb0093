/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties of both elements and their pads: what gst-inspect tells, what may be read, and what is seen nowhere. */
#include <gst/check/gstcheck.h>
#include <gio/gio.h>
#include <string.h>

#include "elementfixture.h"

#define READY (G_PARAM_READWRITE | GST_PARAM_MUTABLE_READY)
#define READY_SECRET (G_PARAM_WRITABLE | GST_PARAM_MUTABLE_READY)
#define PLAYING (G_PARAM_READWRITE | GST_PARAM_MUTABLE_PLAYING)
#define READ_ONLY G_PARAM_READABLE
#define FLAGS (G_PARAM_READWRITE | GST_PARAM_MUTABLE_READY | GST_PARAM_MUTABLE_PAUSED | GST_PARAM_MUTABLE_PLAYING)

typedef struct
{
  const gchar *name, *type, *value;     /* value: the default as text, NULL = unset */
  guint flags;
} Row;

/* interface.md §2 */
static const Row common[] = {
  {"server-url", "gchararray", NULL, READY},
  {"token-url", "gchararray", NULL, READY},
  {"token-headers", "GstStructure", NULL, READY_SECRET},
  {"token", "gchararray", NULL, G_PARAM_WRITABLE | GST_PARAM_MUTABLE_PLAYING},
  {"api-key", "gchararray", NULL, READY},
  {"api-secret", "gchararray", NULL, READY_SECRET},
  {"room", "gchararray", NULL, READY},
  {"identity", "gchararray", NULL, READY},
  {"participant-name", "gchararray", NULL, PLAYING},
  {"participant-metadata", "gchararray", NULL, PLAYING},
  {"participant-attributes", "GstValueArray", "<  >", PLAYING},
  {"join-timeout", "guint", "10000", READY},
  {"reconnect-timeout", "guint", "0", PLAYING},
  {"ice-transport-policy", "GstLiveKitIceTransportPolicy", "all", READY},
  {"stun-server", "gchararray", NULL, READY},
  {"turn-servers", "GstValueArray", NULL, READY_SECRET},
  {"tls-ca-file", "gchararray", NULL, READY},
  {"tls-database", "GTlsDatabase", NULL, READY},
  {"tls-validation-flags", "GTlsCertificateFlags", "*", READY},
  {"proxy", "gchararray", NULL, READY},
  {"proxy-id", "gchararray", NULL, READY},
  {"proxy-pw", "gchararray", NULL, READY_SECRET},
  {"connection-state", "GstLiveKitConnectionState", "disconnected", READ_ONLY},
  {"room-info", "GstStructure", NULL, READ_ONLY},
  {"stats", "GstStructure", NULL, READ_ONLY},
};

/* §4 */
static const Row of_src[] = {
  {"tracks", "gchararray", NULL, PLAYING},
  {"auto-subscribe", "gboolean", "TRUE", PLAYING},
  {"latency", "guint", "100", READY},
  {"add-reference-timestamp-meta", "gboolean", "FALSE", READY},
  {"output", "GstLiveKitOutput", "encoded", READY},
  {"video-quality", "GstLiveKitVideoQuality", "auto", PLAYING},
};

/* §3 */
static const Row of_sink_pad[] = {
  {"track-name", "gchararray", NULL, READY},
  {"source", "GstLiveKitTrackSource", "camera", READY},
  {"stream-name", "gchararray", NULL, READY},
  {"muted", "gboolean", "FALSE", PLAYING},
  {"dtx", "gboolean", "FALSE", READY},
  {"red", "gboolean", "FALSE", READY},
  {"measure-level", "gboolean", "FALSE", READY},
  {"bitrate", "guint", "0", READY},
  {"track-sid", "gchararray", NULL, READ_ONLY},
  {"active", "gboolean", "FALSE", READ_ONLY},
  {"target-bitrate", "guint", "4294967295", READ_ONLY},
  {"stats", "GstStructure", "*", READ_ONLY},
};

static const gchar *const factories[] = { "livekitsink", "livekitsrc" };

static void
check_value (GObject * object, GParamSpec * spec, const gchar * wanted)
{
  g_auto (GValue) value = G_VALUE_INIT;
  g_autofree gchar *text = NULL;

  g_value_init (&value, spec->value_type);
  g_object_get_property (object, spec->name, &value);
  if (wanted == NULL) {
    fail_unless (g_value_peek_pointer (&value) == NULL, "%s is set", spec->name);
    return;
  }
  if (G_VALUE_HOLDS_UINT (&value)) {
    text = g_strdup_printf ("%u", g_value_get_uint (&value));
  } else if (G_VALUE_HOLDS_BOOLEAN (&value)) {
    text = g_strdup (g_value_get_boolean (&value) ? "TRUE" : "FALSE");
  } else {
    text = gst_value_serialize (&value);
  }
  fail_unless_equals_string (text, wanted);
}

static void
check_rows (GObject * object, const Row * rows, guint n_rows)
{
  for (guint i = 0; i < n_rows; i++) {
    GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (object), rows[i].name);

    fail_unless (spec != NULL, "no property %s", rows[i].name);
    fail_unless_equals_string (g_type_name (spec->value_type), rows[i].type);
    fail_unless (((guint) spec->flags & FLAGS) == rows[i].flags, "flags of %s: %x", rows[i].name, spec->flags & FLAGS);
    fail_unless (strlen (g_param_spec_get_blurb (spec)) > 10, "%s explains nothing", rows[i].name);
    if ((rows[i].flags & G_PARAM_READABLE) && g_strcmp0 (rows[i].value, "*") != 0)
      check_value (object, spec, rows[i].value);
  }
}

/* Nothing that the tables do not promise, and that nobody tests. */
static void
check_no_others (GObject * object, GType parent, guint n_expected)
{
  guint n, n_own = 0;
  g_autofree GParamSpec **specs = g_object_class_list_properties (G_OBJECT_GET_CLASS (object), &n);

  for (guint i = 0; i < n; i++)
    n_own += !g_type_is_a (parent, specs[i]->owner_type);
  fail_unless_equals_int (n_own, n_expected);
}

GST_START_TEST (test_properties_are_as_promised)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make (factories[__i__], NULL));
  gboolean is_src = __i__ == 1;

  check_rows (G_OBJECT (element), common, G_N_ELEMENTS (common));
  if (is_src)
    check_rows (G_OBJECT (element), of_src, G_N_ELEMENTS (of_src));
  check_no_others (G_OBJECT (element), GST_TYPE_BIN, G_N_ELEMENTS (common) + (is_src ? G_N_ELEMENTS (of_src) : 0));
}

GST_END_TEST;

GST_START_TEST (test_pad_properties_are_as_promised)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make ("livekitsink", NULL));
  g_autoptr (GstPad) video = gst_element_request_pad_simple (element, "video_%u");
  g_autoptr (GstPad) audio = gst_element_request_pad_simple (element, "audio_%u");
  guint source;

  check_rows (G_OBJECT (video), of_sink_pad, G_N_ELEMENTS (of_sink_pad));
  check_no_others (G_OBJECT (video), GST_TYPE_PAD, G_N_ELEMENTS (of_sink_pad));
  g_object_get (audio, "source", &source, NULL);
  fail_unless_equals_int (source, 2);
  gst_element_release_request_pad (element, video);
  gst_element_release_request_pad (element, audio);
}

GST_END_TEST;

/* The properties of livekitsrc's pads, by their class: a pad needs a track. */
GST_START_TEST (test_src_pad_properties)
{
  static const struct { const gchar *name; guint flags; } rows[] = {
    {"participant-identity", READ_ONLY}, {"participant-sid", READ_ONLY}, {"track-sid", READ_ONLY},
    {"track-name", READ_ONLY}, {"source", READ_ONLY}, {"muted", READ_ONLY}, {"stats", READ_ONLY},
    {"enabled", PLAYING}, {"quality", PLAYING}, {"width", PLAYING}, {"height", PLAYING}, {"max-framerate", PLAYING},
  };
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make ("livekitsrc", NULL));
  GType type = GST_PAD_TEMPLATE_GTYPE (gst_element_get_pad_template (element, "video_%u"));
  GObjectClass *klass = g_type_class_ref (type);
  guint n_own = 0, n;
  g_autofree GParamSpec **specs = g_object_class_list_properties (klass, &n);

  for (guint i = 0; i < G_N_ELEMENTS (rows); i++) {
    GParamSpec *spec = g_object_class_find_property (klass, rows[i].name);

    fail_unless (spec != NULL, "no property %s", rows[i].name);
    fail_unless_equals_int (spec->flags & FLAGS, rows[i].flags);
    fail_unless (strlen (g_param_spec_get_blurb (spec)) > 10, "%s explains nothing", rows[i].name);
  }
  for (guint i = 0; i < n; i++)
    n_own += specs[i]->owner_type == type;
  fail_unless_equals_int (n_own, G_N_ELEMENTS (rows));
  g_type_class_unref (klass);
}

GST_END_TEST;

GST_START_TEST (test_ranges)
{
  g_autoptr (GstElement) src = gst_object_ref_sink (gst_element_factory_make ("livekitsrc", NULL));
  GParamSpec *spec = g_object_class_find_property (G_OBJECT_GET_CLASS (src), "join-timeout");
  guint latency, flags;

  g_object_get (src, "tls-validation-flags", &flags, NULL);
  fail_unless_equals_int (flags, G_TLS_CERTIFICATE_VALIDATE_ALL);
  fail_unless_equals_int (G_PARAM_SPEC_UINT (spec)->minimum, 0);
  fail_unless (G_PARAM_SPEC_UINT (spec)->maximum == G_MAXUINT);
  g_object_set (src, "latency", 10000, NULL);
  g_object_get (src, "latency", &latency, NULL);
  fail_unless_equals_int (latency, 10000);
}

GST_END_TEST;

static void
check_nicks (GType type, const gchar * const *nicks, guint n_nicks)
{
  GEnumClass *klass = g_type_class_ref (type);

  fail_unless_equals_int (klass->n_values, n_nicks);
  for (guint i = 0; i < n_nicks; i++)
    fail_unless_equals_string (g_enum_get_value (klass, i)->value_nick, nicks[i]);
  g_type_class_unref (klass);
}

GST_START_TEST (test_enum_nicks)
{
  static const gchar *const states[] = { "disconnected", "connecting", "connected", "reconnecting", "failed" };
  static const gchar *const sources[] = { "unknown", "camera", "microphone", "screen-share", "screen-share-audio" };
  static const gchar *const policies[] = { "all", "relay" };
  static const gchar *const outputs[] = { "encoded", "rtp" };
  static const gchar *const qualities[] = { "auto", "low", "medium", "high" };
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make ("livekitsink", NULL));
  g_autoptr (GstElement) src = gst_object_ref_sink (gst_element_factory_make ("livekitsrc", NULL));
  g_autoptr (GstPad) pad = gst_element_request_pad_simple (element, "video_%u");

  check_nicks (g_type_from_name ("GstLiveKitConnectionState"), states, G_N_ELEMENTS (states));
  check_nicks (g_type_from_name ("GstLiveKitTrackSource"), sources, G_N_ELEMENTS (sources));
  check_nicks (g_type_from_name ("GstLiveKitIceTransportPolicy"), policies, G_N_ELEMENTS (policies));
  check_nicks (g_type_from_name ("GstLiveKitOutput"), outputs, G_N_ELEMENTS (outputs));
  check_nicks (g_type_from_name ("GstLiveKitVideoQuality"), qualities, G_N_ELEMENTS (qualities));
  fail_unless (src != NULL);
  gst_element_release_request_pad (element, pad);
}

GST_END_TEST;

/* --- reading and writing --- */

/* GStreamer 1.22 writes into the text of an array while it reads it. */
static void
set_array (gpointer object, const gchar * property, const gchar * text)
{
  g_autofree gchar *copy = g_strdup (text);

  gst_util_set_object_arg (object, property, copy);
}

static void
fail_unless_string (gpointer object, const gchar * property, const gchar * wanted)
{
  g_autofree gchar *value = NULL;

  g_object_get (object, property, &value, NULL);
  fail_unless_equals_string (value, wanted);
}

GST_START_TEST (test_urls_are_shown_clean)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make (factories[__i__], NULL));

  g_object_set (element, "server-url", "wss://user:" ELEMENT_SECRET "@lk.example.com/sub?access_token=" ELEMENT_SECRET,
      "token-url", "https://me:" ELEMENT_SECRET "@example.com/token?key=" ELEMENT_SECRET "#part",
      "proxy", "http://me:" ELEMENT_SECRET "@proxy.example.com:3128", NULL);
  fail_unless_string (element, "server-url", "wss://lk.example.com/sub");
  fail_unless_string (element, "token-url", "https://example.com/token");
  fail_unless_string (element, "proxy", "http://proxy.example.com:3128");
  g_object_set (element, "server-url", NULL, "token-url", NULL, "proxy", NULL, NULL);
  fail_unless_string (element, "server-url", NULL);
  fail_unless_string (element, "token-url", NULL);
  fail_unless_string (element, "proxy", NULL);
}

GST_END_TEST;

GST_START_TEST (test_values_are_kept)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make (factories[__i__], NULL));
  g_auto (GValue) value = G_VALUE_INIT;
  guint join_timeout, reconnect_timeout, policy, flags;

  g_object_set (element, "room", "lab", "identity", "cam-1", "participant-name", "Camera", "participant-metadata", "{}",
      "join-timeout", 1234, "reconnect-timeout", 4321, "stun-server", "stun://1.2.3.4:3478", "tls-ca-file", "/a.pem",
      "proxy-id", "me", "api-key", "key", NULL);
  gst_util_set_object_arg (G_OBJECT (element), "ice-transport-policy", "relay");
  gst_util_set_object_arg (G_OBJECT (element), "tls-validation-flags", "expired");
  set_array (element, "participant-attributes", "< (string)colour, (string)red >");
  fail_unless_string (element, "room", "lab");
  fail_unless_string (element, "identity", "cam-1");
  fail_unless_string (element, "participant-name", "Camera");
  fail_unless_string (element, "participant-metadata", "{}");
  fail_unless_string (element, "stun-server", "stun://1.2.3.4:3478");
  fail_unless_string (element, "tls-ca-file", "/a.pem");
  fail_unless_string (element, "proxy-id", "me");
  fail_unless_string (element, "api-key", "key");
  g_object_get (element, "join-timeout", &join_timeout, "reconnect-timeout", &reconnect_timeout,
      "ice-transport-policy", &policy, "tls-validation-flags", &flags, NULL);
  fail_unless_equals_int (join_timeout, 1234);
  fail_unless_equals_int (reconnect_timeout, 4321);
  fail_unless_equals_int (policy, 1);
  fail_unless_equals_int (flags, G_TLS_CERTIFICATE_EXPIRED);
  g_value_init (&value, GST_TYPE_ARRAY);
  g_object_get_property (G_OBJECT (element), "participant-attributes", &value);
  fail_unless_equals_int (gst_value_array_get_size (&value), 2);
  fail_unless_equals_string (g_value_get_string (gst_value_array_get_value (&value, 0)), "colour");
  fail_unless_equals_string (g_value_get_string (gst_value_array_get_value (&value, 1)), "red");
}

GST_END_TEST;

/* In NULL everything may be set, and again, and nothing starts. */
GST_START_TEST (test_null_state)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make (factories[__i__], NULL));
  g_autoptr (GstStructure) headers = gst_structure_new ("h", "Authorization", G_TYPE_STRING, "Basic x", NULL);
  guint n_threads = element_count_now ().n_threads;

  for (guint i = 0; i < 10; i++) {
    g_object_set (element, "token", "a.b.c", "api-secret", "x", "proxy-pw", "y", "token-headers", headers,
        "participant-name", "n", "participant-metadata", "m", "reconnect-timeout", i, NULL);
    g_object_set (element, "token", NULL, "api-secret", NULL, "proxy-pw", NULL, "token-headers", NULL, NULL);
  }
  fail_unless_equals_int (element_count_now ().n_threads, n_threads);
}

GST_END_TEST;

/* Odd attributes and TURN URIs are skipped, not crashed on. */
GST_START_TEST (test_odd_arrays)
{
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_make (factories[__i__], NULL));
  g_auto (GValue) value = G_VALUE_INIT;

  set_array (element, "participant-attributes", "< (string)lonely >");
  set_array (element, "participant-attributes", "< (string)a, (string)1, (string)b >");
  set_array (element, "turn-servers", "< (string)\"turn://u:p@h:1\", (string)\"\" >");
  set_array (element, "turn-servers", "< >");
  g_value_init (&value, GST_TYPE_ARRAY);
  g_object_get_property (G_OBJECT (element), "participant-attributes", &value);
  fail_unless_equals_int (gst_value_array_get_size (&value), 2);
}

GST_END_TEST;

/* --- gst-launch --- */

GST_START_TEST (test_pad_properties_by_child_proxy)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch ("livekitsink name=s video_0::track-name=front "
      "video_0::source=screen-share audio_0::muted=true audio_0::stream-name=av video_0::bitrate=500000 "
      "fakesrc ! video/x-vp8 ! s.video_0 fakesrc ! audio/x-opus ! s.audio_0", &error);
  g_autoptr (GstElement) sink = NULL;
  g_autofree gchar *name = NULL, *stream = NULL;
  guint source, bitrate;
  gboolean muted;

  fail_unless (pipeline != NULL && error == NULL, "%s", error ? error->message : "");
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  fail_unless_equals_int (gst_child_proxy_get_children_count (GST_CHILD_PROXY (sink)), 2);
  gst_child_proxy_get (GST_CHILD_PROXY (sink), "video_0::track-name", &name, "video_0::source", &source,
      "audio_0::muted", &muted, "audio_0::stream-name", &stream, "video_0::bitrate", &bitrate, NULL);
  fail_unless_equals_string (name, "front");
  fail_unless_equals_string (stream, "av");
  fail_unless_equals_int (source, 3);
  fail_unless_equals_int (bitrate, 500000);
  fail_unless (muted);
}

GST_END_TEST;

GST_START_TEST (test_metadata)
{
  GstElementFactory *factory = gst_element_factory_find (factories[__i__]);
  gboolean is_src = __i__ == 1;
  g_autoptr (GstElement) element = gst_object_ref_sink (gst_element_factory_create (factory, NULL));

  fail_unless_equals_string (gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_KLASS),
      is_src ? "Source/Network/WebRTC" : "Sink/Network/WebRTC");
  fail_unless (strstr (gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_DESCRIPTION), "LiveKit"));
  fail_unless (gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_LONGNAME) != NULL);
  fail_unless (gst_element_factory_get_metadata (factory, GST_ELEMENT_METADATA_AUTHOR) != NULL);
  fail_unless_equals_int (gst_plugin_feature_get_rank (GST_PLUGIN_FEATURE (factory)),
      is_src ? GST_RANK_PRIMARY : GST_RANK_NONE);
  fail_unless_equals_int (!!GST_OBJECT_FLAG_IS_SET (element, GST_ELEMENT_FLAG_SINK), !is_src);
  fail_unless_equals_int (!!GST_OBJECT_FLAG_IS_SET (element, GST_ELEMENT_FLAG_SOURCE), is_src);
  gst_object_unref (factory);
}

GST_END_TEST;

/* --- the environment --- */

static void
fail_unless_joined_with (ElementFixture * f, const gchar * room, const gchar * identity)
{
  element_fixture_play (f);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  fail_unless_string (f->element, "room", room);
  if (identity)
    fail_unless_string (f->element, "identity", identity);
}

GST_START_TEST (test_server_url_from_the_environment)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);

  g_object_set (f->element, "server-url", NULL, NULL);
  g_setenv ("LIVEKIT_URL", fake_server_get_url (f->server), TRUE);
  fail_unless_joined_with (f, "lab", "tester");
  /* The property wins. */
  element_fixture_set_state (f, GST_STATE_NULL);
  g_setenv ("LIVEKIT_URL", "ws://127.0.0.1:1", TRUE);
  g_object_set (f->element, "server-url", fake_server_get_url (f->server), NULL);
  fail_unless_joined_with (f, "lab", "tester");
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_keys_from_the_environment)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  g_autofree gchar *token = NULL, *made_up = NULL;

  g_object_set (f->element, "api-key", NULL, "api-secret", NULL, "identity", NULL, NULL);
  g_setenv ("LIVEKIT_API_KEY", "envkey", TRUE);
  g_setenv ("LIVEKIT_API_SECRET", ELEMENT_SECRET, TRUE);
  fail_unless_joined_with (f, "lab", NULL);
  g_object_get (f->element, "identity", &made_up, NULL);
  fail_unless (g_str_has_prefix (made_up, "gst-"), "%s", made_up);
  /* What the join filled in is no wish for the next one. */
  element_fixture_set_state (f, GST_STATE_NULL);
  fail_unless_string (f->element, "identity", NULL);
  fail_unless_string (f->element, "room", "lab");
  token = fake_server_dup_last_token (f->server);
  fail_unless (token != NULL);
  element_fixture_free (f);
}

GST_END_TEST;

/* On this machine nothing needs to be configured. */
GST_START_TEST (test_development_keys_for_a_local_server)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);

  g_object_set (f->element, "api-key", NULL, "api-secret", NULL, NULL);
  fail_unless_joined_with (f, "lab", "tester");
  element_fixture_free (f);
}

GST_END_TEST;

/* The room that the token names is filled in by the join, and taken away afterwards. */
GST_START_TEST (test_room_and_identity_from_the_token)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  g_autofree gchar *token = NULL;

  element_fixture_play (f);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  token = fake_server_dup_last_token (f->server);
  element_fixture_set_state (f, GST_STATE_NULL);
  g_object_set (f->element, "room", NULL, "identity", NULL, "api-key", NULL, "api-secret", NULL, "token", token, NULL);
  fail_unless (fake_server_wait_clients (f->server, 0, ELEMENT_WAIT_MS));
  fail_unless_joined_with (f, "lab", "tester");
  element_fixture_set_state (f, GST_STATE_NULL);
  fail_unless_string (f->element, "room", NULL);
  fail_unless_string (f->element, "identity", NULL);
  element_fixture_free (f);
}

GST_END_TEST;

/* --- secrets --- */

static GMutex log_lock;
static GPtrArray *log_secrets;  /* of gchar, owned; what is looked for */
static gchar *log_leak;
static guint n_log_lines;

static const gchar *
find_secret (const gchar * text)
{
  const gchar *found = NULL;

  g_mutex_lock (&log_lock);
  for (guint i = 0; log_secrets && i < log_secrets->len && !found; i++) {
    if (strstr (text, g_ptr_array_index (log_secrets, i)))
      found = g_ptr_array_index (log_secrets, i);
  }
  g_mutex_unlock (&log_lock);
  return found;
}

static void
on_log (GstDebugCategory * category, GstDebugLevel level, const gchar * file, const gchar * function, gint line,
    GObject * object, GstDebugMessage * message, gpointer data)
{
  const gchar *text = gst_debug_message_get (message);

  g_atomic_int_inc (&n_log_lines);
  /* webrtcbin and its ICE agent log TURN URIs with the password: upstream.txt. */
  if (!text || !find_secret (text) || strstr (text, "turn://user:"))
    return;
  g_mutex_lock (&log_lock);
  if (log_leak == NULL)
    log_leak = g_strdup_printf ("%s %s:%d: %s", gst_debug_category_get_name (category), file, line, text);
  g_mutex_unlock (&log_lock);
}

static void
add_secret (const gchar * secret)
{
  g_mutex_lock (&log_lock);
  g_ptr_array_add (log_secrets, g_strdup (secret));
  g_mutex_unlock (&log_lock);
}

/* A whole token and its signature alone. */
static void
add_token (FakeServer * server)
{
  g_autofree gchar *token = fake_server_dup_last_token (server);

  fail_unless (token != NULL);
  add_secret (token);
  add_secret (strrchr (token, '.') + 1);
}

static void
start_log (void)
{
  log_secrets = g_ptr_array_new_with_free_func (g_free);
  add_secret (ELEMENT_SECRET);
  gst_debug_remove_log_function (gst_debug_log_default);
  gst_debug_add_log_function (on_log, NULL, NULL);
  gst_debug_set_threshold_from_string ("*:5,livekit:9,GST_*:9,webrtc*:9", TRUE);
  gst_debug_set_active (TRUE);
}

static void
expect_no_leak (void)
{
  gst_debug_remove_log_function (on_log);
  gst_debug_set_active (FALSE);
  fail_unless (n_log_lines > 100);
  fail_unless (log_leak == NULL, "a secret in the log: %s", log_leak);
  g_clear_pointer (&log_secrets, g_ptr_array_unref);
}

/* The token is known after the join; a first join, without the log, tells it. */
GST_START_TEST (test_no_secret_in_the_log)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  g_autoptr (GstStructure) headers = gst_structure_new ("h", "X-Key", G_TYPE_STRING, ELEMENT_SECRET, NULL);
  g_autofree gchar *token = NULL;

  element_fixture_play (f);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  token = fake_server_dup_last_token (f->server);
  element_fixture_set_state (f, GST_STATE_NULL);
  start_log ();
  add_token (f->server);
  g_object_set (f->element, "token", token, "api-secret", ELEMENT_SECRET, "token-headers", headers, "proxy-pw",
      ELEMENT_SECRET, NULL);
  set_array (f->element, "turn-servers",
      "< (string)\"turn://user:" ELEMENT_SECRET "@127.0.0.1:1?transport=udp\" >");
  element_fixture_play (f);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  element_fixture_request (f, LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER, 0);
  fake_server_push_refresh_token (f->server, token);
  fake_server_push_leave (f->server, LIVEKIT__LEAVE_REQUEST__ACTION__RECONNECT,
      LIVEKIT__DISCONNECT_REASON__STATE_MISMATCH);
  fail_unless (fake_server_wait_joins (f->server, 3, ELEMENT_WAIT_MS));
  element_fixture_set_state (f, GST_STATE_NULL);
  expect_no_leak ();
  element_fixture_free (f);
}

GST_END_TEST;

GST_START_TEST (test_no_secret_in_a_dot_file)
{
  ElementFixture *f = element_fixture_new (factories[__i__]);
  g_autoptr (GstStructure) headers = gst_structure_new ("h", "X-Key", G_TYPE_STRING, ELEMENT_SECRET, NULL);
  g_autofree gchar *dot = NULL;

  log_secrets = g_ptr_array_new_with_free_func (g_free);
  add_secret (ELEMENT_SECRET);
  g_object_set (f->element, "token-headers", headers, "proxy-pw", ELEMENT_SECRET, NULL);
  set_array (f->element, "turn-servers",
      "< (string)\"turn://user:" ELEMENT_SECRET "@127.0.0.1:1?transport=udp\" >");
  element_fixture_play (f);
  element_fixture_wait_progress (f, GST_PROGRESS_TYPE_COMPLETE, "connect");
  element_fixture_request (f, LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER, 0);
  add_token (f->server);
  dot = gst_debug_bin_to_dot_data (GST_BIN (f->pipeline), GST_DEBUG_GRAPH_SHOW_ALL
      | GST_DEBUG_GRAPH_SHOW_FULL_PARAMS);
  fail_unless (strstr (dot, "GstWebRTCBin") != NULL);
  fail_unless (find_secret (dot) == NULL, "a secret in the dot file: %s", find_secret (dot));
  element_fixture_free (f);
}

GST_END_TEST;

static Suite *
properties_suite (void)
{
  Suite *s = element_suite_create ("properties");
  TCase *facts = tcase_create ("facts"), *values = tcase_create ("values"), *joins = tcase_create ("environment");
  TCase *secrets = tcase_create ("secrets");

  suite_add_tcase (s, facts);
  tcase_add_loop_test (facts, test_properties_are_as_promised, 0, 2);
  tcase_add_test (facts, test_pad_properties_are_as_promised);
  tcase_add_test (facts, test_src_pad_properties);
  tcase_add_test (facts, test_ranges);
  tcase_add_test (facts, test_enum_nicks);
  tcase_add_loop_test (facts, test_metadata, 0, 2);
  suite_add_tcase (s, values);
  tcase_add_loop_test (values, test_urls_are_shown_clean, 0, 2);
  tcase_add_loop_test (values, test_values_are_kept, 0, 2);
  tcase_add_loop_test (values, test_null_state, 0, 2);
  tcase_add_loop_test (values, test_odd_arrays, 0, 2);
  tcase_add_test (values, test_pad_properties_by_child_proxy);
  suite_add_tcase (s, joins);
  tcase_add_loop_test (joins, test_server_url_from_the_environment, 0, 2);
  tcase_add_loop_test (joins, test_keys_from_the_environment, 0, 2);
  tcase_add_loop_test (joins, test_development_keys_for_a_local_server, 0, 2);
  tcase_add_loop_test (joins, test_room_and_identity_from_the_token, 0, 2);
  suite_add_tcase (s, secrets);
  tcase_add_loop_test (secrets, test_no_secret_in_the_log, 0, 2);
  tcase_add_loop_test (secrets, test_no_secret_in_a_dot_file, 0, 2);
  return s;
}

GST_CHECK_MAIN (properties);
