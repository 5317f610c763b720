"""Types lines with real TABs into a real, interactive shell and looks at what it then runs.

    tabs.py DIRECTORY SHELL [ARG...] < cases

A case is a line `TYPED => ARGUMENTS`: <TAB> in TYPED is the key, ARGUMENTS are those that the program `dcoord` of
DIRECTORY/bin is run with, each followed by `|`; it writes them to DIRECTORY/ran. The shell prompts with `READY>`.
"""
import os
import pty
import select
import sys
import time

DEADLINE = 30


class Shell:
    def __init__(self, argv):
        self.screen = b""
        pid, self.terminal = pty.fork()
        if pid == 0:
            os.execvp(argv[0], argv)

    def read_until(self, condition, what):
        end = time.monotonic() + DEADLINE
        while not condition():
            if time.monotonic() > end:
                sys.exit(f"not in time: {what}\nthe screen:\n{self.screen.decode(errors='replace')}")
            if select.select([self.terminal], [], [], 0.02)[0]:
                try:
                    self.screen += os.read(self.terminal, 65536)
                except OSError:  # the shell has ended
                    sys.exit(f"the shell ended: {self.screen.decode(errors='replace')}")

    def type(self, text):
        os.write(self.terminal, text.encode())


def main():
    directory = sys.argv[1]
    ran = os.path.join(directory, "ran")

    def lines():
        return open(ran).read().splitlines() if os.path.exists(ran) else []

    shell = Shell(sys.argv[2:])
    shell.read_until(lambda: b"READY>" in shell.screen, "the prompt")
    wrong = 0
    for case in sys.stdin.read().splitlines():
        typed, expected = case.split(" => ")
        before = len(lines())
        shell.type(typed.replace("<TAB>", "\t") + "\r")
        shell.read_until(lambda: len(lines()) > before, typed)
        if lines()[-1] != expected:
            print(f"{typed}\n  expected {expected}\n  ran      {lines()[-1]}")
            wrong += 1
    if wrong:
        sys.exit(f"the screen:\n{shell.screen.decode(errors='replace')}")


main()
