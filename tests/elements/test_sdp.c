/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gstlivekitsdp: what may reach webrtcbin and what may not, and the edits. The files in sdp/ are from sessions of these
 * elements with livekit-server 1.13.5. */
#include <gst/check/gstcheck.h>
#include <string.h>

#include "gstlivekitsdp.h"
#include "lkerror.h"

static gchar *
read_sdp (const gchar * name)
{
  g_autofree gchar *path = g_strdup_printf ("%s/%s.sdp", SDP_DIR, name);
  gchar *text;

  fail_unless (g_file_get_contents (path, &text, NULL, NULL), "%s", path);
  return text;
}

static GstSDPMessage *
parse_file (const gchar * name, gboolean is_answer, const GstSDPMessage * offer)
{
  g_autofree gchar *text = read_sdp (name);
  g_autoptr (GError) error = NULL;
  GstSDPMessage *sdp = gst_livekit_sdp_parse (text, is_answer, offer, &error);

  fail_unless (sdp != NULL, "%s: %s", name, error ? error->message : "");
  return sdp;
}

static GstSDPMedia *
media_at (GstSDPMessage * sdp, guint index)
{
  fail_unless (index < gst_sdp_message_medias_len (sdp));
  return (GstSDPMedia *) gst_sdp_message_get_media (sdp, index);
}

/* @text with the first @from of it replaced; takes @text. */
static gchar *
edit (gchar * text, const gchar * from, const gchar * to)
{
  gchar *at = strstr (text, from), *edited;

  fail_unless (at != NULL, "no %s", from);
  edited = g_strdup_printf ("%.*s%s%s", (gint) (at - text), text, to, at + strlen (from));
  g_free (text);
  return edited;
}

static gchar *
edit_all (gchar * text, const gchar * from, const gchar * to)
{
  g_auto (GStrv) parts = g_strsplit (text, from, -1);

  g_free (text);
  return g_strjoinv (to, parts);
}

/* Takes @text. */
static void
expect_refused (gchar * text, gboolean is_answer, const GstSDPMessage * offer, const gchar * why)
{
  g_autoptr (GError) error = NULL;
  GstSDPMessage *sdp = gst_livekit_sdp_parse (text, is_answer, offer, &error);

  fail_unless (sdp == NULL, "accepted, but it has %s", why);
  fail_unless (g_error_matches (error, LK_ERROR, LK_ERROR_PROTOCOL));
  fail_unless (strstr (error->message, why) != NULL, "\"%s\" says nothing of \"%s\"", error->message, why);
  g_free (text);
}

/* --- what is good --- */

static const struct
{
  const gchar *offer, *answer;
  guint n_media;
} good[] = {
  {"publish-offer", "publish-answer", 3},
  {"watch-offer", "watch-answer", 3},
  {"v0-first-offer", NULL, 1},
  {"v0-offer", NULL, 4},
  {"v0-next-offer", NULL, 4},
};

GST_START_TEST (test_real_descriptions_pass)
{
  GstSDPMessage *offer = parse_file (good[__i__].offer, FALSE, NULL);
  GstSDPMessage *answer = good[__i__].answer ? parse_file (good[__i__].answer, TRUE, offer) : NULL;

  fail_unless_equals_int (gst_sdp_message_medias_len (offer), good[__i__].n_media);
  if (answer) {
    fail_unless_equals_int (gst_sdp_message_medias_len (answer), good[__i__].n_media);
    gst_sdp_message_free (answer);
  }
  gst_sdp_message_free (offer);
}

GST_END_TEST;

/* A later offer keeps the sections of the one before, and may have more. */
GST_START_TEST (test_offers_grow)
{
  GstSDPMessage *first = parse_file ("v0-first-offer", FALSE, NULL);
  GstSDPMessage *second = parse_file ("v0-offer", FALSE, first);
  GstSDPMessage *third = parse_file ("v0-next-offer", FALSE, second);

  expect_refused (read_sdp ("v0-first-offer"), FALSE, second, "another number of sections");
  expect_refused (edit (edit (edit (read_sdp ("v0-offer"), "a=mid:2", "a=mid:x"), "a=mid:1", "a=mid:2"), "a=mid:x",
          "a=mid:1"), FALSE, second, "in another order");
  gst_sdp_message_free (first);
  gst_sdp_message_free (second);
  gst_sdp_message_free (third);
}

GST_END_TEST;

/* Line ends as RFC 8866 wants them, and as many write them. */
GST_START_TEST (test_line_ends)
{
  gchar *text = edit_all (read_sdp ("publish-offer"), "\n", "\r\n");
  GstSDPMessage *sdp = gst_livekit_sdp_parse (text, FALSE, NULL, NULL);

  fail_unless (sdp != NULL);
  fail_unless_equals_string (gst_livekit_sdp_get_mid (media_at (sdp, 2)), "p2");
  gst_sdp_message_free (sdp);
  g_free (text);
}

GST_END_TEST;

/* --- what is not --- */

GST_START_TEST (test_no_content)
{
  static const gchar *const texts[] = { "", "v", "v=1", "\n", "\r\nv=0", "hello", "<sdp>", "\377\376" };
  g_autoptr (GError) error = NULL;

  fail_unless (gst_livekit_sdp_parse (NULL, FALSE, NULL, &error) == NULL);
  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    expect_refused (g_strdup (texts[i]), FALSE, NULL, "no content");
  expect_refused (g_strdup ("v=0\r\n"), FALSE, NULL, "no sections");
  expect_refused (g_strdup ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"), FALSE, NULL, "no sections");
}

GST_END_TEST;

static const struct
{
  const gchar *from, *to, *why;
  gboolean everywhere;
} faults[] = {
  {"a=mid:p1\n", "", "a=mid"},
  {"a=mid:p1\n", "a=mid:\n", "a=mid"},
  {"a=mid:p1\n", "a=mid:ppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppppp\n", "a=mid"},
  {"a=mid:p1\n", "a=mid:p0\n", "twice"},
  {"BUNDLE p0 p1 p2", "BUNDLE p0 p1 p2 p3", "bundle"},
  {"BUNDLE p0 p1 p2", "BUNDLE nobody", "bundle"},
  {"BUNDLE p0 p1 p2", "BUNDLE p1 p0 p2", "another section"},
  {"BUNDLE p0 p1 p2", "BUNDLE p00 p1 p2", "bundle"},
  {"m=audio", "m=message", "unknown kind"},
  {"m=audio 0 UDP/TLS/RTP/SAVPF 111 0 8", "m=audio 0 UDP/TLS/RTP/SAVPF", "no formats"},
  {"a=ice-ufrag:", "a=x-ufrag:", "ICE", TRUE},
  {"a=ice-pwd:", "a=x-pwd:", "ICE", TRUE},
  {"a=ice-ufrag:", "a=x-ufrag:", "ICE", FALSE},
  {"a=fingerprint:", "a=x-print:", "fingerprint", TRUE},
  {"a=fingerprint:", "a=x-print:", "fingerprint", FALSE},
  {"a=setup:", "a=x-setup:", "DTLS role", TRUE},
};

GST_START_TEST (test_faulty_offers_are_refused)
{
  gchar *text = read_sdp ("publish-offer");

  text = faults[__i__].everywhere ? edit_all (text, faults[__i__].from, faults[__i__].to) :
      edit (text, faults[__i__].from, faults[__i__].to);
  expect_refused (text, FALSE, NULL, faults[__i__].why);
}

GST_END_TEST;

static const struct
{
  const gchar *from, *to, *why;
} answer_faults[] = {
  {"a=mid:p1\n", "a=mid:p2\n", "twice"},
  {"a=mid:p1\n", "a=mid:other\n", "a=mid"},
  {"m=audio", "m=video", "another kind"},
  {"m=audio", "m=application", "another kind"},
};

GST_START_TEST (test_faulty_answers_are_refused)
{
  GstSDPMessage *offer = parse_file ("publish-offer", FALSE, NULL);
  gchar *text = edit (read_sdp ("publish-answer"), answer_faults[__i__].from, answer_faults[__i__].to);
  g_autoptr (GError) error = NULL;

  fail_unless (gst_livekit_sdp_parse (text, TRUE, offer, &error) == NULL);
  fail_unless (g_error_matches (error, LK_ERROR, LK_ERROR_PROTOCOL));
  g_free (text);
  gst_sdp_message_free (offer);
}

GST_END_TEST;

/* Without the last section; with two that changed places; an answer to quite another offer. */
GST_START_TEST (test_answers_of_another_shape)
{
  GstSDPMessage *offer = parse_file ("publish-offer", FALSE, NULL);
  gchar *text = edit (read_sdp ("publish-answer"), "BUNDLE p0 p1 p2", "BUNDLE p0 p1");
  gchar *last = g_strrstr (text, "m=video");

  *last = '\0';
  expect_refused (text, TRUE, offer, "another number of sections");
  text = edit (read_sdp ("publish-answer"), "a=mid:p0", "a=mid:x");
  text = edit (edit (text, "a=mid:p2", "a=mid:p0"), "a=mid:x", "a=mid:p2");
  expect_refused (text, TRUE, offer, "in another order");
  expect_refused (read_sdp ("watch-answer"), TRUE, offer, "in another order");
  expect_refused (read_sdp ("v0-offer"), TRUE, offer, "another number of sections");
  gst_sdp_message_free (offer);
}

GST_END_TEST;

static gchar *
make_sections (guint n, const gchar * formats)
{
  GString *text = g_string_new ("v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\na=ice-ufrag:u\r\na=ice-pwd:p\r\n"
      "a=fingerprint:sha-256 AA\r\na=setup:actpass\r\n");

  for (guint i = 0; i < n; i++)
    g_string_append_printf (text, "m=audio 9 UDP/TLS/RTP/SAVPF %s\r\nc=IN IP4 0.0.0.0\r\na=mid:%u\r\n", formats, i);
  return g_string_free (text, FALSE);
}

GST_START_TEST (test_number_of_sections)
{
  g_autofree gchar *most = make_sections (GST_LIVEKIT_SDP_MAX_MEDIA, "111");
  GstSDPMessage *sdp = gst_livekit_sdp_parse (most, FALSE, NULL, NULL);

  fail_unless (sdp != NULL);
  gst_sdp_message_free (sdp);
  expect_refused (make_sections (GST_LIVEKIT_SDP_MAX_MEDIA + 1, "111"), FALSE, NULL, "too many");
  expect_refused (make_sections (500, "111"), FALSE, NULL, "too many");
}

GST_END_TEST;

GST_START_TEST (test_all_payload_types)
{
  GString *formats = g_string_new ("0");
  g_autofree gchar *text = NULL;
  GstSDPMessage *sdp;

  for (guint i = 1; i < 256; i++)
    g_string_append_printf (formats, " %u", i);
  text = make_sections (1, formats->str);
  sdp = gst_livekit_sdp_parse (text, FALSE, NULL, NULL);
  fail_unless (sdp != NULL);
  fail_unless_equals_int (gst_sdp_media_formats_len (media_at (sdp, 0)), 256);
  gst_livekit_sdp_prefer_codec (media_at (sdp, 0), gst_livekit_codec_from_mime_type ("audio/opus"));
  gst_livekit_sdp_write_codecs (media_at (sdp, 0), NULL, TRUE);
  fail_unless_equals_int (gst_sdp_media_formats_len (media_at (sdp, 0)), 4);
  gst_sdp_message_free (sdp);
  g_string_append (formats, " 256");
  expect_refused (make_sections (1, formats->str), FALSE, NULL, "too many");
  g_string_free (formats, TRUE);
}

GST_END_TEST;

/* One line of a mebibyte is refused by its length; one of half that, and lines without end, do no harm. */
GST_START_TEST (test_long_lines)
{
  g_autofree gchar *filler = g_strnfill (GST_LIVEKIT_SDP_MAX_BYTES, 'x');
  gchar *text = g_strconcat ("v=0\r\na=", filler, "\r\n", NULL);
  GstSDPMessage *sdp;

  expect_refused (text, FALSE, NULL, "far too much");
  filler[GST_LIVEKIT_SDP_MAX_BYTES / 2] = '\0';
  text = edit (read_sdp ("publish-offer"), "a=mid:p1", "a=x-long:LONG\na=mid:p1");
  text = edit (text, "LONG", filler);
  sdp = gst_livekit_sdp_parse (text, FALSE, NULL, NULL);
  if (sdp)
    gst_sdp_message_free (sdp);
  g_free (text);
  text = edit (read_sdp ("publish-offer"), "a=mid:p1", "a=mid:LONG");
  expect_refused (edit (text, "LONG", filler), FALSE, NULL, "a=mid");
}

GST_END_TEST;

/* Bytes turned over, cut and doubled: whatever is accepted keeps the promises that webrtcbin relies on. */
static gchar *
damage (const gchar * text, GRand * rand)
{
  GString *out = g_string_new (text);
  guint n = g_rand_int_range (rand, 1, 8);

  for (guint i = 0; i < n && out->len > 2; i++) {
    guint at = g_rand_int_range (rand, 0, out->len - 1), size = g_rand_int_range (rand, 1, 200);
    g_autofree gchar *piece = g_strndup (out->str + at, size);

    switch (g_rand_int_range (rand, 0, 3)) {
      case 0:
        out->str[at] = (gchar) g_rand_int_range (rand, 1, 256);
        break;
      case 1:
        g_string_erase (out, at, MIN (size, out->len - at));
        break;
      default:
        g_string_insert (out, g_rand_int_range (rand, 0, out->len), piece);
        break;
    }
  }
  return g_string_free (out, FALSE);
}

static void
check_promises (GstSDPMessage * sdp)
{
  g_autoptr (GHashTable) mids = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GHashTable) ssrcs = g_hash_table_new (NULL, NULL);
  guint n = gst_sdp_message_medias_len (sdp);

  fail_unless (n > 0 && n <= GST_LIVEKIT_SDP_MAX_MEDIA);
  for (guint i = 0; i < n; i++) {
    GstSDPMedia *media = media_at (sdp, i);

    fail_unless (g_hash_table_add (mids, (gpointer) gst_livekit_sdp_get_mid (media)));
    gst_livekit_sdp_set_direction (media, "sendonly");
    gst_livekit_sdp_write_msid (media, "stream", "track");
    gst_livekit_sdp_prefer_codec (media, gst_livekit_codecs ());
    gst_livekit_sdp_write_codecs (media, gst_livekit_codecs (), TRUE);
  }
  gst_livekit_sdp_collect_ssrcs (sdp, ssrcs);
  gst_livekit_sdp_has_fingerprint (sdp, "AA");
  gst_livekit_sdp_set_ice_credentials (sdp, "u", "p");
}

GST_START_TEST (test_random_damage)
{
  static const gchar *const names[] = { "publish-answer", "watch-answer", "v0-offer", "v0-first-offer" };
  g_autofree gchar *text = read_sdp (names[__i__]);
  GRand *rand = g_rand_new_with_seed (4711 + __i__);
  guint n_accepted = 0;

  for (guint i = 0; i < 1500; i++) {
    g_autofree gchar *damaged = damage (text, rand);
    g_autoptr (GError) error = NULL;
    GstSDPMessage *sdp = gst_livekit_sdp_parse (damaged, FALSE, NULL, &error);

    fail_unless ((sdp == NULL) == (error != NULL));
    if (sdp) {
      n_accepted++;
      check_promises (sdp);
      gst_sdp_message_free (sdp);
    }
  }
  fail_unless (n_accepted > 0);
  g_rand_free (rand);
}

GST_END_TEST;

/* --- edits --- */

static gchar *
formats_of (const GstSDPMedia * media)
{
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < gst_sdp_media_formats_len (media); i++)
    g_string_append_printf (out, "%s%s", i ? " " : "", gst_sdp_media_get_format (media, i));
  return g_string_free (out, FALSE);
}

#define fail_unless_formats(media, wanted) \
  G_STMT_START { \
    g_autofree gchar *formats_ = formats_of (media); \
    fail_unless_equals_string (formats_, wanted); \
  } G_STMT_END

static guint
count_attributes (const GstSDPMedia * media, const gchar * key, const gchar * prefix)
{
  guint n = 0;

  for (guint i = 0; i < gst_sdp_media_attributes_len (media); i++) {
    const GstSDPAttribute *attribute = gst_sdp_media_get_attribute (media, i);

    n += g_str_equal (attribute->key, key) && g_str_has_prefix (attribute->value ? attribute->value : "", prefix);
  }
  return n;
}

GST_START_TEST (test_write_codecs)
{
  GstSDPMessage *sdp = parse_file ("v0-offer", FALSE, NULL);
  GstSDPMedia *video = media_at (sdp, 1), *audio = media_at (sdp, 3);
  const GstLiveKitCodec *vp8 = gst_livekit_codec_from_mime_type ("video/VP8");
  const GstLiveKitCodec *opus = gst_livekit_codec_from_mime_type ("audio/opus");

  gst_livekit_sdp_write_codecs (video, vp8, FALSE);
  fail_unless_formats (video, "96 97");
  fail_unless_equals_int (count_attributes (video, "rtpmap", ""), 2);
  fail_unless_equals_int (count_attributes (video, "rtpmap", "96 VP8/90000"), 1);
  fail_unless_equals_int (count_attributes (video, "fmtp", "97 apt=96"), 1);
  fail_unless_equals_int (count_attributes (video, "fmtp", ""), 1);
  fail_unless_equals_int (count_attributes (video, "rtcp-fb", "96 nack pli"), 1);
  fail_unless_equals_int (count_attributes (video, "rtcp-fb", ""), 5);
  fail_unless_equals_int (count_attributes (video, "rtcp-fb", "96 transport-cc"), 1);
  gst_livekit_sdp_write_codecs (video, vp8, TRUE);
  fail_unless_formats (video, "96 97 108 109 98 99 35 36 116 117");
  gst_livekit_sdp_write_codecs (video, NULL, TRUE);
  fail_unless_formats (video, "108 109 96 97 98 99 35 36 116 117");
  fail_unless_equals_int (count_attributes (video, "rtpmap", ""), 10);

  gst_livekit_sdp_write_codecs (audio, opus, FALSE);
  fail_unless_formats (audio, "111");
  fail_unless_equals_int (count_attributes (audio, "rtpmap", "111 opus/48000/2"), 1);
  fail_unless_equals_int (count_attributes (audio, "rtcp-fb", "111 nack pli"), 0);
  gst_livekit_sdp_write_codecs (audio, NULL, TRUE);
  fail_unless_formats (audio, "111 63 0 8");
  /* What is no format stays. */
  fail_unless_equals_string (gst_livekit_sdp_get_mid (video), "1");
  fail_unless (count_attributes (video, "extmap", "") > 0);
  gst_sdp_message_free (sdp);
}

GST_END_TEST;

GST_START_TEST (test_prefer_codec)
{
  GstSDPMessage *sdp = parse_file ("v0-offer", FALSE, NULL);
  GstSDPMedia *media = media_at (sdp, 1);
  guint n_attributes = gst_sdp_media_attributes_len (media);

  fail_unless_formats (media, "96 97 98 99 100 101 125 126 108 109 104 105 102 103 35 36 116 117");
  /* Of the four H.264 formats the one that we handle: packetization mode 1, constrained baseline. */
  gst_livekit_sdp_prefer_codec (media, gst_livekit_codec_from_mime_type ("video/H264"));
  fail_unless_formats (media, "108 96 97 98 99 100 101 125 126 109 104 105 102 103 35 36 116 117");
  gst_livekit_sdp_prefer_codec (media, gst_livekit_codec_from_mime_type ("video/H265"));
  fail_unless_formats (media, "116 108 96 97 98 99 100 101 125 126 109 104 105 102 103 35 36 117");
  gst_livekit_sdp_prefer_codec (media, gst_livekit_codec_from_mime_type ("video/VP8"));
  fail_unless_formats (media, "96 116 108 97 98 99 100 101 125 126 109 104 105 102 103 35 36 117");
  /* A codec that is not offered changes nothing. */
  gst_livekit_sdp_prefer_codec (media, gst_livekit_codec_from_mime_type ("audio/opus"));
  fail_unless_formats (media, "96 116 108 97 98 99 100 101 125 126 109 104 105 102 103 35 36 117");
  fail_unless_equals_int (gst_sdp_media_attributes_len (media), n_attributes);
  gst_sdp_message_free (sdp);
}

GST_END_TEST;

GST_START_TEST (test_directions)
{
  static const gchar *const directions[] = { "sendonly", "recvonly", "inactive", "sendrecv" };
  GstSDPMessage *sdp = parse_file ("v0-offer", FALSE, NULL);
  GstSDPMedia *media = media_at (sdp, 1);

  fail_unless_equals_string (gst_livekit_sdp_get_direction (media), "sendrecv");
  for (guint i = 0; i < G_N_ELEMENTS (directions); i++) {
    gst_livekit_sdp_set_direction (media, directions[i]);
    fail_unless_equals_string (gst_livekit_sdp_get_direction (media), directions[i]);
    fail_unless_equals_int (count_attributes (media, directions[i], ""), 1);
    fail_unless_equals_int (count_attributes (media, directions[(i + 1) % 4], ""), 0);
  }
  gst_sdp_message_free (sdp);
}

GST_END_TEST;

GST_START_TEST (test_msid)
{
  GstSDPMessage *sdp = parse_file ("publish-offer", FALSE, NULL);
  GstSDPMedia *media = media_at (sdp, 0);
  guint n_ssrcs = count_attributes (media, "ssrc", "");

  gst_livekit_sdp_write_msid (media, "camera", "cid-1");
  fail_unless_equals_string (gst_sdp_media_get_attribute_val (media, "msid"), "camera cid-1");
  fail_unless_equals_int (count_attributes (media, "msid", ""), 1);
  fail_unless_equals_int (count_attributes (media, "ssrc", ""), n_ssrcs);
  fail_unless_equals_int (count_attributes (media, "ssrc", "1894074072 msid:camera cid-1"), 1);
  fail_unless_equals_int (count_attributes (media, "ssrc", "440558626 msid:camera cid-1"), 1);
  fail_unless_equals_int (count_attributes (media, "ssrc", "1894074072 cname:"), 1);
  gst_sdp_message_free (sdp);
}

GST_END_TEST;

GST_START_TEST (test_ice_credentials)
{
  GstSDPMessage *sdp = parse_file ("publish-offer", FALSE, NULL);

  gst_livekit_sdp_set_ice_credentials (sdp, "new-user", "new-password");
  for (guint i = 0; i < gst_sdp_message_medias_len (sdp); i++) {
    fail_unless_equals_string (gst_sdp_media_get_attribute_val (media_at (sdp, i), "ice-ufrag"), "new-user");
    fail_unless_equals_string (gst_sdp_media_get_attribute_val (media_at (sdp, i), "ice-pwd"), "new-password");
    fail_unless_equals_int (count_attributes (media_at (sdp, i), "ice-ufrag", ""), 1);
    fail_unless_equals_int (count_attributes (media_at (sdp, i), "ice-pwd", ""), 1);
  }
  gst_sdp_message_free (sdp);
}

GST_END_TEST;

GST_START_TEST (test_fingerprint)
{
  static const gchar theirs[] =
      "99:D8:88:BA:DC:A7:C9:94:A1:25:9A:D8:8D:CF:3B:89:28:C8:4C:03:8D:AC:CD:25:A4:F5:D3:90:4E:B0:BF:1E";
  static const gchar ours[] =
      "06:66:B1:F6:F2:C7:A6:D1:2F:36:D8:5F:20:B3:72:2D:B4:0D:E5:5A:9C:69:9F:2D:50:0B:4D:1E:65:9C:67:8C";
  g_autofree gchar *lower = g_ascii_strdown (ours, -1);
  GstSDPMessage *sdp = parse_file ("publish-offer", FALSE, NULL);

  fail_unless (gst_livekit_sdp_has_fingerprint (sdp, ours));
  fail_unless (gst_livekit_sdp_has_fingerprint (sdp, lower));
  fail_if (gst_livekit_sdp_has_fingerprint (sdp, theirs));
  fail_if (gst_livekit_sdp_has_fingerprint (sdp, ""));
  /* One section with another one is enough. */
  for (guint i = gst_sdp_media_attributes_len (media_at (sdp, 1)); i > 0; i--) {
    if (g_str_equal (gst_sdp_media_get_attribute (media_at (sdp, 1), i - 1)->key, "fingerprint"))
      gst_sdp_media_remove_attribute (media_at (sdp, 1), i - 1);
  }
  fail_if (gst_livekit_sdp_has_fingerprint (sdp, ours));
  gst_sdp_message_free (sdp);
  /* Of the whole session. */
  sdp = parse_file ("v0-offer", FALSE, NULL);
  fail_unless (gst_livekit_sdp_has_fingerprint (sdp, theirs));
  fail_if (gst_livekit_sdp_has_fingerprint (sdp, ours));
  gst_sdp_message_free (sdp);
}

GST_END_TEST;

GST_START_TEST (test_ssrcs)
{
  GstSDPMessage *sdp = parse_file ("publish-offer", FALSE, NULL);
  g_autoptr (GHashTable) ssrcs = g_hash_table_new (NULL, NULL);

  gst_livekit_sdp_collect_ssrcs (sdp, ssrcs);
  fail_unless (g_hash_table_contains (ssrcs, GUINT_TO_POINTER (1894074072)));
  fail_unless (g_hash_table_contains (ssrcs, GUINT_TO_POINTER (440558626)));
  fail_unless (g_hash_table_contains (ssrcs, GUINT_TO_POINTER (176464083)));
  fail_if (g_hash_table_contains (ssrcs, GUINT_TO_POINTER (1)));
  fail_unless_equals_string (gst_livekit_sdp_find_mid (sdp, 440558626), "p0");
  fail_unless_equals_string (gst_livekit_sdp_find_mid (sdp, 176464083), "p1");
  fail_unless_equals_string (gst_livekit_sdp_find_mid (sdp, 470189839), "p2");
  fail_unless (gst_livekit_sdp_find_mid (sdp, 1) == NULL);
  fail_unless (gst_livekit_sdp_find_mid (sdp, 0) == NULL);
  gst_sdp_message_free (sdp);
}

GST_END_TEST;

static Suite *
sdp_suite (void)
{
  Suite *s = suite_create ("sdp");
  TCase *good_case = tcase_create ("good"), *bad_case = tcase_create ("bad"), *edit_case = tcase_create ("edits");

  suite_add_tcase (s, good_case);
  tcase_add_loop_test (good_case, test_real_descriptions_pass, 0, G_N_ELEMENTS (good));
  tcase_add_test (good_case, test_offers_grow);
  tcase_add_test (good_case, test_line_ends);
  suite_add_tcase (s, bad_case);
  tcase_add_test (bad_case, test_no_content);
  tcase_add_loop_test (bad_case, test_faulty_offers_are_refused, 0, G_N_ELEMENTS (faults));
  tcase_add_loop_test (bad_case, test_faulty_answers_are_refused, 0, G_N_ELEMENTS (answer_faults));
  tcase_add_test (bad_case, test_answers_of_another_shape);
  tcase_add_test (bad_case, test_number_of_sections);
  tcase_add_test (bad_case, test_all_payload_types);
  tcase_add_test (bad_case, test_long_lines);
  tcase_add_loop_test (bad_case, test_random_damage, 0, 4);
  suite_add_tcase (s, edit_case);
  tcase_add_test (edit_case, test_write_codecs);
  tcase_add_test (edit_case, test_prefer_codec);
  tcase_add_test (edit_case, test_directions);
  tcase_add_test (edit_case, test_msid);
  tcase_add_test (edit_case, test_ice_credentials);
  tcase_add_test (edit_case, test_fingerprint);
  tcase_add_test (edit_case, test_ssrcs);
  return s;
}

GST_CHECK_MAIN (sdp);
