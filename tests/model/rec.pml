/* rec.pml - SA records: creation, deletion by the peer, bulk snapshot + increments, active dies at any point.
 * Box A active, box B joins (snapshot of the table, one record per message) while SAs are created and deleted.
 * The link to B is a bounded FIFO that may also reorder (NREORD) - the receiver applies strictly by LSN.
 * Peer's view: established SAs.  Property (c): after B's take-over every SA the peer holds as established is at B
 * (none lost) and no SA that the peer was told is deleted is at B (none resurrected) - for a B that is HOT.
 * Mutations: M_REPLYFIRST (IKE reply before the other's acknowledgement), M_NOLSN (records applied as they come),
 *            M_SNAPONCE (snapshot read once at the start, increments only for records already sent), M_HOTEARLY (HOT before SNAP_END), M_GATELATE (replies gated only from HOT on)
 */
#define N 2                     /* SA identities; never used twice (each is created and deleted at most once) */
#ifndef NREORD
#define NREORD 2
#endif
/* as in ha/pair_msg.h; run.sh compares */
#define PAIR_SNAP_END 4
#define PAIR_UPSERT 5
#define PAIR_DELETE 6
bit peer[N];                    /* peer holds it as established */
bit gone[N];                    /* peer has been told that it is deleted */
bit mk[N], dl[N];               /* request of the peer under way: create, delete (retransmitted until answered) */
bit ta[N], tb[N];               /* tables of A and B */
bit everA[N];                   /* A created it once: identity is spent */
byte pendc[N], pendd[N];        /* LSN whose acknowledgement the reply waits for, +1 */
byte nreord = NREORD;
bit up = 1, joined, hot, over, snapdone;
byte cur;                       /* snapshot cursor */
bit img[N];                     /* image for M_SNAPONCE */
byte lsn, applied, acked;       /* A: last LSN made; B: last applied; A: last acknowledged */
chan c = [3] of { byte, byte, byte };     /* lsn, op, id */
chan ak = [2] of { byte };
byte x, y, z;
#define CAN (up && !over && (!joined || len(c) < 3) && lsn < 12)
#define PROT (joined)
active proctype sys() {
  do
  /* peer */
  :: d_step { !over && !peer[0] && !gone[0] && !mk[0] -> mk[0]=1 }
  :: d_step { !over && !peer[1] && !gone[1] && !mk[1] -> mk[1]=1 }
  :: d_step { !over && peer[0] && !dl[0] -> dl[0]=1 }
  :: d_step { !over && peer[1] && !dl[1] -> dl[1]=1 }
  /* A executes the request: table, record, and the reply only when acknowledged (if a standby is in the session) */
#define CREATE(i) d_step { CAN && mk[i] && !everA[i] -> everA[i]=1; ta[i]=1; \
     if :: joined -> lsn++; c!lsn,PAIR_UPSERT,i; pendc[i]=lsn :: else -> pendc[i]=0 fi }
#define DELETE(i) d_step { CAN && dl[i] && ta[i] -> ta[i]=0; if :: joined -> lsn++; c!lsn,PAIR_DELETE,i; pendd[i]=lsn :: else -> pendd[i]=0 fi }
  :: CREATE(0) :: CREATE(1) :: DELETE(0) :: DELETE(1)
#ifdef M_REPLYFIRST
#define OKL(l) 1
#elif defined(M_GATELATE)
#define OKL(l) (!hot || acked >= l)      /* gate only once the joiner has reported HOT */
#else
#define OKL(l) (!snapdone || acked >= l) /* gate from the moment SNAP_END is sent */
#endif
#define REPC(i) d_step { up && !over && mk[i] && everA[i] && !peer[i] && !gone[i] && OKL(pendc[i]) -> peer[i]=1; mk[i]=0 }
#define REPD(i) d_step { up && !over && dl[i] && everA[i] && !ta[i] && OKL(pendd[i]) -> peer[i]=0; gone[i]=1; dl[i]=0 }
  :: REPC(0) :: REPC(1) :: REPD(0) :: REPD(1)
  /* B joins */
  :: d_step { up && !joined && !over -> joined=1; cur=0; img[0]=ta[0]; img[1]=ta[1] }
  :: d_step { CAN && joined && !snapdone && cur < N ->
#ifdef M_SNAPONCE
     if :: img[cur] -> lsn++; c!lsn,PAIR_UPSERT,cur :: else fi;
#else
     if :: ta[cur] -> lsn++; c!lsn,PAIR_UPSERT,cur :: else fi;
#endif
     cur++ }
  :: d_step { CAN && joined && !snapdone && cur == N -> snapdone=1; lsn++; c!lsn,PAIR_SNAP_END,0 }
  /* link */
  :: d_step { len(c) >= 2 && nreord > 0 -> nreord--; c?x,y,z; c!x,y,z; x=0; y=0; z=0 }
  /* B applies in LSN order; out of order waits (rotated back) */
#ifdef M_NOLSN
  :: d_step { len(c) > 0 && !over && len(ak) < 2 -> c?x,y,z; if :: y==PAIR_UPSERT -> tb[z]=1 :: y==PAIR_DELETE -> tb[z]=0 :: else -> hot=1 fi;
       if :: x > applied -> applied=x :: else fi; ak!applied; x=0; y=0; z=0 }
#else
  :: d_step { len(c) > 0 && !over && len(ak) < 2 && c??[eval(applied+1),_,_] -> c??eval(applied+1),y,z;
       if :: y==PAIR_UPSERT -> tb[z]=1 :: y==PAIR_DELETE -> tb[z]=0 :: else -> hot=1 fi; applied++; ak!applied; y=0; z=0 }
#endif
#ifdef M_HOTEARLY
  :: d_step { joined && !hot && !over -> hot=1 }
#endif
  :: d_step { len(ak) > 0 -> ak?x; if :: x > acked -> acked=x :: else fi; x=0 }
  /* A dies; messages of the dead association are lost from some point on */
  :: d_step { up && joined -> up=0 }
  :: d_step { !up && len(c) > 0 -> c?x,y,z; x=0; y=0; z=0;
       do :: len(c) > 0 -> c?x,y,z :: else -> break od; x=0; y=0; z=0 }
  /* B takes over */
  :: d_step { !up && !over && hot -> over=1;
       assert(!(peer[0] && !dl[0] && !tb[0]) && !(peer[1] && !dl[1] && !tb[1]));      /* (c) none lost (a delete already asked for may be done) */
       assert(!(gone[0] && tb[0]) && !(gone[1] && tb[1])) }                             /* (c) none resurrected */
  :: timeout -> break
  od
}
