#!/usr/bin/env python3
"""House rules that no other tool knows, over the files named on standard input.

Each violation is one line, file:line: sentence. Exit status 1 if there was any.
"""
import re
import sys

LINES_MAX = 500
LEVELS = ["EMERG", "ALERT", "CRIT", "ERR", "WARNING", "NOTICE", "INFO", "DEBUG"]
DPDK = re.compile(r"\b(rte_|RTE_)\w+|<rte_")
# Not on the packet path: output, logs, the system's allocator.
LOUD = re.compile(r"\b(v?f?printf|puts|fputs|log_event|log_event_limited|log_debug|log_debug_msg|"
                  r"RTE_LOG|rte_log)\s*\(")
LOG_CALL = re.compile(r"\blog_event(_limited)?\s*\(")
LOG_DOC = re.compile(r"%([A-Z0-9_]+)-([0-7])-([A-Z0-9_]+)")
TOKEN = re.compile(r'"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'|//[^\n]*|/\*.*?\*/', re.S)

problems = 0


def complain(path, line, text):
    global problems
    problems += 1
    print(f"{path}:{line}: {text}")


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def strip(path, text, strings):
    """Comments become blanks, strings too unless they are wanted; block comments are a violation."""

    def blank(match):
        token = match.group(0)
        if token.startswith("/*"):
            complain(path, line_of(text, match.start()), "block comment; use //")
        elif token[0] in "\"'" and strings:
            return token
        return re.sub(r"[^\n]", " ", token)

    return TOKEN.sub(blank, text)


def arguments(text, start):
    """The top-level arguments of the call whose '(' stands before start."""
    depth, out, current = 0, [], ""
    for token in re.finditer(r'"(?:\\.|[^"\\])*"|.', text[start:start + 4000], re.S):
        c = token.group(0)
        if c in "([{":
            depth += 1
        elif c in ")]}":
            depth -= 1
            if depth < 0:
                break
        if c == "," and depth == 0:
            out.append(current.strip())
            current = ""
        else:
            current += c
    return out + [current.strip()]


def log_mnemonics(path, code, found):
    for call in LOG_CALL.finditer(code):
        line = line_of(code, call.start())
        args = arguments(code, call.end())[1 if call.group(1) else 0:]
        if len(args) < 4 or code[call.end():].lstrip().startswith(("const", "struct")):
            continue  # the declaration
        facility, level, mnemonic = args[0], args[1], args[2]
        if not level.startswith("LOG_L_"):
            complain(path, line, "log level is not a constant: nobody can list the message")
        elif not (facility.startswith('"') and mnemonic.startswith('"')):
            complain(path, line, "facility and mnemonic must be literals: nobody can list them")
        else:
            number = LEVELS.index(level[len("LOG_L_"):])
            found.setdefault(f"%{facility[1:-1]}-{number}-{mnemonic[1:-1]}", (path, line))


def check_source(path, text, found):
    lines = text.count("\n")
    if lines > LINES_MAX:
        complain(path, lines, f"{lines} lines, {LINES_MAX} are the limit")
    code = strip(path, text, strings=True)
    bare = TOKEN.sub(lambda m: re.sub(r"[^\n]", " ", m.group(0)), code)
    if path.endswith(".h") and not re.search(r"^#pragma once$", text, re.M):
        complain(path, 1, "#pragma once is missing")
    for m in re.finditer(r'^\s*#\s*include\s+"\.\./', code, re.M):
        complain(path, line_of(code, m.start()), "include reaches out of its folder")
    if not path.startswith(("dataplane/", "bench/", "tests/")):
        for m in DPDK.finditer(bare):
            complain(path, line_of(bare, m.start()), f"{m.group(0)}: DPDK outside dataplane/")
    if path.startswith("dataplane/") and path.endswith(".c") and "struct burst" in bare:
        for m in LOUD.finditer(bare):
            complain(path, line_of(bare, m.start()), f"{m.group(1)}() in a packet stage")
    if not path.startswith(("tests/", "bench/", "lib/log.")):
        log_mnemonics(path, code, found)


def check_logs(found, doc):
    with open(doc, encoding="utf-8") as f:
        text = f.read()
    listed = {}
    for m in LOG_DOC.finditer(text):
        listed.setdefault(m.group(0), line_of(text, m.start()))
    for mnemonic, (path, line) in sorted(found.items()):
        if mnemonic not in listed:
            complain(path, line, f"{mnemonic} is not listed in {doc}")
    for mnemonic, line in sorted(listed.items()):
        if mnemonic not in found:
            complain(doc, line, f"{mnemonic} is not used in the code")


def main():
    found = {}
    for path in sys.stdin.read().split("\n"):
        if not path:
            continue
        with open(path, encoding="utf-8") as f:
            text = f.read()
        for number, line in enumerate(text.split("\n"), 1):
            if line != line.rstrip():
                complain(path, number, "trailing blanks")
        if text and not text.endswith("\n"):
            complain(path, text.count("\n") + 1, "no newline at the end")
        if path.endswith((".c", ".h")):
            check_source(path, text, found)
    check_logs(found, "docs/logs.md")
    sys.exit(1 if problems else 0)


main()
