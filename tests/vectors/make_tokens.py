#!/usr/bin/env python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""Makes tokens.json: access tokens by other implementations (PyJWT, LiveKit's server SDK for Python), with the claims
that a reader must find in them. Needs `pip install PyJWT livekit-api`; the tests only need the file. Secrets are for tests."""
import datetime
import importlib.metadata
import json
import jwt
from livekit import api

KEY, SECRET = "devkey", "secret"
LONG_SECRET = "a test secret that is longer than one block of SHA-256, which HMAC therefore hashes first: ÄÖÜ"
NBF, EXP = 1700000000, 1700003600


def by_pyjwt(name, payload, /, secret=SECRET, **expected):
    token = jwt.encode(payload, secret, algorithm="HS256")
    return {"name": name, "by": "PyJWT " + jwt.__version__, "secret": secret, "token": token, "expected": expected}


def by_livekit(name, grants, /, **expected):
    class FixedClock(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return cls.fromtimestamp(NBF, tz)

    real, datetime.datetime = datetime.datetime, FixedClock
    try:
        token = (api.AccessToken(KEY, SECRET).with_identity("alice").with_name("Alice Ä").with_metadata('{"a": "{[["}')
                 .with_attributes({"role": "camera"}).with_ttl(datetime.timedelta(seconds=EXP - NBF))
                 .with_grants(grants).to_jwt())
    finally:
        datetime.datetime = real
    return {"name": name, "by": "livekit-api " + importlib.metadata.version("livekit-api"), "secret": SECRET,
            "token": token, "expected": expected}


times = {"nbf": NBF, "exp": EXP}
tokens = [
    by_livekit("all grants", api.VideoGrants(room_join=True, room="lab", can_update_own_metadata=True),
               api_key=KEY, identity="alice", name="Alice Ä", room="lab", not_before=NBF, expires=EXP, room_join=True,
               can_publish=True, can_subscribe=True, can_publish_data=True, can_update_own_metadata=True, hidden=False),
    by_livekit("viewer", api.VideoGrants(room_join=True, room="lab", can_publish=False, can_publish_data=False,
                                         hidden=True),
               api_key=KEY, identity="alice", name="Alice Ä", room="lab", not_before=NBF, expires=EXP, room_join=True,
               can_publish=False, can_subscribe=True, can_publish_data=False, can_update_own_metadata=False, hidden=True),
    by_livekit("microphone only", api.VideoGrants(room_join=True, room="lab", can_subscribe=False,
                                                  can_publish_sources=["microphone"]),
               api_key=KEY, identity="alice", name="Alice Ä", room="lab", not_before=NBF, expires=EXP, room_join=True,
               can_publish=True, can_subscribe=False, can_publish_data=True, can_update_own_metadata=False,
               hidden=False, can_publish_sources=["microphone"]),
    by_pyjwt("least", {"iss": KEY, "sub": "alice", "exp": EXP, "video": {"roomJoin": True, "room": "lab"}},
             api_key=KEY, identity="alice", room="lab", expires=EXP, not_before=0, room_join=True, can_publish=True,
             can_subscribe=True, can_publish_data=True, can_update_own_metadata=False, hidden=False),
    by_pyjwt("data follows publish", {"iss": KEY, "sub": "bob", **times,
                                      "video": {"roomJoin": True, "room": "lab", "canPublish": False}},
             api_key=KEY, identity="bob", room="lab", not_before=NBF, expires=EXP, room_join=True, can_publish=False,
             can_subscribe=True, can_publish_data=False, can_update_own_metadata=False, hidden=False),
    by_pyjwt("jti for sub, fractions", {"iss": KEY, "jti": "carol", "nbf": NBF + 0.5, "exp": EXP + 0.25,
                                        "video": {"roomJoin": True, "room": "ラボ 1/ä"}},
             api_key=KEY, identity="carol", room="ラボ 1/ä", not_before=NBF, expires=EXP, room_join=True,
             can_publish=True, can_subscribe=True, can_publish_data=True, can_update_own_metadata=False, hidden=False),
    by_pyjwt("long secret", {"iss": "API1", "sub": "dave", **times, "video": {"roomJoin": True, "room": "x"}},
             secret=LONG_SECRET, api_key="API1", identity="dave", room="x", not_before=NBF, expires=EXP, room_join=True,
             can_publish=True, can_subscribe=True, can_publish_data=True, can_update_own_metadata=False, hidden=False),
    by_pyjwt("no video", {"iss": KEY, "sub": "erin", **times},
             api_key=KEY, identity="erin", not_before=NBF, expires=EXP, room_join=False, can_publish=True,
             can_subscribe=True, can_publish_data=True, can_update_own_metadata=False, hidden=False),
]
with open("tokens.json", "w", encoding="utf-8") as out:
    json.dump({"made-by": "make_tokens.py; secrets are test ones", "tokens": tokens}, out, indent=1, ensure_ascii=False)
    out.write("\n")
