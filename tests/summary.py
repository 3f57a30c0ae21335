#!/usr/bin/env python3
"""Adds up meson's testlog.json: skips with their reason, then `N passed, N failed, N skipped`.

A test skips with exit status 77 and says why in its last line of output.
"""
import json
import sys

PASSED = ("OK", "EXPECTEDFAIL")


def main():
    counts = {"passed": 0, "failed": 0, "skipped": 0}
    with open(sys.argv[1], encoding="utf-8") as log:
        for line in log:
            test = json.loads(line)
            result = test["result"]
            if result in PASSED:
                counts["passed"] += 1
            elif result == "SKIP":
                counts["skipped"] += 1
                said = (test.get("stdout", "") + test.get("stderr", "")).strip().splitlines()
                print("skip", test["name"], "#", said[-1] if said else "no reason given")
            else:
                counts["failed"] += 1
                print("not ok", test["name"], "#", result.lower())
    if not any(counts.values()):
        sys.exit("no tests ran")
    print("{passed} passed, {failed} failed, {skipped} skipped".format(**counts))


if __name__ == "__main__":
    main()
