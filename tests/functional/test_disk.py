"""A full disk: the node says so, takes no new work, and goes on when there is space again."""

import os
import subprocess
import sys

import envelopes
from lab import RpcError, Skip, wait_until

VOLUME_MIB = 192


def small_volume(lab):
    """A file system of its own in memory; needs root."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0:
        raise Skip("mounting a small file system needs root on Linux")
    folder = lab.folder / "volume"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={VOLUME_MIB}m", "tmpfs", str(folder)], check=False,
        capture_output=True,
    )
    if mounted.returncode != 0:
        raise Skip("this machine does not allow mounting")
    return folder


def test_a_full_disk_is_named_and_survived(lab):
    folder = small_volume(lab)
    try:
        node = lab.node("node")
        node.datadir = folder / "node"
        node.start()
        chain_id = envelopes.chain_id_of(node)
        node.generate(3)
        before = node.rpc("chain_getStateHash")
        filler = folder / "filler"
        with filler.open("wb") as file, until_full(lab):
            while True:
                file.write(bytes(1 << 20))
                file.flush()
        wait_until(lambda: node.rpc("node_getInfo")["disk"] == "full", "the node to notice")
        try:
            envelopes.submit(node, chain_id)
            raise AssertionError("a full disk took new work")
        except RpcError as error:
            assert error.data.get("reason"), error
        assert node.rpc("chain_getStateHash") == before
        filler.unlink()
        wait_until(lambda: node.rpc("node_getInfo")["disk"] == "ok", "the node to notice")
        envelopes.submit(node, chain_id)
        node.generate(1)
        assert node.stop() == 0
        node.start()
        assert node.height() == 4
        assert node.stop() == 0
    finally:
        lab.close()
        subprocess.run(["umount", str(folder)], check=False)


class until_full:
    """Ends the block when the disk is full, and counts that it was."""

    def __init__(self, lab):
        self.lab = lab

    def __enter__(self):
        return self

    def __exit__(self, kind, error, _traceback):
        if isinstance(error, OSError):
            self.lab.fault("full disk")
            return True
        return False
