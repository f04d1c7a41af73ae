"""Files of keys that vote and sign checkpoints: made once, and used by one process at a time."""

import json
import os

# Exit codes: the command line makes no sense; a file is locked, exposed or damaged.
USAGE, FOLDER = 2, 3


def refusal(lab, name, *arguments, expect):
    """Starts a node that must refuse to run; returns the reason."""
    command = [
        "node", "--network", "regtest", "--datadir", lab.folder / name, "--json",
        "--p2p-listen", "/ip4/127.0.0.1/tcp/0", "--rpc-listen", "127.0.0.1:0", *arguments,
    ]
    _, stdout, stderr = lab.run(*command, expect=expect)
    assert "ready" not in stdout, stdout
    answer = json.loads(stderr.strip().splitlines()[-1])
    assert answer["code"] == expect and answer["detail"], answer
    return answer["reason"]


def test_a_key_is_made_once_for_its_owner_alone(lab):
    for command in ("stake", "masternode"):
        path = lab.folder / f"{command}.key"
        made = lab.json(command, "keygen", "--out", path)
        assert made["file"] == str(path) and len(made["public_key"]) == 64, made
        secret = path.read_text(encoding="utf-8")
        assert len(secret) == 65 and secret.endswith("\n") and bytes.fromhex(secret.strip())
        assert made["public_key"] not in secret
        if os.name != "nt":
            assert path.stat().st_mode & 0o777 == 0o600
        _, stdout, stderr = lab.run(command, "keygen", "--out", path, "--json", expect=USAGE)
        assert json.loads(stderr)["reason"] == "file_exists" and not stdout
        assert path.read_text(encoding="utf-8") == secret


def test_a_key_file_is_held_against_every_other_process(lab):
    stake, operator = lab.folder / "stake.key", lab.folder / "operator.key"
    lab.json("stake", "keygen", "--out", stake)
    lab.json("masternode", "keygen", "--out", operator)
    first = lab.node("first").start("--stake-key", stake, "--operator-key", operator)
    assert refusal(lab, "second", "--stake-key", stake, expect=FOLDER) == "key_locked"
    # Nor may one key do the other's work meanwhile.
    assert refusal(lab, "second", "--stake-key", operator, expect=FOLDER) == "key_locked"
    assert first.is_running()
    first.generate(12)
    first.kill()
    # The system gives the files back, however the process ended.
    second = lab.node("second").start("--stake-key", stake, "--operator-key", operator)
    assert second.stop() == 0


def test_key_files_that_are_none_are_refused_by_name(lab):
    missing = lab.folder / "missing.key"
    assert refusal(lab, "node", "--stake-key", missing, expect=USAGE) == "no_key_file"
    bad = lab.secret_file("bad.key", "not a key\n")
    assert refusal(lab, "node", "--operator-key", bad, expect=FOLDER) == "key_damaged"
    good = lab.folder / "good.key"
    lab.json("stake", "keygen", "--out", good)
    twice = ("--stake-key", good, "--operator-key", good)
    assert refusal(lab, "node", *twice, expect=USAGE) == "bad_configuration"
    if os.name != "nt":
        good.chmod(0o644)
        assert refusal(lab, "node", "--stake-key", good, expect=FOLDER) == "key_exposed"
        good.chmod(0o600)
    assert not (lab.folder / "node" / "chain").exists(), "refused before anything was made"
    node = lab.node("node").start("--stake-key", good)
    assert node.stop() == 0
