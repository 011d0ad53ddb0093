/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: what a server says, into a room with its roster. The first byte is the state to begin in. Then come steps: a
 * length of two bytes, little endian, and a SignalResponse of that length; or, with 0xffff in its place, one byte that
 * says what the owner of the room does. */

#include "fuzz.h"

#include "lkmessage.h"
#include "roomworld.h"

#define OWNER 0xffff
/* more steps find nothing that fewer do not, and take long */
#define MAX_STEPS 200
/* the longest back-off, and more */
#define PAUSE_MS 10000

static const uint8_t *input;
static size_t input_size;

static uint8_t
take_byte (void)
{
  if (input_size == 0)
    return 0;
  input_size--;
  return *input++;
}

static void
act (RoomWorld * f, uint8_t what)
{
  static const LkTrackSettings settings = { FALSE, 1, 320, 240, 15 };

  switch (what % 14) {
    case 0:
      publish (f, "cid-1");
      break;
    case 1:
      publish (f, "cid-2");
      break;
    case 2:
      lk_room_unpublish_in_loop (f->room, "cid-1");
      break;
    case 3:
      subscribe (f, "TR_bob", TRUE);
      break;
    case 4:
      subscribe (f, "TR_bob", FALSE);
      break;
    case 5:
      lk_room_set_track_settings_in_loop (f->room, "TR_bob", &settings);
      break;
    case 6:
      lk_room_send_offer_in_loop (f->room, "offer", 1);
      break;
    case 7:
      lk_room_send_answer_in_loop (f->room, "answer", 1);
      break;
    case 8:
      lk_room_transport_up_in_loop (f->room);
      break;
    case 9:
      lk_room_transport_lost_in_loop (f->room, LK_TARGET_PUBLISHER);
      break;
    case 10:
      lk_room_transport_failed_in_loop (f->room, "why not");
      break;
    case 11:
      advance (f, 700);
      break;
    case 12:
      advance (f, 15000);
      break;
    default:
      if (f->client != NULL)
        say_closed (f, what & 0x80 ? LK_ERROR_SERVER : LK_ERROR_CONNECT, what & 0x80 ? 503 : 0);
      break;
  }
}

/* A message that nobody waits for is not said. */
static void
hear (RoomWorld * f, size_t length)
{
  g_autoptr (GBytes) bytes = g_bytes_new (input, length);
  Livekit__SignalResponse *response = lk_message_unpack (bytes, NULL);

  input += length;
  input_size -= length;
  if (response == NULL)
    return;
  if (f->client != NULL)
    say (f, response);
  lk_message_free (response);
}

static void
begin (RoomWorld * f)
{
  static const Body ways[] = { reach_connecting, reach_joined, reach_steady, reach_resuming, reach_rejoining };
  uint8_t state = take_byte ();

  if (state == G_N_ELEMENTS (ways)) {
    /* a session of v0, with an offer of each side */
    reach_connecting (f);
    join_on (f, FALSE, FALSE);
    lk_room_transport_up_in_loop (f->room);
  } else {
    ways[state % G_N_ELEMENTS (ways)] (f);
  }
}

static void
live (RoomWorld * f)
{
  f->settings.server_url = "wss://lab.livekit.cloud";
  begin (f);
  f->keeps_quiet = TRUE;
  for (guint n = 0; n < MAX_STEPS && input_size > 0 && !f->was_closed; n++) {
    size_t length = take_byte ();

    length |= (size_t) take_byte () << 8;
    if (length == OWNER)
      act (f, take_byte ());
    else
      hear (f, MIN (length, input_size));
    if (f->client == NULL && !f->was_closed)
      advance (f, PAUSE_MS);
  }
  lk_room_leave_in_loop (f->room);
  advance (f, PAUSE_MS);
  fuzz_check (f->was_closed);
}

int
LLVMFuzzerTestOneInput (const uint8_t * data, size_t size)
{
  input = data;
  input_size = size;
  run (live);
  return 0;
}
