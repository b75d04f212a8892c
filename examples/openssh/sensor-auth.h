/*
 * What audit-broccoli.c has the monitor tell besides.
 */
#ifndef SENSOR_AUTH_H
#define SENSOR_AUTH_H

struct ssh;

/* Takes the salt of passwords out of the environment. */
void sensor_take_salt(void);

/* A client that has not logged in: its version, if it came to that. */
void sensor_stranger(const struct ssh *ssh);

#endif
