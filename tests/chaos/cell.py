"""A cell of the matrix: clients of one noun at work, one kind of fault again and again, and then the checks over what
the clients saw."""
import os
import pathlib
import random
import shutil
import subprocess
import tempfile
import threading
import time

from server import clean_environment, marked, wait_until

# What a client says that was killed, or whose server was away.
NO_ANSWER = (69, 74, -9, -15, 137, 143)


def now():
    return int(time.time() * 1e6)


def new_id():
    return f"{random.getrandbits(128):032x}"


class Cell:
    def __init__(self, options, noun, fault):
        self.options, self.fault = options, fault
        self.home = tempfile.mkdtemp(prefix="dcoord-cell-", dir="/tmp")
        self.history = pathlib.Path(self.home, "history")
        self.history.touch()
        self.mark = f"DCOORD_CELL={os.path.basename(self.home)}"
        self.ending = False
        self.children, self.lock = {}, threading.Lock()
        self.struck, self.operations, self.problems = 0, 0, []
        self.place = fault.place(options)
        self.environment = clean_environment(self.home, self.place.url(), DCOORD_CELL=os.path.basename(self.home))
        self.noun = noun(self)

    def note(self, line):
        with open(self.history, "a", encoding="ascii") as file:
            file.write(line + "\n")

    def lines(self):
        return self.history.read_text(encoding="ascii").splitlines()

    def dcoord(self, *words, timeout=120, **variables):
        """Its exit code and what it said; one that does not end is a problem."""
        process = subprocess.Popen([self.options.dcoord, *words], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                   stderr=subprocess.PIPE, text=True, env={**self.environment, **variables})
        with self.lock:
            self.children[process.pid] = process
        try:
            out, err = process.communicate(timeout=timeout)
        except subprocess.TimeoutExpired:
            self.problems.append(f"stuck: {' '.join(words)}")
            process.kill()
            out, err = process.communicate()
        with self.lock:
            del self.children[process.pid]
        self.operations += 1
        return process.returncode, out, err

    def until_answered(self, *words):
        """The same request again and again, until there is an answer: its exit code (None: never) and output."""
        for _ in range(40):
            code, out, err = self.dcoord(*words)
            if code == 0:
                return code, out
            if code not in NO_ANSWER:
                self.problems.append(f"{' '.join(words)} ended with {code}: {err.strip()}")
                break
            time.sleep(0.1)
        return None, ""

    def client_pids(self):
        with self.lock:
            return [pid for pid, process in self.children.items() if process.poll() is None]

    def run(self):
        try:
            self.work()
        except Exception as error:  # pylint: disable=broad-except
            self.problems.append(f"the cell broke: {error!r}")
        finally:
            self.ending = True
            self.place.close()
        if self.problems and self.options.keep:
            print(f"        kept: {self.home}")
        else:
            shutil.rmtree(self.home, ignore_errors=True)
        return self

    def work(self):
        clients = [threading.Thread(target=self.client, args=(n,)) for n in range(self.fault.clients)]
        for client in clients:
            client.start()
        # A fault that has not bitten yet gets more time.
        end = time.monotonic() + self.options.seconds
        while time.monotonic() < end or (self.struck < 1 and time.monotonic() < end + 20):
            time.sleep(random.uniform(0.1, 0.6))
            self.struck += bool(self.fault.strike(self))
        self.ending = True
        for client in clients:
            client.join()
        self.judge()

    def client(self, number):
        while not self.ending:
            try:
                self.noun.turn(number)
            except Exception as error:  # pylint: disable=broad-except
                self.problems.append(f"a client broke: {error!r}")
                return

    def judge(self):
        if self.struck == 0:
            self.problems.append("the fault never took place")
        if not wait_until(lambda: not marked(self.mark), 15):
            self.problems.append("processes are left")
        self.noun.judge()
        if self.noun.worked() == 0:
            self.problems.append("nothing was done at all")
        checks = self.noun.checks if self.fault.keeps == "all" else self.noun.checks_without(self.fault.keeps)
        if not checks:
            return
        checked = subprocess.run([self.options.simulator, "check", str(self.history), *checks], capture_output=True, text=True,
                                 check=False)
        if checked.returncode != 0:
            self.problems.append(checked.stdout.strip()[-800:] + checked.stderr)
