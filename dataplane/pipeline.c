// The packet path, from first byte to last: the page to read. docs/pipeline.md draws it, a test
// compares. Nothing here looks at a packet; every decision is inside a stage, every edge is a
// parameter. Bursts only split and join, so 64 slots always suffice.
#include "pipeline.h"
#include "sad.h"

// The order in which the stages stand below: for displays, and for the drawing's test.
static const enum stage order[] = {
	STAGE_RX,      STAGE_ETH_IN,  STAGE_ROUTE,  STAGE_LOCAL_IN, STAGE_SAD,  STAGE_HANDOFF,
	STAGE_ESP_IN,  STAGE_IP_IN,   STAGE_SPD_IN, STAGE_INJECT,   STAGE_SPD,  STAGE_PROTECT,
	STAGE_ESP_OUT, STAGE_ETH_OUT, STAGE_IP_OUT, STAGE_TX,       STAGE_PUNT,
};

unsigned pipeline_stages(const enum stage **out)
{
	*out = order;
	return sizeof(order) / sizeof(order[0]);
}

// ESP for us -> inner packets with a route, in `esp`. The rest of them is the host's.
static void decapsulate(struct worker *w, struct burst *esp, struct burst *host)
{
	struct burst unknown, unrouted;

	burst_reset(&unknown), burst_reset(&unrouted);
	stage_enter(w, STAGE_SAD, esp->n), sad_in(w, esp, &unknown);
	stage_enter(w, STAGE_HANDOFF, esp->n), handoff(w, esp, true);
	stage_enter(w, STAGE_ESP_IN, esp->n), esp_in(w, esp);
	stage_enter(w, STAGE_IP_IN, esp->n), ip_in(w, esp, &unrouted);
	stage_enter(w, STAGE_ROUTE, unrouted.n), route(w, &unrouted, host, host);
	burst_join(esp, &unrouted);
	esp_unknown(w, &unknown);
}

// Packets whose SA is known and whose size fits -> ESP on the wire.
void pipeline_encapsulate(struct worker *w, struct burst *b)
{
	struct burst rest, host;

	burst_reset(&rest), burst_reset(&host);
	stage_enter(w, STAGE_HANDOFF, b->n), handoff(w, b, false);
	stage_enter(w, STAGE_ESP_OUT, b->n), esp_out(w, b);
	stage_enter(w, STAGE_ETH_OUT, b->n), esp_send(w, b, &rest);
	stage_enter(w, STAGE_ROUTE, rest.n), esp_route(w, &rest, &host);
	stage_enter(w, STAGE_ETH_OUT, 0), eth_out(w, &rest);
	stage_enter(w, STAGE_PUNT, host.n), punt(w, &host, PUNT_HOST);
}

// Routed packets -> in clear, through a tunnel, or waiting for one.
static void outbound(struct worker *w, struct burst *b)
{
	struct spd_out to;

	burst_reset(&to.protect), burst_reset(&to.big), burst_reset(&to.acquire);
	stage_enter(w, STAGE_SPD, b->n), spd_out(w, b, &to);
	stage_enter(w, STAGE_PROTECT, to.big.n), protect(w, &to.big);
	pipeline_encapsulate(w, &to.protect);
	stage_enter(w, STAGE_ETH_OUT, b->n), eth_out(w, b);
	stage_enter(w, STAGE_PUNT, to.acquire.n), punt(w, &to.acquire, PUNT_ACQUIRE);
}

void pipeline_run(struct worker *w, struct burst *rx, uint32_t port)
{
	struct burst ike, host;
	struct eth_in to;

	burst_reset(&to.esp), burst_reset(&to.local), burst_reset(&to.unrouted);
	burst_reset(&to.host), burst_reset(&ike), burst_reset(&host);
	stage_enter(w, STAGE_ETH_IN, rx->n), eth_in(w, rx, port, &to);
	stage_enter(w, STAGE_ROUTE, to.unrouted.n), route(w, &to.unrouted, &to.local, &host);
	burst_join(rx, &to.unrouted);
	stage_enter(w, STAGE_LOCAL_IN, to.local.n), local_in(w, &to.local, &ike, &host);
	burst_join(&to.esp, &to.local);
	decapsulate(w, &to.esp, &host);
	burst_join(rx, &to.esp);
	stage_enter(w, STAGE_SPD_IN, rx->n + host.n), spd_in(w, rx, port), spd_in(w, &host, 0);
	outbound(w, rx);
	stage_enter(w, STAGE_PUNT, ike.n + host.n + to.host.n);
	punt(w, &ike, PUNT_IKE), punt(w, &host, PUNT_HOST), punt(w, &to.host, PUNT_HOST);
}

void pipeline_handoff(struct worker *w, struct burst *b)
{
	struct burst esp, host, acquire;

	burst_reset(&esp), burst_reset(&host), burst_reset(&acquire);
	stage_enter(w, STAGE_HANDOFF, b->n), handoff_take(w, b, &esp, &acquire);
	pipeline_encapsulate(w, b);
	decapsulate(w, &esp, &host);
	outbound(w, &esp);
	stage_enter(w, STAGE_PUNT, host.n + acquire.n);
	punt(w, &host, PUNT_HOST), punt(w, &acquire, PUNT_ACQUIRE);
}

void pipeline_inject(struct worker *w, struct burst *b)
{
	struct burst host, framed, unrouted;

	burst_reset(&host), burst_reset(&framed), burst_reset(&unrouted);
	stage_enter(w, STAGE_INJECT, b->n), inject_in(w, b, &framed);
	stage_enter(w, STAGE_IP_IN, b->n + framed.n), ip_in(w, b, &unrouted), ip_check(w, &framed);
	stage_enter(w, STAGE_ROUTE, unrouted.n), route(w, &unrouted, &host, &host);
	burst_join(b, &unrouted), burst_join(b, &framed);
	outbound(w, b);
	stage_enter(w, STAGE_PUNT, host.n), punt(w, &host, PUNT_HOST);
}
