"""Runs every example of README.md, of the manual and of --help against a real server, which DCOORD_URL names.

    examples.py DCOORD README.md MAN-PAGE...

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

# What says that an example is wrong: usage, data, unreachable, bug, unknown, permission, configuration, no such command.
WRONG = {64, 65, 69, 70, 74, 77, 78, 126, 127}
WAITS = re.compile(r"\b(watch|wait|subscribe|top|progress|pop|work|elect|follow|serve)\b|-w ")
# Other servers than the test's, and other shells than bash; tests of their own run these.
SKIPPED = re.compile(r"local:|\blocal (status|stop)|completion (zsh|fish)|^export DCOORD_URL|^dcoord (health|selftest)")
STUBS = """make fetch work query rebuild train migrate scheduler reload logger jq dot nightly report batch rotate deploy
    curl daemon mail build render notify app flaky psql""".split()
# What some examples take for granted.
SETUP = """
dcoord queue push jobs one two; dcoord queue push mails one; dcoord queue push urls one
dcoord state set release 1.4.1; dcoord state set budget 100
printf 'one\\ntwo\\n' > urls.txt; echo '{}' > app.json
"""
LIMIT = 4  # seconds for what waits


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
        # The examples of a verb stand under each other, and are alternatives.
        yield lines


def blocks_of_help(dcoord):
    tree = subprocess.run([dcoord, "__commands"], check=True, capture_output=True, text=True).stdout
    for line in tree.splitlines():
        if line.startswith("example\t"):
            yield [line.split("\t", 1)[1]]


def prepare(line):
    """The line as it is run: None for one that is no example of ours."""
    line = re.sub(r"^(\S+ ){5}app ", "", line) if re.match(r"^[*\d]\S* ", line) else line
    if not re.search(r"\bdcoord\b", line) or line.startswith("dcoord: ") or SKIPPED.search(line):
        return None
    line = re.sub(r"-u redis://\S+", "", line)
    return re.sub(r"--host \S+", "", line)


def run_block(number, where, lines, work, dcoord):
    place = os.path.join(work, str(number))
    os.mkdir(place)
    for name in set(re.findall(r"\./([A-Za-z0-9_.-]+)", " ".join(lines))):
        shutil.copy(os.path.join(work, "bin", "make"), os.path.join(place, name))
    script = SETUP
    for index, line in enumerate(lines):
        script += f"\necho {index} > line\n{line}\necho $? > code.{index}\n"
    script += "echo end > line\n"
    environment = dict(os.environ, PATH=f"{work}/bin:{os.environ['PATH']}", DCOORD_NAMESPACE=f"example{number}",
                       CI_PIPELINE_ID="4711", CI_JOB_URL="job", HOSTNAME="host")
    process = subprocess.Popen(["bash", "-c", script], cwd=place, env=environment, text=True, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    waited = False
    try:
        output, _ = process.communicate(timeout=LIMIT if any(WAITS.search(line) for line in lines) else 60)
    except subprocess.TimeoutExpired:
        waited = True
        os.killpg(process.pid, signal.SIGTERM)
        output, _ = process.communicate()
    at = open(os.path.join(place, "line")).read().strip()
    wrong = []
    for index, line in enumerate(lines):
        path = os.path.join(place, f"code.{index}")
        if os.path.exists(path) and int(open(path).read()) in WRONG:
            wrong.append(f"{where}: exit {open(path).read().strip()}: {line}")
    if waited and at != "end" and not WAITS.search(lines[int(at)]):
        wrong.append(f"{where}: does not end: {lines[int(at)]}")
    return [text + "\n" + output for text in wrong]


def main():
    dcoord, readme, pages = sys.argv[1], sys.argv[2], sys.argv[3:]
    found = [("README.md", block) for block in blocks_of_markdown(open(readme).read())]
    for page in pages:
        text = gzip.open(page, "rt").read()
        found += [(os.path.basename(page), block) for block in blocks_of_page(text)]
    found += [("--help", block) for block in blocks_of_help(dcoord)]
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
