/*
 * Uses what <broccoli.h> has always brought with it: <stdio.h>, <time.h>,
 * <limits.h> and <pthread.h>.
 *
 * Expected: it compiles.
 */
#include <string.h>

#include <broccoli.h>

int
main(void)
{
    pthread_t self = pthread_self();
    time_t t = time(NULL);

    bro_init(NULL);
    setbuf(stdout, NULL);
    printf("%s, %d\n", strerror(0), pthread_equal(self, pthread_self()) && t > 0 && INT_MAX > 0);
    return 0;
}
