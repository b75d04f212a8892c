/*
 * What the processes of sshd tell the sensor: one message a packet of a
 * SOCK_SEQPACKET socket, in the layout of this machine. The texts follow.
 */
#ifndef SENSOR_MSG_H
#define SENSOR_MSG_H

#include <stddef.h>
#include <stdint.h>

enum sensor_kind {
    /* Of the listener. */
    SENSOR_LISTEN = 1,
    SENSOR_COMING, /* not an event: num[0] is the number of a connection to come */
    SENSOR_RESTART,
    SENSOR_END,
    /* Of a connection, from a process of root only. The first one gives its number. */
    SENSOR_CONN_NEW,
    SENSOR_CONN_END, /* not a message: the sensor sees it itself */
    SENSOR_AUTH_OK,
    SENSOR_AUTH_FAILED,
    SENSOR_AUTH_TIMEOUT,
    SENSOR_PASSWORD,
    /* The same, or from the user's own process once he has logged in. */
    SENSOR_SESSION,
    SENSOR_FORWARD,
    SENSOR_RX,
    SENSOR_TX,
    SENSOR_EXEC,
    SENSOR_CHANNEL_EXIT,
    SENSOR_CHANNEL_CLEANUP,
    SENSOR_KINDS
};

#define SENSOR_FIRST_OF_USER SENSOR_SESSION

/* An end of a TCP connection; IPv4 in its mapped form. */
struct sensor_end {
    unsigned char addr[16];
    uint16_t port;
};

struct sensor_msg {
    uint32_t kind;
    uint32_t chan;
    double ts;
    int64_t num[2];
    struct sensor_end end[2];
    uint32_t len[2]; /* of the texts */
};

/* Of both texts of a message; what is longer is cut. */
#define SENSOR_TEXT_MAX 65536
/* Channels have lower numbers than this. */
#define SENSOR_CHANNELS_MAX 16384

/* How the listener tells the processes of connections where the sensor is:
 * "FLAGS NUMBER START PATH". */
#define SENSOR_ENV "SSHD_SENSOR"
#define SENSOR_WANTS_PASSWORDS 1
#define SENSOR_WANTS_DATA 2

/* Sends a message without waiting. FALSE when it could not be sent. Safe in a
 * signal handler, as it leaves errno alone. */
int sensor_write(int fd, struct sensor_msg *m, const void *text0, size_t len0, const void *text1,
                 size_t len1);

/* Fills in an end from a socket. FALSE when it is not of the internet. */
int sensor_local_end(int sock, struct sensor_end *end);
int sensor_remote_end(int sock, struct sensor_end *end);

/* Connects this process to the sensor that the environment names, for the
 * connection that arrived on sock. */
void sensor_open(int sock);

/* The same with the socket of sensor_open(). */
void sensor_tell(struct sensor_msg *m, const void *text0, size_t len0, const void *text1,
                 size_t len1);

/* num[0] of SENSOR_RX and SENSOR_TX, whose text are bytes as they come; none at all
 * means that the last ones may be the beginning of something secret. */
enum sensor_stream { SENSOR_STDOUT, SENSOR_STDERR, SENSOR_STDIN, SENSOR_STREAMS };

#endif
