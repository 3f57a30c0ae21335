/* ring.pml - one box: gateway process (agent*.c), standby process (pair*.c), the mirror, and the two rings between
 * them, which are slow, become full and die with the standby process. One SA. The other box is an adversary that keeps to
 * the rules which core.pml checks: it takes the role from a gateway process that sleeps, is dead or has stopped,
 * hands it back as planned, works beside us (split brain, begun by it or by us), wins or loses that, dies.
 * A gateway process that sleeps is one that takes no step. What is told at once goes out in the step that caused it,
 * or is owed when the ring is full; then the order is open, since the reader may make room between any two words.
 * HA_APPLIED is folded into HA_LIMIT; acknowledgements of the other box come at once; edges go the way of numbers.
 * Mutations: M_*, one rule left out each.
 */
#ifndef NSEND
#define NSEND 2         /* packets sent, by both boxes */
#endif
#ifndef NHANG
#define NHANG 1         /* times that the role is taken from a gateway process at work, which sleeps */
#endif
#ifndef NCRASH
#define NCRASH 0        /* crashes of the gateway process */
#endif
#ifndef NSCRASH
#define NSCRASH 1       /* crashes of the standby process: the ring dies */
#endif
#ifndef NTAKE
#define NTAKE 0         /* failures of the other box while it is active */
#endif
#ifndef NPLAN
#define NPLAN 1         /* planned switchovers from here */
#endif
#ifndef NBACK
#define NBACK 1         /* planned switchovers to here */
#endif
#ifndef NOFF
#define NOFF 0          /* planned switchovers that come to nothing */
#endif
#ifndef NLOST
#define NLOST 0         /* times that HSRP takes the active role */
#endif
#ifndef NCLAIM
#define NCLAIM 0        /* claims beside those that follow when nobody works */
#endif
#ifndef NSPLIT
#define NSPLIT 0        /* split brains */
#endif
#ifndef NCUT
#define NCUT 0          /* the other box is active, and neither link nor hellos reach this one */
#endif
#ifndef NRESYNC
#define NRESYNC 0       /* HA_RESYNC */
#endif
#ifndef NJOIN
#define NJOIN 0         /* transfers of state to this box as a standby */
#endif
#ifndef NMAKE
#define NMAKE 0         /* 1: the SA is not there at first */
#endif
#ifndef NRAISE
#define NRAISE 1        /* limits asked for */
#endif
#ifndef UP
#define UP 2            /* words that the ring to the standby process holds */
#endif
#ifndef DN
#define DN 3            /* the same, to the gateway process */
#endif
#define STEP 1          /* by which ceilings rise */
#ifdef ATONCE
#define ATONCE_STEP STEP        /* MIRROR_RAISING at a take-over */
#else
#define ATONCE_STEP 0
#endif

/* as in ha/api/ha_sa.h; run.sh compares */
#define HA_ATTACH 1
#define HA_UPSERT 4
#define HA_RAISE 6
#define HA_CLAIM 9
#define HA_SWITCH 10
#define HA_STOPPED 11
#define HA_NEXT 12
#define HA_RESYNC 15
#define HA_ROLE 64
#define HA_FEED 65
#define HA_FEED_DELETE 66
#define HA_FEED_END 67
#define HA_LIMIT 69
#define HA_ACTIVATE 70
#define HA_REFUSED 71
#define HA_PREPARE 72
#define HA_YIELD 73
#define HA_RESUME 74
#define HA_SET 75
#define HA_TAINT 76
#define HA_SETS 82
#define HA_ROLE_NONE 0
#define HA_ROLE_STANDBY 1
#define HA_ROLE_ACTIVE 2
/* ha/agent_private.h */
#define STOPPING_NO 0
#define STOPPING_LOST 1
#define STOPPING_PLAN 2
#define STOPPING_YIELD 3
#define STOPPING_TOLD 4
#define AGENT_OWES_ATTACH 1
#define AGENT_OWES_CLAIM 4
#define AGENT_OWES_SWITCH 8
#define AGENT_OWES_STOPPED 16
/* ha/pair_private.h */
#define OWED_AGAIN 2
#define OWED_BEGIN 4
#define OWED_FORGET 8
#define OWED_TAINT 16
#define OWED_RESUME 32
#define OWED_ACTIVATE 64
#define OWED_REFUSED 128
#define OWED_PREPARE 256
#define OWED_YIELD 512
#define PLAN_NONE 0
#define PLAN_STOPPING 2
#define PLAN_STOPPED 3
#define YIELD_NONE 0
#define YIELD_STOPPING 1
#define YIELD_LISTING 2
#define YIELD_ASKED 3

/* the mirror: words of the group, and the record of the SA */
typedef Mirror { byte role, tenure, life, R, raising; bit merged, next_void, yield, has, taint }
/* struct pair */
typedef Pair { bit up, gw, working, activate, planned, told_late, pc, bulk, dirty, feeding, feed_end, retell, resetting, sweep, refetch;
  byte offered, begun, plan, yield, next, raised; short owed }
/* struct agent, its workers (runs) and its copy of the SA */
typedef Agent { bit up, started, ever, attached, working, runs, drained, claiming, asked, dirty, feeding, known, fed, removed, behind, waits, attach_busy, has, taint;
  byte stopping, begun, tenure, owed, next_out, next_in, nxt, lim, life, ctr }
Mirror mirror[1]; Pair pair[1]; Agent agent[1];   /* arrays: spin prints their changes */
#define M mirror[0]
#define P pair[0]
#define G agent[0]
bit conn;                        /* the socket between the two */
bit oact, ostop, cut; byte onxt, oR;     /* the other box: active; has stopped to hand over; cut off; next number, ceiling */
chan up = [UP] of { byte, byte, byte, byte };    /* type, a, b, id */
chan dn = [DN] of { byte, byte, byte, byte };
byte nsend = NSEND, nhang = NHANG, ncrash = NCRASH, nscrash = NSCRASH, ntake = NTAKE, nplan = NPLAN, nback = NBACK, noff = NOFF,
  nlost = NLOST, nclaim = NCLAIM, nsplit = NSPLIT, ncut = NCUT, nresync = NRESYNC, njoin = NJOIN, nmake = NMAKE, nraise = NRAISE;
/* ghosts: a split brain goes on; a merge since the last word to begin was heard, was told; one packet that all later ones are compared with, ws = 1: sent in it, 2: in one that is merged */
bit epi, mg, mt; byte wseq, ws, wlife, wctr; bit wother;
byte asks;                       /* claims because nobody worked: without an end is a livelock */
byte t, a, b, i;

#define BUSY (G.stopping == STOPPING_TOLD -> (G.owed & AGENT_OWES_STOPPED) != 0 : G.working || G.stopping != STOPPING_NO)
#define ROOM (len(dn) < DN)
/* Excused: the words of a merge have not reached the gateway process yet, which works since before; or it has lost and does not know,
 * or its workers drain. One that begins with a word that was told after the merge has no excuse. */
#define LAG (((G.begun != P.begun || mg) && \
  (P.dirty || P.feeding || P.feed_end || !P.up || !P.gw || !conn || (G.owed & AGENT_OWES_ATTACH) || dn??[HA_SET,_,_,_])) || \
  (G.runs && (!G.working || P.yield || M.role == HA_ROLE_STANDBY)))
#define MAX(x,y) ((x) > (y) -> (x) : (y))
inline z() { t=0; a=0; b=0; i=0 }

/* ---- standby process: telling ---- */
#ifndef M_ASKEDLATE
#define ASKED(x) (x)     /* one that has stopped, or whose role has gone, is not asked to stop */
#else
#define ASKED(x) 0
#endif
inline tell_owed(what) { if :: P.gw -> P.owed = P.owed | what;
#ifndef M_BEGINSTWICE
  if :: P.owed & OWED_ACTIVATE -> P.owed = P.owed & ~OWED_RESUME :: else fi;      /* one word has the count */
#endif
  if :: what == OWED_ACTIVATE || what == OWED_RESUME -> P.begun++ :: else fi :: else fi }
#define CONNECTED (P.gw && conn)
#ifdef M_PASSROLE
#define TELLS CONNECTED
#define LATE 0
#else
#define TELLS (CONNECTED && !P.told_late)       /* nothing passes HA_ROLE: who works by an older one does not take numbers */
#define LATE P.told_late
#endif
inline feed_begin() { P.feeding=P.gw; P.feed_end=P.gw; tell_owed(OWED_BEGIN) }
inline record_tell() { if :: P.working -> dn!HA_SET,M.R+1,0,M.taint :: else -> if :: M.has -> dn!HA_FEED,M.R,0,M.taint :: else fi fi }
inline feed_record() { if :: !P.gw -> skip
  :: P.gw && conn && !LATE && !P.dirty && !P.owed && ROOM -> record_tell()
  :: else -> P.dirty=conn fi }
inline feed_sets() { if :: !P.gw -> skip
  :: P.gw && conn && !LATE && !P.dirty && !P.owed && ROOM -> dn!HA_SETS,M.R+1,0,0
  :: else -> P.dirty=conn fi }
#ifdef M_LIMITIDLE
#define LIMITS 1
#else
#define LIMITS P.working        /* before HA_ACTIVATE the count is that of the beginning before */
#endif
inline limit_tell(x) { if :: P.gw && conn && ROOM && LIMITS -> dn!HA_LIMIT,x,P.begun,0 :: else fi }   /* lost: asked again */
inline activate_begin() { P.activate=1; P.planned=0; P.working=0 }
inline reset_begin() {
#ifndef M_NORESET
  P.resetting=P.gw
#else
  skip
#endif
  }
inline reactivate() { activate_begin(); P.sweep=1; reset_begin() }
inline taint_all() { if :: M.has -> M.taint=1; tell_owed(OWED_TAINT) :: else fi }
inline plan_off() { if :: P.plan != PLAN_NONE -> if :: M.role == HA_ROLE_ACTIVE && P.gw -> P.owed = P.owed & ~OWED_PREPARE;
    if :: P.plan == PLAN_STOPPED -> P.working=1 :: else fi; tell_owed(OWED_RESUME) :: else fi; P.plan=PLAN_NONE; P.next=0 :: else fi }
#define raising M.raising
inline sweep_off() { P.sweep=(raising != 0) }
#ifdef M_NOSETTLE
inline raising_settle() { skip }
#else
inline raising_settle() { if :: M.has -> M.R=M.R+raising :: else fi }
#endif
inline raising_end() { raising_settle(); raising=0 }
inline yield_stopped() { P.owed = P.owed & ~ASKED(OWED_YIELD); P.working=0; P.sweep=0; raising_end(); P.yield=YIELD_LISTING; M.yield=1 }
inline gateway_lost() { P.gw=0; P.working=0; P.activate=0; P.feeding=0; P.feed_end=0; P.resetting=0; P.owed=0; sweep_off(); P.dirty=0;
  if :: P.plan == PLAN_STOPPING -> plan_off() :: else fi; if :: P.yield == YIELD_STOPPING -> yield_stopped() :: else fi }
inline tenure_begin() { M.tenure++ }
inline take_over(pl) { P.offered=0; tenure_begin(); raising=(pl -> 0 : ATONCE_STEP); M.role=HA_ROLE_ACTIVE; activate_begin(); P.planned=pl;
  if :: !pl -> P.sweep=1 :: else fi; P.told_late=1 }
/* role standby in the mirror: it has been given away */
inline give() { M.role=HA_ROLE_STANDBY; raising=0; P.plan=PLAN_NONE; P.next=0; reset_begin(); P.told_late=1 }

inline role_tell() { if :: P.told_late && P.gw && conn && ROOM -> dn!HA_ROLE,M.role,M.life,0; P.told_late=0 :: else fi }
#define OWES(x) P.owed & x -> P.owed = P.owed & ~(x);
/* the lowest bit first; owed_pump() of pair_feed.c */
inline owed_tell() {
  if
  :: OWES(OWED_AGAIN) dn!HA_FEED_DELETE,2,0,0
  :: else -> if
    :: OWES(OWED_BEGIN) dn!HA_FEED_DELETE,1,0,(M.role == HA_ROLE_ACTIVE -> M.tenure : 0)
    :: else -> if
      :: OWES(OWED_FORGET) dn!HA_NEXT,0,0,0
      :: else -> if
        :: OWES(OWED_TAINT) dn!HA_TAINT,1,0,0
        :: else -> if
          :: OWES(OWED_RESUME) dn!HA_RESUME,0,P.begun,0; mt=0
          :: else -> if
            :: OWES(OWED_ACTIVATE) if :: P.working -> dn!HA_ACTIVATE,P.planned+2*P.raised,P.begun,M.tenure; mt=0 :: else fi
            :: else -> if
              :: OWES(OWED_REFUSED) dn!HA_REFUSED,0,0,0
              :: else -> if
                :: OWES(OWED_PREPARE) dn!HA_PREPARE,0,0,0
                :: else -> P.owed = P.owed & ~OWED_YIELD; dn!HA_YIELD,0,0,0
  fi fi fi fi fi fi fi fi }
inline activate_look() { P.activate=0;
  if :: M.role == HA_ROLE_ACTIVE && !P.yield -> P.working=1; M.next_void=0; P.raised=(P.sweep -> raising : 0); tell_owed(OWED_ACTIVATE) :: else fi }
inline activate_again() { P.raised=0; tell_owed(OWED_ACTIVATE) }
/* it begins with what a merge has told, not before */
#ifdef M_RESUMEFIRST
#define BEGINS OWED_ACTIVATE
#else
#ifdef M_ACTIVATEFIRST
#define BEGINS OWED_RESUME
#else
#define BEGINS (OWED_RESUME | OWED_ACTIVATE)
#endif
#endif
#define BEGINWAITS (P.dirty && (P.owed & BEGINS) && !(P.owed & (OWED_RESUME - 1)))
/* all that there is room for: whether the reader takes a word before the next one is put makes no difference then */
inline feed_pump() { if :: M.role != HA_ROLE_ACTIVE -> P.owed = P.owed & ~ASKED(OWED_YIELD | OWED_PREPARE) :: else fi; do
  :: TELLS && P.owed && !BEGINWAITS && ROOM -> owed_tell()
  :: TELLS && (!P.owed || BEGINWAITS) && P.dirty && ROOM -> record_tell(); P.dirty=0;
#ifndef M_RAISEDKEPT
     P.raised=0                                              /* it has been told the ceilings of now */
#endif

  :: TELLS && !P.owed && !P.dirty && P.feeding && len(dn) < DN - (P.retell || (P.working && M.taint)) ->
     if :: M.has -> dn!HA_FEED,M.R,0,M.taint;
           if :: P.retell -> dn!HA_SET,M.R+1,0,M.taint :: else -> if :: P.working && M.taint -> dn!HA_TAINT,1,0,0 :: else fi fi      /* working_tell() */
        :: else fi; P.feeding=0
  :: TELLS && !P.owed && !P.dirty && !P.feeding && P.feed_end && ROOM -> dn!HA_FEED_END,0,0,0; P.feed_end=0; P.retell=0
  :: TELLS && !P.owed && !P.dirty && !P.feeding && !P.feed_end && P.resetting && ROOM -> if :: M.has -> dn!HA_SETS,M.R+1,0,0 :: else fi; P.resetting=0
  :: TELLS && !P.owed && !P.dirty && !P.feeding && !P.feed_end && !P.resetting && P.activate -> activate_look()
  :: else -> break
  od; skip }
inline sweep_all() {
  if :: M.role == HA_ROLE_ACTIVE && (P.working || raising) -> if :: M.has && (!M.taint || raising) -> M.R=M.R+STEP; limit_tell(M.R) :: else fi; raising=0 :: else fi;
  P.sweep=0 }
inline sweep_pump() { if :: P.sweep && !P.activate && !raising -> sweep_all() :: else fi }
inline pump_rest() { feed_pump(); sweep_pump(); role_tell() }
/* pc: a full ring may get room right behind the look of role_tell() */
inline pair_pump() { role_tell();
#ifdef M_PASSROLE
  if :: P.told_late && CONNECTED -> P.pc=1 :: else -> pump_rest() fi
#else
  pump_rest()
#endif
  }
#define PENDING (P.told_late || P.owed || P.dirty || P.feeding || P.feed_end || P.resetting || P.activate || P.sweep)
#define IDLE (P.up && !P.pc)
inline s_rest() { d_step { P.up && P.pc -> P.pc=0; pump_rest() } }
inline s_sweep() { d_step { IDLE && P.sweep && !P.activate && raising -> sweep_all(); pair_pump() } }     /* in slices: it takes its time */
inline s_bell() { d_step { IDLE && CONNECTED && PENDING && ROOM -> pair_pump() } }

/* ---- standby process: words of the gateway process ---- */
inline plan_prepare() { if :: M.role == HA_ROLE_ACTIVE && P.working && !oact && !P.yield && !P.sweep && P.plan == PLAN_NONE ->
    P.plan=PLAN_STOPPING; P.next=0; tell_owed(OWED_PREPARE) :: else fi }
#ifndef M_UPSERTANY
#define RECORDS (i == M.tenure)  /* records of another time as the active box are dropped */
#else
#define RECORDS 1
#endif
#ifndef M_NEXTOLD
#define VOIDNEXT P.next=0        /* told late, of an earlier time */
#else
#define VOIDNEXT skip
#endif
inline s_word() { d_step { IDLE && len(up) > 0 -> up?t,a,b,i;
  if
  :: t == HA_ATTACH ->
     if :: P.gw -> gateway_lost() :: else fi;
     P.gw=1; P.told_late=1; P.owed=0; P.begun=0; P.dirty=0;
     raising_settle(); if :: raising -> P.sweep=1 :: else fi;
     feed_begin();
     if
     :: b == HA_ROLE_ACTIVE && M.role == HA_ROLE_ACTIVE && P.yield -> P.working=0; tell_owed(OWED_YIELD)
     :: b == HA_ROLE_ACTIVE && M.role == HA_ROLE_ACTIVE && !P.yield -> P.working=1;
#ifndef M_NOTENURE
        if :: i != M.tenure -> activate_again()
           :: else -> P.retell=M.merged fi
#else
        P.retell=M.merged
#endif
     :: else -> P.working=0; P.retell=0; M.merged=0;
        if :: M.role == HA_ROLE_ACTIVE && b == HA_ROLE_NONE && !P.yield -> reactivate() :: else fi
     fi;
#ifdef M_NORETELL
     P.retell=0;
#endif
     if :: !conn -> gateway_lost() :: else fi
  :: t == HA_CLAIM && P.gw ->
     if
     :: M.role == HA_ROLE_ACTIVE ->
        if :: P.yield || P.plan >= PLAN_STOPPING -> tell_owed(OWED_REFUSED)
           :: else -> if :: P.working -> activate_again() :: else -> if :: !P.activate -> reactivate() :: else fi fi fi
     :: else ->
        if :: P.bulk || (oact && ntake == 0 && !cut) -> tell_owed(OWED_REFUSED)
           /* fresh, or granted by a standby process whose gateway is gone; or the other one works on, and nobody can know */
           :: else -> if :: oact && cut -> epi=1 :: oact && !cut -> ntake--; oact=0 :: else fi; ostop=0; cut=0; take_over(0) fi
     fi
  :: t == HA_SWITCH ->
     if :: M.role == HA_ROLE_ACTIVE && P.plan != PLAN_NONE -> skip
        :: M.role == HA_ROLE_ACTIVE && P.plan == PLAN_NONE -> plan_prepare(); if :: P.plan == PLAN_NONE -> tell_owed(OWED_REFUSED) :: else fi
        :: else fi
  :: t == HA_STOPPED -> if :: a -> feed_begin(); VOIDNEXT :: else fi;
#ifndef M_STOPPEDANY
     if :: b == P.begun ->
#else
     if :: 1 ->
#endif
        if :: P.plan == PLAN_STOPPING -> P.working=0; P.sweep=0; P.plan=PLAN_STOPPED; P.owed = P.owed & ~ASKED(OWED_PREPARE)
           :: P.plan != PLAN_STOPPING && P.yield == YIELD_STOPPING -> yield_stopped()
           :: else -> if :: M.role == HA_ROLE_ACTIVE && !P.activate -> P.working=0; sweep_off() :: else fi
        fi
        :: else fi
  :: t == HA_NEXT ->
     if :: P.plan == PLAN_STOPPING ->
#ifndef M_NEXTVOID
        if :: !M.next_void -> P.next=a :: else fi
#else
        P.next=a
#endif
        :: else fi
  :: t == HA_UPSERT -> if :: M.role == HA_ROLE_ACTIVE && RECORDS ->
       M.has=1; M.R=MAX(M.R,a); limit_tell(a) :: else fi
  :: t == HA_RAISE -> if :: M.role == HA_ROLE_ACTIVE && P.yield <= YIELD_STOPPING && M.has -> M.R=MAX(M.R,a); limit_tell(M.R) :: else fi
  :: t == HA_RESYNC -> if :: M.role == HA_ROLE_STANDBY -> P.refetch=1 :: else fi
  :: else
  fi; z(); pair_pump() } }
inline s_crash() { d_step { P.up && !P.bulk && nscrash > 0 -> nscrash--; conn=0;
  P.up=0; P.gw=0; P.working=0; P.activate=0; P.planned=0; P.told_late=0; P.pc=0; P.dirty=0; P.feeding=0; P.feed_end=0; P.retell=0; P.resetting=0; P.sweep=0;
  P.refetch=0; P.offered=0; P.begun=0; P.plan=0; P.yield=0; P.next=0; P.raised=0; P.owed=0 } }
#ifdef GONE
#define COMES 0          /* the standby process does not come back */
#else
#define COMES 1
#endif
inline s_start() { d_step { !P.up && COMES -> P.up=1; raising_end(); if :: M.yield && M.role == HA_ROLE_ACTIVE -> taint_all() :: else fi; M.yield=0 } }

/* ---- gateway process ---- */
#ifndef M_NOLOOK
#define LOOK (M.role == HA_ROLE_ACTIVE)
#else
#define LOOK 1
#endif
#ifndef M_NOLOOKTENURE
#define LOOKTENURE (M.tenure == G.tenure)
#else
#define LOOKTENURE 1
#endif
inline begin() { if
  :: G.behind -> G.claiming=0; if :: G.stopping == STOPPING_NO || G.stopping == STOPPING_TOLD -> G.owed = G.owed | AGENT_OWES_STOPPED :: else fi      /* first it is fed */
  :: !G.behind && !G.working && !LOOK -> G.claiming=0
  :: !G.behind && !G.working && LOOK && !LOOKTENURE -> G.claiming=0; if :: BUSY -> switch_behind() :: else fi
  :: else -> G.stopping=STOPPING_NO; G.waits=0; G.drained=0; G.owed = G.owed & ~(AGENT_OWES_STOPPED | AGENT_OWES_SWITCH); G.next_out=0; G.claiming=0;
     assert(G.working || M.role == HA_ROLE_ACTIVE);           /* nobody begins when the role has gone */
     assert(G.has || !M.has);                                 /* nothing that the mirror has is missing */
     if :: !G.working -> mg=mt :: else fi; G.working=1; G.runs=1 fi }
inline stop() { if :: G.working -> G.working=0; G.drained=0; G.next_out=0 :: else fi }
inline stopped_look() { if :: G.drained && (G.stopping == STOPPING_PLAN || G.stopping == STOPPING_YIELD || (G.stopping == STOPPING_LOST && !G.waits)) ->
    if :: G.stopping == STOPPING_LOST || G.behind -> G.next_out=0 :: else fi;      /* unasked: as after a crash */
    G.stopping=STOPPING_TOLD; G.owed = G.owed | AGENT_OWES_STOPPED :: else fi }
/* what it knows of its SAs counts no more; it has to be fed before it begins again */
#define MISSED BUSY          /* the role was away, and what said so did not come */
inline switch_behind() {
#ifndef M_NOTBEHIND
  G.behind=1;
  if :: G.working -> G.stopping=STOPPING_LOST; G.waits=0; stop()
     :: !G.working && G.stopping == STOPPING_LOST -> G.waits=0; stopped_look()
     :: !G.working && G.stopping == STOPPING_TOLD -> G.owed = G.owed | AGENT_OWES_STOPPED
     :: else fi
#else
  skip
#endif
  }
inline switch_stop(why) {
  if :: G.stopping == STOPPING_TOLD -> G.owed = G.owed | AGENT_OWES_STOPPED :: else -> G.stopping=why fi;
  G.owed = G.owed & ~AGENT_OWES_SWITCH; stop();
  if :: G.stopping == why -> stopped_look() :: else fi }
/* an SA that works, or that a worker has not let go, never goes back (number_advance) */
inline sequence(x) { if :: G.has -> if :: G.runs && x < G.nxt -> skip :: else -> G.nxt=x; if :: x > G.lim + 1 -> G.lim=x-1 :: else fi fi :: else fi }
inline remove() { if :: G.has -> G.has=0; G.removed=1; G.taint=0; G.nxt=0; G.lim=0; G.ctr=0 :: else fi }
#ifndef M_CLAIMFIRST
#define CLAIMWAITS G.dirty       /* it may be answered with what the mirror has */
#else
#define CLAIMWAITS 0
#endif
/* in the order of pump_all() */
#define AGENT_OWED (AGENT_OWES_ATTACH | AGENT_OWES_CLAIM | AGENT_OWES_SWITCH | AGENT_OWES_STOPPED)
#define TELLABLE (G.attached && len(up) < UP && ((G.owed & AGENT_OWED) || G.dirty))
inline pump_all() { do :: TELLABLE ->
  if
  :: G.owed & AGENT_OWES_ATTACH -> up!HA_ATTACH,0,(!G.ever -> HA_ROLE_NONE : (G.working -> HA_ROLE_ACTIVE : HA_ROLE_STANDBY)),G.tenure;
     G.owed = G.owed & ~AGENT_OWES_ATTACH; G.ever=1; G.attach_busy=BUSY
  :: else -> if
    :: (G.owed & AGENT_OWES_CLAIM) && !CLAIMWAITS -> up!HA_CLAIM,0,0,0; G.owed = G.owed & ~AGENT_OWES_CLAIM
    :: else -> if
      :: (G.owed & AGENT_OWES_SWITCH) && !(G.owed & AGENT_OWES_CLAIM) -> up!HA_SWITCH,0,0,0; G.owed = G.owed & ~AGENT_OWES_SWITCH
      :: else -> if
        :: G.dirty -> if :: G.has -> up!HA_UPSERT,(G.lim -> G.lim : STEP),0,G.tenure :: else fi; G.dirty=0
        :: else -> if
          :: G.next_out && G.stopping == STOPPING_TOLD -> up!HA_NEXT,G.next_out,0,1; G.next_out=0
          :: else -> up!HA_STOPPED,G.behind,G.begun,0; G.owed = G.owed & ~AGENT_OWES_STOPPED
  fi fi fi fi fi :: else -> break od; skip }
inline g_bell() { d_step { G.up && TELLABLE -> pump_all() } }
#ifndef M_FEEDSTOP
#define KNOWLESS !G.known
#else
#define KNOWLESS 1
#endif
/* what was told between HA_ATTACH and the beginning of its feed is not in that feed */
#ifdef M_ATTACHBUSY
#define ATTACHBUSY 0
#else
#define ATTACHBUSY G.attach_busy
#endif
inline g_word() { d_step { G.up && G.attached && len(dn) > 0 -> dn?t,a,b,i;
  if
  :: t == HA_ROLE -> if :: b != G.life -> G.life=b; G.removed=0 :: else fi;
     if :: a != HA_ROLE_ACTIVE ->
        if :: G.stopping == STOPPING_LOST -> G.owed = G.owed & ~AGENT_OWES_SWITCH :: else fi;
        if :: G.behind -> G.owed = G.owed | AGENT_OWES_STOPPED :: else -> G.owed = G.owed & ~AGENT_OWES_STOPPED fi;
        G.stopping=STOPPING_NO; stop()
        :: else fi
  :: t == HA_FEED ->
     if :: BUSY -> G.known=1; assert(G.has || G.behind);                  /* else it would tell that the SA is deleted */
#ifndef M_FEDDEAF
           if :: i -> G.taint=G.has :: else fi; if :: !G.working -> sequence(a+1) :: else fi   /* nobody says it again */
#else
           skip
#endif
        :: else -> if :: G.feeding -> G.fed=1 :: else fi; G.has=1; G.taint = i || G.removed; G.nxt=a+1; G.lim=a fi
  :: t == HA_FEED_DELETE -> if :: a == 1 && BUSY && i != G.tenure -> switch_behind() :: else fi;
#ifndef M_ATTACHKEPT
     if :: a == 1 && i != G.tenure -> G.attach_busy=0 :: else fi;         /* the role was away since: the mirror knows better */
#endif
     G.fed=0; G.feeding=(a == 1); G.known=(BUSY || (a == 1 && ATTACHBUSY)); if :: a == 1 -> G.attach_busy=0 :: else fi;
     if :: a == 2 -> remove();
#ifndef M_AGAINKEPT
        G.removed=0
#else
        skip
#endif
        :: else fi
  :: t == HA_FEED_END ->
     if :: G.feeding && KNOWLESS && !BUSY -> if :: !G.fed -> remove() :: else fi; G.behind=0 :: else fi;
     G.feeding=0; G.fed=0
  :: t == HA_LIMIT ->
     assert(a <= M.R);                                        /* I4 */
#ifndef M_LIMITANY
     if :: b == G.begun ->
#else
     if :: 1 ->
#endif
        G.asked=0; if :: G.working && G.has && a > G.lim -> G.lim=a :: else fi
        :: else fi
  :: t == HA_SET -> sequence(a); if :: i -> G.taint=G.has  :: else -> if :: !G.removed -> G.taint=0 :: else fi fi
  :: t == HA_SETS -> if :: !G.working -> sequence(a) :: else fi
  :: t == HA_TAINT -> G.taint=G.has
  :: t == HA_NEXT -> if :: i == 0 -> G.next_in=0 :: else -> if :: !G.working -> G.next_in=a :: else fi fi
  :: t == HA_ACTIVATE -> G.begun=b;
     if :: MISSED && i != G.tenure -> G.next_in=0; switch_behind()
        :: else ->
        if :: !G.behind -> G.tenure=i :: else fi;
        G.asked=0; if :: (a & 1) && G.next_in -> sequence(G.next_in) :: else fi; G.next_in=0;
        if :: !G.working && !G.behind && G.has && !G.taint -> G.lim=G.lim + a/2 :: else fi;      /* raised() */
        begin(); assert(!G.working || G.lim <= M.R + raising)   /* I4 */
        fi
  :: t == HA_RESUME -> G.begun=b; if :: G.stopping >= STOPPING_PLAN -> begin() :: else fi
  :: t == HA_REFUSED -> G.claiming=0; G.waits=0; stopped_look()
  :: t == HA_PREPARE -> switch_stop(STOPPING_PLAN)
  :: t == HA_YIELD -> switch_stop(STOPPING_YIELD)
  fi; z(); pump_all() } }
inline g_drained() { d_step { G.up && !G.working && G.runs -> G.runs=0; G.drained=1;
  if :: G.has && !G.taint -> G.next_out=G.nxt :: else -> G.next_out=0 fi; stopped_look(); pump_all() } }
inline g_giveup() { d_step { G.up && G.stopping == STOPPING_LOST && G.waits -> G.waits=0; stopped_look(); pump_all() } }     /* SWITCH_WAIT */
inline g_attach() { d_step { G.up && P.up && !G.attached && !conn && len(up) == 0 ->      /* old words first */
  if :: !G.started && M.role != HA_ROLE_NONE -> M.life++ :: else fi; G.started=1;
  do :: len(dn) > 0 -> dn?t,a,b,i :: else -> break od; z();
  G.attached=1; conn=1; G.owed = G.owed | AGENT_OWES_ATTACH; G.begun=0; G.dirty=(BUSY && G.has);
  if :: G.claiming -> G.owed = G.owed | AGENT_OWES_CLAIM :: else fi; pump_all() } }
inline g_detach() { d_step { G.attached && !conn -> G.attached=0;
#ifndef M_NODETACH
  if :: G.working && (M.role == HA_ROLE_STANDBY || (M.role == HA_ROLE_ACTIVE && M.tenure != G.tenure)) -> switch_behind() :: else fi      /* switch_detached() */
#endif
  } }
inline g_crash() { d_step { G.up && ncrash > 0 && (len(up) == 0 || !P.up) -> ncrash--; conn=0;
  G.up=0; G.started=0; G.ever=0; G.attached=0; G.working=0; G.runs=0; G.drained=0; G.claiming=0; G.asked=0; G.dirty=0; G.feeding=0; G.known=0; G.fed=0;
  G.removed=0; G.behind=0; G.waits=0; G.attach_busy=0; G.has=0; G.taint=0; G.stopping=0; G.begun=0; G.tenure=0; G.owed=0; G.next_out=0; G.next_in=0; G.nxt=0; G.lim=0; G.life=0; G.ctr=0;
  do :: len(dn) > 0 -> dn?t,a,b,i :: else -> break od; z();
  if :: P.up && P.gw -> gateway_lost() :: else fi } }
inline g_start() { d_step { !G.up -> G.up=1 } }
inline g_lost() { d_step { G.working && nlost > 0 -> nlost--; G.stopping=STOPPING_LOST; G.waits=0; stop() } }             /* nobody hot */
inline g_lostswitch() { d_step { G.working && G.attached && nlost > 0 -> nlost--; G.stopping=STOPPING_LOST; G.waits=1; G.owed = G.owed | AGENT_OWES_SWITCH; stop(); pump_all() } }
inline g_switch() { d_step { G.working && G.attached && G.stopping == STOPPING_NO && !(G.owed & AGENT_OWES_SWITCH) && nplan > 0 && P.plan == PLAN_NONE ->
  nplan--; G.owed = G.owed | AGENT_OWES_SWITCH; pump_all() } }
inline g_claim() { d_step { G.up && !G.working && !G.claiming && nclaim > 0 -> nclaim--; G.claiming=1; G.owed = G.owed | AGENT_OWES_CLAIM; pump_all() } }
#define QUIET (P.up && conn && P.gw && len(up) == 0 && len(dn) == 0 && !P.owed && !P.dirty && !P.feeding && !P.feed_end && !P.resetting && !P.told_late && \
  !P.activate && !P.yield && !P.sweep && !P.pc && !G.owed && !G.dirty && !G.runs && P.plan == PLAN_NONE)
inline g_wants() { d_step { G.up && G.attached && !G.working && QUIET && (!oact || cut) ->   /* HSRP: nobody is active */
  asks++; assert(asks < 9); G.claiming=1; G.owed = G.owed | AGENT_OWES_CLAIM; pump_all() } }
inline g_resync() { d_step { G.up && G.attached && !G.working && nresync > 0 && M.role == HA_ROLE_STANDBY && len(up) < UP && !G.owed -> nresync--; up!HA_RESYNC,0,0,0 } }
inline g_make() { d_step { G.working && !G.has && nmake > 0 && !M.has -> nmake--; G.has=1; G.nxt=1; G.lim=0; G.taint=0; G.dirty=1; pump_all() } }
inline g_raise() { d_step { G.working && G.has && !G.taint && G.nxt > G.lim && !G.asked && nraise > 0 && nsend > 0 && G.attached && len(up) < UP && !G.dirty && !G.owed ->
  nraise--; G.asked=1; up!HA_RAISE,G.nxt-1+STEP,0,0 } }
inline g_again() { d_step { G.asked && G.attached && len(up) == 0 && len(dn) == 0 && nraise == 0 -> G.asked=0; nraise++ } }    /* RAISE_RETRY */
#define SENDS (G.up && G.runs && G.has && !G.taint && G.nxt <= G.lim && nsend > 0)
inline g_send() { d_step { SENDS && wseq ->
  nsend--;
  assert(G.nxt != wseq || ws == 1 || (ws == 2 && wother && LAG));       /* I7: no number twice, outside a split brain */
  G.nxt++ } }
inline g_sendw() { d_step { SENDS && !wseq -> nsend--; wseq=G.nxt; ws=epi; wother=0; G.nxt++ } }
inline g_sendn() { d_step { SENDS && !wseq -> nsend--; G.nxt++ } }

/* ---- the other box ---- */
#define OSENDS (oact && !ostop && onxt <= oR && nsend > 0)
inline o_send() { d_step { OSENDS && wseq -> nsend--; assert(onxt != wseq || ws == 1); onxt++ } }
inline o_sendw() { d_step { OSENDS && !wseq -> nsend--; wseq=onxt; ws=epi; wother=1; onxt++ } }
inline o_sendn() { d_step { OSENDS && !wseq -> nsend--; onxt++ } }
inline o_raise() { d_step { oact && onxt > oR && nsend > 0 && ((IDLE && !P.bulk && !cut) || M.role == HA_ROLE_ACTIVE) ->
  oR=onxt-1+STEP; if :: M.role == HA_ROLE_STANDBY -> M.R=MAX(M.R,oR); feed_sets(); pair_pump() :: else fi } }
#define MAYGIVE (IDLE && M.role == HA_ROLE_ACTIVE && !oact && M.has && P.yield == YIELD_NONE && P.plan < PLAN_STOPPING)
#ifndef M_RAISEGRANT
#define NOTRAISING !raising
#else
#define NOTRAISING 1
#endif
inline grant_dead() { P.working=0; P.activate=0; P.sweep=0; P.owed = P.owed & ~OWED_ACTIVATE; give(); oact=1; onxt=M.R+1; oR=M.R; pair_pump() }
inline o_claim() { d_step { MAYGIVE && P.working && nhang > 0 && NOTRAISING -> nhang--; grant_dead() } }         /* gateway_hangs() */
inline o_claimdead() { d_step { MAYGIVE && !P.working && (!P.gw || G.stopping != STOPPING_NO) && nhang > 0 && NOTRAISING -> nhang--; grant_dead() } }
inline o_switch() { d_step { IDLE && nplan > 0 && P.plan == PLAN_NONE && M.has && M.role == HA_ROLE_ACTIVE && P.working && !oact && !P.yield && !P.sweep -> nplan--; plan_prepare(); pair_pump() } }      /* PAIR_SWITCH, or a CLAIM when HSRP has lost it here */
inline o_planoff() { d_step { IDLE && P.plan != PLAN_NONE && noff > 0 -> noff--; plan_off(); pair_pump() } }    /* PLAN_TIMEOUT_US */
inline o_grantmine() { d_step { IDLE && P.plan == PLAN_STOPPED && M.role == HA_ROLE_ACTIVE ->
  oact=1; onxt=(P.next -> P.next : M.R+1); oR=M.R; give(); pair_pump() } }
#define INSTANDBY (IDLE && !P.bulk && !cut && M.role == HA_ROLE_STANDBY && oact)
inline o_offer() { d_step { INSTANDBY && P.gw && !P.offered && nback > 0 -> nback--; P.offered=1;
#ifndef M_FORGET
  tell_owed(OWED_FORGET);
#endif
  pair_pump() } }
inline o_part() { d_step { INSTANDBY && P.offered == 1 -> P.offered=2; ostop=1;
  if :: !P.owed && !LATE && P.gw && conn && ROOM -> dn!HA_NEXT,onxt,0,1 :: else fi } }          /* lost: above the ceiling */
inline o_offeroff() { d_step { INSTANDBY && P.offered && noff > 0 -> noff--; P.offered=0; ostop=0 } }
inline o_grant() { d_step { INSTANDBY && P.offered == 2 && P.gw -> oact=0; ostop=0; take_over(1); pair_pump() } }
/* the grant is lost, or finds no gateway process: the other box goes on, or is a standby like this one */
inline o_nogw() { d_step { INSTANDBY && P.offered && !P.gw -> P.offered=0 } }
inline o_goeson() { d_step { ostop && !P.offered -> ostop=0 } }
inline o_gave() { d_step { ostop && !P.offered -> ostop=0; oact=0 } }
inline o_join() { d_step { INSTANDBY && !P.offered && (P.refetch || njoin > 0) -> if :: !P.refetch -> njoin-- :: else fi;
  M.life++; P.bulk=1; P.sweep=0; P.activate=0; P.working=0; ostop=0;
  if :: P.refetch -> tell_owed(OWED_AGAIN); feed_begin() :: else fi; P.refetch=0; P.told_late=1; pair_pump() } }
/* the records of a snapshot; until SNAP_END nothing else happens to it */
inline o_upsert() { d_step { IDLE && P.bulk -> P.bulk=0; M.R=MAX(M.R,oR); M.has=1; M.taint=0; feed_record(); pair_pump() } }
/* one that is fresh: not while ceilings are being raised, for then it has had no lease */
inline o_split() { d_step { M.role == HA_ROLE_ACTIVE && !oact && M.has && nsplit > 0 && P.yield == YIELD_NONE && !P.pc && NOTRAISING -> nsplit--;
  if :: P.up -> plan_off(); pair_pump() :: else fi; oact=1; onxt=M.R+1; oR=M.R+STEP; epi=1 } }
inline o_cut() { d_step { M.role == HA_ROLE_STANDBY && oact && !P.bulk && !P.pc && !cut && ncut > 0 -> ncut--; cut=1; ostop=0; P.offered=0 } }
inline o_uncut() { d_step { cut && M.role == HA_ROLE_STANDBY -> cut=0 } }
#ifndef M_MERGERAISE
#define GIVEN raising    /* what one word has given it may have used */
#else
#define GIVEN 0
#endif
inline held_merge() { M.merged=(P.working || !P.gw); M.R=MAX(M.R+GIVEN,oR); oact=0; epi=0; if :: ws -> ws=2 :: else fi;
  M.next_void=1; mg=1; mt=1; feed_record() }
inline o_yields() { d_step { IDLE && M.role == HA_ROLE_ACTIVE && oact && P.yield == YIELD_NONE -> plan_off(); held_merge(); pair_pump() } }
inline yield_off() { P.yield=YIELD_NONE; M.yield=0;
  if :: P.gw -> if :: P.working -> P.owed = P.owed & ~OWED_YIELD; tell_owed(OWED_RESUME) :: else -> reactivate() fi :: else fi }
/* both give way, and the other one asks: it has not gone on from what was told here */
inline o_takesback() { d_step { IDLE && M.role == HA_ROLE_ACTIVE && oact && (P.yield == YIELD_STOPPING || P.yield == YIELD_LISTING) ->
  yield_off(); held_merge(); pair_pump() } }
inline o_wins() { d_step { IDLE && M.role == HA_ROLE_ACTIVE && oact && P.yield == YIELD_NONE ->
  plan_off(); P.yield=YIELD_STOPPING; P.activate=0; if :: P.working -> tell_owed(OWED_YIELD) :: else -> yield_stopped() fi; pair_pump() } }
inline o_merges() { d_step { IDLE && P.yield == YIELD_LISTING && oact -> P.yield=YIELD_ASKED; oR=MAX(oR,M.R); onxt=oR+1; epi=0; if :: ws -> ws=2 :: else fi } }
inline o_state() { d_step { IDLE && P.yield == YIELD_ASKED && oact ->
  M.role=HA_ROLE_STANDBY; M.life++; raising=0; P.bulk=1; M.yield=0; P.yield=YIELD_NONE; P.sweep=0; P.activate=0; P.working=0;
  if :: P.refetch -> tell_owed(OWED_AGAIN); feed_begin() :: else fi; P.refetch=0; P.told_late=1; pair_pump() } }
inline o_dies() { d_step { oact && epi && ntake > 0 -> ntake--; oact=0; epi=0 } }                 /* what it sent in the split brain nobody knows */
inline o_diesmerged() { d_step { oact && !epi && M.role == HA_ROLE_ACTIVE && ntake > 0 -> ntake--; oact=0 } }
inline o_yieldoff() { d_step { IDLE && P.yield && !oact ->
  if :: P.yield > YIELD_STOPPING ->
#ifndef M_YIELDCLEAN
     taint_all()
#else
     skip
#endif
     :: else fi;
  yield_off(); pair_pump() } }

#ifdef GONE
#define ALONE (!P.up && (G.working -> M.role == HA_ROLE_ACTIVE && M.tenure == G.tenure && (!oact || epi) : !G.runs))
#else
#define ALONE 0
#endif
/* nothing is under way, and no fault is left: exactly one box works, and both processes say so; the copy is that of the mirror */
#define RIGHT (P.up && G.up && conn && G.attached && P.gw && len(up) == 0 && len(dn) == 0 && !epi && P.yield == YIELD_NONE && P.plan == PLAN_NONE && \
  (M.role == HA_ROLE_ACTIVE -> !oact && P.working && G.working && G.runs : oact && !P.working && !G.working && !G.runs) && \
  !raising && !G.behind && G.has == M.has && G.taint == M.taint && (G.lim <= M.R) && (G.working || !M.has || G.nxt == M.R + 1))

active proctype sys() {
  d_step { M.role=HA_ROLE_ACTIVE; M.tenure=1; M.life=1;
    P.up=1; P.gw=1; P.working=1; P.begun=1;
    G.up=1; G.started=1; G.ever=1; G.attached=1; G.working=1; G.runs=1; G.begun=1; G.tenure=1; G.life=1; conn=1;
    if :: NMAKE == 0 -> M.has=1; M.R=STEP; G.has=1; G.nxt=1; G.lim=STEP :: else fi }
  do
  :: s_rest() :: s_bell() :: s_sweep() :: s_word() :: s_crash() :: s_start()
  :: g_word() :: g_drained() :: g_giveup() :: g_bell() :: g_attach() :: g_detach() :: g_crash() :: g_start() :: g_lost() :: g_lostswitch() :: g_switch()
  :: g_claim() :: g_wants() :: g_resync() :: g_make() :: g_raise() :: g_again() :: g_send() :: g_sendw() :: g_sendn()
  :: o_send() :: o_sendw() :: o_sendn() :: o_raise() :: o_claim() :: o_claimdead() :: o_switch() :: o_planoff() :: o_grantmine() :: o_offer() :: o_part()
  :: o_offeroff() :: o_grant() :: o_nogw() :: o_goeson() :: o_gave() :: o_join() :: o_upsert() :: o_split() :: o_yields() :: o_takesback() :: o_cut() :: o_uncut() :: o_wins() :: o_merges() :: o_state() :: o_dies() :: o_diesmerged() :: o_yieldoff()
  :: timeout -> assert(RIGHT || ALONE); break
  od
}
