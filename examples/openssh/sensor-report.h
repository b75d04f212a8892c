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
};

/* Reads the settings anew in a process that has not read any. */
void sensor_configure(struct sensor_settings *set);

/* Takes messages from the listener and from connections, and ends when there
 * are neither any more. */
void sensor_report(const struct sensor_settings *set, int listener, int incoming, long long start)
    __attribute__((noreturn));

/* What makes events of messages. */
struct sensor_sender {
    BroConn *conn;
    const struct sensor_settings *set;
    char sid[256];
    unsigned long long lost; /* events that found no room */
};

/* Names the instance of sshd after its first port. */
void sensor_name(struct sensor_sender *to, long long start, unsigned port);
void sensor_send(struct sensor_sender *to, enum sensor_kind kind, uint64_t cid,
                 const struct sensor_msg *m, const char *texts);

/* Lines of the data of channels. Each one that is complete is handed to a function. */
struct sensor_lines;
typedef void sensor_tell_line(void *arg, const struct sensor_msg *m, const char *line);
void sensor_lines_add(struct sensor_lines **all, const struct sensor_msg *m, const char *text,
                      sensor_tell_line *line, void *arg);
/* What a channel has left. */
void sensor_lines_end(struct sensor_lines **all, const struct sensor_msg *m, sensor_tell_line *line,
                      void *arg);

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
