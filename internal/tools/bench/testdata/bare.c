/*
 * What "bench idle [KEY]" is without the library: bare idle [KEY]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int
main(int argc, char **argv)
{
    char line[256];
    FILE *f;

    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc < 3)
        return 0;
    f = fopen("/proc/self/smaps_rollup", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, argv[2], strlen(argv[2])) == 0)
            printf("%ld\n", atol(line + strlen(argv[2])));
    if (f)
        fclose(f);
    return 0;
}
