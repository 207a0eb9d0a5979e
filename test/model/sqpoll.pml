/* SPDX-License-Identifier: MIT
 *
 * A polled ring: how its poller goes to sleep and is woken, and how the queue comes back to its thread when the poller is killed.
 * docs/abi.md, "Polling"; kernel/poller.hpp. Two store buffers of one entry each stand for what x86 may do: a store to a shared
 * word comes out later than a load after it, unless a fence stands between.
 *
 * Checked: one consumer at a time takes from the queue (TWO); at quiescence everything that was submitted is answered (FORGOTTEN),
 * though the user has called only if sq_polled told it to, or because it wants to wait.
 *
 * Bounds: ENTRIES entries, one after the other; the user spins for each answer or waits in cap_enter. KILL: the poller is
 * killed once, at any time; a user that spins then looks at sq_polled again; NO_SPIN: it does not spin. LINK: an operation in flight holds the entries back
 * until it completes, at any time.
 *
 * Broken variants (-D): NO_USER_FENCE    the user reads sq_polled without a fence after its tail
 *                       NO_FENCE         the poller looks at the tail without a fence after sq_polled
 *                       NO_SECOND_LOOK   it does not look again before it sleeps
 *                       NO_WAKE_PENDING  its block does not consume the pending wake
 *                       RELEASE_BLIND    the completion that ends a link does not wake it
 *                       BACK_EARLY       the queue comes back when the poller is to die, not when it has gone
 *                       NOT_ABANDONED    a thread that waits is not told that it has gone
 */
#ifndef ENTRIES
#define ENTRIES 2
#endif

mtype = { running, waiting, gone };

mtype state = running;                 /* the poller's word */
bool wake_pending, kill_asked;
bool polled = true, asleep, abandoned; /* Ring::poller_, asleep_, abandoned_ */
bool wanted;                           /* Ring::wanted_: the thread waits for all that it has sent */
#ifdef LINK
bool held = true;                      /* Ring::link_ */
#else
bool held;
#endif
bool sq_polled = true, flag_stored, flag; /* and the poller's store buffer */
byte tail, stored;                        /* and the user's: how many more */
byte sent, head, answers, taking;
bool over; /* the model is: what waits has been looked at */

#define WORK (head < tail && !held)

active proctype buffers() {
end_rest:
    do
    :: atomic { stored > 0 -> tail = tail + stored; stored = 0 }
    :: atomic { flag_stored -> sq_polled = flag; flag_stored = false }
    od
}

inline begin_take() {
    taking++;
    assert(taking == 1) /* TWO: consumers of one queue */
}
inline end_take() { /* the completion; Ring::answered and wake */
    atomic {
        taking--; head++; answers++;
        if
        :: wanted && answers >= sent -> wanted = false
        :: else
        fi
    }
}

inline wake_poller() { /* take_sleeper(), wake() */
    atomic {
        if
        :: asleep ->
            asleep = false;
            if
            :: state == waiting -> state = running
            :: state == running -> wake_pending = true
            :: else
            fi
        :: else
        fi
    }
}

inline end_poll() { /* Ring::end_poll, under the lock */
    atomic {
        polled = false; asleep = false; sq_polled = false; flag_stored = false;
#ifndef NOT_ABANDONED
        abandoned = true; wanted = false
#endif
    }
}

active proctype poller() { /* leave_kernel, poll_ring */
    do
    :: atomic { kill_asked -> state = gone; break }
    :: atomic { !kill_asked && WORK -> begin_take() }; end_take()
    :: atomic { !kill_asked && !WORK -> flag = false; flag_stored = true }; /* poller_sleeps */
#ifdef NO_FENCE
        asleep = true;
#else
        atomic { !flag_stored -> asleep = true };
#endif
#ifndef NO_SECOND_LOOK
        if
        :: WORK -> goto awake
        :: else
        fi;
#endif
        atomic { /* block_current */
            if
            :: kill_asked -> goto awake
#ifndef NO_WAKE_PENDING
            :: !kill_asked && wake_pending -> wake_pending = false; goto awake
#endif
            :: else -> state = waiting
            fi
        };
        atomic { state != waiting || over;
            if
            :: state == gone || over -> goto end
            :: else
            fi
        };
awake:  atomic { !flag_stored -> asleep = false; flag = true; flag_stored = true } /* poller_wakes */
    od;
#ifndef BACK_EARLY
    end_poll(); /* finish_exit */
#endif
end:
    skip
}

inline enter(waits) { /* call_enter */
    stored == 0;
    do
    :: polled -> /* enter_polled */
        wake_poller();
        if
        :: !waits -> break
        :: else
        fi;
        atomic { /* begin_wait */
            if
            :: answers >= sent || (abandoned && !polled)
            :: else -> wanted = true
            fi
        };
        atomic { !wanted || over;
            if
            :: over -> goto end
            :: !over && answers >= sent -> break
            :: else /* finish_enter: go_on */
            fi
        }
    :: !polled -> /* it takes what there is, and waits on for what is held */
        abandoned = false;
        do
        :: atomic { WORK -> begin_take() }; end_take()
        :: !WORK -> break
        od;
        if
        :: !waits || answers >= sent -> break
        :: else -> !held
        fi
    od
}

active proctype user() {
    do
    :: sent < ENTRIES ->
        atomic { sent++; stored++ };
#ifndef NO_USER_FENCE
        stored == 0;
#endif
        if
        :: sq_polled
        :: !sq_polled -> enter(false)
        fi;
        if
        :: true -> enter(true)
#ifndef NO_SPIN
        :: true -> /* spins */
            do
            :: answers >= sent || over -> break
#ifdef KILL
            :: !sq_polled && answers < sent && !over -> enter(true)
#endif
            od
#endif
        fi
    :: sent == ENTRIES || over -> break
    od;
end:
    skip
}

#ifdef LINK
active proctype completion() { /* complete(): Ring::post */
    held = false;
#ifndef RELEASE_BLIND
    wake_poller()
#endif
}
#endif

#ifdef KILL
active proctype killer() { /* kill_thread */
    bool at_once;
    atomic {
        if
        :: state == waiting -> state = gone; at_once = true
        :: state == running -> kill_asked = true
        fi
    };
    if
#ifndef BACK_EARLY
    :: !at_once
#endif
    :: else -> end_poll()
    fi
}
#endif

init {
    timeout;
    assert(answers == ENTRIES); /* FORGOTTEN: nobody will take it */
    over = true
}
