/* One encoding as its packets come: the numbers of sfu/flow/arrivals.py, sfu/wire/seq.py, sfu/flow/layer_rates.py and
 * sfu/forwarding/encoding.py, as far as a plain packet changes them.
 *
 * A plain packet is the next in number, begins no key frame, and comes when nothing else is due. Python does all
 * others, and owns the rules; it reads and writes these fields in place.
 */

#ifndef SFU_TRACK_H
#define SFU_TRACK_H

#include "rtp.h"

#define TRACK_LAYERS 64
#define TRACK_DESCRIPTOR_MAX 16

/* How a packet is known to begin no key frame: sfu/wire/codecs. */
enum track_codec { CODEC_OTHER, CODEC_NONE /* has no such thing */, CODEC_VP8, CODEC_VP9, CODEC_H264, CODEC_AV1 };

struct track {
    uint32_t ssrc;
    uint8_t payload_type;
    int ready;   /* Python takes packets of this SSRC and this type for this encoding */
    int waiting; /* slots wait for a key frame */
    enum track_codec codec;

    /* arrivals.py */
    int64_t highest, packets, received;
    uint32_t timestamp;
    double arrived, jitter, clock_rate;
    int guarded; /* a gap was opened by the newest packet */

    int64_t unwrapped; /* seq.py: the highest so far */

    /* encoding.py */
    int64_t newest, frames, key_timestamp;
    double last_at, look_at;
    int watched; /* Python looks, whenever `look_at` has come */

    /* layer_rates.py */
    int64_t layer_bytes[TRACK_LAYERS];
    double layers_at; /* the sums are looked at then */

    /* Packets whose payload begins so are of the layer that was read last: byte 0 under the mask is `flags`, and the
     * bytes after it are equal. `described` is the size of all, 0 = none was read. */
    unsigned char descriptor[TRACK_DESCRIPTOR_MAX];
    unsigned char mask, flags;
    size_t described;
};

void track_init(struct track *track);

/* As in sfu/forwarding/encoding.py. */
#define TRACK_LOOK 0.25

/* Count the packet after the highest; 0 (and nothing is counted) if it is any other, or ends a guard. */
int track_arrive(struct track *track, int64_t seq, uint32_t timestamp, double now);

/* The unwrapped number of a packet, which is remembered. */
int64_t track_unwrap(struct track *track, uint16_t seq16);

/* Whether a packet is plain, and its number then; nothing changes. */
int track_plain(const struct track *track, const unsigned char *packet, const struct rtp *view, double now,
                int64_t *seq);

/* Whether a payload of one byte or more may begin a key frame. */
int track_may_begin(enum track_codec codec, const unsigned char *payload, size_t size);

/* Whether a packet is of the layer that was read last. */
int track_same_layer(const struct track *track, const unsigned char *packet, const struct rtp *view);

#endif
