#include "place.h"

#include "api.h"

#include <dlfcn.h>
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
program_path(char *path, size_t size)
{
    ssize_t n = getauxval(AT_SECURE) ? -1 : readlink("/proc/self/exe", path, size - 1);

    path[n > 0 ? n : 0] = '\0';
    return n > 0;
}

int
place_beside_us(const char *name, char *path, size_t size)
{
    const char *from, *slash;
    Dl_info us;
    size_t dir;

    if (!dladdr((void *)&loaded_as, &us) || in_program(&us)) /* no loader: a static program */
        from = program_path(path, size) ? path : "";
    else
        from = loaded_as ? loaded_as : us.dli_fname;
    slash = strrchr(from, '/');
    if (from[0] != '/' || !slash)
        return FALSE;
    dir = (size_t)(slash + 1 - from);
    if (dir + strlen(name) >= size)
        return FALSE;
    memmove(path, from, dir);
    strcpy(path + dir, name);
    return TRUE;
}
