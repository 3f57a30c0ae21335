// Counters and their names: drops by reason, stages, workers. Sums are made of racy relaxed
// reads; a clear is a remembered base, so that no worker's counter has two writers.
#include "counters.h"
#include "pipeline.h"
#include "sad.h"
#include "worker.h"

#include <errno.h>
#include <rte_cycles.h>
#include <string.h>

static const struct {
	const char *name, *sentence;
} reasons[] = {
#define X(id, name, sentence) {name, sentence},
	DROP_LIST(X)
#undef X
};

static const char *const stages[STAGE_COUNT] = {
	[STAGE_RX] = "rx",           [STAGE_HANDOFF] = "handoff", [STAGE_INJECT] = "inject",
	[STAGE_ETH_IN] = "eth_in",   [STAGE_IP_IN] = "ip_in",     [STAGE_SAD] = "sad_in",
	[STAGE_ESP_IN] = "esp_in",   [STAGE_ROUTE] = "route",     [STAGE_SPD] = "spd_out",
	[STAGE_ESP_OUT] = "esp_out", [STAGE_IP_OUT] = "ip_out",   [STAGE_ETH_OUT] = "eth_out",
	[STAGE_PUNT] = "punt",       [STAGE_TX] = "tx",           [STAGE_LOCAL_IN] = "local_in",
	[STAGE_SPD_IN] = "spd_in",   [STAGE_PROTECT] = "protect",
};

struct base {
	uint64_t drop[DROP_COUNT];
	struct stage_count stage[STAGE_COUNT];
	uint64_t loops, busy_loops, rx, tx, in, out, sleeps, busy_cycles, total_cycles;
};
static struct base base[WORKER_MAX];
static uint64_t control[DROP_COUNT];

static inline uint64_t get(const uint64_t *v)
{
	return __atomic_load_n(v, __ATOMIC_RELAXED);
}

const char *stage_name(unsigned stage)
{
	return stage < STAGE_COUNT ? stages[stage] : NULL;
}

const char *drop_name(unsigned reason)
{
	return reason < DROP_COUNT ? reasons[reason].name : NULL;
}

const char *drop_sentence(unsigned reason)
{
	return reason < DROP_COUNT ? reasons[reason].sentence : NULL;
}

void counters_control_drop(enum drop why)
{
	control[why]++;
}

uint64_t counters_drop(unsigned reason, int worker)
{
	uint64_t sum = worker < 0 ? control[reason] : 0;

	for (unsigned i = 0; i < worker_count; i++)
		if (worker < 0 || (unsigned)worker == i)
			sum += get(&worker_table[i]->drop[reason]) - base[i].drop[reason];
	return sum;
}

// Called inside a worker: charges the time since the last call to the stage that ran.
void stage_cycles(struct worker *w, enum stage s)
{
	uint64_t now = rte_rdtsc();

	w->stage[w->stage_now].cycles += now - w->stage_tsc;
	w->stage_now = (uint8_t)s;
	w->stage_tsc = now;
}

unsigned dp_stage_count(void)
{
	return STAGE_COUNT;
}

int dp_stage_get(unsigned stage, int worker, struct dp_stage_stats *out)
{
	if (stage >= STAGE_COUNT || worker >= (int)worker_count)
		return -EINVAL;
	*out = (struct dp_stage_stats){.name = stages[stage]};
	for (unsigned i = 0; i < worker_count; i++) {
		const struct stage_count *c = &worker_table[i]->stage[stage];

		if (worker >= 0 && (unsigned)worker != i)
			continue;
		out->bursts += get(&c->bursts) - base[i].stage[stage].bursts;
		out->packets += get(&c->packets) - base[i].stage[stage].packets;
		out->cycles += get(&c->cycles) - base[i].stage[stage].cycles;
	}
	return 0;
}

void dp_stage_cycles(bool on)
{
	for (unsigned i = 0; i < worker_count; i++)
		__atomic_store_n(&worker_table[i]->cycles_on, on, __ATOMIC_RELAXED);
}

unsigned dp_drop_count(void)
{
	return DROP_COUNT;
}

int dp_drop_get(unsigned reason, int worker, const char **name, const char **sentence,
		uint64_t *count)
{
	if (reason >= DROP_COUNT || worker >= (int)worker_count)
		return -EINVAL;
	if (name)
		*name = reasons[reason].name;
	if (sentence)
		*sentence = reasons[reason].sentence;
	if (count)
		*count = counters_drop(reason, worker);
	return 0;
}

int dp_worker_get(unsigned worker, struct dp_worker_stats *out)
{
	if (worker >= worker_count)
		return -ENOENT;
	const struct worker *w = worker_table[worker];
	const struct base *b = &base[worker];

	*out = (struct dp_worker_stats){
		.worker = worker,
		.core = w->core,
		.loops = get(&w->loops) - b->loops,
		.busy_loops = get(&w->busy_loops) - b->busy_loops,
		.rx_packets = get(&w->rx_packets) - b->rx,
		.tx_packets = get(&w->tx_packets) - b->tx,
		.handoff_in = get(&w->handoff_in_packets) - b->in,
		.handoff_out = get(&w->handoff_out_packets) - b->out,
		.sleeps = get(&w->sleeps) - b->sleeps,
		.busy_cycles = get(&w->busy_cycles) - b->busy_cycles,
		.total_cycles = get(&w->total_cycles) - b->total_cycles,
		.sas = sad_count_of(worker),
	};
	return 0;
}

void dp_counters_clear(void)
{
	memset(control, 0, sizeof(control));
	for (unsigned i = 0; i < worker_count; i++) {
		const struct worker *w = worker_table[i];

		memcpy(base[i].drop, w->drop, sizeof(w->drop));
		memcpy(base[i].stage, w->stage, sizeof(w->stage));
		base[i].loops = get(&w->loops);
		base[i].busy_loops = get(&w->busy_loops);
		base[i].rx = get(&w->rx_packets);
		base[i].tx = get(&w->tx_packets);
		base[i].in = get(&w->handoff_in_packets);
		base[i].out = get(&w->handoff_out_packets);
		base[i].sleeps = get(&w->sleeps);
		base[i].busy_cycles = get(&w->busy_cycles);
		base[i].total_cycles = get(&w->total_cycles);
	}
}
