/*
 * reasons PEER [fork]: connects with BRO_CFLAG_RECONNECT, and prints until standard
 * input ends: "E TEXT" whenever bro_conn_error() has become another one, and
 * "M LEVEL TEXT" for each message. With fork a child uses the connection too,
 * which prints "child M ..." and "child E ...".
 */
#include <romanesco.h>

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>

static const char *role = "";
static BroConn *bc;
static char error[2048] = "?";
static pid_t thread;

static void
say(const char *what, const char *text)
{
    printf("%s%s %s\n", role, what, text);
    fflush(stdout);
}

static void
get(int level, const char *message, void *user_data)
{
    BroEvent *ev = bro_event_new("from within");
    char what[16];

    bro_event_send(bc, ev); /* no lock is held */
    bro_event_free(ev);
    bro_conn_error(bc);
    snprintf(what, sizeof what, "M %d", level);
    say(what, message);
    if (gettid() != thread)
        say("on another thread:", message);
    if (user_data != &bc)
        say("with something else:", message);
}

static void
look(void)
{
    const char *now = bro_conn_error(bc);

    if (strcmp(now, error) == 0)
        return;
    snprintf(error, sizeof error, "%s", now);
    say("E", error);
}

/* Whether standard input goes on. */
static int
wait_a_little(void)
{
    struct pollfd in = {0, POLLIN, 0};
    char c;

    return poll(&in, 1, 10) == 0 || read(0, &c, 1) > 0;
}

static int
child(void)
{
    BroEvent *ev = bro_event_new("of the child");

    role = "child ";
    thread = getpid();
    strcpy(error, "?");
    look();
    bro_event_send(bc, ev);
    bro_event_free(ev);
    bro_conn_process_input(bc);
    look();
    bro_conn_delete(bc);
    fflush(stdout);
    _exit(0);
}

int
main(int argc, char **argv)
{
    if (argc < 2)
        return 64;
    thread = getpid();
    bro_log_set(get, &bc);
    bro_init(NULL);
    bc = bro_conn_new_str(argv[1], BRO_CFLAG_RECONNECT);
    look();
    bro_conn_connect(bc);
    look();
    if (argc > 2 && fork() == 0)
        child();
    while (wait_a_little()) {
        bro_conn_process_input(bc);
        look();
    }
    if (argc > 2)
        wait(NULL);
    bro_conn_delete(bc);
    return 0;
}
