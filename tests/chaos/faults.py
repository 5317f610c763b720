"""What can go wrong: each is made to happen again and again, and says whether it took place."""
import os
import pathlib
import random
import shutil
import signal
import time

import places
from server import wait_until


class Fault:
    """place: the servers that it needs; keeps: what of the promises holds all the same: "all", "data" (leases may end
    early, by the server's clock), "nothing" (the data goes, or some of it)."""

    def __init__(self, name, place, strike, keeps="all", clients=4, ttl="2s"):
        self.name, self.place, self.strike, self.keeps, self.clients, self.ttl = name, place, strike, keeps, clients, ttl


# --- Processes: the client itself (the supervisor of a command), its guard, and the holder: the command ---

def below(pid):
    try:
        return [int(child) for task in os.listdir(f"/proc/{pid}/task")
                for child in pathlib.Path(f"/proc/{pid}/task/{task}/children").read_text(encoding="ascii").split()]
    except OSError:
        return []


def some_process(cell, depth):
    pids = cell.client_pids()
    for _ in range(depth):
        pids = [child for pid in pids for child in below(pid)]
    return random.choice(pids) if pids else None


def send(pid, number):
    try:
        os.kill(pid, number)
        return True
    except (ProcessLookupError, TypeError):
        return False


def signals(depth, number):
    return lambda cell: send(some_process(cell, depth), number)


def stops(depth):
    def strike(cell):
        pid = some_process(cell, depth)
        if not send(pid, signal.SIGSTOP):
            return False
        time.sleep(random.choice((0.5, 3)))
        send(pid, signal.SIGCONT)
        return True
    return strike


# --- The server ---

def stop_server(cell):
    cell.place.server.signal(signal.SIGSTOP)
    time.sleep(random.choice((0.3, 1.5)))
    cell.place.server.signal(signal.SIGCONT)
    return True


def kill_server(cell):
    cell.place.server.kill()
    time.sleep(random.choice((0, 0.5)))
    cell.place.server.start()
    return True


def term_server(cell):
    server = cell.place.server
    server.signal(signal.SIGTERM)
    server.process.wait(30)
    server.start()
    return True


def lose_data(cell):
    server = cell.place.server
    server.kill()
    shutil.rmtree(f"{server.folder}/appendonlydir", ignore_errors=True)
    for left in pathlib.Path(server.folder).glob("*.aof"):
        left.unlink()
    server.start()
    return True


def script_flush(cell):
    return cell.place.server.cli("SCRIPT", "FLUSH").stdout.strip() == "OK"


def cut_connections(cell):
    return int(cell.place.server.cli("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes").stdout.strip() or 0) > 0


def refused(server, word):
    """How often it has answered with that error."""
    for line in server.cli("INFO", "errorstats").stdout.splitlines():
        if line.startswith(f"errorstat_{word}:count="):
            return int(line.split("=")[1])
    return 0


def refusing(word, strike):
    """It took place when somebody was answered so."""
    def counted(cell):
        before = refused(cell.place.server, word)
        strike(cell.place.server)
        return refused(cell.place.server, word) > before
    return counted


def be_busy(server):
    """By turns: with some servers time stands still in a script."""
    server.cli("EVAL", "for i = 1, 6000000 do local x = {} end return 1", "0")


def setting(name, value, back):
    def strike(server):
        server.cli("CONFIG", "SET", name, value)
        time.sleep(0.7)
        server.cli("CONFIG", "SET", name, back)
    return strike


def be_replica(server):
    server.cli("REPLICAOF", "127.0.0.1", "1")
    time.sleep(0.7)
    server.cli("REPLICAOF", "NO", "ONE")


def fail_to_save(server):
    """Snapshots are wanted and cannot be written: where the file should be is a folder."""
    blocked = pathlib.Path(server.folder, "dump.rdb")
    blocked.mkdir(exist_ok=True)
    (blocked / "x").touch()
    server.cli("CONFIG", "SET", "save", "3600 1000000")
    server.cli("BGSAVE")
    wait_until(lambda: "rdb_last_bgsave_status:err" in server.cli("INFO", "persistence").stdout, 5)
    time.sleep(0.7)
    server.cli("CONFIG", "SET", "save", "")
    shutil.rmtree(blocked)


def load_slowly(cell):
    """Started again it has a long time to read, in which it listens already."""
    server = cell.place.server
    server.cli("EVAL", "for i = 1, 1500 do redis.call('SET', 'filler' .. i, string.rep('x', 2000)) end", "0")
    server.cli("BGREWRITEAOF")
    wait_until(lambda: all(word in server.cli("INFO", "persistence").stdout for word in
                           ("aof_rewrite_in_progress:0", "aof_rewrite_scheduled:0")), 20)
    server.kill()
    kept = list(server.lines)
    server.lines += ["key-load-delay 500", "loading-process-events-interval-bytes 4096"]
    server.start()  # waits until it says PONG, and not LOADING
    server.lines = kept
    server.cli("CONFIG", "SET", "key-load-delay", "0")
    return refused(server, "LOADING") > 0


# --- Many clients ---

def contend(cell):
    """So many are there at once."""
    return len(cell.client_pids()) >= cell.fault.clients * 9 // 10


def anything(cell):
    """Of all that one server can meet without losing data."""
    return random.choice([fault for fault in FAULTS if fault.place is places.One and fault.keeps == "all" and fault.clients == 4]).strike(cell)


def _faults():
    one = places.One
    yield Fault("kill supervisor", one, signals(0, signal.SIGKILL))
    yield Fault("term supervisor", one, signals(0, signal.SIGTERM))
    yield Fault("stop supervisor", one, stops(0))
    for depth, name in ((1, "guard"), (2, "holder")):
        yield Fault(f"kill {name}", one, signals(depth, signal.SIGKILL))
        yield Fault(f"term {name}", one, signals(depth, signal.SIGTERM))
        yield Fault(f"stop {name}", one, stops(depth))
    yield Fault("kill server", one, kill_server)
    yield Fault("term server", one, term_server)
    yield Fault("stop server", one, stop_server)
    yield Fault("restart without data", one, lose_data, keeps="nothing")
    yield Fault("cut connections", one, cut_connections)
    yield Fault("SCRIPT FLUSH", one, script_flush)
    yield Fault("BUSY", one, refusing("BUSY", be_busy))
    yield Fault("LOADING", one, load_slowly)
    yield Fault("OOM", one, refusing("OOM", setting("maxmemory", "1", "0")))
    yield Fault("READONLY", one, refusing("READONLY", be_replica))
    yield Fault("MISCONF", one, refusing("MISCONF", fail_to_save))
    yield Fault("NOREPLICAS", one, refusing("NOREPLICAS", setting("min-replicas-to-write", "1", "0")))
    yield Fault("clock forward an hour", places.Clocked, lambda cell: cell.place.jump(3600), keeps="data")
    yield Fault("clock back an hour", places.Clocked, lambda cell: cell.place.jump(-3600), keeps="data")
    yield Fault("clock at double rate", places.DoubleRate, lambda cell: cell.place.is_double(), keeps="data")
    yield Fault("forced failover", places.Sentinels, lambda cell: cell.place.failover(), keeps="nothing", ttl="4s")
    yield Fault("unforced failover", places.Sentinels, lambda cell: cell.place.kill_master(), keeps="nothing", ttl="4s")
    yield Fault("slot migration", places.Cluster, lambda cell: cell.place.migrate())
    for name in ("partition", "one-way partition", "30 % loss", "resets", "slow link"):
        yield Fault(name, places.Network, lambda cell, name=name: cell.place.disturb(name))
    yield Fault("200 contenders", one, contend, clients=200, ttl="10s")


FAULTS = list(_faults())
ANYTHING = Fault("all faults of one server", places.One, anything)
