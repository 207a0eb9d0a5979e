/* SPDX-License-Identifier: MIT
 *
 * Endpoints by cap_call: every call is received once at most and has one outcome, its own: a reply, the time-out, or that the other side has
 * gone; and nobody waits for ever where there is somebody to serve him.
 *
 * Stands for: kernel/endpoint.cpp (send, receive, take_receiver, match, remove, finish_receive), kernel/ipc.cpp (wait_at_endpoint,
 * finish_ipc, reply, claim_caller, finish_call, withdraw, forget, forget_ipc), with DIRECT kernel/direct_call.cpp (call_directly,
 * reply_directly, deliver_only, answer_only); kernel/ring.hpp (begin_park, end_park, expire), kernel/timers.cpp
 * (expire_timeouts), core/thread_word.hpp (block, wake, kill, block_in_call, continue_call), exit.cpp (finish_exit).
 *
 * Each step is one atomic operation, or what is done under the endpoint's lock and visible under it alone. All are
 * read-modify-writes or under the lock, so no store buffer is needed. Unplaced, queued and running are one state: how a runnable
 * thread comes to a CPU is scheduling.pml's. A thread's call and receive slot are told apart by what the thread does: clients
 * call, servers receive. The message is the number of the call, and the reply gives it back.
 *
 * Checked always: the outcome is set once, and is of this call; a call that has ended stands in no queue, and no server is to
 * answer it; no wake is left over that would end the next wait; a thread takes its references along. At quiescence: every
 * client has made its calls or is dead, or waits in the queue while no server is left that lives.
 *
 * Bounds: CLIENTS clients with CALLS calls each, SERVERS servers that reply and receive for ever. TIMEOUTS time-outs of calls, or with
 * TIMED_RECEIVE of receiving; KILLS kills, at any time, of any thread.
 *
 * Broken variants (-D): LOOK_OUTSIDE    receive looks for a caller before it takes the lock
 *                       CLAIM_BY_LOOK   claim_caller reads, then clears
 *                       NOT_REMOVED     a caller whose time has passed leaves its call in the queue
 *                       REPLY_BLIND     claim_caller does not ask whether the caller's time has passed
 *                       ANY_WAIT        ... or whether it waits for another reply by now
 *                       TAKE_BLIND      take_receiver does not ask whether the receiver's time has passed
 *                       FORGETS_CALLER  a server that exits leaves whom it owes a reply
 *                       WAKE_FIRST      finish_call wakes, then writes the result
 *                       NO_WAKE_PENDING block does not consume the pending wake
 *                       RECEIVER_KEPT   call_directly leaves the receiver in the queue
 *                       CONTINUE_BLIND  call_directly goes on in a server that has been killed
 *
 * NO_SECOND_LOOK, finish_receive not looking whether the receiver has gone meanwhile, breaks nothing here: who kills it takes the lock
 * after its state has changed, so finds either no call, or one to be told. The code looks nevertheless. NOT_WITHDRAWN, a caller whose
 * time has passed leaving its call with the server, breaks nothing either: the reply finds another wait, or none. The code withdraws it,
 * so that nothing refers to the caller any longer than it waits. */
#ifndef CLIENTS
#define CLIENTS 2
#endif
#ifndef SERVERS
#define SERVERS 1
#endif
#ifndef CALLS
#define CALLS 1
#endif
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif
#ifndef KILLS
#define KILLS 0
#endif
#define THREADS (CLIENTS + SERVERS)
#define NOBODY 15
#define IS_SERVER(t) (t >= CLIENTS)
#ifdef TIMED_RECEIVE
#define IS_TIMED(t) (TIMEOUTS > 0 && IS_SERVER(t))
#else
#define IS_TIMED(t) (TIMEOUTS > 0 && !IS_SERVER(t))
#endif

mtype = { running, waiting, gone };
mtype = { none, replied, dead, timed }; /* outcomes */

mtype state[THREADS] = running, outcome[THREADS] = none;
bool wake_pending[THREADS], kill_asked[THREADS], timed_out[THREADS], parked[THREADS], listed[THREADS];
bool used[THREADS];            /* the client's call slot: a call is on its way */
byte number[THREADS];          /* client: of its call; server: the one that it has received */
byte answer[THREADS];          /* what the reply gave back */
byte caller[THREADS] = NOBODY; /* IpcSlot::caller */
byte server[THREADS] = NOBODY; /* IpcSlot::server */
byte references[THREADS];
bool has_message[THREADS], done[THREADS], freed[THREADS];

/* The endpoint: what is done under its lock is atomic here. */
byte queue[CLIENTS] = NOBODY, receivers[SERVERS] = NOBODY;
bool over;

inline take_out(t) { /* unlink() */
    d_step {
        if
        :: IS_SERVER(t) ->
            if
            :: receivers[0] == t ->
#if SERVERS > 1
                receivers[0] = receivers[1]; receivers[1] = NOBODY
#else
                receivers[0] = NOBODY
#endif
            :: else ->
#if SERVERS > 1
                receivers[1] = NOBODY
#else
                skip
#endif
            fi
        :: else ->
            if
            :: queue[0] == t -> queue[0] = queue[1]
            :: else
            fi;
#if CLIENTS > 2
            if
            :: queue[0] != NOBODY && (queue[1] == t || queue[0] == queue[1]) -> queue[1] = queue[2]
            :: else
            fi;
            queue[2] = NOBODY;
#else
            queue[1] = NOBODY;
#endif
        fi;
        listed[t] = false
    }
}

inline push_receiver(t) {
    d_step {
#if SERVERS > 1
        receivers[1] = receivers[0];
#endif
        receivers[0] = t; listed[t] = true; references[t]++
    }
}

inline append(t) {
    d_step {
        if
        :: queue[0] == NOBODY -> queue[0] = t
        :: queue[0] != NOBODY && queue[1] == NOBODY -> queue[1] = t
        :: else -> queue[CLIENTS - 1] = t
        fi;
        listed[t] = true
    }
}

inline match(c, s) {
    d_step {
        assert(!has_message[s]);      /* TWICE: it has a message that it has not answered */
        assert(used[c]);              /* STALE: a call that is over is received */
        number[s] = number[c]; has_message[s] = true; server[c] = s; caller[s] = c
    }
}

inline wake(t) {
    atomic {
        if
        :: state[t] == waiting -> state[t] = running
        :: state[t] == running -> wake_pending[t] = true
        :: else
        fi
    }
}

inline release(t) { atomic { assert(references[t] > 0); references[t]-- } } /* LIVE: it was given up already */

/* The call, out of every queue, has this outcome. */
inline finish_call(c, what, value) {
#ifdef WAKE_FIRST
    wake(c);
#endif
    atomic {
        if
        :: state[c] != gone ->
            assert(outcome[c] == none && used[c]); /* DOUBLE: it has one already */
            outcome[c] = what; answer[c] = value
        :: else
        fi
    };
#ifndef WAKE_FIRST
    wake(c);
#endif
    release(c)
}

/* -> other: whom `s` owes a reply, and nobody else has taken out; NOBODY. */
inline claim_caller(s) {
#ifdef CLAIM_BY_LOOK
    other = caller[s];
    caller[s] = NOBODY;
#else
    atomic { other = caller[s]; caller[s] = NOBODY };
#endif
    if
    :: other != NOBODY && IS_TIMED(other) ->
        atomic { /* end_park: of the wait with the deadline that came with the message, which is no later call's */
            if
#ifdef ANY_WAIT
            :: parked[other] -> parked[other] = false
#else
            :: parked[other] && number[other] == number[s] -> parked[other] = false
#endif
#ifndef REPLY_BLIND
            :: else -> release(other); other = NOBODY
#else
            :: else
#endif
            fi
        }
    :: else
    fi
}

inline finish_receive(s) {
    wake(s);
#ifndef NO_SECOND_LOOK
    if
    :: state[s] == gone ->
        claim_caller(s);
        if
        :: other != NOBODY -> finish_call(other, dead, 0)
        :: else
        fi
    :: else
    fi;
#endif
    release(s)
}

inline withdraw(t) {
    atomic {
        found = listed[t];
        if
        :: found -> take_out(t); release(t)
        :: else
        fi
    };
    if
    :: !found && !IS_SERVER(t) && server[t] != NOBODY ->
        atomic {
            if
            :: caller[server[t]] == t -> caller[server[t]] = NOBODY; release(t)
            :: else
            fi
        }
    :: else
    fi
}

/* finish_exit: Ring::close, forget_ipc. */
inline finish_exit(t) {
    parked[t] = false;
    withdraw(t);
#ifndef FORGETS_CALLER
    if
    :: IS_SERVER(t) ->
        claim_caller(t);
        if
        :: other != NOBODY -> finish_call(other, dead, 0)
        :: else
        fi
    :: else
    fi;
#endif
    atomic { freed[t] = true; used[t] = false; outcome[t] = none; timed_out[t] = false; wake_pending[t] = false; kill_asked[t] = false }
}

/* block_current, and what comes of it. */
inline block() {
    atomic {
        if
        :: kill_asked[me] -> goto exiting
#ifndef NO_WAKE_PENDING
        :: !kill_asked[me] && wake_pending[me] -> wake_pending[me] = false
#endif
        :: else -> state[me] = waiting
        fi
    };
resumed_or_over()
}

inline resumed_or_over() {
    atomic { state[me] != waiting || over;
        if
        :: state[me] == gone || over -> goto end
        :: state[me] == running && kill_asked[me] -> goto exiting
        :: else
        fi
    }
}

proctype client(byte me) {
    byte other = NOBODY, receiver;
    bool found;
    byte left = CALLS;
    do
    :: left > 0 ->
        atomic { left--; number[me]++; used[me] = true; outcome[me] = none; references[me]++; timed_out[me] = false };
#ifdef DIRECT
        /* call_directly: the lock is held until the server goes on. */
        atomic {
            if
            :: receivers[0] != NOBODY && !kill_asked[me] && !wake_pending[me] ->
                receiver = receivers[0];
#ifndef RECEIVER_KEPT
                take_out(receiver);
#endif
                match(me, receiver);
                state[me] = waiting;
#ifdef CONTINUE_BLIND
                state[receiver] = running;
                release(receiver)
#else
                if
                :: state[receiver] == waiting -> state[receiver] = running; release(receiver)
                :: else -> found = true /* deliver_only */
                fi
#endif
            :: else -> goto ordinary
            fi
        };
        if
        :: found -> atomic { found = false }; finish_receive(receiver)
        :: else
        fi;
        resumed_or_over();
        goto returned;
ordinary:
#endif
        atomic { /* send(), under the lock */
            if
            :: IS_TIMED(me) -> parked[me] = true
            :: else
            fi;
            receiver = receivers[0];
            /* take_receiver(): one that has gone, or whose time has passed, takes itself out */
            if
            :: receiver != NOBODY && (state[receiver] == gone
#ifndef TAKE_BLIND
                || (IS_TIMED(receiver) && !parked[receiver])
#endif
                ) ->
#if SERVERS > 1
                receiver = receivers[1];
                if
                :: receiver != NOBODY && (state[receiver] == gone || (IS_TIMED(receiver) && !parked[receiver])) -> receiver = NOBODY
                :: else
                fi
#else
                receiver = NOBODY
#endif
            :: else
            fi;
            if
            :: receiver != NOBODY -> parked[receiver] = false; take_out(receiver); match(me, receiver)
            :: else -> append(me)
            fi
        };
        if
        :: receiver != NOBODY -> finish_receive(receiver)
        :: else
        fi;
        block();
        /* finish_ipc */
        if
        :: timed_out[me] ->
#ifdef NOT_REMOVED
            if
            :: !listed[me] -> withdraw(me)
            :: else
            fi;
#else
#ifdef NOT_WITHDRAWN
            atomic {
                if
                :: listed[me] -> take_out(me); release(me)
                :: else
                fi
            };
#else
            withdraw(me);
#endif
#endif
            atomic { assert(outcome[me] == none); outcome[me] = timed; timed_out[me] = false } /* RESULT: answered, too */
        :: else
        fi;
returned:
        atomic {
            assert(outcome[me] != none);                                   /* RESULT: it goes on without one */
            assert(outcome[me] != replied || answer[me] == number[me]);    /* WRONG: the reply is another call's */
            assert(!wake_pending[me]);                                     /* LEFT: a wake that would end the next wait */
            assert(!listed[me]);                                           /* LISTED: its call can be received still */
            used[me] = false; outcome[me] = none; receiver = 0
        }
    :: else -> break
    od;
    atomic { done[me] = true; goto end };
exiting:
    state[me] = gone;
    finish_exit(me);
end:
    skip
}

proctype serving(byte me) {
    byte other = NOBODY;
    bool found;
    do
    :: true ->
        /* receive() */
#ifdef LOOK_OUTSIDE
        found = queue[0] != NOBODY;
#endif
        atomic {
            timed_out[me] = false;
            if
#ifdef LOOK_OUTSIDE
            :: found && queue[0] != NOBODY ->
#else
            :: queue[0] != NOBODY ->
#endif
                other = queue[0]; take_out(other); match(other, me); other = NOBODY; found = true
            :: else ->
                if
                :: IS_TIMED(me) -> parked[me] = true
                :: else
                fi;
                push_receiver(me); found = false
            fi
        };
waits:
        if
        :: !found ->
            block();
            if
            :: timed_out[me] -> withdraw(me); atomic { timed_out[me] = false; goto again }
            :: else
            fi
        :: else
        fi;
        atomic { assert(has_message[me]); found = false }; /* RESULT: it goes on without a message */
        if
        :: kill_asked[me] -> goto exiting
        :: else
        fi;
#ifdef DIRECT
        /* reply_directly: to a caller that waits on, where no other does. Under the lock. */
        atomic {
            if
            :: queue[0] == NOBODY && !wake_pending[me] && !kill_asked[me] && caller[me] != NOBODY ->
                state[me] = waiting; push_receiver(me); has_message[me] = false;
                other = caller[me]; caller[me] = NOBODY;
                if
                :: state[other] == waiting ->
                    assert(outcome[other] == none && used[other]); /* DOUBLE: it has one already */
                    outcome[other] = replied; answer[other] = number[me]; state[other] = running; release(other); found = true
                :: else -> found = false /* answer_only */
                fi
            :: else -> goto ordinary
            fi
        };
        if
        :: !found -> finish_call(other, replied, number[me])
        :: else
        fi;
        atomic { other = NOBODY; found = false };
        resumed_or_over();
        atomic { found = true };
        goto waits;
ordinary:
#endif
        /* reply() */
        claim_caller(me);
        if
        :: other != NOBODY -> finish_call(other, replied, number[me])
        :: else
        fi;
        atomic { has_message[me] = false; other = NOBODY };
again:
        skip
    od;
exiting:
    state[me] = gone;
    finish_exit(me);
end:
    skip
}

#if TIMEOUTS > 0
proctype timekeeper() { /* expire_timeouts */
    byte t, left = TIMEOUTS;
end_rest:
    do
    :: atomic { left > 0 && (parked[0] || parked[1] || parked[THREADS - 1]) ->
            if
            :: parked[0] -> t = 0
            :: parked[1] -> t = 1
            :: parked[THREADS - 1] -> t = THREADS - 1
            fi;
            left--; parked[t] = false
        };
        timed_out[t] = true;
        wake(t);
        t = 0
    od
}
#endif

#if KILLS > 0
proctype killer() { /* kill_thread */
    byte t, other = NOBODY;
    bool found;
    byte left = KILLS;
    do
    :: left > 0 ->
        atomic {
            left--;
            if :: t = 0 :: t = 1 :: t = THREADS - 1 fi;
            if
            :: state[t] == waiting -> state[t] = gone
            :: state[t] == running && !done[t] -> kill_asked[t] = true; t = NOBODY
            :: else -> t = NOBODY
            fi
        };
        if
        :: t != NOBODY -> finish_exit(t)
        :: else
        fi;
        t = 0
    :: else -> break
    od
}
#endif

init {
    byte t;
    bool served;
    atomic {
        t = 0;
        do
        :: t < CLIENTS -> run client(t); t++
        :: t >= CLIENTS && t < THREADS -> run serving(t); t++
        :: else -> break
        od;
#if TIMEOUTS > 0
        run timekeeper();
#endif
#if KILLS > 0
        run killer();
#endif
        t = 0
    };
    timeout;
    atomic {
        served = false;
        do
        :: t < THREADS -> served = served || (IS_SERVER(t) && state[t] != gone); t++
        :: else -> break
        od;
        t = 0
    };
    do
    :: t < THREADS ->
        assert(IS_SERVER(t) || done[t] || state[t] == gone || (!served && listed[t])); /* FORGOTTEN: a call that nobody serves */
        assert(references[t] == (listed[t] -> 1 : 0));                                 /* LEAK: a reference that nobody gives up */
        t++
    :: else -> break
    od;
    over = true
}
