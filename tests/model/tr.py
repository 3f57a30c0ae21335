#!/usr/bin/env python3
"""Condenses a trail of spin -t -p -g to one line per action: name(box), and the variables that changed.

    tr.py TRAIL [core.pml]
"""
import re, sys
src=open(sys.argv[2] if len(sys.argv)>2 else 'core.pml').read().splitlines()
inl={}; cur=None; guard=set()
for i,l in enumerate(src,1):
    m=re.match(r'inline (\w+)\(',l)
    if m: cur=m.group(1)
    if re.match(r'(active )?proctype',l): cur='init'
    inl[i]=cur
st={}; name=None; ch=[]; step=None; box='';T={'1':'JOIN','2':'STATE','3':'RAISE','4':'ACK','5':'CKPT','6':'CLAIM','7':'GRANT','8':'DENY','9':'OFFER'}
def flush():
    if name: print('%4s %-10s %s'%(step,name+(('('+'AB'[int(box)]+')') if box!='' else ''),' '.join(ch)))
for l in open(sys.argv[1]):
    m=re.match(r'\s*(\d+):\s+proc\s+0 \(\S+\) \S+?:(\d+) \(state \d+\)\s*(\[(.*)\])?',l)
    if m:
        s,ln,t=m.group(1),int(m.group(2)),m.group(4) or ''
        a=inl.get(ln)
        if s!=step:
            flush(); step=s; ch=[]; name=None; box=''
        if name is None and a and a.startswith('a_'):
            name=a[2:]; b=re.search(r'B\[(\d)\]',t); box=b.group(1) if b else ''
        m2=re.search(r'c\[\(?1?-?(\d)\)?\]!([\dA-Z]+)',t)
        if '!' in t and m2 : ch.append('send:'+T.get(m2.group(2),m2.group(2)))
        if 'assert' in t and False: ch.append(t)
        continue
    m=re.match(r'\s+(B\[\d\]\.\S+|rup|hup|wkey|wseq|ws|wj|wr|wc|m\.t) = (\d+)',l)
    if m:
        k=m.group(1).replace('B[0].','A.').replace('B[1].','B.'); v=m.group(2)
        if k=='m.t':
            if v!='0': ch.append('got:'+T.get(v,v))
        elif st.get(k)!=v: ch.append(k+'='+v); st[k]=v
flush()
