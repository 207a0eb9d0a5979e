/* SPDX-License-Identifier: MIT
 *
 * Events: how the kernel tells an agent to look at a status line, across the loss of a server and the attach of the next.
 *
 * Stands for: core/event_token.hpp (post_event), core/event_ring.hpp, core/event_consumer.hpp (take), kernel/sched_domain.cpp
 * (post_event, wait_events, take_waiter, fall_back, install), sched-server/main.cpp (start: attach, add agents, adopt, start them).
 * Each atomic operation is one step. x86 may delay a plain store behind later loads: the plain stores (token, entry, head)
 * go through a store buffer for each CPU, first in, first out, which `buffers` empties at any time; a fence waits until it
 * is empty. The state word changes by compare-and-swap, which is a full fence itself.
 *
 * Checked at quiescence, when nothing else can move: the server has seen the line's last change. At any time: the line
 * stands at most once in the rings that are read.
 *
 * Bounds: one line, one poster for each of two CPUs with CHANGES changes, two agents, at most one loss of the server (SERVERS
 * 2), after which agents come back for any non-empty set of CPUs. One line suffices: lines share only the tail, and a
 * foreign entry, not yet filled, delays the agent and is filled by a poster that waits for nobody. Positions do not wrap.
 *
 * POLLING: the agent looks at its ring again and again instead of sleeping; it halves the model where only the rest matters.
 *
 * Broken variants (-D): TOKEN_FIRST      the token is tested before the state is written
 *                       READ_FIRST       the agent reads the line, then releases the entry
 *                       NO_HEAD_FENCE    the agent reads the line while its release is in the store buffer
 *                       PUBLISH_FIRST    the entry is published before the token names it
 *                       NO_SECOND_LOOK   the poster does not see that its entry went to a ring that nobody reads any more
 *                       SCAN_FIRST       the table is read before the agents are there
 *                       NO_RECHECK       the agent sleeps without looking at the ring after it left its waiter
 *                       OLD_AGENT_LIVES  no broken variant but a gap of the code, docs/testing.md: an agent of the lost server,
 *                                        which has not noticed, takes entries that were meant for the next one
 */
#ifndef CHANGES
#define CHANGES 2
#endif
#ifndef CHANGES_1
#define CHANGES_1 1
#endif
#ifndef SERVERS
#define SERVERS 2
#endif
#ifndef LENGTH
#define LENGTH 5
#endif
#define NONE 255
#define POSTING 254
#define AGENT(token) ((token) / LENGTH)
#define POSITION(token) ((token) % LENGTH)
#define HAS(mask, a) (((mask) >> (a)) & 1)

byte version; /* the state word of the line */
byte seen;    /* the version that the server read last */
byte token = NONE;
bool entry[2 * LENGTH]; /* published */
byte tail[2], head[2], first[2];
byte mask = 3;     /* SchedDomain::agent_mask_ */
byte ref[2] = 1;   /* Agent::ref: the number of the server whose agent it is; 0: none */
byte server_number = 1, adopted = 1; /* the present server; the last one that has read the whole table */
bool waits[2], woken[2];
bool at_work[2]; /* the agent runs, or will once more */

/* Store buffers: a poster's token, then its entry; an agent's head. NONE: nothing buffered. */
byte token_store[2] = NONE, entry_store[2] = NONE, head_store[2] = NONE;

active proctype buffers() {
end:
    do
    :: atomic { token_store[0] != NONE -> token = token_store[0]; token_store[0] = NONE }
    :: atomic { token_store[1] != NONE -> token = token_store[1]; token_store[1] = NONE }
#ifdef PUBLISH_FIRST
    :: atomic { entry_store[0] != NONE -> entry[entry_store[0]] = true; entry_store[0] = NONE }
    :: atomic { entry_store[1] != NONE -> entry[entry_store[1]] = true; entry_store[1] = NONE }
#else
    :: atomic { entry_store[0] != NONE && token_store[0] == NONE -> entry[entry_store[0]] = true; entry_store[0] = NONE }
    :: atomic { entry_store[1] != NONE && token_store[1] == NONE -> entry[entry_store[1]] = true; entry_store[1] = NONE }
#endif
    :: atomic { head_store[0] != NONE -> head[0] = head_store[0]; head_store[0] = NONE }
    :: atomic { head_store[1] != NONE -> head[1] = head_store[1]; head_store[1] = NONE }
    od
}

/* Whoever takes the waiter out wakes it (Agent::take_waiter, under its lock; then complete). Likewise for kCommitAndWait, whose wait
 * stands in the ring, under the ring's lock: begin_sleep, wake_sleeper, `sleeps`. */
inline wake_agent(a) {
    atomic {
        if
        :: waits[a] -> waits[a] = false; woken[a] = true
        :: else
        fi
    }
}

proctype poster(byte cpu; byte left) {
    byte old, ring, position;
    do
    :: left == 0 -> break
    :: atomic { left > 0 -> left-- };
#ifdef TOKEN_FIRST
        old = token;
#endif
        version++; /* a transition of core/thread_word.hpp: compare-and-swap, full fence */
again: /* SchedDomain::post_event */
        atomic {
        if
        :: mask == 0 -> goto done /* no server: the kernel places, model scheduling.pml */
        :: else -> ring = (HAS(mask, cpu) -> cpu : 1 - cpu) /* agent_for */
        fi
        };
        /* core::post_event */
#ifndef TOKEN_FIRST
        old = token;
#endif
        if
        :: old == POSTING -> goto done
        :: old != NONE && old != POSTING ->
            if
            :: HAS(mask, AGENT(old)) -> /* head_of */
                if
                :: POSITION(old) >= head[AGENT(old)] -> goto done
                :: else
                fi
            :: else
            fi
        :: else
        fi;
        atomic {
            if
            :: token == old -> token = POSTING
            :: else -> goto done
            fi
        };
        atomic { position = tail[ring]; tail[ring]++; assert(position < LENGTH) }; /* reserve */
        atomic { /* both go into the store buffer, in this order */
            token_store[cpu] = ring * LENGTH + position;
            entry_store[cpu] = ring * LENGTH + position /* publish */
        };
        token_store[cpu] == NONE && entry_store[cpu] == NONE; /* fence: pairs with wait_events, and with fall_back and install */
#ifndef NO_SECOND_LOOK
        if
        :: !HAS(mask, ring) || position < first[ring] -> goto again
        :: else
        fi;
#endif
#ifndef POLLING
        if
        :: waits[ring] -> wake_agent(ring)
        :: else
        fi;
#endif
done:
        atomic { old = 0; ring = 0; position = 0 }
    od
}

inline look() { /* Dispatcher::observe. What a server that is lost sees tells the next one nothing. */
    atomic {
        if
        :: server_number == me -> seen = version
        :: else
        fi
    }
}

/* The agent of a CPU: of the first server, then of the next, since both are pinned there. */
proctype agent(byte a) {
    byte position, me;
end_unborn:
    atomic { ref[a] > me && adopted == ref[a] -> me = ref[a]; at_work[a] = true; position = head[a] }; /* EventRingConsumer's constructor */
    do
    :: atomic { ref[a] != me -> at_work[a] = false; position = 0 }; goto end_unborn /* killed, or told so by its next call */
    :: else ->
end_poll:
        if
        :: entry[a * LENGTH + position] -> /* peek */
#ifdef READ_FIRST
            look();
#endif
            atomic { position++; head_store[a] = position }; /* release */
#ifndef NO_HEAD_FENCE
            head_store[a] == NONE;
#endif
#ifndef READ_FIRST
            look()
#endif
#ifdef POLLING
        :: atomic { ref[a] != me -> goto go_on }
#else
        :: else -> /* wait_events */
#ifdef NO_RECHECK
            if
            :: head[a] < tail[a] -> goto go_on
            :: else
            fi;
#endif
            if /* under the agent's lock */
            :: atomic { ref[a] == me -> woken[a] = false; waits[a] = true }
            :: ref[a] != me -> goto go_on
            fi;
            if /* fence; then whether it is still the agent, and the ring */
#ifndef NO_RECHECK
            :: ref[a] != me || head[a] < tail[a] -> atomic { waits[a] = false; woken[a] = false }
            :: else ->
#else
            :: true ->
#endif
end_wait:
                atomic { woken[a] -> woken[a] = false }
            fi
#endif
        fi;
go_on:  skip
    od
}

inline install(a) { /* SchedDomain::install */
    first[a] = tail[a];
    head[a] = first[a];
    ref[a] = 2;
    mask = mask | (1 << a)
}

/* One server is lost, the next comes. */
proctype server() {
#if SERVERS > 1
    byte next;
    mask = 0; /* SchedDomain::fall_back */
    ref[0] = 0;
    ref[1] = 0;
#ifndef POLLING
    wake_agent(0);
    wake_agent(1);
#endif
    atomic { server_number = 2; seen = 0; if :: next = 1 :: next = 2 :: next = 3 fi };
#ifndef OLD_AGENT_LIVES
    !at_work[0] && !at_work[1];
#endif
#ifdef SCAN_FIRST
    seen = version;
#endif
    if :: next & 1 -> install(0) :: else fi;
    if :: next & 2 -> install(1) :: else fi;
#ifndef SCAN_FIRST
    seen = version; /* Dispatcher::adopt */
#endif
    adopted = 2 /* and starts its agents */
#else
    skip
#endif
}

init {
    atomic { run poster(0, CHANGES); run poster(1, CHANGES_1); run agent(0); run agent(1); run server() };
    timeout;
    assert(adopted == server_number);
    assert(seen == version) /* FORGOTTEN: a change that the server has not seen and will not see */
}
