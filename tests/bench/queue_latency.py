#!/usr/bin/env python3
"""The time from a line that a running `queue push` reads to the line that a waiting `queue pop` prints; p50 and p99.

    queue_latency.py DCOORD SOCKET TIMES
"""
import os
import subprocess
import sys
import time

dcoord, server, times = sys.argv[1], sys.argv[2], int(sys.argv[3])


def waiting():
    view = subprocess.run([dcoord, "queue", "show", "latency", "--json"], capture_output=True, text=True).stdout
    return '"waiting":1' in view


os.environ["DCOORD_URL"] = "unix://" + server
push = subprocess.Popen([dcoord, "queue", "push", "latency", "--batch-size", "1"], stdin=subprocess.PIPE)
took = []
for i in range(times):
    pop = subprocess.Popen([dcoord, "queue", "pop", "latency", "-w", "60"], stdout=subprocess.PIPE)
    while not waiting():
        time.sleep(0.01)
    start = time.monotonic()
    os.write(push.stdin.fileno(), b"x\n")
    os.read(pop.stdout.fileno(), 16)
    took.append(time.monotonic() - start)
    pop.wait()
push.stdin.close()
push.wait()
took.sort()
print("p50 %.2f ms, p99 %.2f ms" % (took[times // 2] * 1e3, took[times * 99 // 100] * 1e3))
