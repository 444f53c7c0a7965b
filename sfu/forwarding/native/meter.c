#include "meter.h"

#include <math.h>
#include <string.h>

void meter_init(struct meter *meter, double window)
{
    memset(meter, 0, sizeof *meter);
    meter->step = window / METER_BUCKETS;
    meter->end = -INFINITY;
}

/* The running bucket has ended: begin as many as time has passed for. */
void meter_roll(struct meter *meter, double now)
{
    double steps = (now - meter->end) / meter->step;

    if (steps > METER_BUCKETS) { /* also the first packet: nothing of before is within the window */
        steps = METER_BUCKETS;
        meter->end = now - METER_BUCKETS * meter->step;
    }
    for (int left = (int)steps + 1; left > 0; left--) {
        meter->newest = (meter->newest + 1) % (METER_BUCKETS + 1);
        meter->byte_marks[meter->newest] = meter->total_bytes;
        meter->packet_marks[meter->newest] = meter->total_packets;
        meter->end += meter->step;
    }
    if (meter->end <= now) /* rounding */
        meter->end = now + meter->step;
}

void meter_add(struct meter *meter, int64_t size, double now)
{
    if (now >= meter->end)
        meter_roll(meter, now);
    meter->total_bytes += size;
    meter->total_packets += 1;
}
