#include "debug.h"

/**
 * Set to 1 to have the calls into the library reported on standard error, to 0
 * (the default) for silence. May be changed at any time; /broccoli/debug_calltrace
 * in the configuration file sets it during bro_init().
 */
BRO_API int bro_debug_calltrace = 0;

/**
 * Set to 1 to have the library explain on standard error what it does and why
 * it refuses something, to 0 (the default) for silence. May be changed at any
 * time; /broccoli/debug_messages in the configuration file sets it during
 * bro_init().
 */
BRO_API int bro_debug_messages = 0;
