#!/usr/bin/env python3
"""askpass.py KEYS PROGRAM ARG...: runs the program with a terminal of its own and an empty stdin, types KEYS when it
asks for a password, prints what the terminal showed, and exits as it did."""
import os
import pty
import sys

keys = os.fsencode(sys.argv[1])
pid, terminal = pty.fork()
if pid == 0:
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.execv(sys.argv[2], sys.argv[2:])
shown = b""
typed = False
while True:
    try:
        chunk = os.read(terminal, 4096)
    except OSError:
        break
    if not chunk:
        break
    shown += chunk
    if not typed and b"password" in shown:
        os.write(terminal, keys)
        typed = True
sys.stdout.buffer.write(shown)
sys.stdout.flush()
_, status = os.waitpid(pid, 0)
sys.exit(os.waitstatus_to_exitcode(status))
