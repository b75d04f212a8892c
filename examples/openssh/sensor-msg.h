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
    SENSOR_FORWARD_REQUEST,
    SENSOR_SFTP,
    SENSOR_PROCESS,
    SENSOR_DATA_CUT,
    /* Of a connection, from a process of root only. */
    SENSOR_AUTH_DETAIL,
    SENSOR_CLIENT,
    SENSOR_PASSWORD_HASH,
    /* Of the listener. */
    SENSOR_CONN_DROP,
    SENSOR_REVIVED, /* the sensor before this one has ended by itself */
    /* Not messages: the sensor tells of itself. */
    SENSOR_HEARTBEAT,
    SENSOR_LOST,
    SENSOR_KINDS
};

#define SENSOR_FIRST_OF_USER SENSOR_SESSION
#define SENSOR_LAST_OF_USER SENSOR_DATA_CUT
#define SENSOR_LAST_OF_CONNECTION SENSOR_PASSWORD_HASH

/* Why data is not told, num[3] of SENSOR_DATA_CUT. */
enum sensor_cut {
    SENSOR_CUT_BINARY,
    SENSOR_CUT_RATE,
    SENSOR_CUT_EMPTY,
    SENSOR_CUT_MEMORY,
    SENSOR_CUT_PROTOCOL,
    SENSOR_CUTS
};

/* The status of an operation of sftp whose answer was not seen. */
#define SENSOR_SFTP_UNANSWERED UINT32_MAX

/* An end of a TCP connection; IPv4 in its mapped form. */
struct sensor_end {
    unsigned char addr[16];
    uint16_t port;
};

#define SENSOR_TEXTS 8

struct sensor_msg {
    uint32_t kind;
    uint32_t chan;
    double ts;
    int64_t num[4];
    struct sensor_end end[2];
    uint32_t lost;              /* messages of this process before that found no room */
    uint32_t len[SENSOR_TEXTS]; /* of the texts */
};

/* Of all texts of a message; what is longer is cut. */
#define SENSOR_TEXT_MAX 65536
/* Channels have lower numbers than this. */
#define SENSOR_CHANNELS_MAX 16384

/* How the listener tells the processes of connections where the sensor is:
 * "FLAGS NUMBER START PATH". */
#define SENSOR_ENV "SSHD_SENSOR"
#define SENSOR_WANTS_PASSWORDS 1
#define SENSOR_WANTS_DATA 2
/* The salt of passwords, in hexadecimal. */
#define SENSOR_SALT_ENV "SSHD_SENSOR_SALT"
#define SENSOR_SALT_MAX 256

/* Sends a message without waiting. FALSE when it could not be sent. Safe in a
 * signal handler, as it leaves errno alone. */
int sensor_write(int fd, struct sensor_msg *m, const void *text0, size_t len0, const void *text1,
                 size_t len1);

/* The same for any number of texts, of which NULL is an empty one. */
void sensor_tell_texts(struct sensor_msg *m, const char *const *texts, size_t n);

/* Sends data of a channel, for which there is less room than for all else. */
int sensor_tell_data(struct sensor_msg *m, const void *data, size_t len);
int sensor_has_room(void);
int sensor_is_open(void);
int sensor_wants(unsigned flag);

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
