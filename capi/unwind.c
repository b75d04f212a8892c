/*
 * What gcc calls when a thread is cancelled in a handler of the host, or a C++
 * exception leaves one, and finds something of ours to clean up. Both are libgcc_s's.
 * It is there when somebody unwinds, and only then: a C program that is linked with
 * us has no use for it. A copy of our own would not do, since both functions take
 * what the other's unwinder has made.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdlib.h>

/* As in <unwind.h>, which declares one of them visible. */
#define CONTINUE_UNWIND 8
struct exception;
struct context;
typedef int personality(int version, int actions, uint64_t class, struct exception *exception,
                        struct context *context);

/* ThreadSanitizer would have something to clean up in them. */
#define OURS __attribute__((visibility("hidden"), no_sanitize_thread))
personality __gcc_personality_v0 OURS;
void _Unwind_Resume(struct exception *exception) OURS;

/* The same of the program, where it is static and can load none: in libbroccoli.a these have the
 * names that they stand for (Makefile). */
#define THEIRS __attribute__((weak, visibility("hidden")))
extern personality program_personality THEIRS;
extern void program_resume(struct exception *exception) THEIRS;

static void *
find(const char *name)
{
    void *library = dlopen("libgcc_s.so.1", RTLD_NOW | RTLD_LOCAL);

    return library ? dlsym(library, name) : NULL;
}

/* Without it nothing is cleaned up, as after longjmp(). */
int
__gcc_personality_v0(int version, int actions, uint64_t class, struct exception *exception,
                     struct context *context)
{
    personality *real;

    if (program_personality)
        return program_personality(version, actions, class, exception, context);
    *(void **)&real = find("__gcc_personality_v0");
    return real ? real(version, actions, class, exception, context) : CONTINUE_UNWIND;
}

void
_Unwind_Resume(struct exception *exception)
{
    void (*real)(struct exception *);

    if (program_resume)
        program_resume(exception);
    *(void **)&real = find("_Unwind_Resume");
    if (real)
        real(exception);
    abort(); /* the one who called __gcc_personality_v0 has found it */
}
