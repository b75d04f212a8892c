/*
 * What passes on the channels of sessions, in the process that serves them.
 */
#ifndef SENSOR_DATA_H
#define SENSOR_DATA_H

#include <stddef.h>
#include <stdint.h>

/* A channel has a session from here to there. */
void sensor_data_begin(int chan, int is_subsystem);
void sensor_data_end(int chan);

/* --- What is told of a stream --------------------------------------------------------------- */

#define SENSOR_WINDOW 4096                /* bytes that are judged together */
#define SENSOR_BINARY_TENTHS 3            /* of a window; with more it is binary */
#define SENSOR_SAMPLE (4 * SENSOR_WINDOW) /* that is told of a stream that is binary */

struct sensor_sample {
    size_t seen, binary; /* of the window that is not full */
    size_t sampled;      /* of binary windows, since the last one that was text */
    int is_cut;
    unsigned unseen;       /* windows that are not judged */
    uint64_t bytes, lines; /* left out since that was told */
    /* While the stream is cut: lines of text not handed on yet, and the line after them. */
    size_t kept, len;
    char text[2 * SENSOR_WINDOW + 1];
};

/* pass hands on bytes; cut tells that the stream is cut, or how much was left out. */
struct sensor_sample_to {
    void (*pass)(void *arg, const char *data, size_t len);
    void (*cut)(void *arg, uint64_t bytes, uint64_t lines);
    void *arg;
};

void sensor_sample_add(struct sensor_sample *s, const char *data, size_t len,
                       const struct sensor_sample_to *to);
void sensor_sample_end(struct sensor_sample *s, const struct sensor_sample_to *to);

/* --- sftp ----------------------------------------------------------------------------------- */

struct sensor_sftp_op {
    const char *op, *path, *target;
    uint64_t bytes_read, bytes_written;
    uint32_t status;
};

struct sensor_sftp;
typedef void sensor_sftp_told(void *arg, const struct sensor_sftp_op *op);

struct sensor_sftp *sensor_sftp_new(sensor_sftp_told *told, void *arg);
/* Bytes of either direction. */
void sensor_sftp_add(struct sensor_sftp *s, int from_client, const void *data, size_t len);
/* Whether it may be sftp, and has begun as sftp does. */
enum sensor_sftp_state { SENSOR_SFTP_NONE, SENSOR_SFTP_MAYBE, SENSOR_SFTP_IS, SENSOR_SFTP_BROKEN };
enum sensor_sftp_state sensor_sftp_state(const struct sensor_sftp *s);
/* Tells what is not ended, and frees it. */
void sensor_sftp_end(struct sensor_sftp *s);

#endif
