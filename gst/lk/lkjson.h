/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* lkjson: whether a text from the network is JSON that json-glib may see. Pure. */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define LK_JSON_MAX_DEPTH 64

/* Whether @text (@length) is one object or array of RFC 8259, in UTF-8, with at most @max_depth brackets open at a
 * time. json-glib's parser recurses, takes more than JSON (comments, several values), and leaks what it had read when
 * it finds a fault: so it gets nothing faulty. Strings with a NUL or half of a surrogate pair are refused, too. */
gboolean lk_json_is_valid (const gchar * text, gsize length, guint max_depth);

G_END_DECLS
