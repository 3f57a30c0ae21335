/* park.pml - what an active box has accepted and made, on its way to the copy of the other box: gateway process (agent_record.c), its ring,
 * standby process (pair_record.c, pair_park.c, pair_batch.c, pair_lease.c), a link that becomes full. SA 1 is there, SA 2 is made and deleted.
 * A gateway process crashes, starts, stops in order; the standby process naps, sleeps, crashes, and comes back.
 * Time is one clock of naps (20 ms): what was accepted before the nap before is old, and must be in each lease that is asked for from then on.
 * Checked: a lease stands for all that is old (rules 8, 20); at HA_STOPPED the mirror is what the gateway process has, and so is a copy
 * that is granted; a gateway process that begins is fed all that is old; a deleted SA does not come back; at rest all are the same.
 * Mutations: M_*, one rule left out each.
 */
#ifndef NACC
#define NACC 1          /* packets accepted */
#endif
#ifndef NGCRASH
#define NGCRASH 0       /* crashes of the gateway process */
#endif
#ifndef NSCRASH
#define NSCRASH 0       /* crashes of the standby process */
#endif
#ifndef NSTOP
#define NSTOP 1         /* HA_STOPPED */
#endif
#ifndef NHELLO
#define NHELLO 0
#endif
#ifndef NSLEEP
#define NSLEEP 1        /* the standby process does not run for a while */
#endif
#ifndef NPING
#define NPING 1         /* leases that are asked for */
#endif
#ifndef NSA
#define NSA 1           /* SA 2 */
#endif
#ifndef UP
#define UP 2            /* words that the ring holds */
#endif
#ifndef PARK
#define PARK 2          /* PARK_MAX */
#endif
#ifndef LINK
#define LINK 1          /* messages that the link holds */
#endif

/* as in ha/api/ha_sa.h; run.sh compares */
#define HA_ATTACH 1
#define HA_HELLO 3
#define HA_UPSERT 4
#define HA_DELETE 5
#define HA_CHECKPOINT 8
#define HA_STOPPED 11
#define HA_FLUSH 13
/* ha/pair_msg.h */
#define PAIR_UPSERT 5
#define PAIR_DELETE 6
#define PAIR_CKPT 11
#define PAIR_LEASE 13

/* e1, e2: edges; has: SA 2 is 0 not yet, 1 there, 2 deleted */
typedef Agent { bit up, attached, ever, works, stopped, resync; byte e1, e2, has; bit d1, d2, del, flush, f1, f2, oattach, ohello, ostopped }
typedef Pair { bit up, gw, blocked, late, E1, E2, hold, unattached, untold, lease, session, slept, batching; byte stuck, nap, l1, l2 }
typedef Mirror { byte e1, e2, has }
typedef Other { byte e1, e2, has }
Agent agent[1]; Pair pair[1]; Mirror mirror[1]; Other other[1];
#define G agent[0]
#define P pair[0]
#define M mirror[0]
#define O other[0]
chan up = [UP] of { byte, byte, byte };       /* type, id, edge */
chan pk = [PARK] of { byte, byte, byte };     /* set aside */
chan bt = [2] of { byte, byte, byte };        /* records that wait to leave together */
chan ln = [LINK] of { byte, byte, byte };     /* messages; PAIR_CKPT and PAIR_LEASE: of SA 1, of SA 2 */
byte nacc = NACC, ngcrash = NGCRASH, nscrash = NSCRASH, nstop = NSTOP, nhello = NHELLO, nsleep = NSLEEP, nsa = NSA + NSA, nping = NPING;
byte a1, a2, y1, y2, o1, o2;         /* ghosts: accepted; before the last nap was over; before the one before */
byte b1, b2, bhas, k1, k2; bit over, lost; /* ghosts: told; what one that died had told long ago; the other box has taken over; a deletion set aside is lost */
byte t, i, e, n, q, w, x, c, d, f;
#define SUM 16          /* a lease says how many records there are */
#define MAX(x,y) ((x) > (y) -> (x) : (y))
#define MIN(x,y) ((x) < (y) -> (x) : (y))
inline z() { t=0; i=0; e=0; n=0; q=0; w=0; x=0 }

/* ---- the link ---- */
/* one message; q = 0: sent, 1: no room. What waits to leave together goes before (out_send) */
inline out_put(T, A, B) { if :: len(ln) == LINK -> P.blocked=1; q=1 :: else -> ln!T,A,B; q=0 fi }
inline batch_flush() { q=0; do :: len(bt) > 0 && q == 0 && len(ln) < LINK -> bt?n,w,x; ln!n,w,x
  :: len(bt) > 0 && q == 0 && len(ln) == LINK -> P.blocked=1; q=1 :: else -> break od; n=0; w=0; x=0 }
#ifndef M_BATCHBEHIND
inline out_send(T, A, B) { batch_flush(); if :: q == 0 -> out_put(T, A, B) :: else fi }
#else
inline out_send(T, A, B) { out_put(T, A, B) }
#endif
inline edges_pump() { if :: P.session && !P.blocked && (P.E1 || P.E2) -> c=(P.E1 -> M.e1 : 0); d=(P.E2 -> M.e2 : 0); out_send(PAIR_CKPT, c, d); c=0; d=0; if :: q == 0 -> P.E1=0; P.E2=0 :: else fi :: else fi }
#ifndef M_HOLDNOT
#define HELD (P.hold || P.stuck == 2 || P.unattached || UNTOLD)
#else
#define HELD (P.unattached || UNTOLD)
#endif
#ifndef M_TOLDEARLY
#define UNTOLD P.untold
#else
#define UNTOLD 0
#endif
#ifndef M_LEASELATE
#define LATE P.late
#else
#define LATE 0
#endif
#ifndef M_LEASEFIRST
#define EDGESOUT (!P.E1 && !P.E2)
inline edges_before() { edges_pump() }
#else
#define EDGESOUT 1
inline edges_before() { skip }
#endif
inline lease_pump() { if :: P.session && !P.blocked -> edges_before();
    if :: P.lease && !HELD && !LATE && !P.blocked && EDGESOUT -> d=P.l2+SUM*(M.has == 1); out_send(PAIR_LEASE, P.l1, d); d=0; if :: q == 0 -> P.lease=0; P.l1=0; P.l2=0 :: else fi
       :: else fi :: else fi }

/* UPSERTs that are drained in one go leave together */
inline record_send(T, I, E) { if :: P.batching && T == PAIR_UPSERT && len(bt) < 2 -> bt!T,I,E; q=0 :: else -> out_send(T, I, E) fi }
/* ---- records of the own gateway process: q = 1: -EAGAIN ---- */
inline record_take(T, I, E) { q=0;
  if :: !P.late -> lease_pump(); q=0 :: else fi;
  if
  :: P.session && P.blocked -> q=1
  :: else -> if
    :: T == HA_UPSERT && I == 1 -> M.e1=MAX(M.e1,E); if :: P.session -> c=M.e1; record_send(PAIR_UPSERT, 1, c); c=0 :: else fi
    :: T == HA_UPSERT && I == 2 -> if :: M.has < 2 -> M.has=1 :: else fi; assert(M.has == 1);     /* identities are used once */
       M.e2=MAX(M.e2,E); if :: P.session -> c=M.e2; record_send(PAIR_UPSERT, 2, c); c=0 :: else fi
    :: T == HA_DELETE -> M.has=2; M.e2=0; P.E2=0; if :: P.session -> record_send(PAIR_DELETE, 2, 0) :: else fi
    :: T == HA_FLUSH -> P.untold=0
    :: else fi;
    P.late=(q == 1)
  fi }
inline edge_set(I, E) { if :: I == 1 -> M.e1=MAX(M.e1,E); P.E1=P.session :: I == 2 && M.has == 1 -> M.e2=MAX(M.e2,E); P.E2=P.session :: else fi }
#ifndef M_EDGEDROP
/* of an SA that is not in the mirror yet the edge goes with it */
inline edge_keep(I, E) { n=len(pk); do :: n > 0 -> pk?w,x,q; if :: w == HA_UPSERT && x == I -> q=MAX(q,E) :: else fi; pk!w,x,q; n-- :: else -> break od; w=0; x=0; q=0 }
#else
inline edge_keep(I, E) { skip }
#endif
inline park_pump() { do :: len(pk) > 0 && !P.blocked -> pk?<t,i,e>; record_take(t, i, e); if :: q == 0 -> pk?t,i,e :: else -> break fi :: else -> break od; z() }
/* ---- words: x = 1: taken ---- */
inline word_take() { up?<t,i,e>; x=0;
  if
  :: t == HA_CHECKPOINT -> edge_keep(i, e); edge_set(i, e); x=1
  :: t == HA_UPSERT || t == HA_DELETE || t == HA_FLUSH ->
     if :: len(pk) > 0 -> q=1 :: else -> record_take(t, i, e) fi;
     x=1; if :: q && len(pk) < PARK -> pk!t,i,e :: q && len(pk) == PARK -> x=0 :: else fi
  :: t == HA_HELLO -> x=1
  :: t == HA_STOPPED || t == HA_ATTACH ->
#ifndef M_STOPPASS
     if :: len(pk) > 0 -> x=0 :: else -> x=1 fi
#else
     x=1
#endif
  fi;
  if :: x -> up?t,i,e;
        if :: t == HA_STOPPED -> if :: G.stopped && P.gw -> assert(M.e1 == G.e1 && (lost || ((M.has == 1) == (G.has == 1) && M.e2 == G.e2))) :: else fi
           :: t == HA_ATTACH -> P.gw=1; P.unattached=0; P.untold=(e != 0)
           :: else fi;
        P.hold=P.hold || (P.stuck == 2); P.stuck=0
     :: else -> P.stuck=(P.stuck == 2 -> 2 : 1) fi; z() }
inline drain() { x=1; do :: x && len(up) > 0 -> word_take(); if :: len(up) > 0 && P.stuck -> x=0 :: else -> x=1 fi :: else -> break od; x=0 }
inline awake() { if :: P.slept -> P.hold=1; P.slept=0 :: else fi; P.nap=0 }
inline s_word() { d_step { P.up && !P.nap && len(up) > 0 && !P.stuck -> word_take() } }
inline s_together() { d_step { P.up && !P.nap && len(up) > 0 && !P.stuck -> P.batching=1; word_take() } }
inline s_flush() { d_step { P.batching -> P.batching=0; batch_flush(); z() } }
inline pump() { lease_pump(); park_pump(); lease_pump(); z() }
/* pair_writable(): then the ring is looked at again */
inline s_room() { d_step { P.up && !P.nap && P.blocked && len(ln) < LINK -> P.blocked=0; pump(); drain(); if :: !P.batching -> batch_flush() :: else fi; z() } }
inline s_edges() { d_step { P.up && !P.nap && (P.E1 || P.E2 || P.lease) && P.session && !P.blocked -> lease_pump(); z() } }
inline s_nap() { d_step { P.up && !P.nap && !P.batching && nsleep > 0 -> nsleep--; P.nap=1 } }
inline s_wakes() { d_step { P.up && P.nap -> awake() } }
inline s_crash() { d_step { P.up && nscrash > 0 -> nscrash--; if :: pk??[HA_DELETE,_,_] -> lost=1 :: !pk??[HA_DELETE,_,_] && pk??[HA_UPSERT,2,_] && bhas == 1 -> bhas=M.has :: else fi; P.up=0; P.gw=0; P.blocked=0; P.late=0; P.E1=0; P.E2=0; P.hold=0; P.unattached=0; P.untold=0; P.lease=0; P.l1=0; P.l2=0;
  P.session=0; P.nap=0; P.slept=0; P.batching=0; P.stuck=0; G.attached=0;
  do :: len(pk) > 0 -> pk?t,i,e :: else -> break od; do :: len(bt) > 0 -> bt?t,i,e :: else -> break od; do :: len(ln) > 0 -> ln?t,i,e :: else -> break od; z() } }
inline s_start() { d_step { !P.up -> P.up=1; P.unattached=1 } }        /* the ring is in the mirror: old words first */
#define NEWEST(a, b) (O.e1 >= (a) && (O.has != 1 || nsa == 0 || O.e2 >= (b)))
/* the copy anew; SNAP_END counts as a lease */
inline s_join() { d_step { P.up && !P.nap && !P.session && !over -> P.session=1; O.e1=M.e1; O.e2=M.e2; O.has=M.has;
  if :: !HELD -> assert(NEWEST(o1, o2)) :: else fi } }
/* claim_acked(): the gateway process is dead, everything is acknowledged */
#ifndef M_GRANTPARKED
#define NOTPARKED (len(pk) == 0)
#else
#define NOTPARKED 1
#endif
inline s_grants() { d_step { P.up && !P.nap && !P.gw && !P.unattached && !G.up && P.session && !P.batching && !P.late && !P.E1 && !P.E2 && NOTPARKED && len(ln) == 0 && len(bt) == 0 ->
  assert(O.e1 == M.e1 && O.e2 == M.e2 && (O.has == 1) == (M.has == 1)); assert(NEWEST(k1, k2)); assert(lost || len(up) > 0 || (O.has == 1) == (bhas == 1)); over=1; nacc=0; nsa=0; nping=0; nstop=0 } }
inline o_recv() { d_step { len(ln) > 0 -> ln?t,i,e;
  if
  :: t == PAIR_UPSERT && i == 1 -> O.e1=MAX(O.e1,e)
  :: t == PAIR_UPSERT && i == 2 -> assert(O.has != 2); O.has=1; O.e2=MAX(O.e2,e)
  :: t == PAIR_DELETE -> O.has=2; O.e2=0
  :: t == PAIR_CKPT -> O.e1=MAX(O.e1,i); if :: O.has == 1 -> O.e2=MAX(O.e2,e) :: else fi
  :: t == PAIR_LEASE -> assert((O.has == 1) == e/SUM);       /* I5 */
     e=e%SUM; assert(NEWEST(i, e))        /* it may take over now */
  fi; z() } }
inline o_ping() { d_step { P.up && P.session && !P.lease && nping > 0 -> nping--; P.lease=1; P.l1=o1; P.l2=o2 } }

/* ---- gateway process ---- */
#define OWES (G.oattach || G.ohello || G.d1 || G.d2 || G.del || G.flush)
#define DIRTY (G.d1 || G.d2 || G.del || G.flush)
inline g_pump() { do
  :: G.up && G.attached && len(up) < UP && (OWES || G.f1 || G.f2 || G.ostopped) ->
     if
     :: G.oattach -> up!HA_ATTACH,0,G.ever; G.oattach=0; G.ever=1
     :: else -> if
       :: G.ohello -> up!HA_HELLO,0,0; G.ohello=0
       :: else -> if
         :: G.d1 -> up!HA_UPSERT,1,G.e1; G.d1=0; b1=G.e1
         :: else -> if
           :: G.d2 -> up!HA_UPSERT,2,G.e2; G.d2=0; b2=G.e2; bhas=1
           :: else -> if
             :: G.del -> up!HA_DELETE,2,0; G.del=0; bhas=2
             :: else -> if
               :: G.flush -> up!HA_FLUSH,0,0; G.flush=0
               :: else -> if
                 :: G.f1 -> up!HA_CHECKPOINT,1,G.e1; G.f1=0; b1=G.e1
                 :: else -> if
                   :: G.f2 -> if :: G.has == 1 -> up!HA_CHECKPOINT,2,G.e2; b2=G.e2 :: else fi; G.f2=0
                   :: else -> up!HA_STOPPED,0,0; G.ostopped=0
  fi fi fi fi fi fi fi fi
  :: else -> break od; skip }
inline g_bell() { d_step { G.up && G.attached && len(up) < UP && (OWES || G.f1 || G.f2 || G.ostopped) -> g_pump() } }
inline g_accept(k) { d_step { G.works && nacc > 0 && (k == 1 || G.has == 1) -> nacc--;
  if :: k == 1 -> G.e1++; a1++; G.f1=G.attached :: else -> G.e2++; a2++; G.f2=G.attached fi; g_pump() } }
inline g_make() { d_step { G.works && nsa == 2 -> nsa--; G.has=1; G.d2=G.attached; g_pump() } }
inline g_delete() { d_step { G.works && nsa == 1 && G.has == 1 -> nsa--; G.has=2; G.e2=0; a2=0; y2=0; o2=0; b2=0; G.f2=0; G.d2=0; G.del=1; g_pump() } }
inline g_hello() { d_step { G.up && G.attached && nhello > 0 -> nhello--; G.ohello=1; g_pump() } }
inline g_stops() { d_step { G.works && nstop > 0 -> nstop--; G.works=0; G.stopped=1; G.ostopped=1; g_pump() } }
/* everything anew, and HA_FLUSH behind it */
inline g_attach() { d_step { G.up && P.up && !G.attached && len(up) == 0 -> G.attached=1; G.oattach=1; G.f1=0; G.f2=0;
  if :: G.ever -> G.d1=1; G.d2=(G.has == 1) :: else fi; G.flush=1; G.ostopped=G.stopped; g_pump() } }
/* record_feed(): what the mirror has and it has not was deleted when nobody listened */
inline g_fed() { d_step { G.attached && P.gw && (G.works || G.ostopped) && len(up) == 0 && !OWES && M.has == 1 && G.has == 2 && !P.batching && len(pk) == 0 -> G.del=1; g_pump() } }
/* the standby process takes what is in the ring before it believes that (gateway_gone); it may be a word that cannot be taken */
inline g_crash() { d_step { G.up && ngcrash > 0 && (!P.up || !P.nap) -> ngcrash--;
  G.up=0; G.attached=0; G.ever=0; G.works=0; G.stopped=0; G.e1=0; G.e2=0; G.d1=0; G.d2=0; G.del=0; G.flush=0; G.f1=0; G.f2=0; G.oattach=0; G.ohello=0; G.ostopped=0; G.has=0;
  if :: P.up -> drain(); k1=(P.stuck == 2 || !P.gw -> k1 : o1); k2=(P.stuck == 2 || !P.gw -> k2 : o2); P.gw=0 :: else fi;
  /* what one that dies had not told is lost */
  a1=MIN(a1,b1); y1=MIN(y1,b1); o1=MIN(o1,b1); a2=MIN(a2,b2); y2=MIN(y2,b2); o2=MIN(o2,b2); P.l1=MIN(P.l1,b1); P.l2=MIN(P.l2,b2); k1=MIN(k1,b1); k2=MIN(k2,b2); z() } }
inline g_start() { d_step { !G.up && !over -> G.up=1 } }
/* fed, it begins */
inline g_begins() { d_step { G.up && G.attached && P.up && P.gw && !G.works && !G.stopped && len(up) == 0 && !OWES ->
  assert(M.e1 >= k1 && (M.has != 1 || M.e2 >= k2));
  G.e1=M.e1; G.e2=M.e2; G.has=M.has; G.works=1 } }

/* ---- time ---- */
#define TOLD (!(G.up && G.attached) || len(up) == UP || !(OWES || G.f1 || G.f2))
#define READ (!P.up || P.nap || (!P.batching && (len(up) == 0 || P.stuck)))
inline tick() { d_step { TOLD && READ && (y1 != a1 || o1 != y1 || y2 != a2 || o2 != y2 || P.stuck == 1 || P.hold || P.nap == 1 || (P.nap == 2 && !P.slept)) ->
  o1=y1; o2=y2; y1=a1; y2=a2;
  if :: P.up && P.nap -> P.slept=(P.nap == 2); P.nap=2
     :: P.up && !P.nap -> P.hold=0; P.stuck=(P.stuck -> 2 : 0)
     :: else fi } }

#define SAME (M.e1 == G.e1 && M.e2 == G.e2 && (M.has == 1) == (G.has == 1) && O.e1 == M.e1 && O.e2 == M.e2 && (O.has == 1) == (M.has == 1))
#define REST (over || (P.up && P.gw && P.session && G.up && G.attached && len(up) == 0 && len(pk) == 0 && len(bt) == 0 && len(ln) == 0 && \
  !P.late && !P.stuck && !P.lease && (SAME || G.stopped)))
active proctype sys() {
  d_step { P.up=1; P.gw=1; P.session=1; G.up=1; G.attached=1; G.ever=1; G.works=1 }
  do
  :: s_word() :: s_together() :: s_flush() :: s_room() :: s_edges() :: s_nap() :: s_wakes() :: s_crash() :: s_start() :: s_join() :: s_grants()
  :: g_bell() :: g_accept(1) :: g_accept(2) :: g_make() :: g_delete() :: g_hello() :: g_stops() :: g_attach() :: g_crash() :: g_start() :: g_begins() :: g_fed()
  :: o_recv() :: o_ping() :: tick()
  :: timeout -> assert(REST); break
  od
}
