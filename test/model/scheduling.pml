/* SPDX-License-Identifier: MIT
 *
 * Scheduling: where a thread is, who may move it, and who places it. Two CPUs with an agent each, threads that block and are
 * woken, commits, kills, suspensions, a line that is used anew, the loss of a server and its successor.
 *
 * Each step stands for one atomic operation of the function that it names. What is left out, because another model has it:
 * posting an event is one step (event.pml), and so is pushing to an inbox, whose owner serves it in the end (inbox.pml).
 * The state word is changed by compare-and-swap, a full fence, so "state, fence, mode" needs no store buffer here.
 *
 * An agent is part of its CPU's process, as a CPU runs one thing at a time; its steps in user mode (release the entry, read the
 * line, decide) can be interrupted by the inbox, its commit cannot. It commits whatever it sees unplaced, at once or later, to
 * either CPU. Queues and inboxes are sets: any order may come. The wakers, the killer and the server's main thread run beside the
 * CPUs, as on further ones.
 *
 * Checked always: a thread's transitions leave the state that they claim, it is in one place, no commit succeeds that was decided
 * on an older state, no record of an old thread reaches its successor in the line. Checked at quiescence: every thread has done
 * its work and has gone. So no wake, no event, no request was lost and no runnable thread forgotten.
 *
 * Bounds: THREADS threads, of which BLOCKERS block once; SLICES times a thread's slice ends. Options: RECALL one request for a
 * thread's return, HINTS a wake may go straight to a queue, SYSTEM threads of no domain, which the kernel places, KILL one kill, at any time, of any thread; SUSPEND so many times somebody suspends any thread and then resumes
 * it; REUSE the first line is used once more; LOSS=1 the server is lost at any time, LOSS=2 and another attaches. Each rule is
 * about one thread and two parties, or about one thread and a loss, so these counts meet every pair of steps once; what three
 * threads have in common, queues, rings and inboxes, THREADS=3 has.
 *
 * One file, longer than most, since what a step expands to needs the locals of the process that takes it.
 *
 * COVER prints each row of the table of transitions that is taken. NO_TABLE leaves the table alone, for a broken variant that goes
 * past it: so what comes of that is seen.
 *
 * Broken variants (-D): NO_SEQUENCE_CHECK   a commit does not compare the sequence number
 *                       NO_WAKE_PENDING     a wake of a running thread leaves nothing behind
 *                       WAKE_PENDING_KEPT   block does not consume the pending wake
 *                       READ_FIRST          the agent reads the line, then releases the entry
 *                       POST_FIRST          the event is posted before the thread is unplaced
 *                       NO_LOOK_AT_THREADS  falling back places nobody
 *                       LOOK_FIRST          falling back looks at the threads before it changes the mode
 *                       KILL_BY_STORE       a kill of a thread at rest stores instead of comparing
 *                       KILL_TAKES_QUEUED   a kill takes a queued thread out of its state without asking the owner
 *                       REUSE_EARLY         a line is used anew while records of its thread are about
 *                       SUSPENDED_DEAF      a wake of a suspended thread leaves nothing behind
 *                       SUSPEND_FORGETS     a thread that is suspended when runnable does not remember that it was
 *                       RESUME_BLIND        a resume does not look at the pending wake
 *                       RESUME_LATE         a resume looks at the pending wake, and then does not compare it
 *                       RESUME_ONE_SIDED    a resume does not take back a request that its CPU has not seen yet
 */
#ifndef THREADS
#define THREADS 3
#endif
#ifndef BLOCKERS
#define BLOCKERS 1 /* the threads that wait once: a set */
#endif
#ifndef SLICES
#define SLICES 0
#endif
#ifdef KILL
#define HOLDERS 1
#else
#define HOLDERS 0
#endif
#define NOBODY 15
#define QUEUED 255 /* in place of a sequence number: the state is queued already */
#define BIT(i) (1 << (i))
#define HAS(set, i) (((set) >> (i)) & 1)

mtype = { free, created, waiting, unplaced, queued, running, suspended, gone };

/* The word of each line. */
mtype state[THREADS];
byte cpu_of[THREADS], sequence[THREADS];
byte wake_pending, by_kernel, kill_asked, recall_asked, suspend_asked; /* bits of the words: a set of threads each */
/* The thread's ring: completions, and whether it waits for one (begin_wait, post). */
byte ready[THREADS], wanted;
#ifdef REUSE
byte references[THREADS];
#endif
byte generation[THREADS];
byte blocks_left[THREADS];

/* What a CPU owns, and its inbox: sets of threads. */
byte queue[2], current[2] = NOBODY;
byte place_record[2], request_record[2];
bool attention[2], return_fallback[2];
byte record_generation[THREADS]; /* of whom the place record speaks */

/* The domain. */
bool server_places; /* mode_ */
byte agent_mask, agents_run;
byte events[2]; /* each agent's ring, a set of lines */
byte slices = SLICES;

#define PLACES(t) (HAS(queue[0], t) + HAS(queue[1], t) + HAS(place_record[0], t) + HAS(place_record[1], t) + \
                   (current[0] == t) + (current[1] == t))

/* core/thread_word.hpp: each is one compare-and-swap that succeeds; `done` is left to the caller's guard. `how` is its name there, and
   in the table of all transitions, which transitions.h is made from: what the table does not have, no step may do. */
#include "transitions.h"
#ifdef COVER
#define TAKEN(what) c_code { static int cox_said; if (!cox_said) { cox_said = 1; printf("taken: %s\n", what); } }
#define TAKE(t, to, how) TAKE_##how(state[t], to);
#else
#define TAKE(t, to, how)
#endif
#ifdef NO_TABLE
#define LAWFUL(t, to, how, owner)
#else
#define LAWFUL(t, to, how, owner) assert(OWNER_##how == owner && MAY_##how(state[t], to));
#endif
#define enter(t, to, how) LAWFUL(t, to, how, 0) TAKE(t, to, how) state[t] = to; sequence[t] = sequence[t] + RISE_##how
#define enter_own(t, to, how) assert(cpu_of[t] == c); LAWFUL(t, to, how, 1) TAKE(t, to, how) state[t] = to; sequence[t] = sequence[t] + RISE_##how
inline clear(t) {
    wake_pending = wake_pending & ~BIT(t); by_kernel = by_kernel & ~BIT(t);
    kill_asked = kill_asked & ~BIT(t); recall_asked = recall_asked & ~BIT(t); suspend_asked = suspend_asked & ~BIT(t)
}
#define ASKED (kill_asked | recall_asked | suspend_asked)

/* Object::retain, release, Thread::destroy. Only reuse depends on them, so they are counted only there. */
#ifdef REUSE
#define RETAIN(t) references[t]++
inline release_some(t, n) {
    atomic {
        assert(references[t] >= n);
        references[t] = references[t] - n;
        if
        :: references[t] == 0 ->
            assert(state[t] == gone); /* LIVE: a holder of the thread before has let go of this one */
            enter(t, free, free)
        :: else
        fi
    }
}
#else
#define RETAIN(t) skip
inline release_some(t, n) { skip }
#endif
#define release(t) release_some(t, 1)

/* SchedDomain::post_event with core::post_event: the line stands in one ring at most. */
inline post(t, home) {
    atomic {
        if
        :: agent_mask == 0
        :: agent_mask != 0 && HAS((HAS(agent_mask, 0) -> events[0] : 0) | (HAS(agent_mask, 1) -> events[1] : 0), t)
        :: else ->
            if
            :: HAS(agent_mask, home) -> events[home] = events[home] | BIT(t)
            :: else -> events[1 - home] = events[1 - home] | BIT(t)
            fi
        fi
    }
}

/* enqueue_on: the record is pushed with the queue's reference. (To its own CPU the code calls accept() directly.) */
inline enqueue(t, target) {
    atomic {
        assert(state[t] == queued); /* TAKEN: somebody else has moved it */
        assert(PLACES(t) == 0); /* DOUBLE: in two places */
        place_record[target] = place_record[target] | BIT(t);
        record_generation[t] = generation[t]
    }
}

/* became_unplaced, after the transition that left sequence number `seen`. */
inline became_unplaced(t, seen, home) {
    if
#ifdef POST_FIRST
    :: server_places -> skip
#else
    :: server_places -> post(t, home)
#endif
    :: else -> place_by_kernel(t, seen, home)
    fi
}

inline place_by_kernel(t, seen, home) {
    atomic {
        if
        :: state[t] == unplaced && sequence[t] == seen -> /* place_by_kernel's compare-and-swap */
            clear(t); enter(t, queued, place_by_kernel); by_kernel = by_kernel | BIT(t); RETAIN(t); seen = 0
        :: else -> seen = NOBODY
        fi
    };
    if
    :: seen == 0 -> enqueue(t, home)
    :: else
    fi
}

/* finish_exit, after the transition to gone. The ring was closed before the thread's own reference goes. */
inline finish_exit(t, home) {
    post(t, home);
    release(t)
}

/* send_request: the record carries a reference, and is under way at most once. */
inline send_request(t, target) {
    atomic {
        if
        :: HAS(request_record[0] | request_record[1], t)
        :: else -> RETAIN(t); request_record[target] = request_record[target] | BIT(t)
        fi
    }
}

/* SchedDomain::commit for what was seen of the line: generation and sequence number. */
inline commit(t, seen_generation, seen, c) {
    if
    :: !server_places -> goto committed /* kNotAttached */
    :: else
    fi;
    atomic { /* find_thread; the word */
        if
        :: generation[t] != seen_generation || state[t] != unplaced -> goto committed
        :: else -> now = sequence[t]; RETAIN(t)
        fi
    };
    atomic {
        if
#ifdef NO_SEQUENCE_CHECK
        :: state[t] == unplaced && sequence[t] == now ->
#else
        :: now == seen && state[t] == unplaced && sequence[t] == now ->
#endif
            assert(sequence[t] == seen); /* STALE: a decision on an older state */
            clear(t); enter(t, queued, place); cpu_of[t] = c; RETAIN(t)
        :: else -> now = NOBODY
        fi
    };
    if
    :: now == NOBODY -> post(t, cpu_of[t]) /* kStaleSequence */
    :: else -> enqueue(t, c)
    fi;
    release(t)
}

#ifdef ANY_TARGET
#define TARGET if :: to = 0 :: to = 1 fi
#else
#define TARGET to = 1 - c /* the other CPU, by its inbox; to its own it is the same with less in between */
#endif

#define AGENT_HAS_WORK(c) (HAS(agent_mask, c) && HAS(agents_run, c) && (line != NOBODY || events[c] != 0))

#define THREAD_RUNS(c) (!returning && current[c] != NOBODY && !AGENT_HAS_WORK(c))

inline read_line() {
    atomic { line_generation = generation[line]; line_sequence = (state[line] == unplaced -> sequence[line] : 0) }
}

inline any(t, set) { /* any member of a set that is not empty */
    if
    :: HAS(set, 0) -> t = 0
#if THREADS > 1
    :: HAS(set, 1) -> t = 1
#endif
#if THREADS > 2
    :: HAS(set, 2) -> t = 2
#endif
    fi
}

proctype cpu(byte c) {
    byte t, seen, now, to;
    byte line = NOBODY, line_generation, line_sequence; /* what the agent has read and not yet committed */
    bool returning;
end_idle:
    if
    :: returning -> /* return_fallback_threads */
        atomic {
            if
            :: (queue[c] & by_kernel) != 0 -> any(t, queue[c] & by_kernel); queue[c] = queue[c] & ~BIT(t); goto unplacing
            :: (queue[c] & by_kernel) == 0 && current[c] != NOBODY && HAS(by_kernel, current[c]) -> /* unplace_current */
                t = current[c]; current[c] = NOBODY; goto unplacing
            :: else -> returning = false; goto end_idle
            fi
        }

    /* serve_inbox */
    :: atomic { !returning && place_record[c] != 0 -> any(t, place_record[c]);
            place_record[c] = place_record[c] & ~BIT(t);
            assert(record_generation[t] == generation[t]) }; /* REUSED: the record of the thread that was here before */
        /* accept, and in it settle_queued */
        if
        :: HAS(kill_asked, t) -> goto exiting
        :: !HAS(kill_asked, t) && HAS(recall_asked | suspend_asked, t) -> goto unplacing
        :: else ->
            if
            :: HAS(by_kernel, t) && server_places -> goto unplacing
            :: else ->
                atomic { assert(PLACES(t) == 0); queue[c] = queue[c] | BIT(t); goto done }
            fi
        fi
    :: atomic { !returning && request_record[c] != 0 -> any(t, request_record[c]);
            request_record[c] = request_record[c] & ~BIT(t) };
        /* serve_request */
        if
        :: atomic { (state[t] == queued || state[t] == running) && cpu_of[t] != c -> now = cpu_of[t] };
            send_request(t, now)
        :: atomic { cpu_of[t] == c && HAS(ASKED, t) && (HAS(queue[c], t) || current[c] == t) ->
                /* settle_queued; or settle_current, at the kernel's exit */
                queue[c] = queue[c] & ~BIT(t); current[c] = (current[c] == t -> NOBODY : current[c]) };
            release(t);
            goto settling
        :: else
        fi;
        release(t);
        goto done
    :: atomic { !returning && attention[c] -> attention[c] = false };
        atomic { returning = return_fallback[c]; return_fallback[c] = false; goto end_idle }

    /* choose: the agent goes first */
    :: atomic { !returning && current[c] != NOBODY && !HAS(ASKED, current[c]) && AGENT_HAS_WORK(c) ->
            /* requeue: running to queued, for the agent */
            t = current[c]; assert(state[t] == running); enter_own(t, queued, requeue); current[c] = NOBODY; queue[c] = queue[c] | BIT(t);
            goto done }
    :: atomic { !returning && current[c] == NOBODY && queue[c] != 0 && !AGENT_HAS_WORK(c) ->
            any(t, queue[c]); queue[c] = queue[c] & ~BIT(t) };
        atomic { /* begin: dispatch */
            assert(state[t] == queued && cpu_of[t] == c); /* STATE: not the owner's to move */
            if
            :: HAS(ASKED, t) -> goto settling
            :: else
            fi;
            assert(PLACES(t) == 0); enter_own(t, running, dispatch); current[c] = t; t = 0; goto end_idle
        }

    /* the agent, in user mode: EventRingConsumer::take, Dispatcher::observe; then in the kernel: commit */
    :: atomic { line == NOBODY && AGENT_HAS_WORK(c) && current[c] == NOBODY -> any(line, events[c]);
#ifdef READ_FIRST
            read_line() };
        events[c] = events[c] & ~BIT(line);
#else
            events[c] = events[c] & ~BIT(line) };
        read_line();
#endif
        atomic {
            if
            :: line_sequence == 0 -> line = NOBODY; line_generation = 0
            :: else
            fi;
            goto end_idle
        }
    :: atomic { line != NOBODY && HAS(agent_mask, c) && HAS(agents_run, c) && current[c] == NOBODY ->
            t = line; line = NOBODY; TARGET };
        commit(t, line_generation, line_sequence, to);
committed:
        atomic { line_generation = 0; line_sequence = 0; goto done }
    :: atomic { line != NOBODY && !HAS(agent_mask, c) -> /* the agent has gone, and with it what it knew */
            line = NOBODY; line_generation = 0; line_sequence = 0; goto end_idle }

    /* the current thread, in user mode, and what it calls */
    :: atomic { THREAD_RUNS(c) && blocks_left[current[c]] > 0 -> t = current[c]; blocks_left[t]--;
            if /* begin_wait */
            :: ready[t] > 0 -> ready[t]--; goto done
            :: else -> wanted = wanted | BIT(t)
            fi };
        atomic { /* block_current: take_off, block */
            if
            :: HAS(kill_asked, t) -> current[c] = NOBODY; goto exiting
#ifndef WAKE_PENDING_KEPT
            :: !HAS(kill_asked, t) && HAS(wake_pending, t) -> wake_pending = wake_pending & ~BIT(t); goto done
#endif
            :: else ->
                current[c] = NOBODY;
                if
                :: HAS(suspend_asked, t) -> clear(t); enter_own(t, suspended, block)
                :: else -> clear(t); enter_own(t, waiting, block)
                fi
            fi
        };
        post(t, c);
        release(t);
        goto done
    :: atomic { THREAD_RUNS(c) && blocks_left[current[c]] == 0 && !HAS(kill_asked, current[c]) ->
            t = current[c]; current[c] = NOBODY; goto exiting } /* it ends */
#if SLICES > 0
    :: atomic { THREAD_RUNS(c) && slices > 0 -> /* end_turn: its slice is over */
            slices--; t = current[c]; current[c] = NOBODY; goto unplacing }
#endif
    fi;

settling: /* settle_current, settle_queued, begin */
    if
    :: HAS(kill_asked, t) -> goto exiting
    :: else -> goto unplacing
    fi;

unplacing: /* unplace_queued: unplace, which may suspend; or, if a kill came first, exit_queued. The caller has taken the thread out of its place. */
#ifdef POST_FIRST
    post(t, c);
#endif
    atomic {
        assert(state[t] == running || state[t] == queued); /* STATE: not the owner's to move */
        assert(cpu_of[t] == c);
        if
        :: HAS(kill_asked, t) -> goto exiting
        :: !HAS(kill_asked, t) && HAS(suspend_asked, t) ->
            clear(t); enter_own(t, suspended, unplace); seen = 0;
#ifndef SUSPEND_FORGETS
            wake_pending = wake_pending | BIT(t)
#endif
        :: else -> seen = wake_pending; clear(t); wake_pending = seen; enter_own(t, unplaced, unplace); seen = sequence[t]
        fi
    };
    if
    :: seen != 0 -> became_unplaced(t, seen, c)
    :: else -> post(t, c)
    fi;
    release(t);
    goto done;

exiting: /* exit_current, exit_queued */
    atomic {
        assert(state[t] == running || state[t] == queued); /* STATE: not the owner's to move */
        assert(cpu_of[t] == c);
        clear(t); enter_own(t, gone, exit)
    };
    post(t, c); /* finish_exit */
    release_some(t, 2);
done:
    atomic { t = 0; seen = 0; now = 0; to = 0; goto end_idle }
}

/* Completes what the threads wait for: Ring::post, then wake. Its reference is find_thread's. */
proctype waker() {
    byte t, seen, left = BLOCKERS;
    do
    :: atomic { left != 0 -> any(t, left); left = left & ~BIT(t) };
        atomic { /* Ring::post */
            if
            :: generation[t] != 0 || state[t] == gone || state[t] == free -> seen = NOBODY /* dropped */
            :: else ->
                RETAIN(t);
                if
                :: HAS(wanted, t) -> wanted = wanted & ~BIT(t)
                :: else -> ready[t]++; seen = 1
                fi
            fi
        };
        if
        :: seen == NOBODY
        :: seen == 1 -> release(t)
        :: seen == 0 ->
#ifdef POST_FIRST
            post(t, cpu_of[t]);
#endif
            atomic { /* wake */
                if
#ifdef SYSTEM
                :: state[t] == waiting -> enter(t, queued, wake_to_queue); by_kernel = by_kernel | BIT(t); RETAIN(t); seen = QUEUED
#else
                :: state[t] == waiting -> enter(t, unplaced, wake); seen = sequence[t]
#endif
#ifdef HINTS
                :: state[t] == waiting -> enter(t, queued, wake_hinted); cpu_of[t] = 1 - cpu_of[t]; RETAIN(t); seen = QUEUED
#endif
                :: state[t] == running || state[t] == queued || state[t] == suspended ->
#if defined(SUSPENDED_DEAF)
                    wake_pending = (state[t] == suspended -> wake_pending : wake_pending | BIT(t))
#elif !defined(NO_WAKE_PENDING)
                    wake_pending = wake_pending | BIT(t)
#endif
                :: else
                fi
            };
            if
#if defined(SYSTEM) || defined(HINTS)
            :: seen == QUEUED -> enqueue(t, cpu_of[t])
#endif
            :: seen != 0 && seen != QUEUED -> became_unplaced(t, seen, cpu_of[t])
            :: else
            fi;
            release(t)
        fi;
        atomic { seen = 0; t = 0 }
    :: left == 0 -> break
    od
}

#ifdef KILL
proctype killer() { /* kill_thread; its reference is the capability's */
    byte t, before;
    mtype was;
    any(t, BIT(THREADS) - 1);
    do
    :: atomic { was = state[t]; before = sequence[t] };
        if
        :: was == gone -> break
        :: else
        fi;
        atomic { /* request */
            if
#ifdef KILL_TAKES_QUEUED
            :: state[t] == queued -> clear(t); enter(t, gone, kill); was = gone
            :: state[t] == running -> kill_asked = kill_asked | BIT(t); was = running; before = cpu_of[t]
#else
            :: state[t] == queued || state[t] == running -> kill_asked = kill_asked | BIT(t); was = running; before = cpu_of[t]
#endif
            :: else ->
                if
                :: was == queued || was == running -> was = free /* it has moved meanwhile */
                :: else
                fi
            fi
        };
        if
        :: was == running -> send_request(t, before); break
        :: was == free
        :: was == gone -> finish_exit(t, cpu_of[t]); break
        :: else ->
            atomic { /* kill */
                if
#ifdef KILL_BY_STORE
                :: true ->
#else
                :: state[t] == was && sequence[t] == before ->
#endif
                    clear(t); enter(t, gone, kill); was = gone
                :: else
                fi
            };
            if
            :: was == gone -> finish_exit(t, cpu_of[t]); break
            :: else
            fi
        fi
    od;
    release(t)
}
#endif

#ifdef SUSPEND
proctype suspender() { /* suspend_thread, then resume_thread; its reference is the capability's */
    byte t, before, seen;
    bool runnable;
    mtype was;
    any(t, BIT(THREADS) - 1);
    do
    :: atomic { was = state[t]; before = sequence[t] };
        if
        :: was == gone || was == free || was == created || was == suspended -> break
        :: else
        fi;
        atomic { /* request */
            if
            :: state[t] == queued || state[t] == running -> suspend_asked = suspend_asked | BIT(t); before = cpu_of[t]; was = gone
            :: else
            fi
        };
        if
        :: was == gone -> send_request(t, before); break
        :: else
        fi;
        atomic { /* suspend */
            if
            :: (was == waiting || was == unplaced) && state[t] == was && sequence[t] == before ->
                clear(t); enter(t, suspended, suspend);
#ifndef SUSPEND_FORGETS
                wake_pending = wake_pending | (was == unplaced -> BIT(t) : 0);
#endif
                was = gone
            :: else
            fi
        };
        if
        :: was == gone -> post(t, cpu_of[t]); break
        :: else /* it has moved meanwhile */
        fi
    od;
    do
    :: atomic { /* clear_requests */
#ifndef RESUME_ONE_SIDED
            suspend_asked = suspend_asked & ~BIT(t);
#endif
            was = state[t]; before = sequence[t]; runnable = HAS(wake_pending, t) };
        if
        :: was != suspended -> break
        :: else
        fi;
        atomic { /* resume */
            if
#ifdef RESUME_LATE
            :: state[t] == suspended && sequence[t] == before ->
#else
            :: state[t] == suspended && sequence[t] == before && HAS(wake_pending, t) == runnable ->
#endif
                clear(t); was = gone;
                if
#ifndef RESUME_BLIND
#ifdef SYSTEM
                :: runnable -> enter(t, queued, resume); by_kernel = by_kernel | BIT(t); RETAIN(t); seen = QUEUED
#else
                :: runnable -> enter(t, unplaced, resume); seen = sequence[t]
#endif
                :: else -> enter(t, waiting, resume)
#else
                :: true -> enter(t, waiting, resume)
#endif
                fi
            :: else
            fi
        };
        if
#ifdef SYSTEM
        :: was == gone && seen == QUEUED -> enqueue(t, cpu_of[t]); break
#endif
        :: was == gone && seen != 0 && seen != QUEUED -> became_unplaced(t, seen, cpu_of[t]); break
        :: was == gone && seen == 0 -> post(t, cpu_of[t]); break
        :: else /* woken, killed, or resumed by another */
        fi
    od
}
#endif

#ifdef RECALL
proctype recaller() { /* SchedDomain::recall: a commit with kCommitRecall */
    byte t, target = NOBODY;
    any(t, BIT(THREADS) - 1);
    atomic {
        if
        :: state[t] == queued || state[t] == running -> recall_asked = recall_asked | BIT(t); target = cpu_of[t]
        :: else
        fi
    };
    if
    :: target != NOBODY -> send_request(t, target)
    :: else
    fi
}
#endif

#ifdef REUSE
proctype creator() { /* allocate_thread, start_thread: the next thread in line 0 */
    byte t, seen;
    atomic {
#ifdef REUSE_EARLY
        state[t] == gone ->
#else
        state[t] == free ->
#endif
        generation[t]++; enter(t, created, create); references[t] = 2; blocks_left[t] = 0; ready[t] = 0; wanted = wanted & ~BIT(t)
    };
    atomic { /* start; or somebody has killed it */
        if
        :: state[t] == created -> enter(t, unplaced, start); seen = sequence[t]
        :: state[t] == created -> enter(t, gone, take_back); seen = QUEUED /* take_back, instead: there was no room for what it needs */
        :: else
        fi
    };
    if
    :: seen == QUEUED -> finish_exit(t, cpu_of[t])
    :: seen != 0 && seen != QUEUED -> became_unplaced(t, seen, cpu_of[t])
    :: else
    fi;
    release(t)
}
#endif

#ifdef LOSS
inline look_at_every_thread() {
    do
    :: t < THREADS ->
        atomic { seen = (state[t] == unplaced -> sequence[t] : 0) }; /* for_each_thread */
        if
        :: seen != 0 -> place_by_kernel(t, seen, cpu_of[t])
        :: else
        fi;
        atomic { t++; seen = 0 }
    :: else -> t = 0; break
    od
}

/* SchedDomain::fall_back; then attach and add_agent; then Dispatcher::adopt, which reads the lines one by one, and what comes of
   it: with the commits of the other agents in between, this may as well commit each line before it reads the next. */
proctype server() {
    byte t, seen;
#if LOSS > 1
    byte seen_generation, now;
#endif
#ifdef LOOK_FIRST
    look_at_every_thread();
#endif
    server_places = false;
    atomic { agent_mask = 0; agents_run = 0 };
#if !defined(LOOK_FIRST) && !defined(NO_LOOK_AT_THREADS)
    look_at_every_thread();
#endif
#if LOSS > 1
    /* install: what stands in the ring is of no interest any more */
    atomic { events[0] = 0; agent_mask = 1 };
    server_places = true;
    /* add_agent: the CPUs do not see each other's flags, so all are one step; that the second agent's come too changes nothing */
    atomic { return_fallback[0] = true; return_fallback[1] = true; attention[0] = true; attention[1] = true };
    atomic { events[1] = 0; agent_mask = 3 };
    do
    :: t < THREADS ->
        atomic { seen = (state[t] == unplaced -> sequence[t] : 0); seen_generation = generation[t] };
        agents_run = 3;
        if
        :: seen != 0 -> commit(t, seen_generation, seen, (t % 2))
        :: else
        fi;
committed:
        atomic { t++; now = 0; seen = 0; seen_generation = 0 }
    :: else -> t = 0; break
    od
#endif
}
#endif

init {
    byte t;
#ifdef SYSTEM
    bool started;
#endif
    atomic { /* the threads were just started: their events stand in the rings */
        do
        :: t < THREADS ->
            state[t] = unplaced; sequence[t] = 1; cpu_of[t] = t % 2; blocks_left[t] = HAS(BLOCKERS, t);
            events[t % 2] = events[t % 2] | BIT(t); t++
        :: else -> t = 0; break
        od;
#ifdef REUSE
        references[0] = 1 + HOLDERS; /* its own, and the capability's */
#endif
#ifdef SYSTEM
        events[0] = 0; events[1] = 0;
        do
        :: t < THREADS -> state[t] = created; t++
        :: else -> t = 0; break
        od;
#else
        server_places = true; agent_mask = 3; agents_run = 3;
#endif
        run cpu(0); run cpu(1);
#if BLOCKERS > 0
        run waker();
#endif
#ifdef KILL
        run killer();
#endif
#ifdef SUSPEND
        run suspender();
#if SUSPEND > 1
        run suspender();
#endif
#endif
#ifdef RECALL
        run recaller();
#endif
#ifdef LOSS
        run server();
#endif
#ifdef REUSE
        run creator();
#endif
    };
#ifdef SYSTEM
    do
    :: t < THREADS ->
        atomic { /* start_thread */
            if
            :: state[t] == created -> enter(t, queued, start_to_queue); by_kernel = by_kernel | BIT(t); started = true
            :: else
            fi
        };
        if
        :: started -> enqueue(t, t % 2)
        :: else
        fi;
        started = false;
        t++
    :: else -> t = 0; break
    od;
#endif
    timeout;
    do
    :: t < THREADS ->
        assert(state[t] == gone || state[t] == free); /* FORGOTTEN: a thread that has not come to its end */
        t++
    :: else -> break
    od;
    assert(agent_mask == 0 || (events[0] == 0 && events[1] == 0)) /* UNREAD: an event that nobody will look at */
}
