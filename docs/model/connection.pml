/*
 * What state a connection is in, who changes it, and what becomes of accepted
 * events. See README.md for what is checked, and the names of the mutations.
 *
 * There are two handles: PARENT, and CHILD, which is the same handle after a
 * fork(). Each has a core as soon as it is opened, and a peer. What the library
 * does under `lock` is one atomic step here. An event is a bit.
 */

#ifndef EVENTS
#define EVENTS 2 /* that the parent's first thread sends */
#endif
#ifndef CHANGES
#define CHANGES 2 /* that the parent's second thread makes, before the end */
#endif
#ifndef LOSSES
#define LOSSES 1 /* of connections of the parent */
#endif
#ifndef FORKS
#define FORKS 1 /* 0 or 1 */
#endif

#define PARENT 0
#define CHILD 1
#define CHILDS_EVENT (1 << EVENTS)

mtype = { NEW, OPENING, UP, RETRY, DOWN, CLOSING, CLOSED };

/* The settings are those of the handle, so the child has them too. */
bool confirm, reconnect, always_queue;

mtype state[2] = NEW;
bool turn[2];     /* who opens or closes holds it */
byte ring[2];     /* accepted, not yet taken by the core */
byte journal[2];  /* with confirm: written, not yet confirmed */
bool linked[2];   /* there is a socket */
byte wire[2];     /* written, not yet read by the peer */
byte receipts[2]; /* sent by the peer, not yet read by the core */
bool let_go[2];   /* the core will not touch the handle again */

/* For the checks alone. */
byte accepted[2];  /* bro_event_send() said TRUE */
byte delivered[2];
byte lost[2];      /* with a connection */
byte late[2];      /* given up by the deadline of CLOSING, or never connected */
byte attempts[2];  /* of the core, at this moment */
byte openers[2];   /* host threads that open or close, at this moment */
byte losses;
bool forked;

#define is(s) (state[h] == s)
#define may_send \
    (is(UP) || (reconnect && (is(OPENING) || is(RETRY))) || \
     (always_queue && (is(NEW) || is(OPENING) || is(DOWN))) || ACCEPT_IN_CLOSING)
#define may_open (is(NEW) || is(DOWN) || is(RETRY) || (again && is(UP)))
#define lowest(set) (set & -set)

#ifdef MUTATION_ACCEPT
#define ACCEPT_IN_CLOSING is(CLOSING)
#else
#define ACCEPT_IN_CLOSING false
#endif

/* --- The host ---------------------------------------------------------------------------- */

inline send(h, event)
{
    atomic {
        if
        :: may_send ->
            assert(!let_go[h] && !is(CLOSED));
            accepted[h] = accepted[h] | event;
            ring[h] = ring[h] | event
        :: else /* FALSE */
        fi
    }
}

inline take_turn(h)
{
    atomic {
#ifndef MUTATION_TURN
        !turn[h] ->
        turn[h] = true;
#endif
        openers[h]++;
        assert(openers[h] == 1)
    }
}

inline leave_turn(h)
{
    atomic {
        openers[h]--;
        turn[h] = false
    }
}

/* bro_conn_connect(); bro_conn_reconnect() with again, whose flush may end at any time. */
inline open(h, again)
{
    take_turn(h);
    atomic {
        if
        :: may_open ->
            if
            :: is(NEW) -> run core(h); run peer(h)
            :: else
            fi;
#ifdef MUTATION_JOURNAL
            journal[h] = 0;
#endif
            state[h] = OPENING
        :: else
        fi
    }
    !is(OPENING); /* the core ends it */
    leave_turn(h)
}

/* bro_conn_delete() and exit(). */
inline end(h)
{
    take_turn(h);
    atomic {
        if
        :: is(NEW) -> /* there is no core */
            late[h] = ring[h];
            ring[h] = 0;
            let_go[h] = true
        :: else
        fi;
        state[h] = CLOSING
    }
    let_go[h];
    state[h] = CLOSED;
    leave_turn(h)
}

/* Sends, and connects when the connection is not alive, as clients do. */
proctype sender()
{
    byte i;

    do
    :: i < EVENTS ->
        if
        :: state[PARENT] != UP -> open(PARENT, false)
        :: true
        fi;
        send(PARENT, (1 << i));
        i++
    :: else -> break
    od
}

proctype changer()
{
    byte i;

    do
    :: i < CHANGES ->
        i++;
        if
        :: open(PARENT, false)
        :: open(PARENT, true)
        :: atomic {
            FORKS && !forked ->
            forked = true;
#ifdef MUTATION_FORK
            ring[CHILD] = ring[PARENT];
#endif
            run child()
        }
        fi
    :: break
    od;
    end(PARENT)
}

proctype child()
{
    if
    :: open(CHILD, false)
    :: true
    fi;
    send(CHILD, CHILDS_EVENT);
    end(CHILD)
}

/* --- The core ---------------------------------------------------------------------------- */

proctype core(byte h)
{
    byte event;
    bool answered;

    do
    /* An attempt, for a host that waits, by itself, or for what is left at the end. */
    :: atomic {
        is(OPENING) || is(RETRY) || (is(CLOSING) && !linked[h]) ->
        attempts[h]++;
        assert(attempts[h] == 1);
        linked[h] = false; /* what is written stays with the kernel */
        receipts[h] = 0
    };
        if
        :: answered = true
        :: answered = false
        fi;
        atomic {
            attempts[h]--;
            if
            :: answered ->
                linked[h] = true;
                wire[h] = wire[h] | journal[h] /* again */
            :: else
            fi;
            if
            :: answered && (is(OPENING) || is(RETRY)) -> state[h] = UP
            :: !answered && is(OPENING) -> state[h] = (reconnect -> RETRY : DOWN)
            :: else /* goes on, or CLOSING came in between */
            fi
        }

    :: atomic {
        linked[h] && (is(UP) || is(CLOSING)) && ring[h] ->
        event = lowest(ring[h]);
        ring[h] = ring[h] & ~event;
        wire[h] = wire[h] | event;
        if
        :: confirm -> journal[h] = journal[h] | event
        :: else
        fi
    }

    :: atomic {
        linked[h] && receipts[h] ->
        journal[h] = journal[h] & ~receipts[h];
        receipts[h] = 0
    }

#ifdef MUTATION_LOCK
    :: is(UP) && !linked[h] -> state[h] = (reconnect -> RETRY : DOWN)
#else
    :: atomic { is(UP) && !linked[h] -> state[h] = (reconnect -> RETRY : DOWN) }
#endif

    /* The host has closed the library's descriptors: the core gives up. */
    :: atomic { is(UP) || is(RETRY) -> linked[h] = false; state[h] = DOWN }

    :: atomic { is(CLOSING) && !ring[h] && !journal[h] -> let_go[h] = true; break }

    /* The deadline. */
    :: atomic {
        is(CLOSING) ->
        late[h] = late[h] | ring[h] | journal[h];
        ring[h] = 0;
        journal[h] = 0;
        let_go[h] = true;
        break
    }
    od
}

/* --- The peer ---------------------------------------------------------------------------- */

proctype peer(byte h)
{
    byte event;

    do
    :: atomic {
        wire[h] ->
        event = lowest(wire[h]);
        assert(accepted[h] & event); /* and not of another process */
        wire[h] = wire[h] & ~event;
        delivered[h] = delivered[h] | event;
        if
        :: confirm && linked[h] -> receipts[h] = receipts[h] | event
        :: else
        fi
    }

    :: atomic {
        h == PARENT && losses < LOSSES && (linked[h] || wire[h]) ->
        losses++;
        linked[h] = false;
        if
        :: !confirm -> lost[h] = lost[h] | wire[h]
        :: else
        fi;
        wire[h] = 0;
        receipts[h] = 0
    }

    :: atomic { let_go[h] && !wire[h] -> break }
    od
}

/* --- The checks -------------------------------------------------------------------------- */

/* An event that was TRUE is here: */
#define somewhere(h) (delivered[h] | ring[h] | wire[h] | journal[h] | lost[h] | late[h])
/* and none is left where nobody looks any more, or goes with a connection in spite of confirm. */
#define wrong(h) \
    ((accepted[h] & ~somewhere(h)) || (let_go[h] && (ring[h] || journal[h])) || (confirm && lost[h]))

init {
    atomic {
        if
        :: confirm = true
        :: true
        fi;
        if
        :: reconnect = true
        :: true
        fi;
        if
        :: always_queue = true
        :: true
        fi;
        run sender();
        run changer()
    }
end_watch: /* at any time; to wait here is no deadlock */
    atomic { wrong(PARENT) || wrong(CHILD) -> assert(false) }
}
