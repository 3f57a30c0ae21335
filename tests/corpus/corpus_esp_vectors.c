// Whole ESP packets with keys and the inner packet: opened and compared, refused when one bit of
// the ICV is wrong or when they come twice, and made again from the inner packet with the same IV.
#include "corpus_esp.h"

#include <rte_mbuf.h>

struct vector {
	const json_t *json;
	const char *id;
	struct blob key, auth_key, esp, outer, inner, iv;
	struct dp_sa conf;  // inbound
	uint64_t seq;
	uint32_t esp_at;  // in outer
	unsigned pad_len;
};

// An outer IPv4 header for vectors that have only the ESP packet.
static void outer_make(struct vector *v)
{
	uint8_t *p = v->outer.bytes;

	v->outer.len = 20 + v->esp.len;
	memset(p, 0, 20);
	p[0] = 0x45;
	p[2] = (uint8_t)(v->outer.len >> 8);
	p[3] = (uint8_t)v->outer.len;
	p[8] = 64;
	p[9] = 50;
	memcpy(p + 12, (uint8_t[]){192, 0, 2, 1, 192, 0, 2, 2}, 8);
	memcpy(p + 20, v->esp.bytes, v->esp.len);
}

static bool vector_read(const json_t *o, struct vector *v)
{
	const char *mode = jstr(o, "mode");
	unsigned icv = (unsigned)jnum(o, "icv_len", 0);
	struct dp_sa *p = &v->conf;

	memset(v, 0, sizeof(*v));
	v->json = o;
	v->id = jstr(o, "id");
	if (jhex(o, "encr_key_with_salt", &v->key) || jhex(o, "integ_key", &v->auth_key) ||
	    jhex(o, "esp_packet", &v->esp) || jhex(o, "outer_packet", &v->outer) ||
	    jhex(o, "inner_packet", &v->inner) || jhex(o, "iv", &v->iv) || v->esp.len < 8 ||
	    v->inner.len < 20 || v->esp.len > sizeof(v->outer.bytes) - 40)
		return false;
	if (!v->outer.len)
		outer_make(v);
	v->esp_at = v->outer.bytes[0] >> 4 == 4 ? 20 : 40;
	v->pad_len = (unsigned)jnum(o, "pad_len", -1);
	*p = (struct dp_sa){.dir = DP_IN, .replay_window = 64, .lim = UINT64_MAX};
	p->mode = !strcmp(mode, "transport") ? DP_TRANSPORT : DP_TUNNEL;
	p->spi = (uint32_t)strtoul(jstr(o, "spi"), NULL, 0);
	p->esn = json_is_true(json_object_get(o, "esn"));
	v->seq = (uint64_t)v->esp.bytes[4] << 24 | (uint64_t)v->esp.bytes[5] << 16 |
		 (uint64_t)v->esp.bytes[6] << 8 | v->esp.bytes[7];
	v->seq |= (uint64_t)jnum(o, "esn_hi", 0) << 32;
	p->edge = v->seq ? v->seq - 1 : 0;
	p->local = addr_from_bytes(v->esp_at == 20 ? 4 : 6,
				   v->outer.bytes + v->esp_at - (v->esp_at == 20 ? 4 : 16));
	p->remote = addr_from_bytes(v->esp_at == 20 ? 4 : 6,
				    v->outer.bytes + v->esp_at - (v->esp_at == 20 ? 8 : 32));
	return esp_algorithm(p, jstr(o, "encr"), &v->key, jstr(o, "integ"), &v->auth_key, icv);
}

static void refused(struct vector *v, struct tally *t, enum drop why, const char *what)
{
	char name[256];
	struct rte_mbuf *m = bed_packet(v->outer.bytes, v->outer.len);
	uint64_t before = bed.w.drop[why];

	snprintf(name, sizeof(name), "%s: %s", v->id, what);
	m = bed_in(m, NULL);
	if (m) {
		tally_line(t, TALLY_FAILED, name, "was accepted");
		rte_pktmbuf_free(m);
	} else if (bed.w.drop[why] != before + 1) {
		tally_line(t, TALLY_FAILED, name, "was dropped for another reason");
	} else {
		tally_line(t, TALLY_PASSED, name, NULL);
	}
}

static void vector_open(struct vector *v, struct tally *t)
{
	uint8_t *last = &v->outer.bytes[v->outer.len - 1];
	char why[256], name[256];
	struct rte_mbuf *m;
	struct sa *sa = esp_install(&v->conf, why, sizeof(why));

	snprintf(name, sizeof(name), "%s: open", v->id);
	if (!sa) {
		tally_line(t, TALLY_FAILED, name, "%s", why);
		return;
	}
	if (sa->icv_len) {
		*last ^= 1;
		refused(v, t, DROP_ESP_ICV, "wrong ICV");
		*last ^= 1;
	}
	m = bed_in(bed_packet(v->outer.bytes, v->outer.len), NULL);
	if (!m)
		tally_line(t, TALLY_FAILED, name, "was dropped");
	else if (rte_pktmbuf_data_len(m) != v->inner.len ||
		 memcmp(rte_pktmbuf_mtod(m, void *), v->inner.bytes, v->inner.len))
		tally_line(t, TALLY_FAILED, name, "the inner packet differs");
	else if (sa->seq != v->seq)
		tally_line(t, TALLY_FAILED, name, "sequence number %llu",
			   (unsigned long long)sa->seq);
	else
		tally_line(t, TALLY_PASSED, name, NULL);
	rte_pktmbuf_free(m);
	refused(v, t, DROP_ESP_REPLAY, "second time");
	esp_remove(sa);
}

static void vector_seal(struct vector *v, struct tally *t)
{
	struct dp_sa conf = v->conf;
	char why[256], name[256];
	struct rte_mbuf *m;
	struct sa *sa;

	snprintf(name, sizeof(name), "%s: seal", v->id);
	conf.dir = DP_OUT;
	conf.local = v->conf.remote;
	conf.remote = v->conf.local;
	conf.next = v->seq;
	sa = esp_install(&conf, why, sizeof(why));
	if (!sa) {
		tally_line(t, TALLY_FAILED, name, "%s", why);
		return;
	}
	esp_force_iv(sa, v->iv.bytes, v->iv.len);
	m = bed_out(sa, bed_packet(v->inner.bytes, v->inner.len));
	if (!m) {
		tally_line(t, TALLY_FAILED, name, "was dropped");
	} else if (v->iv.len != sa->iv_len) {
		tally_line(t, TALLY_SKIPPED, name, "no IV is given");
	} else if (rte_pktmbuf_data_len(m) != v->esp_at + v->esp.len) {
		tally_line(t, v->pad_len >= sa->block ? TALLY_SKIPPED : TALLY_FAILED, name,
			   "longer padding than needed, or another length");
	} else if (memcmp(rte_pktmbuf_mtod_offset(m, uint8_t *, v->esp_at), v->esp.bytes,
			  v->esp.len)) {
		tally_line(t, TALLY_FAILED, name, "the ESP packet differs");
	} else {
		tally_line(t, TALLY_PASSED, name, NULL);
	}
	rte_pktmbuf_free(m);
	esp_remove(sa);
}

void corpus_esp_vectors(const char *dir, const char *name, struct tally *t)
{
	json_t *list = jload(dir, name), *o;
	static struct vector v;
	size_t i;

	if (!json_is_array(list) || !json_array_size(list)) {
		tally_line(t, TALLY_FAILED, name, "is not a JSON array of packets");
		json_decref(list);
		return;
	}
	json_array_foreach(list, i, o)
	{
		if (!vector_read(o, &v)) {
			tally_line(t, TALLY_SKIPPED, jstr(o, "id"),
				   "algorithm or format that is not offered");
			continue;
		}
		vector_open(&v, t);
		vector_seal(&v, t);
	}
	json_decref(list);
}
