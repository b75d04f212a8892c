/*
 * Loads a plugin that brings the library along, and uses it in its constructor.
 *
 *   PEER=P plughost PLUGIN
 *
 * Expected: connect 1, loaded; and its event arrives.
 */
#include <dlfcn.h>
#include <stdio.h>

int
main(int argc, char **argv)
{
    void *plugin = dlopen(argc > 1 ? argv[1] : "", RTLD_NOW);

    printf("%s\n", plugin ? "loaded" : dlerror());
    return 0;
}
