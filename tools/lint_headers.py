#!/usr/bin/env python3
"""Compiles each header named on standard input alone: it must include what it needs.

The flags are those of its source file (else of a file beside it that includes it, else of one beside
it, else of any that includes it, else of any file that names its folder, else of any), taken from the build's compile_commands.json. Exit status 1 if any header fails.
"""
import concurrent.futures
import json
import os
import shlex
import subprocess
import sys
import tempfile


def flags_of(entry):
    """The command without compiler, source, output and dependency files."""
    words, out, skip = shlex.split(entry["command"]), [], False
    for word in words[1:]:
        if skip:
            skip = False
        elif word in ("-o", "-MF", "-MQ", "-c"):
            skip = True
        elif word not in ("-MD", "-MMD"):
            out.append(word)
    return words[0], out


def includes(path, name):
    with open(path, encoding="utf-8") as f:
        return f'#include "{name}"' in f.read()


def pick(header, commands):
    folder = os.path.dirname(os.path.abspath(header))
    stem = os.path.splitext(os.path.abspath(header))[0]
    own = [c for c in commands if os.path.splitext(c["path"])[0] == stem]
    beside = [c for c in commands if os.path.dirname(c["path"]) == folder]
    user = [c for c in beside if includes(c["path"], os.path.basename(header))]
    if own or user or beside:
        return (own or user or beside)[0]
    # an api folder has no sources of its own: somebody elsewhere includes it
    far = [c for c in commands if includes(c["path"], os.path.basename(header))]
    naming = [c for c in commands if folder in c["command"]]
    return (far or naming or commands)[0]


def compiles_alone(header):
    # a part that stands behind definitions of the file that includes it says that it does not
    with open(header, encoding="utf-8") as f:
        return "does not compile alone" not in f.read(2000)


def check(header, commands, build):
    compiler, flags = flags_of(pick(header, commands))
    with tempfile.NamedTemporaryFile("w", suffix=".c") as probe:
        probe.write(f'#include "{os.path.abspath(header)}"\n')
        probe.flush()
        done = subprocess.run([compiler, *flags, "-fsyntax-only", "-x", "c", probe.name],
                              cwd=build, capture_output=True, text=True, check=False)
    if done.returncode:
        return f"{header}:1: does not compile alone\n{done.stderr.rstrip()}"
    return None


def main():
    build = os.path.abspath(sys.argv[1])
    with open(os.path.join(build, "compile_commands.json"), encoding="utf-8") as f:
        commands = json.load(f)
    for c in commands:
        c["path"] = os.path.normpath(os.path.join(c["directory"], c["file"]))
    headers = [h for h in sys.stdin.read().split("\n") if h and compiles_alone(h)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        failures = [f for f in pool.map(lambda h: check(h, commands, build), headers) if f]
    print(*failures, sep="\n", end="\n" if failures else "")
    sys.exit(1 if failures else 0)


main()
