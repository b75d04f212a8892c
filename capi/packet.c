#include "api.h"
#include "conn.h"
#include "flat.h"
#include "init.h"

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

/* No captured packet is longer. */
#define CAPLEN_MAX (1u << 20)

/*
 * Link types of libpcap whose headers have a fixed size; their numbers are
 * the same everywhere.
 */
static int
link_header_size(int link_type)
{
    switch (link_type) {
    case 0: /* BSD loopback */
        return 4;
    case 1: /* Ethernet */
        return 14;
    case 10: /* FDDI, with LLC and SNAP */
        return 21;
    case 12: /* raw IP */
        return 0;
    case 113: /* Linux cooked */
        return 16;
    }
    return -1;
}

/**
 * Sets the link type (DLT_* of libpcap) of the packets that are sent over the
 * connection from now on. Not while another thread sends packets over it.
 * Nothing happens when bc is NULL.
 */
BRO_API void
bro_conn_set_packet_ctxt(BroConn *bc, int link_type)
{
    if (bc)
        bc->link_type = link_type;
}

/**
 * Stores the link type (DLT_* of libpcap) of the packets that are sent over the
 * connection in *link_type, -1 when none was set. Nothing is stored when an
 * argument is NULL.
 */
BRO_API void
bro_conn_get_packet_ctxt(BroConn *bc, int *link_type)
{
    if (bc && link_type)
        *link_type = bc->link_type;
}

/**
 * Makes a packet of copies of *hdr, in host byte order, and of the hdr->caplen
 * bytes at data. tag, which is for the receiver and may be NULL, is copied too.
 * The caller frees the packet with bro_packet_free(), also after sending it.
 * Returns NULL when hdr or data is NULL, caplen is above 1 MiB, or memory is
 * short.
 */
BRO_API BroPacket *
bro_packet_new(const struct pcap_pkthdr *hdr, const unsigned char *data, const char *tag)
{
    BroPacket *packet;

    if (!hdr || !data || hdr->caplen > CAPLEN_MAX)
        return NULL;
    packet = calloc(1, sizeof *packet);
    if (!packet)
        return NULL;
    packet->pkt_pcap_hdr = *hdr;
    packet->pkt_tag = strdup(tag ? tag : "");
    packet->pkt_data = malloc(hdr->caplen ? hdr->caplen : 1);
    if (!packet->pkt_tag || !packet->pkt_data) {
        bro_packet_free(packet);
        return NULL;
    }
    memcpy((unsigned char *)packet->pkt_data, data, hdr->caplen);
    return packet;
}

/**
 * Makes a copy of a packet, with a copy of its bytes; the caller frees it with
 * bro_packet_free(). Returns NULL when packet is NULL or memory is short.
 */
BRO_API BroPacket *
bro_packet_clone(const BroPacket *packet)
{
    BroPacket *copy;

    if (!packet)
        return NULL;
    copy = bro_packet_new(&packet->pkt_pcap_hdr, packet->pkt_data, packet->pkt_tag);
    if (!copy)
        return NULL;
    copy->pkt_time = packet->pkt_time;
    copy->pkt_hdr_size = packet->pkt_hdr_size;
    copy->pkt_link_type = packet->pkt_link_type;
    return copy;
}

/**
 * Frees a packet that bro_packet_new() or bro_packet_clone() returned, with its
 * bytes. NULL is allowed.
 */
BRO_API void
bro_packet_free(BroPacket *packet)
{
    if (!packet)
        return;
    free((char *)packet->pkt_tag);
    free((unsigned char *)packet->pkt_data);
    free(packet);
}

static unsigned char *
put_word(unsigned char *p, size_t n)
{
    uint32_t word = htonl((uint32_t)n);

    memcpy(p, &word, sizeof word);
    return p + sizeof word;
}

static unsigned char *
put_bytes(unsigned char *p, const void *bytes, size_t len)
{
    p = put_word(p, len);
    memcpy(p, bytes, len);
    return p + len;
}

/**
 * Sends a packet, with the link type that bro_conn_set_packet_ctxt() has set.
 * The packet is copied and stays the caller's. TRUE means that it
 * was accepted and will be written in the background. FALSE means that it was
 * not: an argument is NULL, the link type was not set or is not one of BSD
 * loopback, Ethernet, FDDI, raw IP and Linux cooked, memory is short, the queue
 * is full, or the state of the connection does not allow it, by the rules of
 * bro_event_send(). Several threads may send packets over one connection.
 */
BRO_API int
bro_packet_send(BroConn *bc, BroPacket *packet)
{
    struct flat rec = {NULL, 0, 0};
    const struct pcap_pkthdr *hdr;
    struct link_raw *raw;
    size_t tag_len, len;
    unsigned char *p;
    int ok;

    if (!bc)
        return FALSE;
    if (!packet)
        return errors_refuse_unlocked(bc, REFUSED_NO_EVENT, 0);
    if (link_header_size(bc->link_type) < 0)
        return errors_refuse_unlocked(bc, REFUSED_LINK_TYPE, 0);
    hdr = &packet->pkt_pcap_hdr;
    tag_len = strlen(packet->pkt_tag);
    len = 1 + 6 * sizeof(uint32_t) + tag_len + hdr->caplen;
    if (len > LINK_EVENT_MAX)
        return errors_refuse_unlocked(bc, REFUSED_TOO_LARGE, len);
    raw = flat_grow(&rec, sizeof *raw + len);
    if (!raw)
        return errors_refuse_unlocked(bc, REFUSED_MEMORY, len);
    raw->rec.size = (uint32_t)rec.len;
    raw->rec.kind = LINK_RAW;
    raw->len = len;
    p = (unsigned char *)(raw + 1);
    *p++ = 'p';
    p = put_word(p, (size_t)hdr->ts.tv_sec);
    p = put_word(p, (size_t)hdr->ts.tv_usec);
    p = put_word(p, hdr->len);
    p = put_word(p, (size_t)bc->link_type);
    p = put_bytes(p, packet->pkt_tag, tag_len);
    put_bytes(p, packet->pkt_data, hdr->caplen);
    ok = conn_put_event(bc, rec.data, rec.len);
    flat_free(&rec);
    return ok;
}
