/* SPDX-License-Identifier: MIT
 *
 * Park and unpark: nobody sleeps on a word that has changed, whoever ends a wait wakes it, once, and the result says who it was.
 *
 * Stands for: kernel/park.cpp (ParkSpace::park, unpark, leave; wait_parked, finish_park, forget_park), kernel/ring.hpp
 * (begin_park, end_wait, expire, post, close), kernel/timers.cpp (expire_timeouts), core/thread_word.hpp (block, wake, kill),
 * exit.cpp (finish_exit). Above it, in user mode: a mutex of one word (0 free, 1 taken, 2 taken and perhaps somebody waits), and
 * a queue with a sequence word.
 *
 * Each step is one atomic operation, or what is done under one lock and visible under that lock alone. All are
 * read-modify-writes or under a lock, so no store buffer is needed. Unplaced, queued and running are one state here: how a
 * runnable thread comes to a CPU is scheduling.pml's. A time-out may come at any time in a wait: timer nodes are left over from
 * earlier waits, and find the present one's deadline passed before the thread has armed it.
 *
 * Checked always: one thread at most holds the mutex; the result is that of whoever ended the wait; a park that has ended
 * leaves neither a node in the list nor a wake pending; unpark finds no thread that has gone. At quiescence: every thread has
 * done its work. With KILL, where a thread can die with a wake that was meant for all: it has, or it stands in the list and waits.
 *
 * Bounds: three threads, which lock and unlock once each, or, with QUEUE, two that take an item each, and one that adds two.
 * TIMEOUTS time-outs, POSTS completions, of which thread 0 waits for one first; KILL one kill, at any time, of any thread. One
 * bucket, two keys: what two buckets have in common is nothing. A third waiter finds what the second does.
 *
 * Broken variants (-D): CHECK_OUTSIDE    the word is compared before the lock is taken
 *                       WAKE_FIRST       unpark wakes, then takes out
 *                       UNPARK_BLIND     unpark wakes whom it takes out without asking whether its time has passed
 *                       TIMEOUT_BLIND    the time-out looks at the wait, then ends it
 *                       FLAG_LATE        the thread clears its time-out flag after the wait has begun
 *                       NODE_KEPT        a thread whose time has passed leaves its node
 *                       NO_WAKE_PENDING  block does not consume the pending wake
 *                       FOREIGN_WAKE     a completion ends a park
 *                       KILL_KEEPS_NODE  a thread that exits leaves its node
 */
#ifndef TIMEOUTS
#define TIMEOUTS 0
#endif
#ifndef POSTS
#define POSTS 0
#endif
#define THREADS 3
#define NOBODY 15
#define MUTEX 0
#define SEQUENCE 1

mtype = { running, waiting, gone };
mtype = { not, for_completion, parked };     /* Ring::wanted_ */
mtype = { nobody, unparked, time, completion }; /* who ended the wait: known to the model alone */

mtype state[THREADS] = running, wanted[THREADS] = not, winner[THREADS] = nobody;
bool wake_pending[THREADS], kill_asked[THREADS], timed_out[THREADS], listed[THREADS], freed[THREADS], done[THREADS];
byte ready;   /* completions in thread 0's ring */
byte word[2]; /* user memory */

/* A bucket: its lock, and who stands in it, first in first out. */
bool locked;
byte list[THREADS] = NOBODY, key_of[THREADS];

byte holders, items;
bool over; /* the model is: what waits has been looked at */

inline wake(t) {
    atomic {
        if
        :: state[t] == waiting -> state[t] = running
        :: state[t] == running -> wake_pending[t] = true
        :: else
        fi
    }
}

inline remove(t) { /* under the lock */
    assert(!freed[t]); /* DEAD: a node of a thread that has gone */
    d_step {
        if
        :: list[0] == t -> list[0] = list[1]; list[1] = list[2]
        :: list[0] != t && list[1] == t -> list[1] = list[2]
        :: else
        fi;
        list[2] = NOBODY; listed[t] = false
    }
}

inline leave(t) {
    atomic {
        !locked;
        if
        :: listed[t] -> remove(t)
        :: else
        fi
    }
}

/* finish_exit: Ring::close, forget_park, then the last reference. */
inline finish_exit(t) {
    wanted[t] = not;
#ifndef KILL_KEEPS_NODE
    leave(t);
#endif
    atomic { freed[t] = true; winner[t] = nobody; timed_out[t] = false; wake_pending[t] = false; kill_asked[t] = false }
}

/* block_current, and what comes of it. The caller goes on when the thread runs again, or is to die. */
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
    atomic { state[me] != waiting || over;
        if
        :: state[me] == gone || over -> goto end
        :: state[me] == running && kill_asked[me] -> goto exiting
        :: else
        fi
    }
}

inline ended(how) { /* the thread's wait was over, and by `how` */
    atomic {
        assert(winner[me] == how);      /* RESULT: somebody else had ended it */
        assert(!wake_pending[me]);      /* STALE: a wake is left over that would end the next wait */
        assert(!listed[me]);            /* LISTED: its node is in the list still */
        winner[me] = nobody
    }
}

inline park(key, expected) {
#ifdef CHECK_OUTSIDE
    atomic { same = word[key] == expected };
    atomic { !locked -> locked = true };
#else
    atomic { !locked -> locked = true };
    atomic { same = word[key] == expected };
#endif
    if
    :: !same -> atomic { locked = false; result = nobody } /* kValueChanged */
    :: else ->
#ifndef FLAG_LATE
        timed_out[me] = false;
#endif
        wanted[me] = parked; /* begin_park */
        atomic {
            same = false; key_of[me] = key; listed[me] = true;
            if
            :: list[0] == NOBODY -> list[0] = me
            :: list[0] != NOBODY && list[1] == NOBODY -> list[1] = me
            :: else -> list[2] = me
            fi;
            locked = false
        };
#ifdef FLAG_LATE
        timed_out[me] = false; /* wait_parked */
#endif
        block();
        atomic { /* finish_park */
            result = (timed_out[me] -> time : unparked);
            timed_out[me] = false
        };
        if
#ifndef NODE_KEPT
        :: result == time -> leave(me)
#endif
        :: else
        fi;
        ended(result)
    fi
}

/* For one thread, which is as many as the programs here ask for. */
inline unpark(key) {
    do
    :: atomic { !locked ->
            other = (list[0] != NOBODY && key_of[list[0]] == key -> list[0] :
                    (list[1] != NOBODY && key_of[list[1]] == key -> list[1] :
                    (list[2] != NOBODY && key_of[list[2]] == key -> list[2] : NOBODY)));
#ifdef WAKE_FIRST
        };
        if
        :: other == NOBODY -> break
        :: else
        fi;
        wake(other);
        atomic { !locked;
#else
            if
            :: other == NOBODY -> break
            :: else
            fi;
#endif
            remove(other);
            same = wanted[other] != not; /* end_wait */
            if
            :: same -> wanted[other] = not; winner[other] = unparked
            :: else
            fi
#ifdef UNPARK_BLIND
            same = true;
#endif
        };
#ifdef WAKE_FIRST
        break
#else
        if
        :: same -> same = false; wake(other); break
        :: else
        fi
#endif
    od;
    atomic { other = 0; same = false }
}

/* result == time and old != 0: given up, not locked. */
inline lock() {
    atomic { result = nobody; old = word[MUTEX];
        if
        :: old == 0 -> word[MUTEX] = 1
        :: else
        fi
    };
    if
    :: old == 1 -> atomic { old = word[MUTEX]; word[MUTEX] = 2 }
    :: else
    fi;
    do
    :: old != 0 ->
        park(MUTEX, 2);
#ifndef QUEUE
        if
        :: result == time -> break
        :: else
        fi;
#endif
        atomic { old = word[MUTEX]; word[MUTEX] = 2 }
    :: else -> break
    od;
    atomic {
        if
        :: old == 0 -> holders++; assert(holders == 1) /* EXCLUSION: two hold it */
        :: else
        fi
    }
}

inline unlock() {
    atomic { holders--; old = word[MUTEX]; word[MUTEX]-- };
    if
    :: old != 1 -> word[MUTEX] = 0; unpark(MUTEX)
    :: else
    fi;
    old = 0
}

proctype thread(byte me) {
    byte old, other;
    bool same;
    mtype result = nobody;
#ifdef QUEUE
    byte left = 2;
    if
    :: me == 2 ->
        do
        :: left > 0 ->
            lock();
            atomic { items++; word[SEQUENCE]++; left-- };
            unlock();
            unpark(SEQUENCE)
        :: else -> break
        od
    :: else ->
        result = nobody;
        lock();
        do
        :: items > 0 -> items--; break
        :: items == 0 && left == 0 -> break /* its time has passed */
        :: else ->
            left = word[SEQUENCE] + 3; /* what it has seen */
            unlock();
            park(SEQUENCE, (left - 3));
            left = (result == time -> 0 : 2);
            lock()
        od;
        unlock()
    fi;
#else
#if POSTS > 0
    if
    :: me == 0 -> /* cap_enter, for one completion */
        atomic {
            if
            :: ready > 0 -> same = false
            :: else -> wanted[me] = for_completion; same = true
            fi
        };
        if
        :: same -> same = false; block(); ended((timed_out[me] -> time : completion)); timed_out[me] = false
        :: else
        fi
    :: else
    fi;
#endif
    lock();
    if
    :: old == 0 -> unlock()
    :: else
    fi;
#endif
    atomic { done[me] = true; goto end };
exiting: /* exit_current, exit_queued */
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
    :: atomic { left > 0 && (wanted[0] != not || wanted[1] != not || wanted[2] != not) ->
            if
            :: wanted[0] != not -> t = 0
            :: wanted[1] != not -> t = 1
            :: wanted[2] != not -> t = 2
            fi;
            left--;
#ifdef TIMEOUT_BLIND
        };
        atomic {
#endif
            wanted[t] = not; winner[t] = time /* Ring::expire */
        };
        timed_out[t] = true;
        wake(t);
        t = 0
    od
}
#endif

#if POSTS > 0
proctype poster() { /* complete(): Ring::post, wake */
    byte left = POSTS;
end_rest:
    do
    :: atomic { left > 0 -> left--;
            if
#ifdef FOREIGN_WAKE
            :: wanted[0] != not -> wanted[0] = not; winner[0] = completion
#else
            :: wanted[0] == for_completion -> wanted[0] = not; winner[0] = completion
#endif
            :: else -> ready++; goto posted
            fi
        };
        wake(0);
posted: skip
    od
}
#endif

#ifdef KILL
proctype killer() { /* kill_thread */
    byte t;
    atomic {
        if :: t = 0 :: t = 1 :: t = 2 fi;
        if
        :: state[t] == waiting -> state[t] = gone
        :: state[t] == running -> kill_asked[t] = true; t = NOBODY
        fi
    };
    if
    :: t != NOBODY -> finish_exit(t)
    :: else
    fi
}
#endif

init {
    byte t;
    atomic {
        run thread(0); run thread(1); run thread(2);
#if TIMEOUTS > 0
        run timekeeper();
#endif
#if POSTS > 0
        run poster();
#endif
#ifdef KILL
        run killer();
#endif
    };
    timeout;
    do
    :: t < THREADS ->
#ifdef KILL
        assert(done[t] || state[t] == gone || (listed[t] && wanted[t] == parked)); /* FORGOTTEN: nobody can wake it */
#else
        assert(done[t]); /* FORGOTTEN: a thread that waits for ever */
#endif
        assert(done[t] || freed[t] || state[t] == waiting); /* STUCK: not even asleep */
        t++
    :: else -> break
    od;
    over = true
}
