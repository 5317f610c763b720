"""A Redis or Valkey server of one's own on a unix socket, ended by its pid; dcoord run against it."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time


HERE = pathlib.Path(__file__).resolve().parent


def wait_until(condition, seconds=30):
    """False when it did not become true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.02)
    return bool(condition())


class Server:
    def __init__(self, program="redis-server", lines=(), port=0, arguments=(), start=True):
        self.folder = tempfile.mkdtemp(prefix="dcoord-chaos-", dir="/tmp")
        self.socket = f"{self.folder}/s"
        self.program, self.port, self.arguments = program, port, arguments
        self.lines = ["unixsocket " + self.socket, "dir " + self.folder, 'save ""', "daemonize no", f"port {port}", *lines]
        self.environment = dict(os.environ)
        self.process = None
        if start:
            self.start()

    def start(self, wait=True):
        pathlib.Path(self.folder, "conf").write_text("\n".join(self.lines) + "\n", encoding="utf-8")
        with open(f"{self.folder}/log", "ab") as log:
            self.process = subprocess.Popen([self.program, f"{self.folder}/conf", *self.arguments], stdout=log, stderr=log,
                                            stdin=subprocess.DEVNULL, env=self.environment)
        if wait and not wait_until(self.answers):
            raise RuntimeError(pathlib.Path(self.folder, "log").read_text())

    def answers(self):
        return self.cli("PING").stdout.strip() == "PONG"

    def cli(self, *words):
        return subprocess.run(["redis-cli", "-s", self.socket, *words], capture_output=True, text=True, timeout=60)

    def signal(self, number):
        self.process.send_signal(number)

    def kill(self):
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait()

    def close(self):
        if self.process is not None and self.process.poll() is None:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def clean_environment(home, url, **more):
    """Nothing of the caller's settings."""
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "TMPDIR")}
    return {**kept, "HOME": home, "DCOORD_URL": url, "LC_ALL": "C", **more}


def marked(text):
    """The processes that have `text` in their environment."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if text.encode() in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                pass
    return found
