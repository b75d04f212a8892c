/*
 * What this libbroccoli has beyond the interface 5.1 of broccoli.h.
 *
 * Programs that use only the flags run with the original too, which does not know
 * them. The original has none of the functions: a program that is to run with
 * both declares them weak, and looks whether they are there.
 */
#ifndef ROMANESCO_H
#define ROMANESCO_H

#include "broccoli.h"

#ifdef __cplusplus
extern "C" {
#endif

/* --- Flags of a connection, in addition to BRO_CFLAG_* ----------------------------------- */

/* As BRO_CFLAG_RECONNECT, and bro_conn_connect() does not wait for the first attempt either. */
#define BRO_CFLAG_BACKGROUND (1 << 6)

/* bro_event_send() never waits. Without it, it waits for a peer that takes events more slowly than they
 * are sent (setting send_wait), and for a moment when nothing else is being sent. */
#define BRO_CFLAG_NOWAIT (1 << 7)

/* --- Reasons ----------------------------------------------------------------------------- */

/**
 * Returns why the connection is not up, as a line of English without a line end:
 * "the peer closed the connection", "connecting: ... connection refused", a
 * certificate that was refused, a setting that contradicts itself. Returns ""
 * while the connection is up, before the first bro_conn_connect(), in a child of
 * fork() until it uses the handle, and for NULL; never NULL.
 *
 * The first cause stays until the connection is up again: what has failed since
 * is mostly a consequence. The attempts that BRO_CFLAG_RECONNECT makes in the
 * background change nothing, therefore. When a later bro_conn_connect() or
 * bro_conn_reconnect() of the program has failed for another reason, that of the
 * last one follows behind "; then: ".
 *
 * The text is the library's, of less than 1152 bytes. It holds until the next
 * call of this function for the handle, by any thread, or bro_conn_delete(). Any
 * thread may call. It is for people: the words may change, the emptiness does not.
 *
 *     if (!bro_conn_connect(bc))
 *         fprintf(stderr, "no connection: %s\n", bro_conn_error(bc));
 */
const char *bro_conn_error(BroConn *bc);

/**
 * Returns why the last bro_event_send(), bro_event_send_raw() or
 * bro_packet_send() that returned FALSE for the handle did so: the queue is full,
 * which bound that is and which setting raises it; there is no connection, and
 * why; the event is too large; Zeek has no counterpart of a value. A TRUE does
 * not take it away: ask after a FALSE. When several threads send over the handle,
 * it may be what another one was refused for. Returns "" when nothing was refused in
 * this process, and for NULL; never NULL. Holds as the text of bro_conn_error()
 * does, until the next call of this function.
 */
const char *bro_event_error(BroConn *bc);

/* --- Messages ---------------------------------------------------------------------------- */

/* Levels of messages: the numbers that syslog() has for LOG_ERR and so on. */
#define BRO_LOG_ERROR 3   /* the library cannot do what it is for */
#define BRO_LOG_WARNING 4 /* events are, or may be, delayed or lost; worth a line in production */
#define BRO_LOG_INFO 6    /* connected, and the like */
#define BRO_LOG_DEBUG 7   /* only while bro_debug_messages is set */

/**
 * Gets a message: one line in English without a line end, of less than 512
 * bytes. It begins with the peer in brackets when it is about a connection, and
 * holds until the function returns. No message has a password or an event's
 * values in it.
 */
typedef void (*BroLogFunc)(int level, const char *message, void *user_data);

/**
 * Has all messages of the library, of all handles, go to func, and none to
 * standard error; NULL: as before, to standard error while bro_debug_messages is
 * set. May be called at any time, also before bro_init(), whose complaints about
 * the configuration go to func then. user_data is passed on as it is.
 *
 * func runs on threads of the program only, inside of calls of this library, and
 * once at a time. What a call has to say comes before it returns. What happens in
 * the background, as the loss of a connection, comes in the next
 * bro_conn_process_input(), bro_conn_connect(), bro_conn_reconnect(),
 * bro_conn_alive(), bro_conn_get_fd(), bro_event_queue_flush() or
 * bro_conn_delete() for the handle, or a bro_event_send() that is refused or finds
 * the connection lost. The descriptor of bro_conn_get_fd() does not become
 * readable for a message; it does for a loss. 16 messages of a connection wait,
 * and 32 of all others; what comes beyond that is dropped, and their number told.
 *
 * No lock of the library is held while func runs: it may call any function but
 * bro_conn_delete(), also for the same handle, and fork(). A message that such a
 * call makes comes after func has returned. func must return, and not by
 * longjmp(); it may end its thread. exit() may still have something to say: who
 * does not want that calls bro_log_set(NULL, NULL) before. A child of fork() has
 * func and user_data as its parent had, and gets its own messages alone.
 *
 *     static void
 *     to_syslog(int level, const char *message, void *user_data)
 *     {
 *         (void)user_data;
 *         syslog(level, "broccoli: %s", message);
 *     }
 *
 *     bro_log_set(to_syslog, NULL);
 */
void bro_log_set(BroLogFunc func, void *user_data);

#ifdef __cplusplus
}
#endif

#endif
