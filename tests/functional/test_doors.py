"""Who may talk to a node: the cookie, the host, the origin, the content type; and bad input."""

import json
import sys

import envelopes
from lab import RpcError, Skip

TIP = {"method": "chain_getTip", "params": {}}


def test_every_method_is_refused_without_the_cookie(lab):
    node = lab.node("node").start()
    document = node.rpc("rpc.discover")
    names = [method["name"] for method in document["methods"]]
    assert len(names) >= 20, names
    for name in names:
        status, _ = node.post({"method": name, "params": {}}, token=False)
        assert status == 401, f"{name}: {status}"
        wrong = {"Authorization": "Bearer " + "0" * 64}
        status, _ = node.post({"method": name, "params": {}}, headers=wrong, token=False)
        assert status == 401, f"{name}: {status}"


def test_a_browser_on_this_machine_gets_nowhere(lab):
    node = lab.node("node").start()
    assert node.post(TIP)[0] == 200
    for headers in (
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
    ):
        assert node.post(TIP, headers=headers)[0] == 403, headers
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        assert node.post(TIP, headers={"Content-Type": kind})[0] == 415, kind


def test_the_cookie_is_for_the_owner_and_changes_with_every_start(lab):
    node = lab.node("node").start()
    first = node.cookie()
    assert len(first) == 64
    if sys.platform != "win32":
        assert (node.datadir / ".cookie").stat().st_mode & 0o777 == 0o600
        assert node.datadir.stat().st_mode & 0o777 == 0o700
    assert node.stop() == 0
    node.start()
    assert node.cookie() != first


def test_bad_input_has_a_named_error_and_costs_little(lab):
    if not sys.platform.startswith("linux"):
        raise Skip("memory is read from /proc")
    node = lab.node("node").start()
    chain_id = envelopes.chain_id_of(node)
    node.generate(1)
    raw, _ = envelopes.bare(chain_id, node.height() + 1)
    before = resident_bytes(node)
    refused = 0
    changes = [raw[:-1], raw + b"\0", b"", raw[:60], b"\xff" * len(raw), bytes(60_000)]
    changes += [raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1:] for at in range(0, len(raw), 7)]
    for changed in changes:
        for method in ("envelope_submit", "tx_submit", "chain_submitBlock"):
            try:
                node.rpc(method, raw=changed.hex())
            except RpcError as error:
                assert error.data.get("reason") and error.data.get("detail"), error
                refused += 1
    assert refused == 3 * len(changes), f"{3 * len(changes) - refused} bad inputs were taken"
    lab.fault("bad input", refused)
    for body in (b"", b"{", b"[]", b"[" * 100_000, b"\xff\xfe", b'{"jsonrpc":"2.0"}', b"0" * (3 << 20)):
        try:
            status, answer = node.post(body)
        except OSError:
            # The node answered and closed before it had read all of a body that is too long.
            assert len(body) > 2 << 20, f"{body[:20]}: the node closed the connection"
            status, answer = 413, ""
        assert status in (200, 400, 413), f"{body[:20]}: {status}"
        assert status != 200 or "error" in answer or '"error"' in json.dumps(answer), answer
        lab.fault("bad input")
    assert resident_bytes(node) - before <= 32 << 20, "memory has grown"
    assert node.rpc("node_getInfo")["tip"]["height"] == 1


def resident_bytes(node):
    import resource

    with open(f"/proc/{node.process.pid}/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * resource.getpagesize()
