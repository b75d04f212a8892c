/*
 * OpenSSH's custom audit functions: what it tells by them goes to the sensor,
 * and on to the audit module for Linux, which Debian builds in. The Makefile
 * gives the functions of that the names with linux_.
 */
#include "includes.h"

#ifndef USE_LINUX_AUDIT
#error "configure OpenSSH with --with-audit=linux, as Debian does"
#endif

#include "hostfile.h" /* auth.h wants it before */

#include "audit.h"
#include "auth.h"
#include "log.h"
#include "packet.h"
#include "sensor-auth.h"
#include "sensor-msg.h"

#include <pwd.h>
#include <string.h>

/* Of monitor_wrap.h, which wants half of OpenSSH. */
int mm_is_monitor(void);

extern Authctxt *the_authctxt;
extern struct ssh *the_active_state;

void linux_audit_connection_from(const char *, int);
void linux_audit_event(struct ssh *, ssh_audit_event_t);
void linux_audit_session_open(struct logininfo *);
void linux_audit_session_close(struct logininfo *);
void linux_audit_run_command(const char *);

void
audit_connection_from(const char *host, int port)
{
    sensor_open(ssh_packet_get_connection_in(the_active_state));
    sensor_take_salt();
    linux_audit_connection_from(host, port);
}

static void
tell_success(const struct passwd *pw, const char *user)
{
    struct sensor_msg m = {.kind = SENSOR_AUTH_OK};

    m.num[0] = (int64_t)pw->pw_uid;
    m.num[1] = (int64_t)pw->pw_gid;
    sensor_tell(&m, user, strlen(user), NULL, 0);
}

/* At the end of a connection without a login; who is a user of whom nothing but the name is known.
 */
static void
tell_stranger(const Authctxt *who)
{
    struct sensor_msg m = {.kind = SENSOR_AUTH_DETAIL};

    if (who && who->user)
        sensor_tell(&m, who->user, strlen(who->user), NULL, 0);
    sensor_stranger(the_active_state);
}

/*
 * Of the failures, those count that the monitor finds out. It is not asked about
 * the keys of users that are none: when it has heard of nothing but the name,
 * that was the failure.
 */
static void
tell_event(ssh_audit_event_t event)
{
    static int failures, is_unknown;
    struct sensor_msg failed = {.kind = SENSOR_AUTH_FAILED};
    const Authctxt *who = the_authctxt;
    int has_failed = 0;

    if (!mm_is_monitor() && event != SSH_AUTH_SUCCESS)
        return;
    switch (event) {
    case SSH_AUTH_SUCCESS:
        if (who && who->user && who->pw)
            tell_success(who->pw, who->user);
        break;
    case SSH_AUTH_FAIL_PASSWD:
    case SSH_AUTH_FAIL_KBDINT:
    case SSH_AUTH_FAIL_PUBKEY:
    case SSH_AUTH_FAIL_HOSTBASED:
    case SSH_AUTH_FAIL_GSSAPI:
        has_failed = 1;
        break;
    case SSH_INVALID_USER:
        is_unknown = 1;
        break;
    case SSH_CONNECTION_ABANDON:
        has_failed = is_unknown && failures == 0;
        break;
    default:
        break;
    }
    if (has_failed && who && who->user) {
        failures++;
        sensor_tell(&failed, who->user, strlen(who->user), NULL, 0);
    }
    if (event == SSH_CONNECTION_ABANDON)
        tell_stranger(has_failed ? who : NULL);
}

void
audit_event(struct ssh *ssh, ssh_audit_event_t event)
{
    tell_event(event);
    linux_audit_event(ssh, event);
}

void
audit_session_open(struct logininfo *li)
{
    linux_audit_session_open(li);
}

void
audit_session_close(struct logininfo *li)
{
    linux_audit_session_close(li);
}

/* Without a channel: sensor_session() tells it with one. */
void
audit_run_command(const char *command)
{
    linux_audit_run_command(command);
}
