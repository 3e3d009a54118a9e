"""An agent that asks its model the same thing until it is refused, and leaves nothing."""

import http.client
import json
import sys

BODY = {"model": "m", "max_tokens": 500, "messages": [{"role": "user", "content": "?"}], "stream": True,
        "stream_options": {"include_usage": True}}  # fmt: skip

for _ in range(50):
    link = http.client.HTTPConnection("127.0.0.1", 8080, timeout=20)
    link.request("POST", "/chat/completions", json.dumps(BODY), {"content-type": "application/json"})
    reply = link.getresponse()
    reply.read()
    if reply.status == 403:
        sys.exit("refused")
