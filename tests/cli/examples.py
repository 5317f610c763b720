"""Runs every example of README.md, of the manual and of --help against a real server, which DCOORD_URL names.

    examples.py DCOORD README.md|MAN-PAGE|--help...

An example passes if dcoord understands it and it can be done: it may end with a command's or a query's own answer, and
one that waits may have to be ended, but no exit code says that it is misused, that something is missing, or that there
is a bug. Lines of one block are one script. What they call beside dcoord does nothing, successfully.
"""
import concurrent.futures
import gzip
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

# What says that an example is wrong: usage, data, unreachable, bug, unknown, permission, configuration, no such command.
WRONG = {64, 65, 69, 70, 74, 77, 78, 126, 127}
WAITS = re.compile(r"\b(watch|wait|subscribe|top|progress|pop|work|elect|follow|serve|tail)\b|-w |--after")
# Other servers than the test's, and other shells than bash; tests of their own run these.
SKIPPED = re.compile(r"local:|\blocal (status|stop)|completion (zsh|fish)|^export DCOORD_URL|^dcoord (health|selftest|top)\b")
STUBS = """make fetch work query rebuild train migrate scheduler reload logger jq dot nightly report batch rotate deploy
    curl daemon mail build render notify app flaky psql run-job""".split()
# What some examples take for granted, by what they have and what not.
SETUP = [
    (r"\bqueue\b", None, "dcoord queue push jobs one two; dcoord queue push mails one; dcoord queue push urls one"),
    (r"\$receipt", "read -r", "receipt=$(dcoord queue pop jobs --lease 5m | cut -d ' ' -f 1)"),
    (r"\bstate\b", None, "dcoord state set release 1.4.1; dcoord state set budget 100"),
    (r"--fenced", "lock run", "export DCOORD_FENCE=1"),
    (r"lock (renew|release)", "acquire", 'eval "$(dcoord lock acquire deploy)"'),
    (r"urls\.txt", None, "printf 'one\\ntwo\\n' > urls.txt"),
    (r"app\.json", None, "echo '{}' > app.json"),
    (r"app\.log", None, "echo started > app.log"),
    (r"report\.pdf", None, "echo %PDF > report.pdf"),
    (r"batch commands\.txt", None, "echo state incr hits > commands.txt"),
]
PATIENCE = 1  # seconds for a line that waits, once it runs
DEADLINE = 120  # for all others


def blocks_of_markdown(text):
    """Indented blocks; outputs and files of other kinds have no line that calls dcoord."""
    block = []
    for line in text.splitlines() + [""]:
        if line.startswith("    "):
            block.append(line[4:])
        elif block and not line.strip():
            yield block
            block = []


def blocks_of_page(text):
    for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", text, re.S | re.M):
        lines = block.replace("\\&", "").replace("\\-", "-").replace("\\e", "\\").splitlines()
        yield lines


def blocks_of_help(dcoord):
    tree = subprocess.run([dcoord, "__commands"], check=True, capture_output=True, text=True).stdout
    for line in tree.splitlines():
        if line.startswith("example\t"):
            yield [line.split("\t", 1)[1]]


def prepare(line):
    """The line as it is run: None for one that is no example of ours."""
    line = re.sub(r"^(\S+ ){5}app ", "", line) if re.match(r"^[*\d]\S* ", line) else line
    if not re.search(r"(?<![\w/.-])dcoord ", line) or line.startswith("dcoord: ") or SKIPPED.search(line):
        return None
    return re.sub(r"-u redis://\S+|--host \S+|/usr/local/bin/", "", line)


def run_block(number, where, lines, work, dcoord):
    place = os.path.join(work, str(number))
    os.mkdir(place)
    for name in set(re.findall(r"\./([A-Za-z0-9_.-]+)", " ".join(lines))):
        shutil.copy(os.path.join(work, "bin", "make"), os.path.join(place, name))
    block = "\n".join(lines)
    script = "\n".join(text for has, lacks, text in SETUP if re.search(has, block) and not (lacks and lacks in block))
    for index, line in enumerate(lines):
        script += f"\necho {index} > line\n{line}\necho $? > code.{index}\n"
    script += "echo end > line\n"
    environment = dict(os.environ, PATH=f"{work}/bin:{os.environ['PATH']}", DCOORD_NAMESPACE=f"example{number}",
                       CI_PIPELINE_ID="4711", CI_JOB_URL="job", HOSTNAME="host")
    with open(os.path.join(place, "output"), "w+") as output:
        process = subprocess.Popen(["bash", "-c", script], cwd=place, env=environment, stdin=subprocess.DEVNULL,
                                   stdout=output, stderr=output, start_new_session=True)
        stuck = follow(process, place, lines)
        output.seek(0)
        said = output.read()
    wrong = []
    for index, line in enumerate(lines):
        path = os.path.join(place, f"code.{index}")
        if os.path.exists(path) and int(open(path).read()) in WRONG:
            wrong.append(f"{where}: exit {open(path).read().strip()}: {line}")
    if stuck:
        wrong.append(f"{where}: does not end: {stuck}")
    return [text + "\n" + said for text in wrong]


def follow(process, place, lines):
    """Waits for the end of a block, and ends a line that waits. The line that should have ended by itself and did not,
    or nothing."""
    begin, index, since = time.monotonic(), "", time.monotonic()
    while process.poll() is None:
        time.sleep(0.02)
        now = time.monotonic()
        path = os.path.join(place, "line")
        at = open(path).read().strip() if os.path.exists(path) else ""
        if at != index:
            index, since = at, now
        waits = index.isdigit() and WAITS.search(lines[int(index)])
        if now > (since + PATIENCE if waits else begin + DEADLINE):
            os.killpg(process.pid, signal.SIGTERM)
            process.wait()
            return "" if waits else lines[int(index)] if index.isdigit() else "the preparations"
    return ""


def main():
    dcoord, found = sys.argv[1], []
    for source in sys.argv[2:]:
        if source == "--help":
            blocks = blocks_of_help(dcoord)
        elif source.endswith(".gz"):
            blocks = blocks_of_page(gzip.open(source, "rt").read())
        else:
            blocks = blocks_of_markdown(open(source).read())
        found += [(os.path.basename(source), block) for block in blocks]
    tasks = []
    for where, block in found:
        lines = [line for line in map(prepare, block) if line]
        # What waits would keep the lines behind it from being run; queues are filled and emptied in one block.
        scripts = [lines] if "queue" in " ".join(lines) or "eval" in " ".join(lines) else [[line] for line in lines]
        tasks += [(where, script) for script in scripts if script]
    seen, unique = set(), []
    for task in tasks:
        if tuple(task[1]) not in seen:
            seen.add(tuple(task[1]))
            unique.append(task)
    with tempfile.TemporaryDirectory() as work, concurrent.futures.ThreadPoolExecutor(12) as pool:
        os.mkdir(os.path.join(work, "bin"))
        os.symlink(os.path.realpath(dcoord), os.path.join(work, "bin", "dcoord"))
        for name in STUBS:
            with open(os.path.join(work, "bin", name), "w") as stub:
                stub.write("#!/bin/sh\nexit 0\n")
            os.chmod(stub.name, 0o755)
        runs = [pool.submit(run_block, number, where, lines, work, dcoord)
                for number, (where, lines) in enumerate(unique)]
        wrong = [text for run in runs for text in run.result()]
    print(f"{sum(len(lines) for _, lines in unique)} examples")
    for text in wrong:
        print(text)
    sys.exit(1 if wrong else 0)


main()
