"""The servers that a cell runs on."""
import ctypes
import mmap
import os
import pathlib
import random
import re
import signal
import socket
import struct
import subprocess
import time

from server import Server, wait_until

DURABLE = ("appendonly yes", "appendfsync always")


def free_port():
    # Below those that the system gives to clients.
    for _ in range(100):
        port = random.randrange(20000, 32000)
        with socket.socket() as tried:
            try:
                tried.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue
    raise RuntimeError("no free port")


class One:
    """A server that keeps what it said it has, on a unix socket."""

    def __init__(self, options):
        self.server = Server(options.server, (*DURABLE, "lua-time-limit 20"))

    def url(self):
        return "unix://" + self.server.socket

    def close(self):
        self.server.close()


class Clocked(One):
    """Its time is what we say: the file's three numbers, see tests/support/server_clock_shim.c."""
    rate = 100

    def __init__(self, options):  # pylint: disable=super-init-not-called
        self.server = Server(options.server, DURABLE, start=False)
        path = pathlib.Path(self.server.folder, "clock")
        self.began = int(time.time() * 1e6)
        path.write_bytes(struct.pack("=qqq", self.began, self.began, self.rate))
        with open(path, "r+b") as file:
            self.words = mmap.mmap(file.fileno(), 24)
        # One store for one number: the server reads it at any time.
        self.at = ctypes.c_int64.from_buffer(self.words)
        shim = pathlib.Path(options.simulator).parent.parent / "libdcoord_server_clock.so"
        self.server.environment.update(LD_PRELOAD=str(shim), DCOORD_TEST_CLOCK=str(path))
        self.server.start()

    def server_time(self):
        return int(self.server.cli("TIME").stdout.split()[0])

    def jump(self, seconds):
        before = self.server_time()
        self.at.value += seconds * 1000000
        return abs(self.server_time() - before - seconds) < 60

    def is_double(self):
        real = time.time() - self.began / 1e6
        return 1.5 < (self.server_time() - self.began / 1e6) / real < 2.5


class DoubleRate(Clocked):
    rate = 200


class Sentinels:
    """A master, a replica that can be made to lag, and a sentinel."""

    def __init__(self, options):
        config = (*DURABLE, "repl-diskless-sync-delay 0", "repl-timeout 5")
        self.servers = [Server(options.server, config, free_port())]
        self.servers.append(Server(options.server, (*config, f"replicaof 127.0.0.1 {self.servers[0].port}"), free_port()))
        self.sentinel = Server(options.server, (f"sentinel monitor main 127.0.0.1 {self.servers[0].port} 1",
                                                "sentinel down-after-milliseconds main 600", "sentinel failover-timeout main 3000"),
                               free_port(), arguments=("--sentinel",))
        if not wait_until(self.complete, 30):
            raise RuntimeError("the sentinel does not find master and replica")

    def url(self):
        return f"redis+sentinel://127.0.0.1:{self.sentinel.port}/main"

    @property
    def server(self):
        return self.master()

    def master(self):
        port = self.sentinel.cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", "main").stdout.split()[1]
        return next(server for server in self.servers if str(server.port) == port)

    def other(self, server):
        return next(one for one in self.servers if one is not server)

    def complete(self):
        replica = self.other(self.master())
        return "master_link_status:up" in replica.cli("INFO", "replication").stdout and \
            "num-slaves\n1\n" in self.sentinel.cli("SENTINEL", "MASTER", "main").stdout

    def lag(self, replica):
        replica.signal(signal.SIGSTOP)
        time.sleep(random.uniform(0.2, 0.6))

    def moved(self, old):
        new = self.other(old)
        done = wait_until(lambda: self.master() is new and new.cli("ROLE").stdout.startswith("master"), 20)
        old.cli("REPLICAOF", "127.0.0.1", str(new.port))
        return wait_until(self.complete, 20) and done

    def failover(self):
        old = self.master()
        replica = self.other(old)
        self.lag(replica)
        replica.signal(signal.SIGCONT)
        if not wait_until(lambda: self.sentinel.cli("SENTINEL", "FAILOVER", "main").stdout.strip() == "OK", 15):
            return False
        return self.moved(old)

    def kill_master(self):
        old = self.master()
        replica = self.other(old)
        self.lag(replica)
        old.kill()
        replica.signal(signal.SIGCONT)
        new = replica
        if not wait_until(lambda: self.master() is new and new.cli("ROLE").stdout.startswith("master"), 20):
            old.start()
            return False
        old.start()
        return self.moved(old)

    def close(self):
        for server in (*self.servers, self.sentinel):
            server.close()


class Cluster:
    """Two nodes that share the slots, between which those in use go to and fro."""

    def __init__(self, options):
        self.nodes, buses = [], [free_port(), free_port()]
        for n in range(2):
            node = Server(options.server, (*DURABLE, "cluster-enabled yes", f"cluster-port {buses[n]}", "cluster-node-timeout 2000"),
                          free_port())
            node.cli("CLUSTER", "ADDSLOTSRANGE", *(("0", "8191"), ("8192", "16383"))[n])
            self.nodes.append(node)
        self.nodes[0].cli("CLUSTER", "MEET", "127.0.0.1", str(self.nodes[1].port), str(buses[1]))
        if not wait_until(lambda: all("cluster_state:ok" in node.cli("CLUSTER", "INFO").stdout and
                                      "cluster_known_nodes:2" in node.cli("CLUSTER", "INFO").stdout for node in self.nodes), 30):
            raise RuntimeError("the cluster does not come up")

    def url(self):
        return f"redis-cluster://127.0.0.1:{self.nodes[0].port}"

    def migrate(self):
        """One slot, key by key."""
        held = [(node, key) for node in self.nodes for key in node.cli("--scan").stdout.split()]
        if not held:
            return False
        source, key = random.choice(held)
        target = self.nodes[1 - self.nodes.index(source)]
        slot = source.cli("CLUSTER", "KEYSLOT", key).stdout.strip()
        ids = {node: node.cli("CLUSTER", "MYID").stdout.strip() for node in self.nodes}
        target.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[source])
        source.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[target])
        moved = 0
        while True:
            keys = source.cli("CLUSTER", "GETKEYSINSLOT", slot, "1").stdout.split()
            if not keys:
                break
            moved += source.cli("MIGRATE", "127.0.0.1", str(target.port), keys[0], "0", "5000").stdout.strip() == "OK"
            time.sleep(random.choice((0, 0.1)))
        for node in (target, source):
            node.cli("CLUSTER", "SETSLOT", slot, "NODE", ids[target])
        return moved > 0

    def close(self):
        for node in self.nodes:
            node.close()


class Network:
    """A server behind a network that is ours to disturb: the loopback of a namespace of our own, see the matrix's main()."""

    def __init__(self, options):
        self.run("ip", "link", "set", "lo", "mtu", "1500", "up")  # the slow link counts whole packets
        self.server = Server(options.server, DURABLE, 7000)
        self.run("nft", "add table inet faults")
        self.run("nft", "add chain inet faults in { type filter hook input priority 0; }")

    def url(self):
        return "redis://127.0.0.1:7000"

    @staticmethod
    def run(*words):
        return subprocess.run(words, check=True, capture_output=True, text=True,
                              env={**os.environ, "PATH": os.environ["PATH"] + ":/usr/sbin:/sbin"}).stdout

    def disturb(self, name):
        if name == "slow link":
            return self.slow()
        rules, seconds = {
            "partition": (("tcp dport 7000 counter drop", "tcp sport 7000 counter drop"), random.choice((0.5, 3))),
            "one-way partition": ((random.choice(("tcp dport 7000 counter drop", "tcp sport 7000 counter drop")),), random.choice((0.5, 3))),
            "30 % loss": (("tcp dport 7000 numgen random mod 100 < 30 counter drop",
                           "tcp sport 7000 numgen random mod 100 < 30 counter drop"), 3),
            "resets": (("tcp dport 7000 counter reject with tcp reset",), 0.4),
        }[name]
        for rule in rules:
            self.run("nft", "add rule inet faults in " + rule)
        time.sleep(seconds)
        said = self.run("nft", "list chain inet faults in")
        self.run("nft", "flush chain inet faults in")
        return sum(map(int, re.findall(r"packets (\d+)", said))) > 0

    def slow(self):
        """32 kbit/s, and a long queue."""
        self.run("tc", "qdisc", "add", "dev", "lo", "root", "tbf", "rate", "32kbit", "burst", "1600", "latency", "2s")
        time.sleep(2)
        said = self.run("tc", "-s", "qdisc", "show", "dev", "lo")
        self.run("tc", "qdisc", "del", "dev", "lo", "root")
        return "overlimits 0" not in said

    def close(self):
        self.server.close()
