/* SPDX-License-Identifier: MIT
 *
 * TLB shootdown and reaping: no CPU uses a translation of a frame that has been released, nor page tables that have been
 * freed; what was there before is not seen through a new mapping; nobody waits for ever, and nothing is lost.
 *
 * Stands for: kernel/address_space.cpp (map, unmap, shoot_down, flush_own, load_space, serve_shootdown), kernel/exit.cpp
 * (reap), kernel/process.cpp (thread_gone, SpaceHold), kernel/dispatch.cpp (leave_kernel). Protecting is unmapping without a
 * frame. Each step is one atomic operation, or one that nobody else can see. All are sequentially consistent; the fences are
 * there because without them a load could come before the store that stands before it, which LOOK_FIRST and CR3_FIRST do.
 *
 * A TLB may hold whatever was mapped at some time since CR3 was written, and a CPU may cache it at any moment; since checks fail
 * the sooner the more it holds, it holds all of that. An entry that was not there is in no TLB, so a new mapping adds nothing.
 *
 * Checked always: when a frame is released, no CPU that has the space active can reach it; nor does one that enters user mode.
 * When a map returns, the same holds of what was mapped there. Tables are written and loaded only while they are there, and freed
 * only while no CPU has them in CR3. At quiescence, with the threads that are left running in user mode: no shootdown waits.
 * When those have ended: all frames and tables are free.
 *
 * Bounds: CPUS CPUs; SPACES spaces, of each of which THREADS threads and PAGES pages. A thread moves to another CPU (YIELDS
 * times altogether), unmaps a page of either space, the other's by capability, maps a page again (MAPS times), and ends.
 *
 * Broken variants (-D): GENERATION_FIRST  the generation rises before the entry changes
 *                       LOOK_FIRST        the initiator reads who has the space before the entry changes
 *                       CR3_FIRST         load_space loads CR3 before it says where it goes
 *                       SEEN_KEPT         load_space says where it goes with what was seen of the space before
 *                       SEEN_FIRST        serve_shootdown says that it has flushed, then flushes
 *                       OWN_PAGE_ALONE    an initiator that is behind flushes its own page only, and says that it has seen all
 *                       RELEASE_FIRST     frames are released before the wait
 *                       MAP_ALONE         a map does not shoot down for unmaps that are under way
 *                       NO_SERVE          an initiator does not serve while it waits; it has to for the sake of two spaces
 *                       NO_IPI            nobody interrupts a CPU in user mode
 *                       ACTIVE_ALONE      the reaper does not look at loaded_space
 *                       NO_HOLD           the reaper does not look at who works on the space
 *                       NO_REAP           the last thread's CPU does not reap
 */
#ifndef CPUS
#define CPUS 2
#endif
#ifndef SPACES
#define SPACES 1
#endif
#ifndef THREADS
#define THREADS 2
#endif
#ifndef PAGES
#define PAGES 2
#endif
#ifndef YIELDS
#define YIELDS 1
#endif
#ifndef MAPS
#define MAPS 0
#endif
#define ALL ((1 << PAGES) - 1)
#define NONE 2     /* no space: the kernel's own tables */
#define ELSEWHERE 7 /* a generation of the kernel's own tables, or of any space: more than these have */

/* The spaces. */
byte generation[SPACES] = 1, users[SPACES], unmapping[SPACES];
byte mapped[SPACES] = ALL, freed[SPACES]; /* sets of pages */
bool tables_freed[SPACES], gone[SPACES];
byte queued[SPACES] = THREADS, threads[SPACES] = THREADS; /* runnable; alive */
byte next_page[SPACES];

/* The CPUs. active_in, loaded: what they say. cr3: what is so. reaps: a set of spaces. */
byte active_in[CPUS] = NONE, loaded[CPUS] = NONE, seen[CPUS] = ELSEWHERE, cr3[CPUS] = NONE;
byte tlb[CPUS], reaps[CPUS];
bool ipi[CPUS];

byte yields = YIELDS, maps = MAPS, shooting;
bool stop;

#if CPUS == 2
#define EACH(what) (what(0) && what(1))
#define OTHERS(what) what((1 - c))
#else
#define EACH(what) (what(0) && what(1) && what(2))
#define OTHERS(what) what(((c + 1) % 3)); what(((c + 2) % 3))
#endif
#define CANNOT_REACH(n) !(active_in[n] == s && cr3[n] == s && tlb[n] & (1 << page))
#define NOT_IN_CR3(n) (cr3[n] != which)
#define IS_BEHIND (active_in[c] != NONE && seen[c] != generation[active_in[c]])

inline write_cr3(to) {
    d_step {
        cr3[c] = to;
        assert(to == NONE || !tables_freed[to]); /* TABLES: they are somebody else's by now */
        tlb[c] = (to == NONE -> 0 : mapped[to])
    }
}

inline serve() { /* serve_shootdown */
    if
    :: !IS_BEHIND
    :: atomic { IS_BEHIND -> g = generation[active_in[c]] };
#ifdef SEEN_FIRST
        seen[c] = g;
        write_cr3(active_in[c])
#else
        write_cr3(active_in[c]);
        seen[c] = g
#endif
    fi;
    g = 0
}

inline load_space(to) {
    if
    :: active_in[c] == to
    :: else ->
#ifdef CR3_FIRST
        write_cr3(to);
#endif
#ifndef SEEN_KEPT
        seen[c] = 0;
#endif
        active_in[c] = to;
        g = (to == NONE -> ELSEWHERE : generation[to]);
#ifndef CR3_FIRST
        write_cr3(to);
#endif
        loaded[c] = to;
        atomic { seen[c] = g; g = 0 }
    fi
}

inline ask(o) {
    if
    :: active_in[o] == s ->
        atomic {
            if
            :: seen[o] < target ->
                waiting = waiting | (1 << o);
#ifndef NO_IPI
                ipi[o] = true
#endif
            :: else
            fi
        }
    :: else
    fi
}

/* Each look is two loads, and they may be of different moments. */
inline wait(o) {
    do
    :: !((waiting >> o) & 1) || active_in[o] != s -> break
    :: seen[o] >= target -> break
#ifndef NO_SERVE
    :: IS_BEHIND -> serve()
#endif
    od
}

inline raise() { /* under a SpaceHold, or with a thread alive */
    atomic {
        assert(!tables_freed[s]); /* GONE: they were freed under its hands */
        generation[s]++;
        target = generation[s]
    }
}

inline flush_own() {
    if
    :: active_in[c] == s ->
        d_step {
            if
#ifdef OWN_PAGE_ALONE
            :: true -> tlb[c] = tlb[c] & ~(1 << page)
#else
            :: seen[c] == target - 1 -> tlb[c] = tlb[c] & ~(1 << page)
            :: else -> tlb[c] = mapped[s]
#endif
            fi
        };
        seen[c] = target
    :: else
    fi
}

inline shoot_down() {
#ifndef GENERATION_FIRST
    raise();
#endif
#ifndef LOOK_FIRST
    OTHERS(ask);
#endif
    flush_own();
    OTHERS(wait)
}

inline release() {
    atomic {
        assert(EACH(CANNOT_REACH)); /* HELD: a CPU can reach the frame still */
        freed[s] = freed[s] | (1 << page)
    }
}

inline unmap() {
    shooting++;
#ifdef GENERATION_FIRST
    raise();
#endif
#ifdef LOOK_FIRST
    target = generation[s] + 1;
    OTHERS(ask);
#endif
    atomic { /* under the lock */
        assert(!tables_freed[s]); /* GONE: they were freed under its hands */
        mapped[s] = mapped[s] & ~(1 << page);
        unmapping[s]++
    };
#ifdef RELEASE_FIRST
    release();
#endif
    shoot_down();
    unmapping[s]--;
#ifndef RELEASE_FIRST
    release();
#endif
    atomic { shooting--; waiting = 0; target = 0; page = 0 }
}

/* Of a page whose entry is empty: another frame, which nobody takes away again. */
inline map() {
    atomic { assert(!tables_freed[s]); flush = unmapping[s] > 0 };
#ifndef MAP_ALONE
    if
    :: flush -> shooting++; shoot_down(); shooting--
    :: else
    fi;
#endif
    atomic {
        assert(EACH(CANNOT_REACH)); /* STALE: a CPU can reach what was there before */
        flush = false; waiting = 0; target = 0; page = 0
    }
}

/* One look at one space of this CPU's list. */
inline reap(which) {
    if
    :: (reaps[c] >> which) & 1 ->
#ifndef NO_HOLD
        busy = users[which] > 0;
#endif
        do
        :: !busy && n < CPUS ->
            busy = active_in[n] == which;
            atomic {
#ifndef ACTIVE_ALONE
                busy = busy || loaded[n] == which;
#endif
                n++
            }
        :: else -> break
        od;
        atomic {
            if
            :: !busy ->
                assert(EACH(NOT_IN_CR3)); /* TABLES: a CPU walks them still */
                tables_freed[which] = true;
                reaps[c] = reaps[c] & ~(1 << which);
                freed[which] = freed[which] | mapped[which];
                mapped[which] = 0
            :: else
            fi;
            n = 0; busy = false
        }
    :: else
    fi
}
#define HAS_LEFT_0(n) (active_in[n] != 0 && loaded[n] != 0)
#define HAS_LEFT_1(n) (active_in[n] != 1 && loaded[n] != 1)

proctype cpu(byte c) {
    byte has = NONE; /* a thread of that space */
    byte s, page, target, waiting, g, n;
    bool flush, busy;
kernel: /* leave_kernel */
    serve();
    if
    :: has != NONE
    :: atomic { has == NONE && queued[0] > 0 -> queued[0]--; has = 0 }
#if SPACES > 1
    :: atomic { has == NONE && queued[1] > 0 -> queued[1]--; has = 1 }
#endif
    :: has == NONE
    fi;
    load_space(has);
    reap(0);
#if SPACES > 1
    reap(1);
#endif
user: /* or the idle loop */
    assert(cr3[c] == NONE || !(tlb[c] & freed[cr3[c]])); /* USED: it could reach a frame that is free */
end_user:
    if
    :: atomic { ipi[c] -> ipi[c] = false }; goto kernel
    :: has == NONE && (queued[0] > 0 || queued[SPACES - 1] > 0) -> goto kernel
    :: (reaps[c] & 1) && users[0] == 0 && EACH(HAS_LEFT_0) -> goto kernel
#if SPACES > 1
    :: (reaps[c] & 2) && users[1] == 0 && EACH(HAS_LEFT_1) -> goto kernel
#endif
    :: atomic { has != NONE && yields > 0 && !stop -> yields--; queued[has]++; has = NONE }; goto kernel
    :: atomic { has != NONE && !stop && next_page[has] < PAGES -> s = has; page = next_page[s]; next_page[s]++ };
        unmap();
        goto user
#if SPACES > 1
    :: atomic { has != NONE && !stop && !gone[1 - has] && next_page[1 - has] < PAGES ->
            s = 1 - has; page = next_page[s]; next_page[s]++; users[s]++ }; /* SpaceHold */
        unmap();
        atomic { users[s]--; s = 0 };
        goto user
#endif
#if MAPS > 0
    :: atomic { has != NONE && !stop && maps > 0 && !(mapped[has] & 1) -> maps--; s = has };
        map();
        goto user
#endif
    :: has != NONE && !stop -> goto exits
    :: has != NONE -> goto end_runs
    fi;
end_runs: /* and makes no call any more */
    if
    :: atomic { ipi[c] -> ipi[c] = false }; goto kernel
    :: stop -> goto exits
    fi;
exits: /* thread_gone */
    atomic {
        threads[has]--;
        if
        :: threads[has] == 0 ->
            gone[has] = true;
#ifndef NO_REAP
            reaps[c] = reaps[c] | (1 << has)
#endif
        :: else
        fi;
        has = NONE
    };
    goto kernel
}

init {
    atomic {
        run cpu(0); run cpu(1);
#if CPUS > 2
        run cpu(2)
#endif
    };
    timeout;
    assert(shooting == 0); /* STUCK: a shootdown waits for ever */
    stop = true;
    timeout;
    assert(shooting == 0 && tables_freed[0] && freed[0] == ALL); /* LOST: what nobody has is not free */
    assert(users[0] == 0 && tables_freed[SPACES - 1] && freed[SPACES - 1] == ALL) /* LOST */
}
