"""What clients do with each noun, and what must hold of what they saw."""
import json
import random
import threading
import time

from cell import new_id, now
from server import HERE


class Noun:
    checks = ()  # of `dcoord_sim check`

    def __init__(self, cell):
        self.cell = cell

    def checks_without(self, kept):  # pylint: disable=unused-argument
        """What still holds when the fault takes data (kept: nothing) or makes leases end early (kept: data)."""
        return ()

    def work(self, tenths, kind, *words):
        return ("--", str(HERE / "work.sh"), str(self.cell.history), str(tenths), kind, *words)

    def worked(self):
        return sum(line.startswith("end ") for line in self.cell.lines())

    def goes_on(self, *words, codes=(0,)):
        code, _, err = self.cell.dcoord(*words)
        if code not in codes:
            self.cell.problems.append(f"afterwards `{' '.join(words)}` ends with {code}: {err.strip()}")


class Lock(Noun):
    """Exclusive, or with readers, or with slots: by what chance says for the cell."""
    checks = ("exclusion", "fence")

    def __init__(self, cell):
        super().__init__(cell)
        self.shape = random.choice(("exclusive", "exclusive", "readers", "slots"))

    def checks_without(self, kept):
        return ("fence",)

    def turn(self, number):
        options, words = [], ["mode=x"]
        if self.shape == "readers":
            # Readers that go in together begin in any order.
            options, words = (["--shared"], ["mode=s"]) if number % 2 else ([], ["mode=x"])
            words.append(f"asked={now()}")
        elif self.shape == "slots":
            options, words = ["--slots", "2"], ["mode=slot", "limit=2", f"asked={now()}"]
        self.cell.dcoord("lock", "run", "thing", "-t", self.cell.fault.ttl, "-w", "20s", *options, *self.work(2, "hold", *words))

    def judge(self):
        options = ("--slots", "2") if self.shape == "slots" else ()
        self.goes_on("lock", "run", "thing", "-w", "15s", *options, "--", "true")


class Elect(Noun):
    checks = ("exclusion", "fence")

    def checks_without(self, kept):
        return ("fence",)

    def turn(self, _):
        self.cell.dcoord("elect", "run", "thing", "-t", self.cell.fault.ttl, "-w", "20s", "--once", *self.work(2, "hold", "mode=x"))

    def judge(self):
        self.goes_on("elect", "run", "thing", "-w", "15s", "--once", "--", "true")


class Queue(Noun):
    checks = ("queue",)

    def __init__(self, cell):
        super().__init__(cell)
        self.pushed = [0] * cell.fault.clients

    def checks_without(self, kept):
        return ("queue",) if kept == "data" else ()

    def turn(self, number):
        cell = self.cell
        self.pushed[number] += 1
        request, item = new_id(), f"i{number}-{self.pushed[number]}"
        cell.note(f"begin {request} p{number} push {now()} item={item}")
        code, _ = cell.until_answered("queue", "push", "thing", item, "--request-id", request)
        if code == 0:
            cell.note(f"end {request} {now()} done")
        began = now()
        code, out, _ = cell.dcoord("queue", "pop", "thing", "--lease", "2s")
        if not out.endswith("\n"):
            return
        receipt, taken = out.split()
        ident = receipt.split(":")[0]
        cell.note(f"begin t{ident} p{number} take {began} item={taken} receipt={ident} attempt=1 lease_end=0\n"
                  f"end t{ident} {now()} done")
        cell.note(f"begin a{ident} p{number} ack {now()} receipt={ident}")
        code, _, _ = cell.dcoord("queue", "ack", receipt, "--request-id", new_id())
        if code in (0, 1):
            cell.note(f"end a{ident} {now()} {'done' if code == 0 else 'refused'}")

    def found(self, item, place):
        self.cell.note(f"begin f{new_id()} end found {now()} item={item} place={place}")

    def judge(self):
        # What is in flight comes back within its two seconds.
        while True:
            code, out, _ = self.cell.dcoord("queue", "pop", "thing", "-w", "4s")
            if code != 0 or not out.strip():
                break
            self.found(out.strip(), "ready")
        _, out, _ = self.cell.dcoord("queue", "dead", "list", "thing", "--count", "100000", "--json")
        for line in out.splitlines():
            if '"payload"' in line:
                self.found(json.loads(line)["payload"], "dead")


class State(Noun):
    def turn(self, number):
        request = new_id()
        self.cell.note(f"begin {request} p{number} incr {now()} by=1")
        code, out = self.cell.until_answered("state", "incr", "thing", "--request-id", request)
        if code == 0:
            self.cell.note(f"end {request} {now()} done number={out.strip()}")

    def judge(self):
        self.goes_on("state", "set", "other", "x")
        if self.cell.fault.keeps == "nothing":
            return
        lines = self.cell.lines()
        numbers = [int(line.rsplit("=", 1)[1]) for line in lines if " done " in line]
        asked = sum(line.startswith("begin") for line in lines)
        _, out, _ = self.cell.dcoord("state", "get", "thing")
        if not len(numbers) <= int(out or 0) <= asked:
            self.cell.problems.append(f"{len(numbers)} increments were confirmed, {asked} asked for, but the value is {out.strip()}")
        if len(set(numbers)) != len(numbers):
            self.cell.problems.append("two increments made the same number")


class Barrier(Noun):
    checks = ("barrier",)

    def turn(self, number):
        cell, request = self.cell, new_id()
        cell.note(f"begin {request} p{number} arrive {now()} party=p{number} parties=3")
        code, out, _ = cell.dcoord("barrier", "wait", "thing", "--parties", "3", "--id", f"p{number}", "-w", "8s", "-o", "json",
                                   "--request-id", request)
        if code == 0 and out.endswith("\n"):
            told = json.loads(out)
            cell.note(f"end {request} {now()} done generation={told['generation']} index={told['index']} leads={int(told['leader'])}")
        elif code == 124:
            cell.note(f"end {request} {now()} refused left=1")

    def judge(self):
        threads = [threading.Thread(target=self.goes_on, args=("barrier", "wait", "thing", "--parties", "3", "--id", f"p{n}", "-w", "30s"))
                   for n in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Job(Noun):
    """Runs of three jobs, each after the one before; all clients start any of them."""
    checks = ("jobs",)

    def __init__(self, cell):
        super().__init__(cell)
        self.number = 0

    def turn(self, _):
        cell, number = self.cell, self.number
        job, work = random.randrange(3), new_id()
        name = f"{number}.{job}"
        after = ("--after", f"j{job - 1}") if job else ()
        told = [f"job={name}", f"attempt={work}"] + ([f"after={number}.{job - 1}"] if job else [])
        code, _, _ = cell.dcoord("job", "run", f"j{job}", "--run", f"r{number}", "-t", cell.fault.ttl, "-w", "10s", *after,
                                 *self.work(2, "run", *told), WORK_ID=work, WORK_LAST="result=perhaps recorded=NOW")
        if code != 0:
            return
        ends = [line.split() for line in cell.lines() if line.startswith(f"end {work} ")]
        if ends:
            cell.note(f"end {work} {ends[-1][2]} done result=success")
        if job == 2 and self.number == number:
            self.number += 1

    def judge(self):
        for job in range(3):
            after = ("--after", f"j{job - 1}") if job else ()
            self.goes_on("job", "run", f"j{job}", "--run", f"r{self.number}", "-w", "15s", *after, "--", "true")


class Breaker(Noun):
    """Its probes are one at a time; a command's exit code is the client's."""
    checks = ("exclusion",)

    def turn(self, _):
        code = random.choice((0, 7, 7))
        told, _, err = self.cell.dcoord("breaker", "run", "thing", "--failure-threshold", "3", "--recovery-timeout", "200ms",
                                        "--recovery-max", "400ms", "-t", "5s", "--", "sh", "-c",
                                        'if [ "$DCOORD_BREAKER_STATE" = half-open ]; then exec "$@" probe mode=x; fi; exec "$@" call',
                                        "sh", *self.work(1, "")[1:-1], WORK_EXIT=str(code))
        if told not in (code, 75, -9, -15, 137, 143):
            self.cell.problems.append(f"a command that exits with {code} ended with {told}: {err.strip()}")

    def judge(self):
        # A probe is a hold, of as many as there may be.
        text = self.cell.history.read_text(encoding="ascii")
        self.cell.history.write_text(text.replace(" probe ", " hold "), encoding="ascii")
        self.goes_on("breaker", "reset", "thing", codes=(0, 1))
        self.goes_on("breaker", "run", "thing", "--", "true")


class Event(Noun):
    """Half of the clients publish, the others are members of a group."""

    def __init__(self, cell):
        super().__init__(cell)
        self.sent, self.confirmed, self.handled, self.lock = set(), set(), set(), threading.Lock()

    def turn(self, number):
        if number % 2 == 0:
            request = new_id()
            with self.lock:
                self.sent.add(request)
            code, _ = self.cell.until_answered("event", "publish", "thing", request, "--request-id", request)
            if code == 0:
                with self.lock:
                    self.confirmed.add(request)
        else:
            self.take("--count", "5", "-w", "2s", "--consumer", f"c{number}")
        time.sleep(0.02)

    def take(self, *words):
        _, out, _ = self.cell.dcoord("event", "subscribe", "thing", "--group", "g", "--since", "start", "--lease", "2s", "-o", "plain", *words)
        with self.lock:
            self.handled.update(out.split())

    def worked(self):
        return len(self.confirmed)

    def judge(self):
        self.goes_on("event", "publish", "thing", "last")
        if self.cell.fault.keeps == "nothing":
            return
        self.take("-w", "5s", "--consumer", "last")
        _, out, _ = self.cell.dcoord("event", "subscribe", "thing", "--since", "start", "-w", "2s", "-o", "plain")
        kept = [word for word in out.split() if word != "last"]
        for text, wrong in (("were published twice", len(kept) - len(set(kept))), ("were never published", len(set(kept) - self.sent)),
                            ("are lost", len(self.confirmed - set(kept))), ("were not handled", len(set(kept) - self.handled))):
            if wrong:
                self.cell.problems.append(f"{wrong} of {len(self.sent)} events {text}")


NOUNS = {"lock": Lock, "elect": Elect, "queue": Queue, "state": State, "barrier": Barrier, "job": Job, "breaker": Breaker, "event": Event}
