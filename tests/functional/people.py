"""People with a wallet and conversations, who use the program as its users do."""

import json
import queue
import subprocess
import threading
import time

import lab as laboratory
from lab import binary, environment

# A block takes a second on average on dev; a loaded machine and bad luck take longer (seconds).
MINING_PATIENCE_S = 180


def now_ms():
    return int(time.time() * 1000)


class Person:
    """A profile: wallet and conversations, talking to one node."""

    def __init__(self, lab, name, node, network="dev"):
        self.lab, self.name, self.node, self.network = lab, name, node, network
        self.folder = lab.folder / f"profile-{name}"
        self.password = lab.secret_file(f"{name}.password", f"{name} opens the door\n")

    def arguments(self, *command, online=True):
        node = ["--node-datadir", str(self.node.datadir)] if online else []
        return [
            *command, "--network", self.network, "--datadir", str(self.folder),
            "--password-file", str(self.password), *node,
        ]

    def json(self, *command, online=True, **options):
        options.setdefault("seconds", MINING_PATIENCE_S)
        return self.lab.json(*self.arguments(*command, online=online), **options)

    def refused(self, *command, **options):
        """Runs a command that must fail; returns exit code and reason."""
        arguments = [*self.arguments(*command), "--json"]
        code, _, stderr = self.lab.run(*arguments, expect=None, **options)
        assert code != 0, f"{self.name}: {command[:2]} must fail"
        return code, json.loads(stderr.strip().splitlines()[-1])["reason"]

    def background(self, *command):
        """Starts a command and does not wait for it."""
        process = subprocess.Popen(
            [str(binary()), *self.arguments(*command)], stdout=subprocess.DEVNULL,
            cwd=self.lab.folder, env=environment(),
        )
        self.lab.started.append(Background(process))
        return process

    def create(self):
        self.address = self.json("wallet", "new")["address"]
        return self

    def words(self):
        _, words, _ = self.lab.run(*self.arguments("wallet", "words", online=False))
        return words.strip()

    def restore(self, words):
        made = self.lab.json(*self.arguments("wallet", "restore", "--words-file", "-"),
                             stdin=words + "\n")
        self.address = made["address"]
        return self

    def balance(self):
        return int(self.json("wallet", "balance")["confirmed"])

    def begin(self, name):
        return self.json("chat", "new", name)["conversation"]

    def link(self, conversation, access):
        """A link with keys of a conversation, in a file."""
        file = self.lab.folder / f"{self.name}-{access}-{now_ms()}.link"
        self.json("chat", "invite", conversation, "--access", access, "--out", str(file))
        return file

    def join(self, link):
        return self.json("chat", "join", "--link-file", str(link))["conversation"]

    def send(self, conversation, text, wait="delivered"):
        return self.json("chat", "send", conversation, "--text-file", "-", "--wait", wait,
                         "--timeout", str(MINING_PATIENCE_S), stdin=text)

    def messages(self, conversation):
        return self.json("chat", "read", conversation)

    def texts(self, conversation):
        return [message["text"] for message in self.messages(conversation)]


class Background:
    """A command that is ended with the lab if it has not ended by itself."""

    def __init__(self, process):
        self.process = process

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(timeout=laboratory.PATIENCE_S)


class Follower:
    """`chat follow` of one person: what it prints, with the time at which it was read."""

    def __init__(self, person, conversation):
        command = person.arguments("chat", "follow", conversation, "--json")
        self.process = subprocess.Popen(
            [str(binary()), *command], stdout=subprocess.PIPE, text=True, cwd=person.lab.folder,
            env=environment(),
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()
        person.lab.started.append(self)

    def _read(self):
        for line in self.process.stdout:
            self.lines.put((now_ms(), json.loads(line)))

    def states(self, text, last="in_block"):
        """Milliseconds from writing until a text was first shown (`delivered`) and until each state
        up to `last`, by this reader's clock."""
        times = {}
        end = time.monotonic() + MINING_PATIENCE_S
        while last not in times:
            try:
                at, message = self.lines.get(timeout=max(0.1, end - time.monotonic()))
            except queue.Empty:
                raise AssertionError(f"{text!r} did not become {last}, but {times}") from None
            if message["text"] == text:
                times.setdefault("delivered", at - message["sent_ms"])
                times.setdefault(message["state"], at - message["sent_ms"])
        return times

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=laboratory.PATIENCE_S)


class Miner:
    """`chainchat mine` for one node."""

    def __init__(self, lab, node, address, network="dev"):
        self.log = (lab.folder / "miner.log").open("ab")
        self.process = subprocess.Popen(
            [str(binary()), "mine", "--network", network, "--node-datadir", str(node.datadir),
             "--address", address, "--threads", "1"],
            stdout=self.log, stderr=self.log, cwd=lab.folder, env=environment(),
        )
        lab.started.append(self)

    def close(self):
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(timeout=laboratory.PATIENCE_S)
        self.log.close()
