/*
 * pam_broccoli.so tells the collector of logins through any program that uses
 * PAM. It never changes what becomes of a login, and never waits for the
 * collector while somebody logs in; README.md says how to put it into a stack.
 *
 *     cc -shared -fPIC -Wl,-z,nodelete pam_broccoli.c $(broccoli-config --cflags --libs) -lpam \
 *         -o pam_broccoli.so
 *
 * It must stay loaded (-z nodelete): PAM unloads its modules after each login,
 * and the connection is for all logins of a process.
 */
#include <romanesco.h>

#include <security/pam_modules.h>

#include <pthread.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include <security/pam_ext.h>

/* How long the end of a login may wait for a collector that has not been
 * reached yet, in milliseconds, unless configured. */
#define WAIT_MS 300

static struct {
    pthread_mutex_t lock;
    BroConn *conn;
    int is_set_up, wait_ms;
    int gave_up; /* the collector was waited for in vain */
} sensor = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* Makes the connection of this process, which comes up in the background. */
static void
set_up(pam_handle_t *pamh)
{
    const char *collector;

    sensor.is_set_up = TRUE;
    sensor.wait_ms = WAIT_MS;
    bro_init(NULL);
    bro_conf_get_int("/pam/wait", &sensor.wait_ms);
    collector = bro_conf_get_str("/pam/collector");
    if (!collector) {
        pam_syslog(pamh, LOG_NOTICE, "broccoli.conf has no /pam/collector: nothing is told");
        return;
    }
    sensor.conn = bro_conn_new_str(collector, BRO_CFLAG_BACKGROUND | BRO_CFLAG_ALWAYS_QUEUE |
                                                  BRO_CFLAG_NOWAIT);
    if (sensor.conn)
        bro_conn_connect(sensor.conn);
}

/* Waits for what may be lost when the process ends now; in vain once at the most. */
static void
wait_for_collector(void)
{
    const struct timespec pause = {0, 5000000};
    int ms;

    if (sensor.gave_up && bro_event_queue_length(sensor.conn) > 0)
        return;
    for (ms = 0; ms < sensor.wait_ms && bro_event_queue_length(sensor.conn) > 0; ms += 5)
        nanosleep(&pause, NULL);
    sensor.gave_up = bro_event_queue_length(sensor.conn) > 0;
}

/* PAM calls this when the program is done with a login. */
static void
at_end(pam_handle_t *pamh, void *data, int status)
{
    (void)pamh;
    (void)data;
    (void)status;
    /* The connection stays as long as the process, and needs no lock. */
    wait_for_collector();
}

static void
add_text(BroEvent *ev, const char *text)
{
    BroString str = {(uint32)strlen(text), (uchar *)text};

    bro_event_add_val(ev, BRO_TYPE_STRING, NULL, &str);
}

static void
add_item(BroEvent *ev, pam_handle_t *pamh, int item)
{
    const void *text = NULL;

    add_text(ev, pam_get_item(pamh, item, &text) == PAM_SUCCESS && text ? text : "");
}

/* Sends an event(ts, host, service, user, rhost, tty), and ok unless that is negative. */
static void
send_event(pam_handle_t *pamh, const char *name, int ok)
{
    BroEvent *ev = bro_event_new(name);
    double now = bro_util_current_time();
    char host[256] = "";

    if (!ev)
        return;
    gethostname(host, sizeof host - 1);
    bro_event_add_val(ev, BRO_TYPE_TIME, NULL, &now);
    add_text(ev, host);
    add_item(ev, pamh, PAM_SERVICE);
    add_item(ev, pamh, PAM_USER);
    add_item(ev, pamh, PAM_RHOST);
    add_item(ev, pamh, PAM_TTY);
    if (ok >= 0)
        bro_event_add_val(ev, BRO_TYPE_BOOL, NULL, &ok);
    if (!bro_event_send(sensor.conn, ev))
        pam_syslog(pamh, LOG_NOTICE, "%s is lost: the collector does not take it", name);
    bro_event_free(ev);
}

/* PAM_IGNORE: this module has no say in what becomes of a login. */
static int
tell(pam_handle_t *pamh, const char *name, int ok)
{
    pthread_mutex_lock(&sensor.lock);
    if (!sensor.is_set_up)
        set_up(pamh);
    if (sensor.conn) {
        send_event(pamh, name, ok);
        pam_set_data(pamh, "broccoli", NULL, at_end);
    }
    pthread_mutex_unlock(&sensor.lock);
    return PAM_IGNORE;
}

/* The stack knows what has become of a login, and its lines say so. */
int
pam_sm_authenticate(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    if (argc == 1 && strcmp(argv[0], "accepted") == 0)
        return tell(pamh, "pam_auth", TRUE);
    if (argc == 1 && strcmp(argv[0], "rejected") == 0)
        return tell(pamh, "pam_auth", FALSE);
    pam_syslog(pamh, LOG_ERR, "say accepted or rejected in the line of the module");
    return PAM_IGNORE;
}

int
pam_sm_setcred(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)pamh;
    (void)flags;
    (void)argc;
    (void)argv;
    return PAM_IGNORE;
}

int
pam_sm_open_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    (void)argc;
    (void)argv;
    return tell(pamh, "pam_session_open", -1);
}

int
pam_sm_close_session(pam_handle_t *pamh, int flags, int argc, const char **argv)
{
    (void)flags;
    (void)argc;
    (void)argv;
    return tell(pamh, "pam_session_close", -1);
}
