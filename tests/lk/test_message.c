/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tests of lkmessage. */
#include <gst/check/gstcheck.h>
#include <string.h>
#include <time.h>

#include "fakemessages.h"
#include "lkerror.h"
#include "lkmessage.h"

#define SECRET "s3cr3t-w0rd"
#define N_BIT_FLIPS 10000

/* ---- samples: a dozen packed responses ---- */

static void
add_sample (GPtrArray * samples, const Livekit__SignalResponse * response)
{
  g_ptr_array_add (samples, fake_message_pack (response));
}

static GBytes *
make_join (gsize n_others, gsize metadata_bytes)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__JoinResponse join = LIVEKIT__JOIN_RESPONSE__INIT;
  Livekit__Room room = LIVEKIT__ROOM__INIT;
  Livekit__ICEServer ice = LIVEKIT__ICESERVER__INIT;
  Livekit__ICEServer *ice_servers[] = { &ice };
  gchar *urls[] = { (gchar *) "turn:127.0.0.1:3478?transport=udp" };
  g_autofree gchar *metadata = g_strnfill (metadata_bytes, 'm');
  g_autoptr (GPtrArray) others = g_ptr_array_new_with_free_func ((GDestroyNotify) fake_participant_free);
  gsize i;

  for (i = 0; i < n_others; i++) {
    g_autofree gchar *sid = g_strdup_printf ("PA_%" G_GSIZE_FORMAT, i);
    g_autofree gchar *identity = g_strdup_printf ("identity-%" G_GSIZE_FORMAT, i);
    g_autofree gchar *track_sid = g_strdup_printf ("TR_%" G_GSIZE_FORMAT, i);
    Livekit__ParticipantInfo *other = fake_participant_new (sid, identity, "Name");

    fake_set_text (&other->metadata, metadata);
    fake_participant_add_track (other, fake_track_new (track_sid, LIVEKIT__TRACK_TYPE__VIDEO,
            LIVEKIT__TRACK_SOURCE__CAMERA, "front", "video/H264"));
    g_ptr_array_add (others, other);
  }
  ice.urls = urls;
  ice.n_urls = 1;
  ice.username = (char *) "user";
  ice.credential = (char *) SECRET;
  room.sid = (char *) "RM_x";
  room.name = (char *) "lab";
  room.metadata = (char *) SECRET;
  join.room = &room;
  join.participant = fake_participant_new ("PA_me", "alice", "Alice");
  join.other_participants = (Livekit__ParticipantInfo **) others->pdata;
  join.n_other_participants = n_others;
  join.ice_servers = ice_servers;
  join.n_ice_servers = 1;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_JOIN;
  response.join = &join;
  g_ptr_array_add (others, join.participant);
  return fake_message_pack (&response);
}

static void
add_transport_samples (GPtrArray * samples)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__SessionDescription description = LIVEKIT__SESSION_DESCRIPTION__INIT;
  Livekit__StringEntry mid = LIVEKIT__STRING_ENTRY__INIT;
  Livekit__StringEntry *mids[] = { &mid };
  Livekit__TrickleRequest trickle = LIVEKIT__TRICKLE_REQUEST__INIT;
  Livekit__MediaSectionsRequirement sections = LIVEKIT__MEDIA_SECTIONS_REQUIREMENT__INIT;

  description.type = (char *) "offer";
  description.sdp = (char *) "v=0\r\na=ice-pwd:" SECRET "\r\n";
  description.id = 7;
  mid.key = (char *) "0";
  mid.value = (char *) "TR_1";
  description.mid_to_track_id = mids;
  description.n_mid_to_track_id = 1;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_OFFER;
  response.offer = &description;
  add_sample (samples, &response);
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_ANSWER;
  response.answer = &description;
  add_sample (samples, &response);

  trickle.candidateinit = (char *) "{\"candidate\":\"" SECRET "\"}";
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRICKLE;
  response.trickle = &trickle;
  add_sample (samples, &response);

  sections.num_audios = 1;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_MEDIA_SECTIONS_REQUIREMENT;
  response.media_sections_requirement = &sections;
  add_sample (samples, &response);
}

static void
add_track_samples (GPtrArray * samples)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__ParticipantUpdate update = LIVEKIT__PARTICIPANT_UPDATE__INIT;
  Livekit__ParticipantInfo *bob = fake_participant_new ("PA_bob", "bob", "Bob");
  Livekit__TrackPublishedResponse published = LIVEKIT__TRACK_PUBLISHED_RESPONSE__INIT;
  Livekit__RequestResponse failed = LIVEKIT__REQUEST_RESPONSE__INIT;
  Livekit__AddTrackRequest add = LIVEKIT__ADD_TRACK_REQUEST__INIT;
  Livekit__SubscriptionPermissionUpdate permission = LIVEKIT__SUBSCRIPTION_PERMISSION_UPDATE__INIT;

  fake_set_text (&bob->metadata, SECRET);
  fake_participant_add_track (bob, fake_track_new ("TR_1", LIVEKIT__TRACK_TYPE__AUDIO,
          LIVEKIT__TRACK_SOURCE__MICROPHONE, "mic", "audio/opus"));
  update.participants = &bob;
  update.n_participants = 1;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE;
  response.update = &update;
  add_sample (samples, &response);

  published.cid = (char *) "cid";
  published.track = bob->tracks[0];
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_TRACK_PUBLISHED;
  response.track_published = &published;
  add_sample (samples, &response);

  add.cid = (char *) "cid";
  failed.reason = LIVEKIT__REQUEST_RESPONSE__REASON__NOT_ALLOWED;
  failed.message = (char *) SECRET;
  failed.request_case = LIVEKIT__REQUEST_RESPONSE__REQUEST_ADD_TRACK;
  failed.add_track = &add;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REQUEST_RESPONSE;
  response.request_response = &failed;
  add_sample (samples, &response);

  permission.track_sid = (char *) "TR_1";
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SUBSCRIPTION_PERMISSION_UPDATE;
  response.subscription_permission_update = &permission;
  add_sample (samples, &response);
  fake_participant_free (bob);
}

static void
add_other_samples (GPtrArray * samples)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__LeaveRequest leave = LIVEKIT__LEAVE_REQUEST__INIT;
  Livekit__Pong pong = LIVEKIT__PONG__INIT;
  Livekit__SpeakersChanged speakers = LIVEKIT__SPEAKERS_CHANGED__INIT;
  Livekit__SpeakerInfo speaker = LIVEKIT__SPEAKER_INFO__INIT;
  Livekit__SpeakerInfo *speaker_list[] = { &speaker };

  leave.reason = LIVEKIT__DISCONNECT_REASON__ROOM_DELETED;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE;
  response.leave = &leave;
  add_sample (samples, &response);

  pong.last_ping_timestamp = 1;
  pong.timestamp = G_MAXINT64;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_PONG_RESP;
  response.pong_resp = &pong;
  add_sample (samples, &response);

  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN;
  response.refresh_token = (char *) SECRET;
  add_sample (samples, &response);

  speaker.sid = (char *) "PA_bob";
  speaker.level = 0.5;
  speakers.speakers = speaker_list;
  speakers.n_speakers = 1;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_SPEAKERS_CHANGED;
  response.speakers_changed = &speakers;
  add_sample (samples, &response);
}

static GPtrArray *
make_samples (void)
{
  GPtrArray *samples = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);

  g_ptr_array_add (samples, make_join (3, 10));
  add_transport_samples (samples);
  add_track_samples (samples);
  add_other_samples (samples);
  fail_unless (samples->len >= 12);
  return samples;
}

/* Whatever comes is a message, which can be told and freed, or an error of the one kind. */
static gboolean
try_unpack (gconstpointer data, gsize size)
{
  /* an allocation of just that size, so that reading beyond it is seen */
  g_autoptr (GBytes) bytes = g_bytes_new (data, size);
  g_autoptr (GError) error = NULL;
  g_autofree gchar *summary = NULL;
  Livekit__SignalResponse *response = lk_message_unpack (bytes, &error);

  if (!response) {
    fail_unless (g_error_matches (error, LK_ERROR, LK_ERROR_PROTOCOL));
    return FALSE;
  }
  fail_unless (error == NULL);
  summary = lk_message_summary_response (response);
  fail_unless (summary != NULL && *summary && !strchr (summary, '\n') && g_utf8_validate (summary, -1, NULL));
  lk_message_free (response);
  return TRUE;
}

/* ---- unpacking ---- */

GST_START_TEST (test_samples_unpack)
{
  g_autoptr (GPtrArray) samples = make_samples ();
  guint i;

  for (i = 0; i < samples->len; i++) {
    gsize size;
    gconstpointer data = g_bytes_get_data (g_ptr_array_index (samples, i), &size);

    fail_unless (try_unpack (data, size), "sample %u", i);
  }
}
GST_END_TEST;

GST_START_TEST (test_every_prefix)
{
  g_autoptr (GPtrArray) samples = make_samples ();
  guint i;
  gsize length, size;

  for (i = 0; i < samples->len; i++) {
    gconstpointer data = g_bytes_get_data (g_ptr_array_index (samples, i), &size);

    for (length = 0; length < size; length++)
      try_unpack (data, length);
  }
}
GST_END_TEST;

GST_START_TEST (test_bit_flips)
{
  g_autoptr (GPtrArray) samples = make_samples ();
  const gchar *given = g_getenv ("LK_TEST_SEED");
  guint32 seed = given ? (guint32) g_ascii_strtoull (given, NULL, 0) : g_random_int ();
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  guint i, n_flips;

  g_print ("bit flips: LK_TEST_SEED=%u\n", seed);
  for (i = 0; i < N_BIT_FLIPS; i++) {
    GBytes *sample = g_ptr_array_index (samples, g_rand_int_range (rand, 0, samples->len));
    gsize size = g_bytes_get_size (sample);
    g_autofree guint8 *data = g_memdup2 (g_bytes_get_data (sample, NULL), size);

    for (n_flips = g_rand_int_range (rand, 1, 5); n_flips > 0; n_flips--)
      data[g_rand_int_range (rand, 0, size)] ^= 1 << g_rand_int_range (rand, 0, 8);
    try_unpack (data, size);
  }
}
GST_END_TEST;

GST_START_TEST (test_random_bytes)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  guint8 data[200];
  guint i;
  gsize k, size;

  for (i = 0; i < N_BIT_FLIPS; i++) {
    size = g_rand_int_range (rand, 0, sizeof data + 1);
    for (k = 0; k < size; k++)
      data[k] = g_rand_int_range (rand, 0, 256);
    try_unpack (data, size);
  }
}
GST_END_TEST;

GST_START_TEST (test_nothing_is_a_message_of_no_kind)
{
  g_autoptr (GBytes) nothing = g_bytes_new (NULL, 0);
  Livekit__SignalResponse *response = lk_message_unpack (nothing, NULL);

  fail_unless (response != NULL);
  fail_unless_equals_int (response->message_case, LIVEKIT__SIGNAL_RESPONSE__MESSAGE__NOT_SET);
  lk_message_free (response);
  lk_message_free (NULL);
}
GST_END_TEST;

GST_START_TEST (test_unknown_kinds_and_fields_are_skipped)
{
  /* field 1000, a string; then a leave with an unknown varint 100 and the unknown reason 99 */
  static const guint8 data[] = { 0xc2, 0x3e, 1, 'x', 0x42, 5, 0x10, 99, 0xa0, 6, 1 };
  g_autoptr (GBytes) bytes = g_bytes_new_static (data, sizeof data);
  Livekit__SignalResponse *response = lk_message_unpack (bytes, NULL);
  g_autofree gchar *summary = NULL;

  fail_unless (response != NULL);
  fail_unless_equals_int (response->message_case, LIVEKIT__SIGNAL_RESPONSE__MESSAGE_LEAVE);
  fail_unless_equals_int (response->leave->reason, 99);
  summary = lk_message_summary_response (response);
  fail_unless_equals_string (summary, "leave action=DISCONNECT reason=99");
  lk_message_free (response);
}
GST_END_TEST;

GST_START_TEST (test_wrong_wire_types)
{
  guint8 data[] = { 0, 4, 8, 1, 16, 1 };
  guint field, wire_type;

  for (field = 1; field <= 31; field++) {
    for (wire_type = 0; wire_type < 8; wire_type++) {
      guint tag = field << 3 | wire_type;

      data[0] = tag < 128 ? tag : (tag & 127) | 128;
      data[1] = tag < 128 ? 4 : tag >> 7;
      try_unpack (data, sizeof data);
    }
  }
}
GST_END_TEST;

static void
expect_refused (const GByteArray * data)
{
  fail_if (try_unpack (data->data, data->len));
}

static void
append_repeated (GByteArray * data, const void *piece, gsize size, gsize total)
{
  while (data->len < total)
    g_byte_array_append (data, piece, size);
}

/* Two bytes each on the wire, but a message, a pointer and a scan record each in memory. */
GST_START_TEST (test_empty_repeated_fields_hit_the_budget)
{
  static const guint8 participant[] = { 0x0a, 0 }, unknown[] = { 0xf8, 0x07, 0 };
  g_autoptr (GByteArray) inner = g_byte_array_new ();
  g_autoptr (GByteArray) outer = g_byte_array_new ();

  /* update { participants {} participants {} … } */
  append_repeated (inner, participant, sizeof participant, 2 * 1024 * 1024);
  g_byte_array_append (outer, (const guint8 *) "\x2a\x80\x80\x80\x01", 5);
  g_byte_array_append (outer, inner->data, inner->len);
  expect_refused (outer);

  /* fields that nobody knows, at the top */
  g_byte_array_set_size (outer, 0);
  append_repeated (outer, unknown, sizeof unknown, 3 * 1024 * 1024);
  expect_refused (outer);
}
GST_END_TEST;

/* join { room { enabled_codecs {} } room { … } … }: rooms are merged, and each merge copies the list. */
GST_START_TEST (test_merging_is_not_quadratic)
{
  static const guint8 room[] = { 0x0a, 2, 0x3a, 0 };
  g_autoptr (GByteArray) inner = g_byte_array_new ();
  g_autoptr (GByteArray) outer = g_byte_array_new ();
  clock_t start = clock ();

  append_repeated (inner, room, sizeof room, 1024 * 1024);
  g_byte_array_append (outer, (const guint8 *) "\x0a\x80\x80\x40", 4);
  g_byte_array_append (outer, inner->data, inner->len);
  expect_refused (outer);
  /* Of this process alone, whatever else the machine does. */
  fail_unless ((clock () - start) / CLOCKS_PER_SEC < 5);
}
GST_END_TEST;

GST_START_TEST (test_nesting)
{
  g_autoptr (GByteArray) groups = g_byte_array_new ();
  g_autoptr (GByteArray) nested = g_byte_array_new ();
  guint i;

  /* 10 000 groups inside each other, of a field that nobody knows and of one that is known */
  append_repeated (groups, "\xc3\x3e", 2, 20000);
  expect_refused (groups);
  g_byte_array_set_size (groups, 0);
  append_repeated (groups, "\x0b", 1, 10000);
  expect_refused (groups);

  /* messages inside each other, as deep as the lengths go: beyond the schema they are bytes */
  for (i = 0; i < 2000; i++) {
    guint8 head[4];
    guint n = 0, length = nested->len;

    head[n++] = 0x0a;
    for (; length >= 128; length >>= 7)
      head[n++] = (length & 127) | 128;
    head[n++] = length;
    g_byte_array_prepend (nested, head, n);
  }
  try_unpack (nested->data, nested->len);
}
GST_END_TEST;

GST_START_TEST (test_text_is_refused)
{
  static const gchar *const texts[] = { "rubbish", "{\"join\":{}}", "<html><body>404</body></html>", "\r\n\r\n",
    "GET / HTTP/1.1\r\n"
  };
  guint i;

  for (i = 0; i < G_N_ELEMENTS (texts); i++)
    fail_if (try_unpack (texts[i], strlen (texts[i])), "%s", texts[i]);
}
GST_END_TEST;

GST_START_TEST (test_size_limit)
{
  g_autoptr (GBytes) large = make_join (10, 390 * 1024);
  g_autoptr (GBytes) crowded = make_join (5000, 700);
  g_autoptr (GBytes) too_large = make_join (10, 430 * 1024);

  fail_unless (g_bytes_get_size (large) > 3900 * 1000);
  fail_unless (try_unpack (g_bytes_get_data (large, NULL), g_bytes_get_size (large)));
  fail_unless (g_bytes_get_size (crowded) > 3900 * 1000);
  fail_unless (try_unpack (g_bytes_get_data (crowded, NULL), g_bytes_get_size (crowded)));
  fail_unless (g_bytes_get_size (too_large) > LK_MESSAGE_MAX_BYTES);
  fail_if (try_unpack (g_bytes_get_data (too_large, NULL), g_bytes_get_size (too_large)));
}
GST_END_TEST;

static gboolean
unpacks_with (const gchar * sid, const gchar * name)
{
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  Livekit__ParticipantUpdate update = LIVEKIT__PARTICIPANT_UPDATE__INIT;
  Livekit__ParticipantInfo *participant = fake_participant_new (sid, "bob", name);
  g_autoptr (GBytes) bytes = NULL;
  gboolean unpacks;

  update.participants = &participant;
  update.n_participants = 1;
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_UPDATE;
  response.update = &update;
  bytes = fake_message_pack (&response);
  unpacks = try_unpack (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  fake_participant_free (participant);
  return unpacks;
}

GST_START_TEST (test_strings_are_checked)
{
  g_autofree gchar *longest = g_strnfill (LK_MESSAGE_MAX_ID_BYTES, 'x');
  g_autofree gchar *longer = g_strnfill (LK_MESSAGE_MAX_ID_BYTES + 1, 'x');
  Livekit__SignalResponse response = LIVEKIT__SIGNAL_RESPONSE__INIT;
  g_autoptr (GBytes) bytes = NULL;

  fail_unless (unpacks_with ("PA_1", "B\xc3\xb6" "b"));
  fail_if (unpacks_with ("PA_1", "B\xf6" "b"));
  fail_if (unpacks_with ("PA_\xff", "Bob"));
  fail_unless (unpacks_with (longest, "Bob"));
  fail_if (unpacks_with (longer, "Bob"));
  fail_unless (unpacks_with ("PA_1", longer));

  /* a member of a oneof */
  response.message_case = LIVEKIT__SIGNAL_RESPONSE__MESSAGE_REFRESH_TOKEN;
  response.refresh_token = (char *) "\xc0\x80";
  bytes = fake_message_pack (&response);
  fail_if (try_unpack (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes)));
}
GST_END_TEST;

/* ---- packing ---- */

GST_START_TEST (test_requests_are_packed)
{
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
  Livekit__MuteTrackRequest mute = LIVEKIT__MUTE_TRACK_REQUEST__INIT;
  static const guint8 expected[] = { 0x2a, 8, 0x0a, 4, 'T', 'R', '_', '1', 0x10, 1 };
  g_autoptr (GBytes) bytes = NULL;
  gsize size;

  mute.sid = (char *) "TR_1";
  mute.muted = TRUE;
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_MUTE;
  request.mute = &mute;
  bytes = lk_message_pack (&request);
  fail_unless (memcmp (g_bytes_get_data (bytes, &size), expected, sizeof expected) == 0);
  fail_unless_equals_int (size, sizeof expected);
}
GST_END_TEST;

/* @metadata goes there and comes back. */
static gsize
check_join (gchar * metadata)
{
  Livekit__JoinRequest request = LIVEKIT__JOIN_REQUEST__INIT;
  Livekit__JoinRequest *back;
  g_autofree gchar *text = NULL;
  const gchar *why = NULL;
  gsize length;

  request.metadata = metadata;
  request.participant_sid = (char *) "PA_1";
  request.reconnect = TRUE;
  text = lk_message_pack_join (&request);
  length = strlen (text);
  fail_unless_equals_int (length % 4, 0);
  fail_if (strpbrk (text, "+/ \n"));
  back = fake_join_request_unpack (text, &why);
  fail_unless (back != NULL, "%s", why);
  fail_unless_equals_string (back->metadata, metadata);
  fail_unless_equals_string (back->participant_sid, "PA_1");
  fail_unless (back->reconnect);
  livekit__join_request__free_unpacked (back, NULL);
  return length;
}

GST_START_TEST (test_join_is_wrapped)
{
  g_autofree gchar *long_text = g_strnfill (100000, 'm');
  g_autoptr (GString) noise = g_string_new (NULL);
  guint i;

  check_join ((gchar *) "");
  check_join ((gchar *) "x");
  fail_unless (check_join (long_text) < 1000);
  for (i = 0; i < 1000; i++)
    g_string_append_unichar (noise, 0x100 + i * 37 % 0x3000);
  check_join (noise->str);
}
GST_END_TEST;

/* ---- summaries ---- */

GST_START_TEST (test_summaries_name_ids_and_no_secrets)
{
  static const gchar *const expected[] = {
    "join room=RM_x participant=PA_me others=3 ice_servers=1",
    "offer id=7 bytes=28 mids=1",
    "answer id=7 bytes=28 mids=1",
    "trickle target=publisher",
    "media_sections_requirement audios=1 videos=0",
    "update participants=1 sid=PA_bob state=ACTIVE tracks=1 version=1",
    "track_published cid=cid sid=TR_1 mime=audio/opus",
    "request_response reason=NOT_ALLOWED request_id=0 request=add_track cid=cid",
    "subscription_permission_update sid=TR_1 allowed=false",
    "leave action=DISCONNECT reason=ROOM_DELETED",
    "pong_resp",
    "refresh_token",
    "speakers_changed",
  };
  g_autoptr (GPtrArray) samples = make_samples ();
  guint i;

  fail_unless_equals_int (samples->len, G_N_ELEMENTS (expected));
  for (i = 0; i < samples->len; i++) {
    Livekit__SignalResponse *response = lk_message_unpack (g_ptr_array_index (samples, i), NULL);
    g_autofree gchar *summary = lk_message_summary_response (response);

    fail_unless_equals_string (summary, expected[i]);
    lk_message_free (response);
  }
}
GST_END_TEST;

static void
check_request_summary (const Livekit__SignalRequest * request, const gchar * expected)
{
  g_autofree gchar *summary = lk_message_summary_request (request);

  fail_unless_equals_string (summary, expected);
}

GST_START_TEST (test_request_summaries)
{
  Livekit__SignalRequest request = LIVEKIT__SIGNAL_REQUEST__INIT;
  Livekit__SessionDescription offer = LIVEKIT__SESSION_DESCRIPTION__INIT;
  Livekit__UpdateSubscription subscription = LIVEKIT__UPDATE_SUBSCRIPTION__INIT;
  gchar *sids[] = { (gchar *) "TR_1\nTR_2", (gchar *) "TR_3" };

  check_request_summary (&request, "unknown");
  offer.sdp = (char *) SECRET;
  offer.id = 1;
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_OFFER;
  request.offer = &offer;
  check_request_summary (&request, "offer id=1 bytes=11");

  subscription.track_sids = sids;
  subscription.n_track_sids = 2;
  subscription.subscribe = TRUE;
  request.message_case = LIVEKIT__SIGNAL_REQUEST__MESSAGE_SUBSCRIPTION;
  request.subscription = &subscription;
  check_request_summary (&request, "subscription sids=2 subscribe=true");
  subscription.n_track_sids = 1;
  check_request_summary (&request, "subscription sid=TR_1 TR_2 subscribe=true");
}
GST_END_TEST;

/* ---- descriptions and candidates ---- */

GST_START_TEST (test_mid_map)
{
  g_autoptr (GPtrArray) samples = make_samples ();
  Livekit__SignalResponse *response = lk_message_unpack (g_ptr_array_index (samples, 1), NULL);
  g_autoptr (GHashTable) map = lk_message_mid_map (response->offer);
  g_autoptr (GHashTable) empty = lk_message_mid_map (NULL);

  lk_message_free (response);
  fail_unless_equals_int (g_hash_table_size (map), 1);
  fail_unless_equals_string (g_hash_table_lookup (map, "0"), "TR_1");
  fail_unless_equals_int (g_hash_table_size (empty), 0);
}
GST_END_TEST;

static void
check_candidate (const gchar * json, const gchar * candidate, const gchar * mid, guint mline_index)
{
  g_autofree gchar *got_candidate = NULL, *got_mid = NULL;
  g_autoptr (GError) error = NULL;
  guint got_index = 99;

  fail_unless (lk_message_candidate_from_json (json, &got_candidate, &got_mid, &got_index, &error), "%s: %s", json,
      error ? error->message : "no error");
  fail_unless_equals_string (got_candidate, candidate);
  fail_unless_equals_string (got_mid, mid);
  fail_unless_equals_int (got_index, mline_index);
}

GST_START_TEST (test_candidates_are_read)
{
  g_autofree gchar *json = lk_message_candidate_to_json ("candidate:1 \"x\"", "video0", 3);
  g_autofree gchar *without_mid = lk_message_candidate_to_json ("", NULL, 0);

  check_candidate (json, "candidate:1 \"x\"", "video0", 3);
  check_candidate (without_mid, "", NULL, 0);
  check_candidate ("{\"candidate\":\"c\",\"sdpMid\":\"\",\"sdpMLineIndex\":0,\"usernameFragment\":null}", "c", NULL, 0);
  check_candidate ("{\"candidate\":\"c\",\"sdpMid\":null,\"sdpMLineIndex\":null}", "c", NULL, 0);
  check_candidate ("{\"candidate\":null}", "", NULL, 0);
  check_candidate ("{}", "", NULL, 0);
  check_candidate ("{\"candidate\":\"c\",\"more\":[1,{\"x\":[]}]}", "c", NULL, 0);
}
GST_END_TEST;

static void
refuse_candidate (const gchar * json)
{
  g_autofree gchar *candidate = NULL, *mid = NULL;
  g_autoptr (GError) error = NULL;
  guint mline_index;

  fail_if (lk_message_candidate_from_json (json, &candidate, &mid, &mline_index, &error), "%.100s", json);
  fail_unless (g_error_matches (error, LK_ERROR, LK_ERROR_PROTOCOL));
  fail_unless (candidate == NULL && mid == NULL);
}

GST_START_TEST (test_bad_candidates_are_refused)
{
  static const gchar *const bad[] = { "", " ", "null", "[]", "\"c\"", "{", "{\"candidate\":", "rubbish", "\xff",
    "{\"candidate\":1}", "{\"candidate\":{}}", "{\"candidate\":[]}", "{\"sdpMid\":0}", "{\"sdpMLineIndex\":\"0\"}",
    "{\"sdpMLineIndex\":-1}", "{\"sdpMLineIndex\":65536}", "{\"sdpMLineIndex\":0.5}", "{\"sdpMLineIndex\":true}",
    "{\"candidate\":\"a\\r\\na=x\"}", "{\"sdpMid\":\"\\u0001\"}",
    "{\"sdpMLineIndex\":99999999999999999999999999}"
  };
  g_autofree gchar *brackets = g_strnfill (60000, '[');
  g_autofree gchar *braces = g_strnfill (60000, '{');
  g_autofree gchar *blanks = g_strnfill (LK_MESSAGE_MAX_CANDIDATE_BYTES, ' ');
  g_autofree gchar *too_long = g_strconcat (blanks, "{}", NULL);
  guint i;

  for (i = 0; i < G_N_ELEMENTS (bad); i++)
    refuse_candidate (bad[i]);
  refuse_candidate (brackets);
  refuse_candidate (braces);
  refuse_candidate (too_long);
}
GST_END_TEST;

static void
add_hostile_tests (Suite * s)
{
  TCase *tc = tcase_create ("hostile");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 60);
  tcase_add_test (tc, test_every_prefix);
  tcase_add_test (tc, test_bit_flips);
  tcase_add_test (tc, test_random_bytes);
  tcase_add_test (tc, test_wrong_wire_types);
  tcase_add_test (tc, test_empty_repeated_fields_hit_the_budget);
  tcase_add_test (tc, test_merging_is_not_quadratic);
  tcase_add_test (tc, test_nesting);
  tcase_add_test (tc, test_text_is_refused);
  tcase_add_test (tc, test_size_limit);
  tcase_add_test (tc, test_strings_are_checked);
  tcase_add_test (tc, test_bad_candidates_are_refused);
}

static Suite *
message_suite (void)
{
  Suite *s = suite_create ("message");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_samples_unpack);
  tcase_add_test (tc, test_nothing_is_a_message_of_no_kind);
  tcase_add_test (tc, test_unknown_kinds_and_fields_are_skipped);
  tcase_add_test (tc, test_requests_are_packed);
  tcase_add_test (tc, test_join_is_wrapped);
  tcase_add_test (tc, test_summaries_name_ids_and_no_secrets);
  tcase_add_test (tc, test_request_summaries);
  tcase_add_test (tc, test_mid_map);
  tcase_add_test (tc, test_candidates_are_read);
  add_hostile_tests (s);
  return s;
}

GST_CHECK_MAIN (message);
