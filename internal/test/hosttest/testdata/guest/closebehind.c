/*
 * A host that can start no thread any more ends one connection while another thread
 * waits for a peer that does not answer.
 *
 *   closebehind P SLOW HOW      HOW: delete, exit
 *
 * Expected: it does not wait for the other thread, which takes 10 seconds.
 */
#include "common.h"

#include <grp.h>
#include <semaphore.h>

static sem_t begin;

static void *
connect_slowly(void *peer)
{
    sem_wait(&begin);
    conn((const char *)peer, BRO_CFLAG_NONE);
    return NULL;
}

/* root may start as many as it likes. */
static void
give_up_threads(void)
{
    struct rlimit none = {0, 0};

    if (geteuid() == 0 && (setgroups(0, NULL) < 0 || setgid(65534) < 0 || setuid(65534) < 0))
        perror("setuid");
    setrlimit(RLIMIT_NPROC, &none);
}

static void
end(char **argv, int told)
{
    pthread_t thread;
    BroConn *bc;

    sem_init(&begin, 0, 0);
    pthread_create(&thread, NULL, connect_slowly, argv[2]);
    bro_init(NULL);
    bc = conn(argv[1], BRO_CFLAG_NONE);
    give_up_threads();
    sem_post(&begin);
    usleep(500000);
    sendn(bc, "tick", 1);
    (void)!write(told, "", 1);
    if (strcmp(argv[3], "exit") == 0)
        exit(0);
    bro_conn_delete(bc);
    _exit(0);
}

int
main(int argc, char **argv)
{
    int status, p[2];
    double began;
    char byte;

    need(argc, 3);
    if (pipe(p) < 0)
        return 1;
    if (fork() == 0)
        end(argv, p[1]);
    (void)!read(p[0], &byte, 1);
    began = now();
    wait(&status);
    printf("%s, status %x\n", now() - began < 5 ? "in time" : "late", status);
    return 0;
}
