/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* kstokens: /token, in both forms: GET ?identity=&room= answers {"token"}; POST of JSON, as LiveKit's SDKs ask, answers
 * {"server_url", "participant_token"}. */
#pragma once

#include "apphttp.h"
#include "ksconfig.h"

G_BEGIN_DECLS

typedef struct _KsTokens KsTokens;

/* Answers at @http from now on. @config and @http live as long. */
KsTokens *ks_tokens_new (const KsConfig * config, AppHttp * http);
void ks_tokens_free (KsTokens * tokens);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (KsTokens, ks_tokens_free)

void ks_tokens_add_metrics (GString * text, gpointer tokens);

G_END_DECLS
