/* With HOST: a program that loads what its argument names. Without: a plugin whose
 * constructor connects, to PEER of the environment, and tells how many threads there are
 * then that do not have the library's name, and are not the one that it runs on. */
#include <stdio.h>
#include <stdlib.h>
#ifdef HOST
#include <dlfcn.h>

int
main(int argc, char **argv)
{
    puts(argc == 2 && dlopen(argv[1], RTLD_NOW) ? "loaded" : "not loaded");
    return 0;
}
#else
#include <broccoli.h>
#include <dirent.h>
#include <string.h>
#include <unistd.h>

static int
is_named(const char *tid)
{
    char path[300], name[32] = "";
    FILE *f;

    snprintf(path, sizeof path, "/proc/self/task/%s/comm", tid);
    f = fopen(path, "re");
    if (!f || !fgets(name, sizeof name, f))
        strcpy(name, "broccoli\n"); /* it has ended meanwhile */
    if (f)
        fclose(f);
    return strcmp(name, "broccoli\n") == 0;
}

static int
nameless(void)
{
    DIR *dir = opendir("/proc/self/task");
    struct dirent *entry;
    int n = 0;

    while (dir && (entry = readdir(dir)))
        n += entry->d_name[0] != '.' && atoi(entry->d_name) != gettid() && !is_named(entry->d_name);
    if (dir)
        closedir(dir);
    return n;
}

__attribute__((constructor)) static void
begin(void)
{
    BroConn *bc;
    BroEvent *ev;

    bro_init(NULL);
    bc = bro_conn_new_str(getenv("PEER"), BRO_CFLAG_NONE);
    printf("connect %d\n", bro_conn_connect(bc));
    printf("nameless %d\n", nameless());
    fflush(stdout);
    ev = bro_event_new("tick");
    bro_event_send(bc, ev);
    bro_event_free(ev);
    bro_conn_delete(bc);
}
#endif
