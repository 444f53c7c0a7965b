#include "track.h"

#include <math.h>
#include <string.h>

/* As in sfu/flow/arrivals.py. */
#define NEVER (-((int64_t)1 << 62))
#define MAX_TRANSIT_STEP 5.0

void track_init(struct track *track)
{
    memset(track, 0, sizeof *track);
    track->highest = NEVER;
    track->unwrapped = -1;
    track->key_timestamp = -1;
    track->last_at = track->look_at = track->layers_at = -INFINITY;
}

int track_arrive(struct track *track, int64_t seq, uint32_t timestamp, double now)
{
    if (seq != track->highest + 1 || track->guarded)
        return 0;
    track->highest = seq;
    track->packets += 1;
    track->received += 1;
    /* RFC 3550 A.8 */
    const double step = (double)(int32_t)(timestamp - track->timestamp);
    const double off = fabs((now - track->arrived) * track->clock_rate - step);
    if (off < MAX_TRANSIT_STEP * track->clock_rate)
        track->jitter += (off - track->jitter) / 16;
    track->timestamp = timestamp;
    track->arrived = now;
    return 1;
}

static int64_t unwrapped(const struct track *track, uint16_t seq16)
{
    if (track->unwrapped < 0)
        return (int64_t)seq16 + 0x10000;
    const int64_t delta = (((int64_t)seq16 - track->unwrapped + 0x8000) & 0xFFFF) - 0x8000;
    return track->unwrapped + delta;
}

int64_t track_unwrap(struct track *track, uint16_t seq16)
{
    const int64_t seq = unwrapped(track, seq16);

    if (seq > track->unwrapped)
        track->unwrapped = seq;
    return seq;
}

/* -- key frames: each is 0 only for what surely begins none ------------------------------------------------------ */

/* RFC 7741 4.2: S and PID 0 together begin a frame, and only there is the payload header; 4.3: P is its first bit. */
static int vp8_may_begin(const unsigned char *payload, size_t size)
{
    size_t position = 1;

    if (size < 3 || (payload[0] & 0x17) != 0x10)
        return size == 2;
    if (payload[0] & 0x80) {
        position = 2;
        if (payload[1] & 0x80)
            position += payload[2] & 0x80 ? 2 : 1;
        position += ((payload[1] & 0x40) != 0) + ((payload[1] & 0x30) != 0);
    }
    return position < size && !(payload[position] & 1);
}

/* AV1 RTP 4.4: Z Y WW N. Without N, the first unit that is no temporal delimiter may be a sequence header. */
static int av1_may_begin(const unsigned char *payload, size_t size)
{
    enum { SEQUENCE_HEADER = 1, TEMPORAL_DELIMITER = 2 };
    size_t position = 1;

    if (payload[0] & 0x80)
        return 0;
    if (payload[0] & 0x08)
        return 1;
    if ((payload[0] & 0x30) != 0x10) { /* unless it is the only unit, its length stands before it */
        if (size < 2 || !(payload[1] & 0x7F))
            return 1;
        while (position < size && payload[position++] & 0x80)
            ;
    }
    if (position >= size)
        return 1;
    const unsigned type = payload[position] >> 3 & 0x0F;
    return type == SEQUENCE_HEADER || type == TEMPORAL_DELIMITER;
}

static int h264_may_begin(const unsigned char *payload, size_t size)
{
    enum { SLICE = 1, FU_A = 28 };

    if (size < 2 || (payload[0] & 0x1F) == SLICE)
        return 0;
    /* RFC 6184 5.8: S marks the first fragment; the type is in the second byte. */
    return (payload[0] & 0x1F) != FU_A || (payload[1] & 0x80 && (payload[1] & 0x1F) != SLICE);
}

int track_may_begin(enum track_codec codec, const unsigned char *payload, size_t size)
{
    switch (codec) {
    case CODEC_NONE:
        return 0;
    case CODEC_VP8:
        return vp8_may_begin(payload, size);
    case CODEC_VP9: /* RFC 9628 4.2: B, and not P */
        return (payload[0] & 0x48) == 0x08;
    case CODEC_H264:
        return h264_may_begin(payload, size);
    case CODEC_AV1:
        return av1_may_begin(payload, size);
    default:
        return 1;
    }
}

int track_plain(const struct track *track, const unsigned char *packet, const struct rtp *view, double now,
                int64_t *seq)
{
    const size_t size = view->payload_end - view->payload_start;

    if (!track->ready || view->ssrc != track->ssrc || view->payload_type != track->payload_type)
        return 0;
    *seq = unwrapped(track, view->seq16);
    if (*seq != track->highest + 1 || *seq <= track->newest || track->guarded || track->waiting || size == 0)
        return 0;
    if (track->watched && now >= track->look_at)
        return 0;
    if (track->codec == CODEC_NONE)
        return 1;
    return view->timestamp != track->key_timestamp &&
           !track_may_begin(track->codec, packet + view->payload_start, size);
}

int track_same_layer(const struct track *track, const unsigned char *packet, const struct rtp *view)
{
    const unsigned char *payload = packet + view->payload_start;

    return track->described != 0 && view->payload_end - view->payload_start >= track->described &&
           (payload[0] & track->mask) == track->flags &&
           memcmp(payload + 1, track->descriptor, track->described - 1) == 0;
}
