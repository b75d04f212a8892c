#include "place.h"

#include "api.h"

#include <dlfcn.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <unistd.h>

/* Our own file, if the loader knows it by a name from the working directory. */
static char *loaded_as;

/* Whether we are in the program itself, and not in a library of our own. TRUE in doubt. */
static int
in_program(const Dl_info *us)
{
    Dl_info program;

    return !dladdr((void *)getauxval(AT_PHDR), &program) || program.dli_fbase == us->dli_fbase;
}

/* A relative name is good as long as nobody has changed the folder. */
__attribute__((constructor)) static void
note_place(void)
{
    Dl_info us;
    char *dir;

    if (!dladdr((void *)&loaded_as, &us) || us.dli_fname[0] == '/' || in_program(&us))
        return;
    dir = getcwd(NULL, 0);
    if (dir && asprintf(&loaded_as, "%s/%s", dir, us.dli_fname) < 0)
        loaded_as = NULL;
    free(dir);
}

/* The program's file as the kernel knows it, for what the loader knows is what
 * whoever started it has said. With more rights than its user's even the kernel
 * may have been led to a folder of the user's, by a hard link. */
static int
program_path(char *path)
{
    ssize_t n = getauxval(AT_SECURE) ? -1 : readlink("/proc/self/exe", path, PATH_MAX - 1);

    path[n > 0 ? n : 0] = '\0';
    return n > 0;
}

int
place_beside_us(const char *name, char *path, size_t size)
{
    char program[PATH_MAX];
    const char *from, *slash;
    Dl_info us;

    if (!dladdr((void *)&loaded_as, &us) || in_program(&us)) /* no loader: a static program */
        from = program_path(program) ? program : "";
    else
        from = loaded_as ? loaded_as : us.dli_fname;
    slash = strrchr(from, '/');
    if (from[0] != '/' || !slash)
        return FALSE;
    return (size_t)snprintf(path, size, "%.*s/%s", (int)(slash - from), from, name) < size;
}
