"""Several hundred answers that no provider should give.

`RAW` says nothing, whatever was asked. The others are JSON and nearly right: each has one thing
wrong with it, `$server`, `$snapshot` and `$name` being what was asked for. None may be taken for
the success of a create, a restore or a stop, for a whole listing, or for an account.
"""

from __future__ import annotations

import gzip
import zlib

CREATED = b'{"id": 90802, "server": {"id": $server, "name": "web-1"}, "name": "$name"}'
DEEP = 100_000

RAW: list[bytes] = [
    # Not JSON, or not to its end.
    *(b"{", b"}", b"[", b"]", b"{[}]", b'{"id"', b'{"id":', b'{"id": 1', b'{"id": 1,', b'"', b'"a'),
    *(
        b"nul",
        b"NULL",
        b"None",
        b"True",
        b"TRUE",
        b"yes",
        b"undefined",
        b"void 0",
        b"-",
        b"+",
        b".",
    ),
    *(b"NaN", b"nan", b"Infinity", b"-Infinity", b"[NaN]", b'{"id": NaN}', b'{"a": -Infinity}'),
    *(b"'single'", b"{'id': 1}", b"{id: 1}", b'{"id": 1,}', b"[1,]", b"[,1]", b"[1 2]", b"{,}"),
    *(b'{"id": 01}', b'{"id": +1}', b'{"id": 0x10}', b'{"id": 1.}', b'{"id": .5}', b'{"id": 1e}'),
    *(b'{"id": 1_000}', b'{"id": 1 "name": 2}', b'{"id": 1; "name": 2}', b'{"id" 1}', b'{1: "id"}'),
    *(b'{"id": 1}}', b"{} {}", b"{}{}", b"{}\n{}", b"[] []", b"{},", b"{};", b"{}x", b"x{}"),
    *(b"// comment\n{}", b"/* comment */ {}", b"# comment\n{}", b"{} // comment", b"<!-- -->{}"),
    *(b'"\\x41"', b'"\\u12"', b'"\\u12G4"', b'"\\"', b'"\n"', b'"\x01"', b'{"a": "\t"}', b'"\x1f"'),
    # Not UTF-8, or not text.
    *(b"{}\x00", b"\x00{}", b"\x00", b"\x00" * 1000, b"\x0c{}", b"{\xa0}", b"\x1a", b"\x7fELF"),
    *(b"\x80", b"\xff", b"\xc3", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xfe\xff"),
    *(b'{"name": "caf\xe9"}', b'{"name": "\x93quoted\x94"}', b'{"name": "\xa4"}', b'{"\xfc": 1}'),
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf\xef\xbb\xbf{}",
    b"\xef\xbb{}",
    "{}".encode("utf-16"),
    "{}".encode("utf-32"),
    CREATED.decode().encode("utf-16"),
    CREATED.decode().encode("utf-32-be"),
    CREATED.decode().encode("utf-7").replace(b"{", b"+AHs-"),
    CREATED.decode().encode("cp037"),  # EBCDIC
    # Names that come twice: two readers of it would read two things.
    b'{"id": 1, "id": 2}',
    b'{"id": 1, "id": 1}',
    b'{"a": {"b": 1, "b": 2}}',
    b'[{"id": 1, "\\u0069d": 2}]',
    b'{"results": [], "count": 0, "results": [{"id": 1}]}',
    CREATED.replace(b'"id": 90802', b'"id": 90802, "id": 90803'),
    CREATED.replace(b'"id": $server', b'"id": $server, "id": 1'),
    CREATED.replace(b'"name": "$name"', b'"name": "other", "name": "$name"'),
    # Too deep, too large, too much.
    *(b"[" * DEEP, b"[" * DEEP + b"]" * DEEP, b'{"a":' * DEEP + b"1" + b"}" * DEEP),
    *(b'[{"a":' * DEEP, b"9" * 5000, b"-" + b"9" * 5000, b"[-" + b"9" * 5000 + b"]"),
    b'{"id": ' + b"1" * 4301 + b"}",
    # The documented answer, damaged.
    *(CREATED[:-1], CREATED[:-2], CREATED[:20], CREATED[1:], CREATED + b"x", CREATED + CREATED),
    *(CREATED + b",", b"," + CREATED, b"(" + CREATED + b")", CREATED.replace(b'"', b"'")),
    *(CREATED.replace(b"90802", b"NaN"), CREATED.replace(b"90802", b"Infinity")),
    *(CREATED.replace(b"90802", b""), CREATED.replace(b"90802", b"09080"), CREATED.upper() + b"]"),
    *(CREATED.replace(b":", b"="), CREATED.replace(b",", b""), CREATED.replace(b"web", b"w\xe9b")),
    # Somebody else's answers.
    *(b"<html></html>", b"<!doctype html><title>Login</title>", b"<HTML><BODY>ok</BODY></HTML>"),
    *(b"<?xml version='1.0'?><a/>", b"<soap:Envelope/>", b"<h1>It works!</h1>", b"<p>{}</p>"),
    *(b"OK", b"ok\n", b"success", b"done.", b"SUCCESS", b"Created", b"accepted", b"204 No Content"),
    *(b"callback({})", b")]}',\n{}", b"while(1);{}", b"for(;;);[]", b"{}&&{}", b"var a = {};"),
    *(
        b"data: {}\n\n",
        b"event: done\ndata: {}\n\n",
        b"id=1&name=a",
        b"id: 1\nname: a\n",
        b"a,b\n1,2",
    ),
    *(b"HTTP/1.1 200 OK\r\n\r\n{}", b"HTTP/1.1 201 Created\r\n\r\n" + CREATED, b"0\r\n\r\n"),
    *(b"2\r\n{}\r\n0\r\n\r\n", b"--boundary\r\n\r\n{}", b"Moved.", b"upstream connect error"),
    *(b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2", b"SSH-2.0-OpenSSH_9.6", b"+OK", b"220 mail ESMTP"),
    # Compressed, without saying so.
    *(b"\x1f\x8b\x08\x00", gzip.compress(CREATED), zlib.compress(CREATED), b"PK\x03\x04", b"BZh9"),
    gzip.compress(b" " * 20_000_000),  # a bomb
]

# What may stand where an id belongs, and is none.
NO_IDS = [
    *("null", "true", "false", "-1", "-0.0", "0.5", "1e3", "1e400", "-9223372036854775809"),
    *('""', '" "', '"."', '".."', '"\\u0000"', '"a\\u0000b"', '"a\\nb"', '"\\u202e1"', '"\\ud800"'),
    *("[]", "{}", "[1]", '{"id": 1}', '[["1"]]', '"' + "9" * 65 + '"', "9" * 65, '"\\u200f"'),
]
# Ids that are well-formed, and are not the one that was asked.
OTHER_IDS = [
    *("0", "1", '"1"', "9223372036854775807", "9223372036854775808", "18446744073709551616"),
    *('"$server "', '" $server"', '"0$server"', '"$server.0"', '"$server\\u0660"', '"-$server"'),
    *('"x"', '"0b6e6a54-6d3c-4a0e-8a51-5d3f3f0f2f11"', "$server1", '"$server/"', '"$server?"'),
]


def _in(template: str, values: list[str]) -> list[str]:
    return [template.replace("@", value) for value in values]


CREATE = [
    *_in('{"id": @, "server": {"id": $server}, "name": "$name"}', NO_IDS),
    *_in('{"id": 90802, "server": {"id": @}, "name": "$name"}', NO_IDS),
    *_in('{"id": 90802, "server": {"id": @}, "name": "$name"}', OTHER_IDS),
    *_in('{"id": 90802, "server_id": @, "name": "$name"}', OTHER_IDS[:6]),
    *('{"id": 90802, "name": "$name"}', '{"server": {"id": $server}, "name": "$name"}', "{}", "[]"),
    *('{"id": 90802, "server": {"id": $server}}', '{"id": 90802, "server": {}, "name": "$name"}'),
    '{"id": 90802, "server": {"id": $server}, "server_id": 1, "name": "$name"}',
    *_in(
        '{"id": 90802, "server": {"id": $server}, "name": @}',
        ["null", '""', '"other"', '"$name "', '" $name"', '["$name"]', '{"name": "$name"}', "5"],
    ),
    *_in(
        '{"id": 90802, "server": {"id": $server}, "name": "$name", @}',
        ['"error": "limit"', '"errors": ["limit"]', '"success": false', '"error": {"code": 5}'],
    ),
    *_in("@", ["5", '"ok"', "null", "true", "[[]]", '["$name"]', '{"detail": "no"}', "[{}]"]),
    *_in(
        "@",
        [
            '[{"id": 90802, "server": {"id": $server}, "name": "$name"}]',
            '{"snapshot": {"id": 90802, "server": {"id": $server}, "name": "$name"}}',
            '{"data": {"id": 90802, "server": {"id": $server}, "name": "$name"}}',
            '"{\\"id\\": 90802}"',
        ],
    ),
    # A snapshot that was there before.
    '{"id": $snapshot, "server": {"id": $server}, "name": "$name"}',
    '{"uuid": "$snapshot", "server": {"uuid": "$server"}, "name": "$name"}',
]

RESTORE = [
    *_in('{"snapshot": {"id": @}, "server": {"id": $server}}', [*NO_IDS, "1", '"x"']),
    *_in('{"snapshot": {"id": $snapshot}, "server": {"id": @}}', [*NO_IDS, *OTHER_IDS]),
    *_in(
        '{"snapshot": {"id": $snapshot}, "server": {"id": $server}, "status": @}',
        ["null", '"error"', '"failed"', '""', '"Success"', "true", "200", '["success"]', "{}"],
    ),
    *_in(
        '{"snapshot": {"id": $snapshot}, "server": {"id": $server}, @}',
        ['"error": "no"', '"errors": ["no"]', '"success": false', '"error": true'],
    ),
    '{"snapshot": {"id": $snapshot}}',
    '{"server": {"id": $server}}',
    '{"snapshot": {"id": $server}, "server": {"id": $snapshot}}',
    '[{"snapshot": {"id": $snapshot}, "server": {"id": $server}}]',
    *_in("@", ["{}", "[]", "5", '"success"', "null", "true", '{"status": "success"}']),
]

POWER = [
    *_in('{"id": @}', ["1", '"1"', "true", "-1", "1.5", '""', "[]", "{}", '"0$server"']),
    *_in('{"status": "@"}', ["error", "Error", "FAILED", "fail", "failure"]),
    *('{"success": false}', '{"error": "no"}', '{"errors": ["no"]}', '{"uuid": "7"}'),
    *("[]", "[{}]", "5", "0", '"ok"', '""', "null", "true", "false", "[null]", "1.5"),
]

ROW = '{"id": 90810, "server": {"id": $server}, "name": "odd", "status": "completed"}'
LISTING = [
    *_in('{"count": 1, "results": [{"id": @, "server": {"id": $server}}]}', NO_IDS),
    *_in('{"count": 1, "results": [{"id": 90810, "server": {"id": @}}, 5]}', NO_IDS),
    *_in('{"results": @}', ["null", "5", '"x"', "{}", "true", '{"0": 1}', "1.5"]),
    *_in('{"count": @, "results": []}', ["1", "-1", '"0"', "0.5", "true", "[]", "{}", "1e400"]),
    *_in(f'{{"count": 1, "results": [{ROW}, @]}}', ["null", "5", '"x"', "[]", "{}", "true", ROW]),
    *_in(f'{{"count": @, "results": [{ROW}]}}', ["0", "2", "9223372036854775808", '"1"']),
    *_in(
        f'{{"count": 1, "results": [{ROW}], "next": @}}',
        ["5", "true", '["?page=2"]', '"http://127.0.0.1:9/"', '"//other.example/"', '"x\\ny"'],
    ),
    *("5", '"x"', "null", "true", "{}", '{"items": []}', '{"data": {"results": []}}', "[5]"),
]

ACCOUNT = [
    *_in('{"account": {"email": @}}', ["null", "5", "true", '""', "[]", "{}", '["a@b.example"]']),
    *_in('{"account": @}', ["null", "5", "[]", "{}", '"ops@example.com"', '[{"email": "a@b"}]']),
    *_in(
        "@", ["{}", "[]", "5", "null", '"x"', '{"email": "ops@example.com"}', '[{"account": {}}]']
    ),
    '{"account": {"email": "\\u0000\\u202e"}}',
    '{"detail": "Invalid token."}',
]

EVERYTHING = [*RAW, *CREATE, *RESTORE, *POWER, *LISTING, *ACCOUNT]


def filled(body: bytes | str, *, server: str, snapshot: str, name: str) -> bytes:
    """The body with what was asked for in it."""
    raw = body.encode() if isinstance(body, str) else body
    for word, value in ((b"$server", server), (b"$snapshot", snapshot), (b"$name", name)):
        raw = raw.replace(word, value.encode())
    return raw
