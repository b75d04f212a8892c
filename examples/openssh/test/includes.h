/* In the place of OpenSSH's file of this name, where only the sensor is compiled. */
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
