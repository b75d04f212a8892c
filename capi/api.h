/*
 * What every file of the front includes first: the public header, and the mark
 * of what is exported. Everything else is hidden (-fvisibility=hidden), and
 * libbroccoli.map lists the names once more.
 *
 * include/broccoli.h is made from broccoli.h.in and the definitions in this
 * folder that are marked with BRO_API, each with its comment: "make header".
 */
#ifndef ROMANESCO_API_H
#define ROMANESCO_API_H

#include <stdint.h>
#include <sys/time.h>

/*
 * The header of a captured packet, as libpcap lays it out. Having it here keeps
 * libpcap out of the build: the front looks at packets, but captures none.
 */
struct pcap_pkthdr {
    struct timeval ts;
    uint32_t caplen;
    uint32_t len;
};

#define BROCCOLI_HAVE_PCAP_PKTHDR
#include "broccoli.h"

#define BRO_API __attribute__((visibility("default")))
/* The same for what romanesco.h has, which is written by hand. */
#define ROMANESCO_API __attribute__((visibility("default")))

#endif
