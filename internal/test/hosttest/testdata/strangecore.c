/*
 * A core of another release. It says so when it is loaded.
 */
#include <stdio.h>

__attribute__((constructor)) static void
loaded(void)
{
    puts("loaded");
    fflush(stdout);
}

const char romanesco_version[] = "0";

int
romanesco_connect(void *link, const void *config)
{
    (void)link, (void)config;
    puts("asked to connect");
    return 0;
}

int
romanesco_close(void *link, unsigned timeout)
{
    (void)link, (void)timeout;
    return 1;
}
