#include "rtp.h"

#define FIXED 12
#define ONE_BYTE 0xBEDE
#define TWO_BYTE 0x1000

int rtp_parse(const unsigned char *packet, size_t size, struct rtp *view)
{
    if (size < FIXED || packet[0] >> 6 != 2)
        return 0;
    size_t start = FIXED + (size_t)(packet[0] & 0x0F) * 4;
    view->extension_profile = 0;
    view->extension_start = start;
    if (packet[0] & 0x10) { /* 5.3.1: profile, and length in words without these four bytes */
        view->extension_start = start + 4;
        if (view->extension_start > size)
            return 0;
        view->extension_profile = get16(packet + start);
        start = view->extension_start + (size_t)get16(packet + start + 2) * 4;
    }
    if (start > size)
        return 0;
    size_t padding = 0;
    if (packet[0] & 0x20) { /* 5.1: the last byte counts the padding, itself included */
        padding = packet[size - 1];
        if (padding == 0 || padding > size - start)
            return 0;
    }
    view->marker = packet[1] >> 7;
    view->payload_type = packet[1] & 0x7F;
    view->seq16 = get16(packet + 2);
    view->timestamp = get32(packet + 4);
    view->ssrc = get32(packet + 8);
    view->extension_end = view->payload_start = start;
    view->payload_end = size - padding;
    return 1;
}

static int next_short(const unsigned char *packet, size_t end, size_t *position, struct element *element)
{
    size_t at = *position;

    while (at < end && packet[at] == 0)
        at++;
    if (at == end)
        return 0;
    element->id = packet[at] >> 4;
    element->size = (size_t)(packet[at] & 15) + 1;
    element->start = at + 1;
    return element->id != 0 && element->id != 15; /* RFC 8285 4.2: 15 ends it; 0 with a length is nothing */
}

static int next_long(const unsigned char *packet, size_t end, size_t *position, struct element *element)
{
    size_t at = *position;

    while (at < end && packet[at] == 0)
        at++;
    if (end - at < 2)
        return 0;
    element->id = packet[at];
    element->size = packet[at + 1];
    element->start = at + 2;
    return 1;
}

int rtp_next_element(const unsigned char *packet, const struct rtp *view, size_t *position, struct element *element)
{
    const size_t end = view->extension_end;
    int found = 0;

    if (view->extension_profile == ONE_BYTE)
        found = next_short(packet, end, position, element);
    else if ((view->extension_profile & 0xFFF0) == TWO_BYTE)
        found = next_long(packet, end, position, element);
    if (!found || element->size > end - element->start)
        return 0;
    *position = element->start + element->size;
    return 1;
}

int rtp_find_element(const unsigned char *packet, const struct rtp *view, unsigned id, struct element *element)
{
    size_t position = view->extension_start;

    while (rtp_next_element(packet, view, &position, element))
        if (element->id == id)
            return 1;
    return 0;
}
