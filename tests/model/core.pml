/* core.pml - two gateway boxes, one SA key at a time (rekey gives the next key), outbound IV and sequence
 * numbers, inbound replay edge, join/yield/claim/grant/raise protocol.   Rule numbers refer to docs/ha-protocol.md.
 * One process, every action one d_step; every fault and every data action draws on a budget, so the state
 * graph of a correct protocol is acyclic; `timeout' = nothing enabled = the pair must be STABLE.
 *
 * Variants:  (none)      amended protocol
 *   ORIG      the naive design: IV = sequence number, past the ceiling alone, no lease
 *   PROPOSED  only the IV repaired (slot|life|counter), no lease, a stale box sends until rekeyed
 *   M_*       mutations: one rule of the amended protocol removed
 */
#ifndef NBOX
#define NBOX 1          /* box crashes   */
#endif
#ifndef NPROC
#define NPROC 1         /* gateway process crashes */
#endif
#ifndef NR
#define NR 1            /* replication link breaks */
#endif
#ifndef NH
#define NH 1            /* hello losses  */
#endif
#ifndef NLOSS
#define NLOSS 0         /* single messages lost on a live link */
#endif
#ifndef NREORD
#define NREORD 0        /* reorderings */
#endif
#ifndef NPLAN
#define NPLAN 0         /* planned switchovers */
#endif
#ifndef NRESYNC
#define NRESYNC 0       /* HA_RESYNC: a standby fetches everything anew */
#endif
#ifndef NHANG
#define NHANG 0         /* gateway processes that hang (SIGSTOP) and wake up later */
#endif
#ifndef NSTOP
#define NSTOP 0         /* gateway processes that stop unasked: HSRP took their role */
#endif
#ifndef NEXP
#define NEXP 1          /* spurious lease expiries while the link is up */
#endif
#ifndef NSEND
#define NSEND 3         /* ESP packets sent in all */
#endif
#ifndef NACCEPT
#define NACCEPT 0           /* inbound packets accepted in all */
#endif
#ifndef MAXSEQ
#define MAXSEQ 6
#endif
#ifndef MAXKEY
#define MAXKEY 3
#endif
#ifndef STEP
#define STEP 2
#endif
#ifndef NREK
#define NREK 0          /* ordinary rekeys (untainted) */
#endif
#define X 1             /* replay exposure bound: packets in one lease */
#if defined(ORIG) || defined(PROPOSED)
#define NOLEASE
#define NOTAINT
#endif

/* as in ha/pair_msg.h and ha/api/ha_sa.h; run.sh compares */
#define HA_ROLE_NONE 0
#define HA_ROLE_STANDBY 1
#define HA_ROLE_ACTIVE 2
#define NONE HA_ROLE_NONE
#define STANDBY HA_ROLE_STANDBY
#define ACTIVE HA_ROLE_ACTIVE
#define PAIR_JOIN 2
#define PAIR_STATE 3
#define PAIR_RAISE 9
#define PAIR_ACK 10
#define PAIR_CKPT 11
#define PAIR_CLAIM 14
#define PAIR_GRANT 15
#define PAIR_DENY 16
#define PAIR_OFFER 18

typedef Box {
  /* box */      bit up; bit had; bit tk; byte rq;  /* ghosts: had = holds state since its last crash; tk = other took over while this gateway process was down */
                 /* rq: nonce of the last join request; random in reality, so it survives nothing and repeats never */
  /* mirror */   byte role; bit wait; bit fresh; bit prot; bit taint; short n; bit slot; byte j[2]; byte rst;
                 byte key; byte R; byte ck;
  bit kn;        /* a lease of the other one may run: one was sent, or it said so (OFFER, STATE, GRANT) */
  bit offd;        /* a planned switchover was offered */
#ifdef PIECES
  bit sv; byte sq; /* it serves a JOIN, SNAP_END has not been sent; state_nonce */
#endif
  bit st;        /* it has stopped unasked (HA_STOPPED): role as after a crash, life goes on */
  /* process */  bit gw; bit claim; byte nxt; byte lim; byte ctr; byte edge;
#if NHANG > 0
  bit hung;      /* SIGSTOPped */
  bit zo; byte zn; byte zl; byte zc; byte zj; byte zr; byte zk; bit zs; bit zsame;  /* woken up after its role was granted away, has not heard of it yet */
#endif
}
typedef Msg { byte t; short n; byte key; byte fl; byte join; byte oj; byte R; byte nx; byte ck; bit taint; }
Box B[2];
/* c[b] = messages under way TO box b: type,n,key,fl,join,oj,R,nx,ck,taint */
chan c[2] = [2] of { byte, short, byte, byte, byte, byte, byte, byte, byte, bit };
bit rup = 1, hup = 1;
bit epi;                         /* ghost: a split brain is going on (both boxes were live on one key and neither has given way yet) */
byte nbox = NBOX, nproc = NPROC, nr = NR, nh = NH, nloss = NLOSS, nreord = NREORD, nplan = NPLAN, nexp = NEXP, nhang = NHANG, nstop = NSTOP, nresync = NRESYNC;
byte nsend = NSEND, naccept = NACCEPT, nrek = NREK;
byte keyctr = 0;
/* watch: one earlier packet, chosen non-deterministically */
byte wkey = 0, wseq, wj, wr, wc; bit ws, wsplit;
byte hi[MAXKEY+3];               /* ghost: highest inbound number accepted by anybody under that key */
bit hsplit[MAXKEY+3];            /* ghost: key saw both boxes active */
Msg m;
byte q;

#define WORK(b)  (B[b].gw && !B[b].st)
#if NHANG > 0
#define HUNG(b)  B[b].hung
#else
#define HUNG(b)  0
#endif
#define RUNS(b)  (B[b].gw && !HUNG(b))
#define LIVE(b)  (B[b].up && WORK(b) && B[b].role == ACTIVE && !B[b].wait)
#define SPLIT    (LIVE(0) && LIVE(1) && B[0].key == B[1].key)
#define VIS(b)   (hup && B[b].up && WORK(b) && !HUNG(b) && B[b].role == ACTIVE)       /* box b is seen active by hellos */
#define INSESS   (B[0].up && B[1].up && B[0].n == B[1].n && B[0].role + B[1].role >= 2 && !(B[0].role == ACTIVE && B[1].role == ACTIVE))
#define BEATS(a,b)  (TERM(B[a].n) > TERM(B[b].n) || (TERM(B[a].n) == TERM(B[b].n) && (a) < (b)))
#define ROOM(b)  1        /* a full link loses the message */
#define MAX(x,y) ((x) > (y) -> (x) : (y))

inline put(to, T, N, K, FL, J, OJ, RR, NX, CK, TA) {
  if :: rup && B[to].up && len(c[to]) < 2 -> c[to]!T,N,K,FL,J,OJ,RR,NX,CK,TA  :: else fi }
inline flush(to) { do :: (len(c[to]) > 0) -> c[to]?m.t,m.n,m.key,m.fl,m.join,m.oj,m.R,m.nx,m.ck,m.taint :: else -> break od; zm() }
/* a grant is good for less than the hold time, so none is still under way when the granter itself takes over */
inline voidgrant(to) { do :: len(c[to]) > 0 && c[to]??[PAIR_GRANT,_,_,_,_,_,_,_,_,_] -> c[to]??PAIR_GRANT,m.n,m.key,m.fl,m.join,m.oj,m.R,m.nx,m.ck,m.taint :: else -> break od; zm() }
inline zm() { m.t=0; m.n=0; m.key=0; m.fl=0; m.join=0; m.oj=0; m.R=0; m.nx=0; m.ck=0; m.taint=0 }
/* what it begins anew comes behind the word that its role had gone */
#if NHANG > 0
inline zend(b) { B[b].zo=0; B[b].zn=0; B[b].zl=0; B[b].zc=0; B[b].zj=0; B[b].zr=0; B[b].zk=0; B[b].zs=0; B[b].zsame=0 }
#else
inline zend(b) { skip }
#endif
#if NHANG > 0
inline zhang(b) { B[b].hung=0; zend(b) }
#else
inline zhang(b) { skip }
#endif
inline zvol(b) { B[b].gw=0; B[b].claim=0; B[b].nxt=0; B[b].lim=0; B[b].ctr=0; B[b].edge=0; B[b].offd=0; B[b].st=0; zhang(b) }
inline zmir(b) { B[b].role=NONE; B[b].wait=0; B[b].fresh=0; B[b].prot=0; B[b].taint=0; B[b].n=0; B[b].slot=0;
  B[b].j[0]=0; B[b].j[1]=0; B[b].rst=0; B[b].key=0; B[b].R=0; B[b].ck=0; B[b].kn=0; svend(b) }
/* session number: lineage*64 + counter*2 + assigner, so that no two boxes or lineages ever make the same one */
#ifdef M_BARETERM
#define BUMP(b) B[b].n++
#define TERM(x) (x)
#else
#define BUMP(b) B[b].n=((B[b].n/2)+1)*2+(b)
#define TERM(x) (((x)%64)/2)
#endif
inline newkey(b) { keyctr++; B[b].key=keyctr; B[b].R=0; B[b].ck=0; B[b].nxt=1; B[b].lim=0; B[b].edge=0; B[b].ctr=0; B[b].taint=0 }
#if defined(M_BLINDUNFREEZE) || defined(NOTAINT)
#define UNFREEZE_TAINT(b) skip
#else
#define UNFREEZE_TAINT(b) B[b].taint=1
#endif
inline split_note() { if :: SPLIT -> hsplit[B[0].key]=1; epi=1 :: else fi }
/* a yield that gets no answer: the other may have gone on from our counters, so our copy is no longer the authority */
inline unfreeze(b) { if :: B[b].wait && B[b].role==ACTIVE -> UNFREEZE_TAINT(b) :: else fi; B[b].wait=0 }
/* load the volatile counters from the mirror */
inline load(b) { zend(b); B[b].nxt=B[b].R+1; B[b].lim=B[b].R; B[b].edge=B[b].ck }
/* (e): at the moment a box starts to accept inbound under an untainted SA */
inline chk_e(b) { if :: LIVE(b) && !B[b].taint && !hsplit[B[b].key] -> assert(hi[B[b].key] <= B[b].edge + X) :: else fi }
#define NMAX 27   /* a session counter that runs away is a livelock */
inline chk_c() { assert(TERM(B[0].n) < NMAX && TERM(B[1].n) < NMAX);  assert(!(B[0].had && B[0].role==NONE) && !(B[1].had && B[1].role==NONE)); B[0].had=(B[0].role!=NONE); B[1].had=(B[1].role!=NONE) }   /* (c): the last copy never goes without a crash */

#ifdef NOLEASE
#define LEASEOVER(b) 1
#define INBOUND(b) (!(rup && INSESS && B[1-b].role==STANDBY && B[1-b].key==B[b].key) || B[b].edge < B[1-b].ck + X)
#else
#define LEASEOVER(b) (!B[b].kn || !B[1-b].fresh)
/* more than X packets without a checkpoint arriving means more than a lease has gone by */
#define INBOUND(b) (!B[1-b].fresh || B[b].edge < X + (B[1-b].key==B[b].key -> B[1-b].ck : 0))
#endif
/* rule 7, MIRROR_RAISING: right after a take-over no lease runs at the other box. The mirror is enough, and the first
 * lease stays behind every RAISE. A grant waits for them too: the model's GRANT says R */
#define UNBOUND(b) (!B[b].kn)
#ifdef M_EARLYLEASE
#define RAISED(b) 1
#else
#define RAISED(b) (B[b].R >= B[1-b].R)
#endif
#ifdef M_TAINTLOST
#define TAINTCOPY(b) skip
#else
#define TAINTCOPY(b) B[b].taint=B[1-b].taint
#endif
/* ---- actions ---- */
inline a_send(b) { d_step {
  LIVE(b) && !HUNG(b) && !B[b].taint && B[b].nxt <= B[b].lim && nsend > 0 && wkey != 0 ->
  nsend--;
  if :: B[b].key == wkey ->
#ifdef ORIG
     assert(B[b].nxt != wseq);                                                        /* (a) IV = seq */
#else
     assert(!(B[b].slot == ws && B[b].j[B[b].slot] == wj && B[b].rst == wr && B[b].ctr == wc));   /* (a) */
#endif
#ifndef NOCHECK_B
     assert(B[b].nxt != wseq || wsplit || epi);                                     /* (b) */
#endif
     :: else fi;
  B[b].nxt++; B[b].ctr++ } }
inline a_sendw(b) { d_step {          /* remember this one, from here on all later ones are compared with it */
  LIVE(b) && !HUNG(b) && !B[b].taint && B[b].nxt <= B[b].lim && nsend > 0 && wkey == 0 ->
  nsend--; wkey=B[b].key; wseq=B[b].nxt; ws=B[b].slot; wj=B[b].j[B[b].slot]; wr=B[b].rst; wc=B[b].ctr; wsplit=epi;
  B[b].nxt++; B[b].ctr++ } }
inline a_sendn(b) { d_step {          /* not remembered */
  LIVE(b) && !HUNG(b) && !B[b].taint && B[b].nxt <= B[b].lim && nsend > 0 && wkey == 0 ->
  nsend--; B[b].nxt++; B[b].ctr++ } }
inline a_raise(b) { d_step {
  LIVE(b) && !HUNG(b) && !B[b].taint && B[b].nxt > B[b].lim && B[b].R == B[b].lim && B[b].R + STEP <= MAXSEQ && nsend > 0 && ROOM(1-b) ->
  B[b].R = B[b].R + STEP;                                        /* mirror first */
  if :: B[b].prot -> put(1-b, PAIR_RAISE, B[b].n, B[b].key, 0,0,0, B[b].R, 0, B[b].ck, 0) :: else fi;
  if :: !B[b].prot || UNBOUND(b) -> B[b].lim = B[b].R :: else fi } }
inline a_reraise(b) { d_step {
  LIVE(b) && B[b].prot && (B[b].R > B[b].lim || B[1-b].R < B[b].R || B[1-b].key != B[b].key) && rup && B[1-b].up && B[1-b].role==STANDBY && B[1-b].n==B[b].n && (len(c[0]) == 0) && (len(c[1]) == 0) ->
  put(1-b, PAIR_RAISE, B[b].n, B[b].key, 0,0,0, B[b].R, 0, B[b].ck, 0) } }
inline a_goalone(b) { d_step {        /* standby's lease is over for certain (Ta > Ts), or it is known to hold nothing */
  LIVE(b) && B[b].prot && (!rup || !B[1-b].up || (!B[1-b].wait && !(B[1-b].role==STANDBY && B[1-b].n==B[b].n))) && LEASEOVER(b) -> B[b].prot=0; B[b].kn=0; BUMP(b);
  if :: B[b].R > B[b].lim -> B[b].lim=B[b].R :: else fi;
#ifndef NOLEASE
  flush(1-b)                        /* lease-bearing messages older than Ta are void */
#endif
  } }
inline a_expire(b) { d_step {         /* lease over at standby b: a partition makes it inevitable, else a budget */
  B[b].up && B[b].role==STANDBY && B[b].fresh && (!rup || !B[1-b].up || !INSESS || nexp > 0) &&
  !(B[1-b].up && B[1-b].role==NONE && rup) ->
  if :: rup && B[1-b].up && INSESS -> nexp-- :: else fi;
  B[b].fresh=0 } }
inline a_renew(b) { d_step {          /* lease renewed in the session */
  rup && B[b].up && B[b].role==STANDBY && !B[b].wait && !B[b].fresh && B[1-b].role==ACTIVE && INSESS && B[1-b].prot &&
  B[b].key==B[1-b].key && B[b].ck==B[1-b].ck && RAISED(b) -> B[b].fresh=1; B[1-b].kn=1; TAINTCOPY(b)     /* the lease travels behind all records and checkpoints */ } }
inline a_accept(b) { d_step {         /* inbound packet edge+1, new or replayed */
  LIVE(b) && !HUNG(b) && !B[b].taint && naccept > 0 && B[b].edge < B[b].ck + X && INBOUND(b)
  -> naccept--; B[b].edge++; if :: B[b].edge > hi[B[b].key] -> hi[B[b].key]=B[b].edge :: else fi } }
inline a_ckpt(b) { d_step {
  LIVE(b) && !HUNG(b) && B[b].edge > B[b].ck && ROOM(1-b) -> B[b].ck=B[b].edge;
  if :: B[b].prot -> put(1-b, PAIR_CKPT, B[b].n, B[b].key, 0,0,0,0,0, B[b].ck, 0) :: else fi } }
inline a_reckpt(b) { d_step {
  LIVE(b) && B[b].prot && rup && INSESS && B[1-b].role==STANDBY && B[1-b].key==B[b].key && B[1-b].ck < B[b].ck && (len(c[0]) == 0) && (len(c[1]) == 0) ->
  put(1-b, PAIR_CKPT, B[b].n, B[b].key, 0,0,0,0,0, B[b].ck, 0) } }
inline a_rekey(b) { d_step {
  LIVE(b) && !HUNG(b) && keyctr < MAXKEY && (B[b].taint || nrek > 0) && ROOM(1-b) -> if :: !B[b].taint -> nrek-- :: else fi; newkey(b);
  B[b].R=STEP; if :: B[b].prot -> put(1-b, PAIR_RAISE, B[b].n, B[b].key, 0,0,0, B[b].R, 0, B[b].ck, 0) :: else -> B[b].lim=STEP fi } }

/* STATE, the snapshot and SNAP_END in one */
inline state_put(b, nonce) {
  put(1-b, PAIR_STATE, B[b].n, B[b].key, (1-B[b].slot)*4 + (B[b].role==ACTIVE || B[b].fresh), B[b].j[1-B[b].slot], B[b].j[B[b].slot],
      B[b].R, nonce, B[b].ck, B[b].taint) }
#ifdef PIECES
#define STATEPROT 0
#define SERVES(b) B[b].sv
/* the end of a snapshot: alone until then */
inline a_snapend(b) { d_step { B[b].up && B[b].sv && len(c[1-b]) < 2 -> B[b].sv=0; B[b].kn=1; if :: B[b].role==ACTIVE -> B[b].prot=1 :: else fi;
  state_put(b, B[b].sq); B[b].sq=0 } }
inline svend(b) { B[b].sv=0; B[b].sq=0 }
#else
#define STATEPROT 1
#define SERVES(b) 0
inline svend(b) { skip }
#endif
/* join and yield */
inline a_jreq(b) { d_step {
  rup && B[b].up && B[1-b].up && !B[b].wait && !B[b].claim && (len(c[1-b]) < 2) && !B[1-b].wait && !B[1-b].claim &&
  ( (B[b].role==NONE && B[1-b].role!=NONE)
 || (B[b].role==STANDBY && B[1-b].role==ACTIVE && (B[b].n != B[1-b].n || (nresync > 0 && !B[b].kn)))      /* !kn: nothing is offered to it */
 || (B[b].role==ACTIVE  && B[1-b].role==ACTIVE && BEATS(1-b,b) && !HUNG(b)) ) ->
#if NRESYNC > 0
  if :: B[b].role==STANDBY && B[b].n == B[1-b].n -> nresync--; BUMP(b) :: else fi;      /* it leaves the session: no lease before a new one */
#endif
  B[b].wait=1;                      /* an active box is frozen from here */
#ifndef M_FRESHJOIN
  B[b].fresh=0;                     /* what a joiner holds does not count until the new state is there (pair_join.c) */
#endif
  if :: B[b].edge > B[b].ck && B[b].role==ACTIVE && WORK(b) -> B[b].ck=B[b].edge :: else fi;
#ifndef M_NONONCE
  B[b].rq=(B[b].rq+1)%4;
#endif
  put(1-b, PAIR_JOIN, B[b].n, B[b].key, B[b].role,0,0, B[b].R, B[b].rq, B[b].ck, B[b].taint)
#ifdef M_DISCARD
  ; B[b].role=NONE; B[b].key=0; chk_c()
#endif
  } }
inline a_rejreq(b) { d_step {         /* lost or refused: try again */
  rup && B[b].up && B[1-b].up && B[b].wait && !SERVES(1-b) && (len(c[0]) == 0) && (len(c[1]) == 0) -> unfreeze(b); split_note() } }
inline a_takeover(b) { d_step {
  B[b].up && RUNS(b) && B[b].role==STANDBY && !B[b].wait && !VIS(1-b) && (!rup || !B[1-b].up || B[1-b].role==NONE) ->
  voidgrant(1-b); svend(b); B[b].claim=0; B[b].role=ACTIVE; BUMP(b); B[b].prot=1;
#ifndef NOTAINT
  if :: !B[b].fresh -> B[b].taint=1 :: else fi;
#endif
  B[b].fresh=0; if :: B[1-b].role!=ACTIVE -> B[1-b].kn=0 :: else fi; load(b); if :: B[1-b].up && !WORK(1-b) && B[1-b].role==ACTIVE -> B[1-b].tk=1 :: else fi; split_note(); chk_e(b) } }
inline a_claim(b) { d_step {          /* the other's standby process can be asked: ask first */
  B[b].up && RUNS(b) && B[b].role==STANDBY && !B[b].wait && !B[b].claim && !VIS(1-b) && rup && B[1-b].up && B[1-b].role!=NONE && (len(c[1-b]) < 2) &&
  !(B[1-b].role==ACTIVE && ((WORK(1-b) && !HUNG(1-b)) || B[1-b].n != B[b].n || B[1-b].key != B[b].key)) && !(B[1-b].role==STANDBY && B[1-b].fresh && !B[b].fresh) &&
  !B[1-b].claim ->
  B[b].claim=1; B[b].rq=(B[b].rq+1)%4; put(1-b, PAIR_CLAIM, B[b].n, B[b].key, B[b].fresh, 0,B[b].rq,0,0,0,0) } }
inline a_reclaim(b) { d_step {
  B[b].claim && rup && B[1-b].up && (len(c[0]) == 0) && (len(c[1]) == 0) -> B[b].claim=0 } }
inline a_unclaim(b) { d_step { B[b].claim && VIS(1-b) && (len(c[0]) == 0) && (len(c[1]) == 0) -> B[b].claim=0 } }
#define CANPLAN(b) (LIVE(b) && !HUNG(b) && rup && hup && B[1-b].gw && INSESS && B[1-b].role==STANDBY && B[1-b].fresh && B[0].key==B[1].key)
inline a_offer(b) { d_step {          /* from its sending on the sender may be fresh; the other one will not go alone */
  CANPLAN(b) && nplan > 0 && !B[b].offd && (len(c[1-b]) < 2) ->
  nplan--; B[b].offd=1; put(1-b, PAIR_OFFER, B[b].n, 0,0,0,0,0,0,0,0) } }
inline a_planoff(b) { d_step { B[b].offd && (!(LIVE(b) && rup && INSESS) || ((len(c[0]) == 0) && (len(c[1]) == 0) && !B[1-b].kn)) -> B[b].offd=0 } }
#ifdef M_NOOFFER
#define OFFERED(b) 1
#else
#define OFFERED(b) B[1-b].kn     /* it is acknowledged */
#endif
inline a_planned(b) { d_step {
  CANPLAN(b) && B[b].offd && OFFERED(b) && (len(c[1-b]) < 2) ->
  B[b].offd=0; B[b].ck=B[b].edge; m.join=B[b].n; BUMP(b); q=B[b].nxt;
#ifdef M_GRANTSTALE
  B[b].fresh=0;
#else
  B[b].fresh=1;
#endif
  B[b].role=STANDBY;
  put(1-b, PAIR_GRANT, B[b].n, B[b].key, 2,m.join,0, B[b].R, q, B[b].ck, B[b].taint); m.join=0;  q=0;
  B[b].nxt=0; B[b].lim=0; B[b].edge=0; q=0 } }
inline a_found(b) { d_step {
  B[b].up && RUNS(b) && B[b].role==NONE && !B[b].wait && !VIS(1-b) && !(rup && B[1-b].up && B[1-b].role!=NONE) && keyctr < MAXKEY+2 ->
  zend(b); B[b].role=ACTIVE; B[b].slot=0; B[b].j[0]=1; B[b].j[1]=0; B[b].rst=0; B[b].prot=1; B[b].fresh=0; newkey(b); B[b].n=keyctr*64; B[b].had=1 } }

#ifdef M_LATEGRANT
#define PLANGOOD(b) 1
#else
#define PLANGOOD(b) B[b].fresh   /* a planned grant counts while the lease runs */
#endif
/* message reception at box b */
inline a_recv(b) { d_step {
  B[b].up && (len(c[b]) > 0) && ROOM(1-b) ->
  c[b]?m.t,m.n,m.key,m.fl,m.join,m.oj,m.R,m.nx,m.ck,m.taint;
  if
  :: m.t==PAIR_JOIN ->
     if :: B[b].role!=NONE && !B[b].wait && !B[b].claim && rup &&
           ( m.fl==NONE || (m.fl==STANDBY && B[b].role==ACTIVE) ||
             (m.fl==ACTIVE && B[b].role==ACTIVE && (TERM(B[b].n) > TERM(m.n) || (TERM(B[b].n) == TERM(m.n) && b==0))) ) ->
        if :: TERM(B[b].n) < TERM(m.n) -> B[b].n=(B[b].n/64)*64+TERM(m.n)*2 :: else fi; BUMP(b);
#if !defined(M_BLINDSERVE) && !defined(NOTAINT)
        /* standby process of a dead gateway: its copy may be older than a take-over that the newcomer has forgotten */
        if :: B[b].role==ACTIVE && !WORK(b) && B[b].prot && B[b].tk -> B[b].taint=1 :: else fi;
#endif
        B[b].offd=0;
#ifdef PIECES
        B[b].sv=1; B[b].sq=m.nx; if :: B[b].role==ACTIVE -> B[b].kn=0 :: else -> B[b].kn=1 fi;     /* the joiner holds nothing that counts */
#else
        B[b].kn=1;                         /* SNAP_END counts as a lease */
#endif
        if :: B[b].role==ACTIVE -> B[b].prot=STATEPROT; if :: WORK(b) && B[b].edge > B[b].ck -> B[b].ck=B[b].edge :: else fi :: else fi;
        if :: m.fl==ACTIVE && wkey==m.key -> wsplit=0 :: else fi; if :: m.fl==ACTIVE -> epi=0 :: else fi;  /* ghost: the split brain is over, from here on reuse counts again */
#ifndef M_NOMERGE
        if :: m.fl==ACTIVE && m.key==B[b].key ->                   /* counters of the yielding box: take the maximum */
           if :: m.ck > B[b].ck -> B[b].ck=m.ck :: else fi;
           if :: WORK(b) && B[b].ck > B[b].edge -> B[b].edge=B[b].ck :: else fi;
           if :: m.R > B[b].R -> B[b].R=m.R :: else fi;
           if :: WORK(b) -> B[b].nxt=B[b].R+1; B[b].lim=B[b].R :: else fi;     /* above everything that either may have sent */
           if :: !m.taint -> B[b].taint=0 :: else fi
           :: else fi;
#endif
#ifdef M_KEEPLIFE
        if :: m.fl==NONE -> B[b].j[1-B[b].slot]++ :: else fi;   /* only a box without state gets a new number */
#else
        B[b].j[1-B[b].slot]++;                                   /* durable before it is told */
#endif
#ifdef PIECES
        if :: B[b].role==ACTIVE && B[b].R > B[b].lim && WORK(b) -> B[b].lim=B[b].R :: else fi
#else
        state_put(b, m.nx)
#endif
#ifdef M_NUMLOST
        ; B[b].j[1-B[b].slot]--                                  /* number handed out but not kept by the holder */
#endif
        :: else fi
  :: m.t==PAIR_STATE ->
     if :: B[b].wait && m.nx==B[b].rq ->
        B[b].wait=0; epi=0; B[b].n=m.n; B[b].role=STANDBY; B[b].fresh=m.fl%4; if :: hi[m.key] > m.ck + X -> B[b].fresh=0 :: else fi;   /* older than a lease */
         B[b].prot=0; B[b].claim=0; B[b].st=0; B[b].offd=0; B[b].kn=(B[1-b].role!=ACTIVE);
#ifdef M_KEEPLIFE
        if :: B[b].key==m.key && B[b].j[m.fl/4]==m.join :: else -> B[b].rst=0 fi;
#else
        B[b].rst=0;
#endif
        B[b].slot=m.fl/4; B[b].j[B[b].slot]=m.join; B[b].j[1-B[b].slot]=m.oj; B[b].key=m.key; B[b].R=m.R; B[b].ck=m.ck;
#ifdef M_TAINTLOST
        B[b].taint=0;
#else
        B[b].taint=m.taint;
#endif
#if NHANG > 0
        if :: B[b].zo && B[b].zsame -> B[b].zc=B[b].ctr; B[b].zsame=0 :: else fi;    /* it has not heard of the new life */
#endif
        B[b].ctr=0; B[b].nxt=0; B[b].lim=0; B[b].edge=0
        :: else fi
  :: m.t==PAIR_OFFER ->
     if :: B[b].role==STANDBY && B[b].n==m.n && !B[b].wait -> B[b].kn=1 :: else fi
  :: m.t==PAIR_RAISE ->
     if :: B[b].role==STANDBY && B[b].n==m.n && !B[b].wait ->
        if :: m.key > B[b].key ->
#if NHANG > 0
              if :: B[b].zo && B[b].zsame -> B[b].zc=B[b].ctr; B[b].zsame=0 :: else fi;    /* it counts on for the key before */
#endif
              B[b].key=m.key; B[b].R=m.R; B[b].ck=m.ck; B[b].taint=0; B[b].ctr=0; if :: hi[m.key] > m.ck + X -> B[b].fresh=0 :: else fi
           :: m.key == B[b].key && m.R > B[b].R -> B[b].R=m.R
           :: else fi;
        if :: m.key == B[b].key -> put(1-b, PAIR_ACK, B[b].n, B[b].key, 0,0,0, m.R, 0,0,0) :: else fi
        :: else fi
  :: m.t==PAIR_ACK ->
     if :: B[b].role==ACTIVE && WORK(b) && B[b].prot && B[b].n==m.n && B[b].key==m.key && m.R > B[b].lim && m.R <= B[b].R -> B[b].lim=m.R :: else fi
  :: m.t==PAIR_CKPT ->
     if :: B[b].role==STANDBY && B[b].n==m.n && B[b].key==m.key && m.ck > B[b].ck -> B[b].ck=m.ck :: else fi
  :: m.t==PAIR_CLAIM ->
     if
     :: B[b].role==ACTIVE && (!WORK(b) || HUNG(b)) && B[b].n==m.n && B[b].key==m.key && !B[b].wait ->
#if NHANG > 0
        /* a hung gateway gives way; when it wakes up it may send up to its limit before it hears of it */
        if :: WORK(b) -> B[b].zo=1; B[b].zsame=1; B[b].zn=B[b].nxt; B[b].zl=B[b].lim; B[b].zs=B[b].slot; B[b].zj=B[b].j[B[b].slot]; B[b].zr=B[b].rst; B[b].zk=B[b].key :: else fi;
#endif
        B[b].st=0; B[b].offd=0; B[b].nxt=0; B[b].lim=0; B[b].edge=0;
        BUMP(b); B[b].role=STANDBY; B[b].fresh=0; B[b].prot=0;       /* not fresh: the claim may be old, wait for the first renewal */
        put(1-b, PAIR_GRANT, B[b].n, B[b].key, 2,0,m.oj, B[b].R, B[b].R+1, B[b].ck, B[b].taint)
     :: B[b].role==STANDBY && !B[b].wait && !(B[b].fresh && !m.fl) && !(B[b].claim && B[b].fresh==m.fl && b==0) ->
        B[b].claim=0; q=0; if :: B[b].n == m.n -> BUMP(b); q=B[b].n :: else fi;   /* only inside one session does the granter stay in it */
        put(1-b, PAIR_GRANT, q, B[b].key, B[b].fresh,0,m.oj, B[b].R, 0, B[b].ck, B[b].taint); q=0
     :: else -> put(1-b, PAIR_DENY, 0,0,0,0,m.oj,0,0,0,0)
     fi
  :: m.t==PAIR_GRANT ->
     if :: B[b].role==STANDBY && (m.n > B[b].n || m.n==0) && !B[b].wait && B[b].gw && !VIS(1-b) && ((B[b].claim && m.oj==B[b].rq && (m.n==0 || m.n/64==B[b].n/64)) || (m.join == B[b].n && m.fl==2 && PLANGOOD(b))) && (m.fl<2 || m.key==B[b].key) ->
        svend(b); B[b].claim=0; B[b].role=ACTIVE; if :: m.n==0 -> BUMP(b) :: else -> B[b].n=m.n fi; B[b].prot=1;
        load(b);
        if :: m.fl==2 -> B[b].R=m.R; B[b].nxt=m.nx; B[b].lim=m.R; B[b].ck=m.ck; B[b].edge=m.ck; B[b].taint=m.taint
           :: else ->
#ifndef NOTAINT
              if :: !B[b].fresh -> B[b].taint=1 :: else fi;
#endif
              skip            /* a standby grants without a list: a fresh claimant has every limit that was used, a stale one is tainted */
        fi;
        if :: m.fl<2 || m.join!=0 -> B[b].kn=1 :: else fi;     /* the granter may be fresh */
        if :: B[1-b].role!=ACTIVE -> B[1-b].kn=0 :: else fi;       /* the lease that it gave ends here: this one is no standby */
        B[b].fresh=0; if :: B[1-b].up && !WORK(1-b) && B[1-b].role==ACTIVE -> B[1-b].tk=1 :: else fi; split_note(); chk_e(b)
        :: else fi
  :: m.t==PAIR_DENY -> if :: m.oj==B[b].rq -> B[b].claim=0 :: else fi
  fi;
  zm(); chk_c() } }

/* faults */
inline a_boxcrash(b) { d_step { nbox > 0 && B[b].up -> nbox--; svend(1-b); B[b].up=0; B[b].had=0; B[b].tk=0; zvol(b); zmir(b); flush(b); unfreeze(1-b); epi=0 } }
inline a_reboot(b)   { d_step { !B[b].up -> B[b].up=1; B[b].gw=1 } }
inline a_proccrash(b){ d_step { nproc > 0 && B[b].up && B[b].gw -> nproc--; zvol(b)
#ifdef M_DISKMIRROR
   ; B[b].rst = 0
#endif
   } }
inline a_procstart(b){ d_step { B[b].up && !B[b].gw -> B[b].gw=1;
#ifndef M_NORESTART
   if :: B[b].role!=NONE -> B[b].rst++ :: else fi;               /* in the mirror before anything is sent */
#endif
   if :: B[b].role==ACTIVE ->
#if !defined(M_BLINDRESTART) && !defined(NOTAINT)
        /* in protected mode and not confirmed by the other: only safe if it cannot have taken over meanwhile */
        if :: B[b].prot && B[b].tk && !(rup && INSESS) -> B[b].taint=1 :: else fi;
#endif
        load(b); split_note(); chk_e(b)
      :: else fi; B[b].tk=0; B[b].st=0 } }
/* HSRP took its role away: it stops, the mirror still says active (stopped_unasked) */
inline a_stop(b) { d_step { LIVE(b) && !HUNG(b) && nstop > 0 && VIS(1-b) -> nstop--; B[b].ck=B[b].edge; B[b].st=1; B[b].offd=0; B[b].nxt=0; B[b].lim=0; B[b].edge=0 } }
/* HSRP wants it again: rule 11 as for a restarted process, in the same life */
inline a_resume(b) { d_step { B[b].up && RUNS(b) && B[b].st && B[b].role==ACTIVE && !B[b].wait && !VIS(1-b) ->
   B[b].st=0;
#if !defined(M_BLINDRESTART) && !defined(NOTAINT)
   if :: B[b].prot && B[b].tk && !(rup && INSESS) -> B[b].taint=1 :: else fi;
#endif
   load(b); split_note(); chk_e(b); B[b].tk=0 } }
#if NHANG > 0
inline a_hang(b) { d_step { nhang > 0 && B[b].up && B[b].gw && !B[b].hung && !B[b].st -> nhang--; B[b].hung=1 } }
inline a_wake(b) { d_step { B[b].hung -> B[b].hung=0; split_note() } }
inline a_zsend(b) { d_step {          /* the last packets of one that gave way while it hung */
  B[b].zo && !B[b].hung && B[b].zn <= B[b].zl && nsend > 0 && wkey != 0 ->
  nsend--;
  if :: B[b].zsame -> B[b].zc=B[b].ctr; B[b].ctr++ :: else fi;
  if :: B[b].zk == wkey ->
     assert(!(B[b].zs == ws && B[b].zj == wj && B[b].zr == wr && B[b].zc == wc));   /* (a) */
     assert(B[b].zn != wseq || wsplit || epi);                                     /* (b) */
     :: else fi;
  B[b].zn++; if :: !B[b].zsame -> B[b].zc++ :: else B[b].zc=0 fi } }
inline a_zhears(b) { d_step {
  B[b].zo && !B[b].hung -> zend(b) } }
#endif
inline a_rdown() { d_step { nr > 0 && rup -> nr--; rup=0; svend(0); svend(1); unfreeze(0); unfreeze(1); split_note() } }
inline a_rheal() { d_step { !rup -> rup=1 } }
inline a_hdown() { d_step { nh > 0 && hup -> nh--; hup=0 } }
inline a_hheal() { d_step { !hup -> hup=1 } }
inline a_lose(b) { d_step { (len(c[b]) > 0) && (nloss > 0 || !rup) -> if :: rup -> nloss-- :: else fi;
   c[b]?m.t,m.n,m.key,m.fl,m.join,m.oj,m.R,m.nx,m.ck,m.taint; zm() } }
inline a_reord(b) { d_step { len(c[b]) == 2 && nreord > 0 -> nreord--;
   c[b]?m.t,m.n,m.key,m.fl,m.join,m.oj,m.R,m.nx,m.ck,m.taint; c[b]!m.t,m.n,m.key,m.fl,m.join,m.oj,m.R,m.nx,m.ck,m.taint; zm() } }

#define ONE(b) (LIVE(b) && !HUNG(b) && !HUNG(1-b) && B[1-b].up && B[1-b].gw && B[1-b].role==STANDBY && B[1-b].n==B[b].n && B[1-b].fresh && B[b].prot && B[b].key==B[1-b].key)
#define STABLE (rup && hup && (ONE(0) || ONE(1)) && (len(c[0]) == 0) && (len(c[1]) == 0))

#define BOTH(f) :: f(0) :: f(1)
active proctype sys() {
  d_step {   /* box 0 founded the state and box 1 has joined */
    B[0].up=1; B[0].gw=1; B[0].role=ACTIVE; B[0].slot=0; B[0].j[0]=1; B[0].j[1]=1; B[0].had=1; B[1].had=1; B[0].n=66; B[0].prot=1; newkey(0);
    B[1].up=1; B[1].gw=1; B[1].role=STANDBY; B[1].slot=1; B[1].j[0]=1; B[1].j[1]=1; B[1].n=66; B[1].fresh=1; B[1].key=1; B[0].kn=1;
    B[0].R=STEP; B[0].lim=STEP; B[1].R=STEP }
  do
  BOTH(a_send) BOTH(a_sendw) BOTH(a_sendn) BOTH(a_raise) BOTH(a_reraise) BOTH(a_goalone) BOTH(a_expire) BOTH(a_renew)
#if NACCEPT > 0
  BOTH(a_accept) BOTH(a_ckpt) BOTH(a_reckpt)
#endif
  BOTH(a_rekey) BOTH(a_jreq) BOTH(a_rejreq) BOTH(a_takeover) BOTH(a_claim) BOTH(a_reclaim) BOTH(a_unclaim) BOTH(a_offer) BOTH(a_planoff) BOTH(a_planned) BOTH(a_found)
  BOTH(a_recv) BOTH(a_boxcrash) BOTH(a_reboot) BOTH(a_proccrash) BOTH(a_procstart) BOTH(a_lose) BOTH(a_reord)
#ifdef PIECES
  BOTH(a_snapend)
#endif
#if NSTOP > 0
  BOTH(a_stop) BOTH(a_resume)
#endif
#if NHANG > 0
  BOTH(a_hang) BOTH(a_wake) BOTH(a_zsend) BOTH(a_zhears)
#endif
  :: a_rdown() :: a_rheal() :: a_hdown() :: a_hheal()
#ifdef NOLIVE
  :: timeout -> break
#else
  :: timeout -> assert(STABLE); break                            /* (d) */
#endif
  od
}
