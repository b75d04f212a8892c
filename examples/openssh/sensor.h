/*
 * What the changed lines of OpenSSH call, see instrument/. None of these waits,
 * fails or ends the process; without a sensor they do nothing.
 */
#ifndef SENSOR_H
#define SENSOR_H

#include <stddef.h>

/* In the listener, which has the sensor as a child. */
void sensor_start(void (*forget_keys)(void)); /* called in the sensor */
void sensor_listening(const int *socks, int n);
void sensor_coming(void); /* a process for a connection is about to be forked */
void sensor_leave(void);  /* called in such a process */
void sensor_restart(void);
void sensor_exit(void);
/* A connection that is dropped before any process serves it. */
void sensor_drop(int sock, const char *reason);

/* In what becomes the sandboxed process: it cannot send anything any more. */
void sensor_close(void);

/* In the monitor. The first is safe in a signal handler. */
void sensor_timeout(void);
void sensor_password(const char *user, const char *password, int valid);
/* The end of an attempt. */
struct ssh;
void sensor_auth(struct ssh *ssh, int accepted, const char *method, const char *submethod);
/* The state that the network process hands over after the login. */
struct sshbuf;
void sensor_kex(const struct sshbuf *state);

/* Where channels are. request is what the client asked for, NULL for a shell;
 * command is what runs, which may be a forced one. */
void sensor_session(int chan, int is_subsystem, const char *request, const char *command);
void sensor_exited(int chan, int status);
void sensor_forward(int chan, int sock, int to_host);
void sensor_cleanup(int chan);
/* The process is about to end, maybe without sensor_cleanup(). */
void sensor_done(void);
/* What runs for a session. */
void sensor_process(int chan, long pid, int has_tty);
/* A forwarding that the client asks for. */
void sensor_requested(const char *kind, const char *direction, const char *host, unsigned port,
                      int allowed);
/* The same for a global request; of other requests, nothing. */
void sensor_requested_globally(const char *type, const char *host, const char *path, unsigned port,
                               int allowed);
void sensor_sent(int chan, int is_stderr, const void *data, size_t len);
void sensor_typed(int chan, const void *data, size_t len, int tty); /* tty: -1 if there is none */

#endif
