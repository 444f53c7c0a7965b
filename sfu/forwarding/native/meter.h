/* How much passed during the last second: the twin of sfu/flow/rate.py, number for number. */

#ifndef SFU_METER_H
#define SFU_METER_H

#include <stdint.h>

#define METER_BUCKETS 10

struct meter {
    int64_t total_bytes, total_packets; /* since the meter was made */
    int64_t byte_marks[METER_BUCKETS + 1], packet_marks[METER_BUCKETS + 1]; /* totals when each bucket began */
    double step; /* seconds of a bucket */
    double end;  /* when the running bucket ends */
    int newest;  /* index of the running bucket; the one after it is the oldest */
};

void meter_init(struct meter *meter, double window);
void meter_roll(struct meter *meter, double now);
void meter_add(struct meter *meter, int64_t size, double now);

#endif
