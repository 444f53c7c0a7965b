#include "leg.h"

#include <string.h>

void leg_remember(struct leg *leg, const struct decision *decision)
{
    if (decision->size > LEG_PATCH_MAX)
        return;
    leg->decisions[leg->next_decision] = *decision;
    leg->decisions[leg->next_decision].used = 1;
    leg->next_decision = (leg->next_decision + 1) % LEG_DECISIONS;
}

void leg_forget(struct leg *leg)
{
    memset(leg->decisions, 0, sizeof leg->decisions);
    leg->next_decision = 0;
}

static const struct decision *decided(const struct leg *leg, int64_t key)
{
    for (unsigned back = 1; back <= LEG_DECISIONS; back++) { /* the newest first */
        const struct decision *one = &leg->decisions[(leg->next_decision - back) % LEG_DECISIONS];
        if (one->key == key && one->used)
            return one;
    }
    return NULL;
}

int leg_send(struct leg *leg, const struct packet *packet)
{
    struct link *link = leg->link;
    struct changes changes = {
        .seq16 = (uint16_t)(packet->seq + leg->offset),
        .timestamp = packet->timestamp + leg->timestamp_offset,
        .ssrc = leg->ssrc,
    };

    if (packet->seq <= leg->high)
        return 0;
    if (leg->slow && (link->clogged || !link_admits(link, packet->now)))
        return 0;
    if (packet->layered && packet->seq > leg->whole_until) {
        const struct decision *decision = decided(leg, packet->layer_key);
        if (decision == NULL)
            return 0;
        changes.marker = decision->marker;
        if (packet->patch_at != 0) {
            changes.patch_at = packet->patch_at + decision->offset;
            changes.patch = decision->data;
            changes.patch_size = decision->size;
        }
    }
    if (packet->stamp_at != 0) {
        if (link->times == NULL)
            return 0;
        changes.stamp_at = packet->stamp_at;
        changes.stamp = (uint16_t)link->next;
    }
    if (!link_send(link, packet->template, packet->size, &changes))
        return 0;

    if (leg->slow)
        link_admitted(link, packet->size, packet->now);
    else if (packet->stamp_at != 0 && link->paced)
        link_spend(link, packet->size, packet->now);
    if (packet->stamp_at != 0)
        link_stamped(link, packet->size, packet->now);
    leg->high = packet->seq;
    leg->timestamp = packet->timestamp;
    if (packet->now >= leg->observe_at) {
        leg->observe_at = packet->now + LEG_OBSERVE;
        leg->anchor_at = packet->now;
        leg->anchor = changes.timestamp;
    }
    leg->octets += (int64_t)packet->payload_size;
    meter_add(leg->forwarded, (int64_t)packet->size, packet->now);
    return 1;
}

size_t legs_send(struct leg *const *legs, size_t from, size_t count, const struct packet *packet)
{
    while (from < count && leg_send(legs[from], packet))
        from++;
    return from;
}
