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
#include "sensor-msg.h"
#include "sensor.h"

#include <pwd.h>
#include <string.h>

/* Of monitor_wrap.h, which wants half of OpenSSH. */
extern int use_privsep;
int mm_is_monitor(void);
void mm_audit_event(struct ssh *, ssh_audit_event_t);

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
    sensor_leave();
    sensor_open(ssh_packet_get_connection_in(the_active_state));
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

static void
tell_failure(struct ssh *ssh, ssh_audit_event_t event, const Authctxt *who)
{
    struct sensor_msg m = {.kind = SENSOR_AUTH_FAILED};

    /* What the process without privileges knows, it knows from the monitor; but
     * for users that are none it does not ask about their keys. */
    if (!use_privsep || mm_is_monitor())
        sensor_tell(&m, who->user, strlen(who->user), NULL, 0);
    else if (!who->valid && event != SSH_AUTH_FAIL_PASSWD && event != SSH_AUTH_FAIL_KBDINT)
        mm_audit_event(ssh, event);
}

static void
tell_event(struct ssh *ssh, ssh_audit_event_t event)
{
    const Authctxt *who = the_authctxt;

    if (!who || !who->user)
        return;
    switch (event) {
    case SSH_AUTH_SUCCESS:
        if (who->pw)
            tell_success(who->pw, who->user);
        break;
    case SSH_AUTH_FAIL_PASSWD:
    case SSH_AUTH_FAIL_KBDINT:
    case SSH_AUTH_FAIL_PUBKEY:
    case SSH_AUTH_FAIL_HOSTBASED:
    case SSH_AUTH_FAIL_GSSAPI:
        tell_failure(ssh, event, who);
        break;
    default:
        break;
    }
}

void
audit_event(struct ssh *ssh, ssh_audit_event_t event)
{
    tell_event(ssh, event);
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
