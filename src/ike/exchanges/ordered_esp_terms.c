/* SPDX-License-Identifier: Apache-2.0 */
#include "ike/exchanges/ordered_esp_terms.h"

#include "ike/core/sa.h"
#include "ike/core/session.h"
#include "wire/ordered_esp.h"
#include "wire/payloads.h"

static bool trailers_wanted(const struct sa *sa)
{
    return sa->session->peer_keep_old && ike_conn_ordered(sa->session->conn);
}

void ordered_esp_answer(struct wire_builder *reply)
{
    uint8_t data[ORDERED_ESP_LEN];
    ordered_esp_write(data);
    wire_add_notify(reply, ORDERED_ESP_NOTIFY, span_of(data, sizeof(data)));
}

void ordered_esp_offer(const struct sa *sa, struct wire_builder *request)
{
    if (trailers_wanted(sa))
        ordered_esp_answer(request);
}

bool ordered_esp_agreed(const struct sa *sa, const struct wire_message *message)
{
    struct wire_notify notify;
    return trailers_wanted(sa) && wire_notify_find(message, ORDERED_ESP_NOTIFY, &notify) &&
           ordered_esp_read(notify.data) &&
           !wire_notify_has(message, N_ESP_TFC_PADDING_NOT_SUPPORTED) &&
           !wire_notify_has(message, N_USE_TRANSPORT_MODE);
}
