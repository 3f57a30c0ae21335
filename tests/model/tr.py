#!/usr/bin/env python3
"""Condenses a trail of spin -t -p -g to one line per action: its name, the box, and the variables that changed.

    tr.py TRAIL [MODEL.pml]       without MODEL: core.pml beside this file
"""
import os
import re
import sys

model = sys.argv[2] if len(sys.argv) > 2 else os.path.join(os.path.dirname(os.path.abspath(__file__)), 'core.pml')
inline, current, words = {}, None, {}
for number, line in enumerate(open(model).read().splitlines(), 1):
    m = re.match(r'inline (\w+)\(', line) or re.match(r'(?:active )?proctype (\w+)', line)
    if m:
        current = m.group(1)
    inline[number] = current
    m = re.match(r'#define ((?:PAIR|HA)_[A-Z_]+) (\d+)\b', line)
    if m and not m.group(1).startswith('HA_ROLE_'):
        words[m.group(2)] = m.group(1)

state, step, name, box, changed = {}, None, None, '', []


def flush():
    if name:
        print('%4s %-14s %s' % (step, name + ('(%s)' % 'AB'[int(box)] if box else ''), ' '.join(changed)))


for line in open(sys.argv[1]):
    if line.startswith(('spin: trail ends', '#processes')):
        break
    m = re.match(r'\s*(\d+):\s+proc\s+0 \(\S+\) \S+?:(\d+) \(state \d+\)\s*(\[(.*)\])?', line)
    if m:
        text = m.group(4) or ''
        if m.group(1) != step:
            flush()
            step, name, box, changed = m.group(1), None, '', []
        action = inline.get(int(m.group(2)))
        if name is None and action and re.match(r'[agso]_', action):
            name = action
            b = re.search(r'B\[(\d)\]', text)
            box = b.group(1) if b else ''
        m = re.search(r'(\w+)(?:\[[^]]*\])?!(\d+)', text)
        if m:
            changed.append('%s!%s' % (m.group(1), words.get(m.group(2), m.group(2))))
        continue
    m = re.match(r'\s+(?:queue \d+ \((\w+)(?:\[\d\])?\):|(\S+) = (\S+))', line)
    if not m or m.group(1):
        continue
    key, value = m.group(2), m.group(3)
    for array, short in ('B[0].', 'A.'), ('B[1].', 'B.'), ('mirror[0].', 'M.'), ('pair[0].', 'P.'), ('agent[0].', 'G.'), ('other[0].', 'O.'):
        key = key.replace(array, short)
    if key in ('m.t', 't'):
        if value not in ('0', state.get(key)):
            changed.append('?' + words.get(value, value))
        state[key] = value
    elif re.match(r'm\.|[abi]$|q$', key):
        continue
    elif state.get(key) != value:
        changed.append('%s=%s' % (key, value))
        state[key] = value
flush()
