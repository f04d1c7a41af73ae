"""A laboratory for real processes: nodes with folders of their own, commands, and a proxy that
breaks connections.

A test is a function `test_...(lab)` in a file `test_*.py`. It starts what it needs through the lab,
which stops everything at the end, and it says through `lab.fault` which faults it really injected.
"""

import contextlib
import json
import os
import pathlib
import queue
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
# The second implementation of the encodings.
sys.path.insert(0, str(ROOT / "chain" / "vectors"))

import bech32m  # noqa: E402

# An account on regtest whose key nobody has: twenty bytes of 7.
NOBODY = bech32m.encode("rx3c", bytes([7]) * 20)
# How long a process may take to be ready, or to stop, in seconds: a loaded machine is slow.
PATIENCE_S = 60


class Skip(Exception):
    """The test cannot run here; holds the reason."""


class RpcError(Exception):
    """The node answered with an error; `code`, `message` and `data` are its words."""

    def __init__(self, error):
        super().__init__(json.dumps(error))
        self.code = error.get("code")
        self.message = error.get("message")
        self.data = error.get("data") or {}


def environment(*more):
    """This process' environment without our own variables (the program refuses unknown ones)."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("X3C_")}
    for part in more:
        clean.update(part or {})
    return clean


def binary():
    """The program under test."""
    name = "chainchat.exe" if os.name == "nt" else "chainchat"
    path = pathlib.Path(os.environ.get("X3C_BINARY", ROOT / "target" / "release" / name))
    if not path.exists():
        raise RuntimeError(f"{path} does not exist; run `make build`")
    return path


def wait_until(condition, what, seconds=PATIENCE_S, step=0.05):
    """Waits for a condition to hold and returns its value; fails with the last value seen."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > end:
            raise AssertionError(f"waited {seconds} s for {what}; last seen: {value!r}")
        time.sleep(step)


class Lab:
    """Everything that one test starts."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.faults = {}
        self.started = []

    def fault(self, kind, count=1):
        """Counts a fault that really happened."""
        self.faults[kind] = self.faults.get(kind, 0) + count

    def node(self, name, network="regtest", *arguments, env=None):
        """A node that is not started yet; its folder survives restarts."""
        node = Node(self, name, network, list(arguments), env or {})
        self.started.append(node)
        return node

    def proxy(self, target):
        """A proxy in front of `(host, port)`, running."""
        proxy = Proxy(self, target)
        self.started.append(proxy)
        return proxy

    def run(self, *arguments, stdin=None, env=None, expect=0, seconds=PATIENCE_S):
        """Runs the program to its end and returns (exit code, stdout, stderr)."""
        done = subprocess.run(
            [str(binary()), *map(str, arguments)], input=stdin, capture_output=True, text=True,
            env=environment(env), cwd=self.folder, timeout=seconds, check=False,
        )
        if expect is not None and done.returncode != expect:
            words = f"{done.stdout}\n{done.stderr}"
            raise AssertionError(f"{arguments} ended with {done.returncode}: {words}")
        return done.returncode, done.stdout, done.stderr

    def json(self, *arguments, **options):
        """Runs the program with `--json` and returns what it says."""
        _, stdout, _ = self.run(*arguments, "--json", **options)
        return json.loads(stdout)

    def secret_file(self, name, text):
        """A file that only the owner reads."""
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        path.chmod(0o600)
        return path

    def close(self):
        for item in reversed(self.started):
            with contextlib.suppress(Exception):
                item.close()


class Node:
    """One `chainchat node` process and its data folder."""

    def __init__(self, lab, name, network, arguments, env):
        self.lab, self.name, self.network = lab, name, network
        self.arguments, self.env = arguments, env
        self.datadir = lab.folder / name
        self.log = lab.folder / f"{name}.log"
        self.process = None
        self.endpoints = None

    def start(self, *arguments, env=None, wait=True):
        """Starts the process; returns the node when every listener is bound."""
        command = [
            str(binary()), "node", "--network", self.network, "--datadir", str(self.datadir),
            "--p2p-listen", "/ip4/127.0.0.1/tcp/0", "--rpc-listen", "127.0.0.1:0",
            *self.arguments, *map(str, arguments),
        ]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, cwd=self.lab.folder,
                env=environment(self.env, env),
            )
        self.endpoints = None
        ready = queue.Queue()
        threading.Thread(target=self._read, args=(self.process, ready), daemon=True).start()
        if wait:
            self._await_ready(ready)
        return self

    @staticmethod
    def _read(process, ready):
        for line in process.stdout:
            if line.startswith("ready "):
                ready.put(line[len("ready "):])
        ready.put(None)

    def _await_ready(self, ready):
        try:
            line = ready.get(timeout=PATIENCE_S)
        except queue.Empty:
            line = None
        if line is None:
            code = self.process.poll()
            raise AssertionError(f"{self.name} is not ready (exit code {code}): {self.tail()}")
        self.endpoints = json.loads(line)

    def adopt(self):
        """Takes the endpoints from the folder, after a start that nobody waited for."""
        path = self.datadir / "endpoints.json"
        self.endpoints = json.loads(path.read_text(encoding="utf-8"))

    def tail(self, characters=2000):
        """The end of the log."""
        if not self.log.exists():
            return ""
        return self.log.read_text(encoding="utf-8", errors="replace")[-characters:]

    def rpc(self, method, /, **parameters):
        """Calls a method with named parameters; raises `RpcError`."""
        status, answer = self.post({"method": method, "params": parameters})
        if status != 200 and not answer:
            raise AssertionError(f"{method}: HTTP {status}")
        answer = json.loads(answer)
        if "error" in answer:
            raise RpcError(answer["error"])
        return answer["result"]

    def post(self, request, headers=None, token=True):
        """Sends a raw request; returns (HTTP status, text)."""
        body = {"jsonrpc": "2.0", "id": 1, **request} if isinstance(request, dict) else request
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        rpc = self.endpoints["rpc"]
        url = rpc if rpc.startswith("http") else f"http://{rpc}"
        all_headers = {"Content-Type": "application/json"}
        if token:
            all_headers["Authorization"] = f"Bearer {self.cookie()}"
        all_headers.update(headers or {})
        call = urllib.request.Request(url, data=data, headers=all_headers)
        try:
            with urllib.request.urlopen(call, timeout=PATIENCE_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode(errors="replace")

    def cookie(self):
        text = (self.datadir / ".cookie").read_text(encoding="utf-8").strip()
        return text.split(":", 1)[1]

    def is_running(self):
        return self.process is not None and self.process.poll() is None

    def tip(self):
        return self.rpc("chain_getTip")

    def generate(self, count=1):
        """Makes blocks at once, for nobody in particular (regtest)."""
        return self.rpc("dev_generate", count=count, address=NOBODY)["ids"]

    def height(self):
        return self.tip()["height"]

    def state_hash(self):
        return self.rpc("chain_getStateHash")["state_hash"]

    def address(self):
        """A multiaddr that others connect to."""
        return self.endpoints["p2p"][0]

    def kill(self):
        """SIGKILL, now; counted as a fault if the process was still running."""
        if self.process.poll() is None:
            self.process.kill()
            self.lab.fault("kill")
        return self.process.wait()

    def stop(self, seconds=PATIENCE_S):
        """Asks the process to stop and returns its exit code."""
        if os.name == "nt":
            self.process.send_signal(signal.CTRL_BREAK_EVENT)
        else:
            self.process.terminate()
        return self.process.wait(timeout=seconds)

    def close(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class Proxy:
    """A TCP proxy that delays, cuts, resets and stays silent on request."""

    def __init__(self, lab, target):
        self.lab, self.target = lab, target
        self.delay_s = 0.0
        self.is_cut = False
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = self.listener.getsockname()
        self.pairs = []
        self.lock = threading.Lock()
        self.closed = False
        threading.Thread(target=self._accept, daemon=True).start()

    def multiaddr(self):
        return f"/ip4/{self.address[0]}/tcp/{self.address[1]}"

    def _accept(self):
        while not self.closed:
            try:
                client, _ = self.listener.accept()
            except OSError:
                return
            if self.is_cut:
                self.lab.fault("refused connection")
                client.close()
                continue
            try:
                server = socket.create_connection(self.target, timeout=PATIENCE_S)
            except OSError:
                client.close()
                continue
            server.settimeout(None)
            with self.lock:
                self.pairs.append((client, server))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(source, sink), daemon=True).start()

    def _pump(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if self.delay_s:
                    time.sleep(self.delay_s)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)

    def reset(self):
        """Breaks every connection with RST; returns how many there were."""
        with self.lock:
            pairs, self.pairs = self.pairs, []
        linger = b"\1\0\0\0\0\0\0\0" if sys.platform != "win32" else b"\1\0\0\0"
        for pair in pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        if pairs:
            self.lab.fault("reset", len(pairs))
        return len(pairs)

    def cut(self):
        """Breaks every connection and refuses new ones."""
        self.is_cut = True
        self.lab.fault("partition")
        return self.reset()

    def heal(self):
        self.is_cut = False

    def close(self):
        self.closed = True
        self.listener.close()
        with self.lock:
            pairs, self.pairs = self.pairs, []
        for pair in pairs:
            for end in pair:
                end.close()


def disk_bytes(folder):
    """Every file below a folder with what it holds."""
    for path in pathlib.Path(folder).rglob("*"):
        if path.is_file():
            yield path, path.read_bytes()


def flip_bit(path, position, bit=0):
    """Flips one bit of a file in place."""
    with pathlib.Path(path).open("r+b") as file:
        file.seek(position)
        byte = file.read(1)[0]
        file.seek(position)
        file.write(bytes([byte ^ 1 << bit]))


def copy_folder(source, target):
    """A copy of a data folder of a stopped node."""
    shutil.copytree(source, target)
    return pathlib.Path(target)
