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

/* In what becomes the sandboxed process: it cannot send anything any more. */
void sensor_close(void);

/* In the monitor. The first is safe in a signal handler. */
void sensor_timeout(void);
void sensor_password(const char *user, const char *password, int valid);

/* Where channels are. request is what the client asked for, NULL for a shell;
 * command is what runs, which may be a forced one. */
void sensor_session(int chan, int is_subsystem, const char *request, const char *command);
void sensor_exited(int chan, int status);
void sensor_forward(int chan, int sock, int to_host);
void sensor_cleanup(int chan);
void sensor_sent(int chan, int is_stderr, const void *data, size_t len);
void sensor_typed(int chan, const void *data, size_t len, int tty); /* tty: -1 if there is none */

#endif
