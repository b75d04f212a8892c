/*
 * What a child of fork() does before it unloads its parent's core: it gives back
 * what that has of the C library's. No Go runs here, since there it cannot.
 */
#include <pthread.h>

static pthread_key_t key;
static int made;

int __real_pthread_key_create(pthread_key_t *made_key, void (*destructor)(void *));

/* runtime/cgo makes one key, and tells nobody which: linked with --wrap. */
int
__wrap_pthread_key_create(pthread_key_t *made_key, void (*destructor)(void *))
{
    int failed = __real_pthread_key_create(made_key, destructor);

    if (!failed) {
        key = *made_key;
        made = 1;
    }
    return failed;
}

void
romanesco_abandon(void)
{
    if (made)
        pthread_key_delete(key);
    made = 0;
}
