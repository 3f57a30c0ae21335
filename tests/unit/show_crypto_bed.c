// See show_crypto_bed.h.

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "show_crypto_bed.h"

struct crypto_bed crypto_bed = {.child_count = 2};
struct gateway gateway = {
	.interfaces = TAILQ_HEAD_INITIALIZER(gateway.interfaces),
	.manual = TAILQ_HEAD_INITIALIZER(gateway.manual),
	.loop = (struct loop *)&gateway,
	.ike = (struct ike *)&gateway,
};

// ---- data plane, kernel, clock ---------------------------------------------------------------
bool dp_running(void)
{
	return true;
}
void dp_counters_clear(void)
{
}
int dp_port_info(uint32_t port, struct dp_port_info *out)
{
	*out = (struct dp_port_info){.port = port,
				     .driver = "net_af_packet",
				     .host_if = "gi0-1",
				     .mac = {2, 0, 0, 0, 0, (uint8_t)port},
				     .mtu = 1500,
				     .admin_up = true,
				     .link_up = true,
				     .speed_mbps = 10000,
				     .rx_packets = 11,
				     .rx_bytes = 1100,
				     .tx_packets = 22,
				     .tx_bytes = 2200,
				     .tx_dropped = 1};
	return 0;
}
int dp_sa_get_stats(uint32_t sa, struct dp_sa_stats *out)
{
	if (sa == 0 || sa > 10)
		return -2;
	*out = (struct dp_sa_stats){.packets = sa * 100,
				    .bytes = sa * 10000,
				    .seq = sa * 100 + 1,
				    .drops = {[DP_SA_DROP_REPLAY] = sa},
				    .worker = 0,
				    .state = crypto_bed.standby ? DP_SA_STANDBY : DP_SA_ACTIVE};
	return 0;
}
const char *dp_sa_drop_name(enum dp_sa_drop d)
{
	return d == DP_SA_DROP_REPLAY ? "replay" : "other";
}
uint64_t loop_now_ms(const struct loop *l)
{
	return 10000000;
}
bool kernel_link_by_name(const struct kernel *k, const char *name, struct kernel_link *out)
{
	return false;
}
struct if_state *interface_state(const struct gateway *g, const char *name)
{
	struct if_state *s;
	TAILQ_FOREACH (s, &g->interfaces, link)
		if (strcmp(s->name, name) == 0)
			return s;
	return NULL;
}

// ---- IKE -------------------------------------------------------------------------------------
bool ike_sa_next(const struct ike *ike, uint32_t after, struct ike_sa_info *out)
{
	for (int i = 0; i < 2; i++) {
		if (crypto_bed.ike_sas[i].id > after) {
			*out = crypto_bed.ike_sas[i];
			return true;
		}
	}
	return false;
}
bool ike_child_next(const struct ike *ike, uint32_t after, struct ike_child_info *out)
{
	for (int i = 0; i < crypto_bed.child_count; i++) {
		if (crypto_bed.children[i].id > after) {
			*out = crypto_bed.children[i];
			return true;
		}
	}
	return false;
}
void ike_get_counters(const struct ike *ike, struct ike_counters *out)
{
	*out = (struct ike_counters){.rx = 7, .half_open_limit = 1000};
}
unsigned ike_clear_isakmp(struct ike *ike, uint32_t id)
{
	return 0;
}
unsigned ike_clear_sa(struct ike *ike, const struct ip_addr *peer, const char *map)
{
	return 0;
}
unsigned ike_clear_session(struct ike *ike, const struct ip_addr *remote)
{
	return 0;
}

int clear_replicated(struct cli *cli, const struct cli_args *args, unsigned what)
{
	return 1;
}

// ---- the fixed state -------------------------------------------------------------------------
static struct tunnel tunnels[CRYPTO_BED_TUNNELS];
static struct tunnel *tunnel_list[CRYPTO_BED_TUNNELS];
static struct tunnel_flow flows[CRYPTO_BED_TUNNELS];
static struct if_state state_of_port;

static struct ip_addr addr(const char *text)
{
	struct ip_addr a;
	assert_int_equal(addr_parse(text, &a), 0);
	return a;
}

static void tunnel_fill(unsigned i, const char *peer)
{
	struct tunnel *t = &tunnels[i];
	char net[32];
	snprintf(t->map, sizeof(t->map), "MAP2");
	t->seq = (i + 1) * 10;
	snprintf(t->interface, sizeof(t->interface), "GigabitEthernet0/1");
	t->local = addr("6.6.156.100");
	t->peers[0] = addr(peer);
	t->peer_count = 1;
	t->pfs = i == 0;
	t->pfs_group = i == 0 ? 2 : 0;
	t->flows = &flows[i];
	t->flow_count = 1;
	flows[i] = (struct tunnel_flow){
		.policy = i + 1, .tunnel = t, .sel = {.sport = {0, 65535}, .dport = {0, 65535}}};
	prefix_parse("6.6.146.0/24", &flows[i].sel.src);
	snprintf(net, sizeof(net), "6.6.%u.0/24", i + 2);
	prefix_parse(net, &flows[i].sel.dst);
	tunnel_list[i] = t;
}

static void child_fill(unsigned i)
{
	crypto_bed.children[i] = (struct ike_child_info){.id = i + 1,
							 .ike_id = 1001,
							 .policy = 1,
							 .seq = 10,
							 .local = tunnels[0].local,
							 .remote = tunnels[0].peers[0],
							 .sel = flows[0].sel,
							 .spi_in = 0x1000 + i,
							 .spi_out = 0xc0ffee00 + i,
							 .sa_in = i * 2 + 1,
							 .sa_out = i * 2 + 2,
							 .transform = {.cipher = ESP_CIPHER_AES_CBC,
								       .key_bits = 256,
								       .auth = ESP_AUTH_SHA256},
							 .udp_encap = true,
							 .local_port = 4500,
							 .remote_port = 4500,
							 .replay_window = 1024,
							 .old = i == 0,
							 .lifetime_s = 3600,
							 .left_s = 3236,
							 .lifetime_kb = 4608000,
							 .left_kb = 4355669,
							 .up_ms = 9000000};
	snprintf(crypto_bed.children[i].map, CONFIG_NAME_MAX, "MAP2");
	snprintf(crypto_bed.children[i].interface, CONFIG_NAME_MAX, "GigabitEthernet0/1");
}

static void ike_fill(unsigned i, const char *peer, bool up)
{
	crypto_bed.ike_sas[i] = (struct ike_sa_info){.id = 1001 + i,
						     .version = 1,
						     .local = tunnels[0].local,
						     .remote = addr(peer),
						     .local_port = up ? 4500 : 500,
						     .remote_port = up ? 4500 : 500,
						     .established = up,
						     .initiator = up,
						     .icookie = 0x1122334455667788,
						     .rcookie = up ? 0x99aabbccddeeff00 : 0,
						     .encr = IKE_ENCR_AES,
						     .aes_bits = 256,
						     .hash = IKE_HASH_SHA256,
						     .auth = IKE_AUTH_PRE_SHARE,
						     .group = 14,
						     .lifetime_s = 86400,
						     .lifetime_left_s = 82629,
						     .established_ms = up ? 6230000 : 0,
						     .natt = up,
						     .dpd = up,
						     .children = up ? 1 : 0};
	snprintf(crypto_bed.ike_sas[i].state, sizeof(crypto_bed.ike_sas[i].state),
		 up ? "QM_IDLE" : "MM_NO_STATE");
	snprintf(crypto_bed.ike_sas[i].remote_id, sizeof(crypto_bed.ike_sas[i].remote_id), "%s",
		 up ? peer : "");
}

// What `show crypto map` and `show crypto isakmp policy` print: configuration, not state.
static void crypto_fill(void)
{
	struct isakmp_policy *p = arena_alloc(crypto_bed.config->arena, sizeof(*p));
	struct transform_set *t = arena_alloc(crypto_bed.config->arena, sizeof(*t));
	struct crypto_map *m = arena_alloc(crypto_bed.config->arena, sizeof(*m));
	struct map_peer *peer = arena_alloc(crypto_bed.config->arena, sizeof(*peer));

	*p = (struct isakmp_policy){.priority = 10,
				    .encr = IKE_ENCR_AES,
				    .aes_bits = 256,
				    .hash = IKE_HASH_SHA256,
				    .auth = IKE_AUTH_PRE_SHARE,
				    .group = 14,
				    .lifetime_s = 86400};
	TAILQ_INSERT_TAIL(&crypto_bed.config->isakmp_policies, p, link);
	snprintf(t->name, sizeof(t->name), "SET2");
	t->cipher = ESP_CIPHER_AES_CBC;
	t->key_bits = 128;
	t->auth = ESP_AUTH_SHA1;
	TAILQ_INSERT_TAIL(&crypto_bed.config->transform_sets, t, link);
	snprintf(m->name, sizeof(m->name), "MAP2");
	TAILQ_INIT(&m->entries);
	TAILQ_INSERT_TAIL(&crypto_bed.config->crypto_maps, m, link);
	peer->addr = addr("6.6.25.2");
	for (uint32_t seq = 10; seq < 10 + 10 * (SHOW_SLICE + 2); seq += 10) {
		struct crypto_map_entry *e = arena_alloc(crypto_bed.config->arena, sizeof(*e));

		e->seq = seq;
		TAILQ_INIT(&e->peers);
		if (seq == 10)
			TAILQ_INSERT_TAIL(&e->peers, peer, link);
		snprintf(e->acl, sizeof(e->acl), "ACL");
		snprintf(e->transform_sets[0], CONFIG_NAME_MAX, "SET2");
		e->transform_set_count = 1;
		e->pfs = seq == 10;
		e->pfs_group = 14;
		TAILQ_INSERT_TAIL(&m->entries, e, link);
	}
}

// The second entry of a map of its own refers to a dynamic map; one peer has an instance.
static struct tunnel instance;
static struct tunnel *instance_list[1] = {&instance};
static struct tunnel_flow instance_flow;
static const struct tunnel_flow *by_policy[64];

static void dynamic_fill(void)
{
	struct crypto_map *m = arena_alloc(crypto_bed.config->arena, sizeof(*m));
	struct crypto_map *d = arena_alloc(crypto_bed.config->arena, sizeof(*d));
	struct crypto_map_entry *e = arena_alloc(crypto_bed.config->arena, sizeof(*e));
	struct crypto_map_entry *t = arena_alloc(crypto_bed.config->arena, sizeof(*t));

	snprintf(m->name, sizeof(m->name), "DYNMAP");
	snprintf(d->name, sizeof(d->name), "DYN");
	d->is_dynamic_template = true;
	TAILQ_INIT(&m->entries);
	TAILQ_INIT(&d->entries);
	TAILQ_INIT(&e->peers);
	TAILQ_INIT(&t->peers);
	e->seq = 20;
	snprintf(e->dynamic_map, sizeof(e->dynamic_map), "DYN");
	t->seq = 10;
	snprintf(t->transform_sets[0], CONFIG_NAME_MAX, "SET2");
	t->transform_set_count = 1;
	t->reverse_route = (struct reverse_route){.kind = RR_REMOTE_PEER, .tag = 7};
	TAILQ_INSERT_TAIL(&m->entries, e, link);
	TAILQ_INSERT_TAIL(&d->entries, t, link);
	TAILQ_INSERT_TAIL(&crypto_bed.config->crypto_maps, m, link);
	TAILQ_INSERT_TAIL(&crypto_bed.config->crypto_maps, d, link);

	child_fill(2);
	instance_flow =
		(struct tunnel_flow){.policy = 60, .tunnel = &instance, .sel = flows[0].sel};
	prefix_parse("6.6.99.0/24", &instance_flow.sel.dst);
	crypto_bed.children[2].policy = 60;
	crypto_bed.children[2].sel = instance_flow.sel;
	crypto_bed.children[2].seq = 20;
	crypto_bed.children[2].remote = addr("6.6.27.9");
	crypto_bed.children[2].remote_port = 20001;
	snprintf(crypto_bed.children[2].map, CONFIG_NAME_MAX, "DYNMAP");
	snprintf(crypto_bed.children[2].dynamic_map, CONFIG_NAME_MAX, "DYN");
	crypto_bed.children[2].dynamic_seq = 10;
	instance_of_view(&(struct sa_view){.c = crypto_bed.children[2]}, &instance, &instance_flow);
	snprintf(instance.peer_id, sizeof(instance.peer_id), "spoke9.example.net");
	instance.lifetime_s = 3600;
	instance.lifetime_kb = 4608000;
	by_policy[60] = &instance_flow;
	crypto_bed.all.by_policy = by_policy;
	crypto_bed.all.by_policy_size = 64;
	crypto_bed.all.instances = instance_list;
}

int crypto_bed_setup(void **state)
{
	struct err err = {0};
	tunnel_fill(0, "6.6.25.2");
	tunnel_fill(1, "6.6.26.2");
	for (unsigned i = 2; i < CRYPTO_BED_TUNNELS; i++)
		tunnel_fill(i, "6.6.27.2");
	child_fill(0);
	child_fill(1);
	ike_fill(0, "6.6.25.2", true);
	ike_fill(1, "6.6.26.2", false);
	gateway.tunnels = &crypto_bed.all;
	crypto_bed.all.all = tunnel_list;
	crypto_bed.config = config_create();
	struct interface_config *i = arena_alloc(crypto_bed.config->arena, sizeof(*i));
	snprintf(i->name, sizeof(i->name), "GigabitEthernet0/1");
	snprintf(i->crypto_map, sizeof(i->crypto_map), "MAP2");
	i->device = IF_DEV_VDEV;
	i->device_arg = "net_af_packet1,iface=out";
	i->description = "towards the \"provider\"";
	TAILQ_INIT(&i->secondary);
	prefix_parse("6.6.156.100/24", &i->addr);
	TAILQ_INSERT_TAIL(&crypto_bed.config->interfaces, i, link);
	struct interface_config *down = arena_alloc(crypto_bed.config->arena, sizeof(*down));
	snprintf(down->name, sizeof(down->name), "GigabitEthernet0/2");
	down->shutdown = true;
	TAILQ_INIT(&down->secondary);
	TAILQ_INSERT_TAIL(&crypto_bed.config->interfaces, down, link);
	snprintf(state_of_port.name, sizeof(state_of_port.name), "GigabitEthernet0/1");
	snprintf(state_of_port.kernel_if, sizeof(state_of_port.kernel_if), "gi0-1");
	state_of_port.device = IF_DEV_VDEV;
	state_of_port.port = 2;
	TAILQ_INSERT_TAIL(&gateway.interfaces, &state_of_port, link);
	crypto_fill();
	dynamic_fill();
	return show_map_register(&gateway, &err) || show_ipsec_register(&gateway, &err) ||
	       show_session_register(&gateway, &err) || show_isakmp_register(&gateway, &err) ||
	       show_interfaces_register(&gateway, &err);
}

int crypto_bed_teardown(void **state)
{
	config_destroy(crypto_bed.config);
	return 0;
}
