#include "template.h"

#include <string.h>

#define FIXED 12
#define BLOCK (FIXED + 4) /* where the extension block's body begins */
/* More than any sender has; Python copies those, too. */
#define COPIES_MAX 8

/* Where the data of a new element of this many bytes is to be written; 0 if it doesn't fit one-byte headers. */
static size_t add(struct template *template, unsigned id, size_t size)
{
    if (id == 0 || id > 14 || size == 0 || size > 16)
        return 0;
    template->bytes[template->size] = (unsigned char)(id << 4 | (size - 1));
    template->size += 1 + size;
    return template->size - size;
}

static int copy_elements(const struct translation *translation, const unsigned char *packet, const struct rtp *view,
                         struct template *template)
{
    size_t position = view->extension_start;
    struct element element;

    for (int count = 0; rtp_next_element(packet, view, &position, &element);) {
        const unsigned id = translation->copies[element.id & 0xFF];
        if (id == 0)
            continue;
        const size_t at = count++ < COPIES_MAX ? add(template, id, element.size) : 0;
        if (at == 0)
            return 0;
        memcpy(template->bytes + at, packet + element.start, element.size);
        if (id == translation->descriptor_id)
            template->descriptor_at = at;
    }
    return 1;
}

/* What is written anew when a packet leaves stands first: the transport-wide number, then the send time. */
static int write_block(const struct translation *translation, const unsigned char *packet, const struct rtp *view,
                       uint32_t send_time, struct template *template)
{
    if (translation->stamp_id != 0) {
        template->stamp_at = add(template, translation->stamp_id, 2);
        if (template->stamp_at == 0)
            return 0;
        put16(template->bytes + template->stamp_at, 0);
    }
    if (translation->send_time_id != 0) {
        const size_t at = template->send_time_at = add(template, translation->send_time_id, 3);
        if (at == 0)
            return 0;
        template->bytes[at] = (unsigned char)(send_time >> 16);
        put16(template->bytes + at + 1, (uint16_t)send_time);
    }
    if (translation->copying && !copy_elements(translation, packet, view, template))
        return 0;
    while (template->size & 3)
        template->bytes[template->size++] = 0;
    return 1;
}

int template_write(const struct translation *translation, const unsigned char *packet, const struct rtp *view,
                   uint32_t send_time, struct template *template)
{
    const size_t payload = view->payload_end - view->payload_start;

    template->stamp_at = template->send_time_at = template->descriptor_at = 0;
    template->size = BLOCK;
    if (!write_block(translation, packet, view, send_time, template))
        return 0;
    if (template->size + payload > PACKET_MAX)
        return 0;
    if (template->size == BLOCK) {
        template->size = FIXED;
    } else {
        put16(template->bytes + FIXED, 0xBEDE);
        put16(template->bytes + FIXED + 2, (uint16_t)((template->size - BLOCK) / 4));
    }
    template->bytes[0] = template->size > FIXED ? 0x90 : 0x80;
    template->bytes[1] = (unsigned char)(translation->payload_type | (view->marker ? 0x80 : 0));
    memset(template->bytes + 2, 0, FIXED - 2);
    template->patch_at = translation->in_descriptor ? template->descriptor_at : template->size;
    memcpy(template->bytes + template->size, packet + view->payload_start, payload);
    template->size += payload;
    return 1;
}
