/*
 * The core as a process of its own: starting it, handing it connections, and noticing that
 * it is gone. Nothing here starts a thread or a signal handler. The functions of one handle
 * are called in its turn, but for outside_look().
 */
#ifndef ROMANESCO_OUTSIDE_H
#define ROMANESCO_OUTSIDE_H

#include "api.h"
#include "core_call.h"
#include "core_config.h"
#include "descriptor.h"
#include "error.h"

/* What a handle has for it. */
struct outside {
    int control; /* a socket for what is asked of the core; -1: it does not know of the link */
    int visible; /* readable when the host has something to process, or the core is gone */
    struct descriptor_id control_id, memory_id, visible_id;
    char *settings; /* of the last connect, for another core */
    size_t settings_len;
    int owed; /* answers of the core that nobody has waited for */
    uint32_t timeout_ms;
    int64_t looked_at; /* when it was looked whether the core is there */
    int64_t again_at;  /* when another may be started, if one is to be */
    unsigned deaths;   /* of cores, since one has lived for a while */
    uint32_t seen;     /* the state that this process has seen last: enum link_state */
};

void outside_init(struct outside *o);

/* Whether connections of this process have such a core: by the settings, or since it can have
 * no other. FALSE with a reason in why, if that is not empty, when the settings say neither. */
int outside_wanted(struct reason *why);

/* Connects by it, as core_connect() does. */
enum link_result outside_connect(BroConn *bc, const struct core_config *cfg, char *error);

/* Ends connections, as core_close() does. */
int outside_close(BroConn **handles, int n, uint32_t timeout_ms);

/* Looks whether the core of a connection is gone, at most each tenth of a second, or now. If
 * it is, the connection is lost, and with BRO_CFLAG_RECONNECT another core is started in its
 * time. Waits for nobody. */
void outside_look(BroConn *bc, int now);

/* The state of a connection of the parent's, in a child of fork(): the parent goes on in the memory
 * that tells it, and may have ended it since. */
uint32_t outside_state(const BroConn *bc);

/* The core of a connection is gone: it is lost. In turn; takes the lock. */
void outside_lost(BroConn *bc);

/* Makes what the host waits on, under its last number. FALSE: no descriptor. */
int outside_make_visible(BroConn *bc);
void outside_close_visible(BroConn *bc);

/* Closes what a handle has. */
void outside_leave(BroConn *bc);

/* The same of what is the parent's alone, in a child of fork(). */
void outside_forget(BroConn *bc);

/* In the child, for all: how the core is reached stays. */
void outside_settle(void);

#endif
