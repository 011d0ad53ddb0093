/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* fuzz: a JoinResponse alone, into a room that joins. */

#include "fuzz.h"

#include "lkmessage.h"
#include "roomworld.h"

static GBytes *message;

/* SignalResponse { join = @data }: field 1, length-delimited. */
static GBytes *
wrap (const uint8_t * data, size_t size)
{
  GByteArray *array = g_byte_array_sized_new ((guint) size + 8);
  guint8 tag = 0x0a;
  size_t rest = size;

  g_byte_array_append (array, &tag, 1);
  do {
    guint8 byte = (rest & 0x7f) | (rest > 0x7f ? 0x80 : 0);

    g_byte_array_append (array, &byte, 1);
    rest >>= 7;
  } while (rest > 0);
  if (size > 0)
    g_byte_array_append (array, data, (guint) size);
  return g_byte_array_free_to_bytes (array);
}

static void
join (RoomWorld * f)
{
  Livekit__SignalResponse *response = lk_message_unpack (message, NULL);

  reach_connecting (f);
  f->keeps_quiet = TRUE;
  say_open (f, TRUE);
  if (response != NULL) {
    g_autofree gchar *summary = lk_message_summary_response (response);

    fuzz_check (g_utf8_validate (summary, -1, NULL));
    say (f, response);
    /* a second one counts as a message in a session, or as the next try */
    if (f->client != NULL)
      say (f, response);
    lk_message_free (response);
  }
  lk_room_leave_in_loop (f->room);
  advance (f, 1000);
  fuzz_check (f->was_closed);
}

int
LLVMFuzzerTestOneInput (const uint8_t * data, size_t size)
{
  message = wrap (data, size);
  run (join);
  g_clear_pointer (&message, g_bytes_unref);
  return 0;
}
