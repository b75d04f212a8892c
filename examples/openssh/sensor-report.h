/*
 * The sensor: a child of the listener that has the connection to the collector.
 */
#ifndef SENSOR_REPORT_H
#define SENSOR_REPORT_H

#include "sensor-msg.h"

#include <romanesco.h>

#include <sys/types.h>

/* What broccoli.conf says. */
struct sensor_settings {
    const char *collector; /* host:port, NULL: no sensor */
    const char *sid;       /* NULL: one is made */
    const char *class_name;
    uint32_t wanted; /* a bit for each kind of event */
    int passwords, data;
    const char *password_salt; /* NULL: no hashes of passwords */
    int heartbeat;             /* seconds, 0: none */
};

/* What the listener knows of the sensor when that has died. */
struct sensor_tally {
    uint64_t ended;   /* connections */
    uint64_t waiting; /* events that no collector is there to take */
};

/* Reads the settings anew in a process that has not read any. */
void sensor_configure(struct sensor_settings *set);

/* Takes messages from the listener and from connections, and ends when there
 * are neither any more. */
void sensor_report(const struct sensor_settings *set, int listener, int incoming, long long start,
                   struct sensor_tally *tally) __attribute__((noreturn));

/* What makes events of messages. */
struct sensor_sender {
    BroConn *conn;
    const struct sensor_settings *set;
    char sid[256];
    unsigned long long sent;
    unsigned long long lost; /* events that found no room */
    double lost_since;       /* the first of those that are not told */
    uint64_t bytes, events;  /* that were sent since nothing waited */
};

/* Names the instance of sshd after its first port. */
void sensor_name(struct sensor_sender *to, long long start, unsigned port);
/* FALSE when the event was lost. */
int sensor_send(struct sensor_sender *to, enum sensor_kind kind, uint64_t cid,
                const struct sensor_msg *m, const char *texts);
/* The same for what has spare room only. */
int sensor_send_if_room(struct sensor_sender *to, enum sensor_kind kind, uint64_t cid,
                        const struct sensor_msg *m, const char *texts);
/* Counts events that were lost. */
void sensor_lose(struct sensor_sender *to, unsigned long long number);

/* Whether there is room for what anybody can cause in any number: lines,
 * operations of sftp, drops. These never take the place of other events. */
int sensor_has_spare_room(const struct sensor_sender *to);

/* Lines of the data of channels. */
struct sensor_lines;
struct sensor_lines_to {
    int (*has_room)(void *arg);
    void (*line)(void *arg, const struct sensor_msg *m, const char *line);
    void (*cut)(void *arg, const struct sensor_msg *m); /* SENSOR_DATA_CUT */
    void *arg;
};
/* FALSE when there is no memory for one more stream. */
int sensor_lines_add(struct sensor_lines **all, const struct sensor_msg *m, const char *text,
                     const struct sensor_lines_to *to);
/* What a stream has of a line that will have no end. */
void sensor_lines_cut(struct sensor_lines **all, const struct sensor_msg *m,
                      const struct sensor_lines_to *to);
/* What a channel has left. */
void sensor_lines_end(struct sensor_lines **all, const struct sensor_msg *m,
                      const struct sensor_lines_to *to);

/* A connection to sshd, which runs as root. */
struct sensor_client;
struct sensor_client *sensor_client_new(uid_t root);
int sensor_client_has_begun(const struct sensor_client *c);
/* A message, and as whom the process runs that has sent it. */
void sensor_client_hear(struct sensor_sender *to, struct sensor_client *c, uid_t uid,
                        const struct sensor_msg *m, const char *texts);
/* Says what remains to be said, and frees it. */
void sensor_client_end(struct sensor_sender *to, struct sensor_client *c);

#endif
