/* What becomes of a publisher's packets in C, from decrypted bytes to what leaves: as intake.pxi and track.pxi have it.
 *
 * An input is how they are read (SETUP bytes), then packets, each after its length in two bytes. A packet lies in memory
 * of just its size, so that no byte beside it can be read unseen.
 */

#include "inbox.h"
#include "leg.h"
#include "template.h"
#include "track.h"
#include "vp8.h"

#include <stdlib.h>
#include <string.h>

#define SETUP 8
#define TAG 16

void fail(const char *what);
void try_input(const unsigned char *data, size_t size);

struct world {
    struct translation translation;
    struct track track;
    struct vp8_reader vp8;
    struct outbox outbox;
    struct box box;
    struct meter meter;
    struct link link;
    struct leg leg;
    double times[16];
    uint32_t entries[16];
    unsigned wanted; /* id of an extension */
    size_t described, sent;
    double now;
};

static int protect(void *sent, void *packet, int *size)
{
    struct rtp view;

    if (*size < 12 || *size > PACKET_MAX || !rtp_parse(packet, (size_t)*size, &view))
        fail("what leaves is no RTP packet");
    memset((unsigned char *)packet + *size, 0xAA, TAG);
    *size += TAG;
    *(size_t *)sent += 1;
    return 0;
}

static void set_up(struct world *world, const unsigned char *setup)
{
    memset(world, 0, sizeof *world);
    track_init(&world->track);
    world->track.codec = (enum track_codec)(setup[0] % (CODEC_AV1 + 1));
    world->track.mask = setup[1];
    world->described = setup[2] % (TRACK_DESCRIPTOR_MAX + 1);
    world->wanted = setup[3];
    world->translation.payload_type = setup[0] & 0x7F;
    world->translation.stamp_id = setup[4] & 0x0F;
    world->translation.send_time_id = setup[4] >> 4;
    world->translation.descriptor_id = setup[5] & 0x0F;
    world->translation.in_descriptor = setup[5] >> 7;
    world->translation.copying = setup[6] & 1;
    for (unsigned id = 1; id < 256; id++)
        world->translation.copies[id] = (unsigned char)(id % 16 * (setup[6] >> 1 & 1) + (id == setup[7]) * 3);
    outbox_init(&world->outbox, -1, 1);
    meter_init(&world->meter, 1.0);
    world->box.address_size = sizeof(struct sockaddr_in);
    world->link = (struct link){.outbox = &world->outbox, .box = &world->box, .session = &world->sent,
                                .protect = protect, .times = world->times, .entries = world->entries, .ring_mask = 15,
                                .paced = setup[6] >> 2 & 1, .per_byte = 1e-7};
    world->leg = (struct leg){.link = &world->link, .ssrc = 7, .slow = setup[6] >> 3 & 1, .forwarded = &world->meter};
    world->now = 1.0;
}

/* Every element lies within its block, and can be read to its end. */
static void read_elements(const struct world *world, const unsigned char *packet, const struct rtp *view)
{
    size_t position = view->extension_start;
    struct element one, found;
    unsigned sum = 0;

    while (rtp_next_element(packet, view, &position, &one)) {
        if (one.start < view->extension_start || one.start + one.size > view->extension_end)
            fail("an element outside of its block");
        for (size_t i = 0; i < one.size; i++)
            sum += packet[one.start + i];
        if (!rtp_find_element(packet, view, one.id, &found) || found.start > one.start)
            fail("an element that is there is not found");
    }
    if (rtp_find_element(packet, view, world->wanted, &found) && found.size > 0)
        sum += packet[found.start];
    *(volatile unsigned *)&sum = sum;
}

static void forward(struct world *world, const unsigned char *packet, const struct rtp *view, int64_t seq,
                    int64_t layer_key, int layered)
{
    const size_t payload = view->payload_end - view->payload_start;
    struct template *template = malloc(sizeof *template);
    struct rtp again;

    if (template_write(&world->translation, packet, view, 0xABCDEF, template)) {
        if (template->size > PACKET_MAX)
            fail("a template that is too long");
        if (!rtp_parse(template->bytes, template->size, &again) || again.payload_end - again.payload_start != payload ||
            memcmp(template->bytes + again.payload_start, packet + view->payload_start, payload) != 0)
            fail("the payload has changed");
        const struct decision decision = {layer_key, (uint32_t)(world->described), 0, 1, 2, {1, 2}};
        leg_remember(&world->leg, &decision);
        const struct packet one = {template->bytes, template->size, payload, seq, view->timestamp, template->stamp_at,
                                   template->patch_at, layered, layer_key, world->now};
        struct leg *leg = &world->leg;
        legs_send(&leg, 0, 1, &one);
    }
    free(template);
}

static void read_packet(struct world *world, unsigned char *packet, size_t size)
{
    const struct datagram datagram = {.data = packet, .size = size};
    struct track *track = &world->track;
    struct rtp view;
    int64_t seq;

    const int may_be_rtp = inbox_is_rtp(&datagram);
    if (!rtp_parse(packet, size, &view))
        return;
    if (view.extension_start > view.extension_end || view.extension_end > view.payload_start ||
        view.payload_start > view.payload_end || view.payload_end > size)
        fail("a part outside of the packet");
    if (!may_be_rtp && (packet[1] < 192 || packet[1] > 223))
        fail("an RTP packet that was not taken for one");
    read_elements(world, packet, &view);
    const unsigned char *payload = packet + view.payload_start;
    const size_t length = view.payload_end - view.payload_start;
    world->now += 0.001;
    if (!track_plain(track, packet, &view, world->now, &seq)) { /* Python has taken it */
        track->highest = track->newest = seq = track_unwrap(track, view.seq16);
        track->ssrc = view.ssrc;
        track->payload_type = view.payload_type;
        track->ready = 1;
    } else {
        track_unwrap(track, view.seq16);
        if (!track_arrive(track, seq, view.timestamp, world->now))
            fail("a plain packet that does not arrive");
    }
    if (length > 0)
        (void)track_may_begin(track->codec, payload, length);
    const int same = track_same_layer(track, packet, &view);
    const int layered = vp8_read(&world->vp8, payload, length, view.timestamp);
    if (layered && (world->vp8.described > length || world->vp8.described > 6))
        fail("a descriptor longer than its payload");
    if (!same && world->described > 0 && length >= world->described) {
        track->flags = payload[0] & track->mask;
        memcpy(track->descriptor, payload + 1, world->described - 1);
        track->described = world->described;
    }
    forward(world, packet, &view, seq, world->vp8.layer.key, layered || same);
}

void try_input(const unsigned char *data, size_t size)
{
    static struct world world;

    if (size < SETUP)
        return;
    set_up(&world, data);
    data += SETUP;
    size -= SETUP;
    while (size >= 2) {
        size_t length = get16(data);
        data += 2;
        size -= 2;
        if (length > size)
            length = size;
        unsigned char *packet = malloc(length);
        if (length > 0)
            memcpy(packet, data, length);
        read_packet(&world, packet, length);
        free(packet);
        data += length;
        size -= length;
    }
    outbox_free(&world.outbox);
}
