// Reading IKEv1's part of a replicated SA: bounds, lengths that follow from the algorithms, states
// that can be. Nothing is made here. See sa_state.h.

#include <errno.h>

#include "ike/cipher.h"
#include "ikev1/sa_state.h"

static int keys_get(const struct ike_suite *s, const struct replica_tlvs *t,
		    struct v1_sa_record *out)
{
	size_t h = hash_len(s->hash), k = cipher_key_len(s->encr, s->aes_bits);
	struct rbuf b;

	replica_rbuf(t, TLV_V1_KEYS, &b);
	if (!h || !k || replica_get_chunk(&b, &out->skeyid, h, h) < 0 ||
	    replica_get_chunk(&b, &out->skeyid_d, h, h) < 0 ||
	    replica_get_chunk(&b, &out->skeyid_a, h, h) < 0 ||
	    replica_get_chunk(&b, &out->skeyid_e, h, h) < 0 ||
	    replica_get_chunk(&b, &out->key, k, k) < 0)
		return -EBADMSG;
	replica_rbuf(t, TLV_V1_PHASE1, &b);
	return rbuf_get_bytes(&b, out->last_block, sizeof(out->last_block)) < 0 ||
			       rbuf_get_u32(&b, &out->vendors) < 0 ||
			       rbuf_get_u32(&b, &out->natt_vendor) < 0 ||
			       rbuf_get_u32(&b, &out->offered_life_s) < 0
		       ? -EBADMSG
		       : 0;
}

static int main_get(const struct replica_tlvs *t, struct v1_sa_record *out)
{
	struct rbuf b;

	replica_rbuf(t, TLV_V1_MAIN, &b);
	if (replica_get_bool(&b, &out->main_done) < 0 || replica_get_bool(&b, &out->rx_known) < 0 ||
	    rbuf_get_bytes(&b, out->iv, sizeof(out->iv)) < 0 ||
	    rbuf_get_bytes(&b, out->rx_hash, sizeof(out->rx_hash)) < 0 ||
	    replica_get_chunk(&b, &out->tx, 0, V1_MSG_MAX) < 0 ||
	    replica_get_chunk(&b, &out->gxi, 0, DH_PUBLIC_MAX) < 0 ||
	    replica_get_chunk(&b, &out->gxr, 0, DH_PUBLIC_MAX) < 0 ||
	    replica_get_chunk(&b, &out->sa_body, 0, V1_SA_BODY_MAX) < 0)
		return -EBADMSG;
	// What checks the peer's last message must be there.
	return out->main_done || (out->tx.len && out->gxi.len && out->gxr.len && out->sa_body.len)
		       ? 0
		       : -EBADMSG;
}

int v1_sa_record_get(const struct ike_suite *s, const struct replica_tlvs *t,
		     struct v1_sa_record *out)
{
	int rc = keys_get(s, t, out);

	if (rc < 0)
		return rc;
	out->ids = t->v[TLV_V1_IDS];
	if (out->ids.len % 4 || out->ids.len > (V1_IDS + V1_EXCHANGES) * 4)
		return -EBADMSG;
	out->has_main = replica_has(t, TLV_V1_MAIN);
	return out->has_main ? main_get(t, out) : 0;
}

int v1_state_check(const struct ike_suite *s, const struct replica_tlvs *t)
{
	struct v1_sa_record r = {0};

	return v1_sa_record_get(s, t, &r);
}

int v1_quick_record_get(struct chunk body, struct v1_quick_record *out)
{
	unsigned state;
	struct rbuf b;

	rbuf_init(&b, body.data, body.len);
	if (rbuf_get_u32(&b, &out->message_id) < 0 || replica_get_enum(&b, &state, V1_STATES) < 0 ||
	    replica_get_bool(&b, &out->initiator) < 0 || replica_get_bool(&b, &out->rx_known) < 0 ||
	    replica_get_bool(&b, &out->has_ids) < 0 ||
	    rbuf_get_bytes(&b, out->iv, sizeof(out->iv)) < 0 ||
	    rbuf_get_bytes(&b, out->rx_hash, sizeof(out->rx_hash)) < 0 ||
	    replica_get_chunk(&b, &out->tx, 0, V1_MSG_MAX) < 0 ||
	    replica_get_chunk(&b, &out->ni, 0, 256) < 0 ||
	    replica_get_chunk(&b, &out->nr, 0, 256) < 0 ||
	    replica_get_chunk(&b, &out->gxi, 0, DH_PUBLIC_MAX) < 0 ||
	    replica_get_chunk(&b, &out->gxr, 0, DH_PUBLIC_MAX) < 0 ||
	    replica_get_chunk(&b, &out->gxy, 0, DH_PUBLIC_MAX) < 0 ||
	    replica_get_chunk(&b, &out->dh_private, 0, DH_PUBLIC_MAX) < 0 || out->message_id == 0)
		return -EBADMSG;
	out->state = (enum v1_state)state;
	switch (out->state) {
	case V1_QM_I1: return out->initiator && out->tx.len && out->ni.len ? 0 : -EBADMSG;
	case V1_QM_R2:
		return !out->initiator && out->tx.len && out->ni.len && out->nr.len ? 0 : -EBADMSG;
	case V1_DONE: return 0;
	default: return -EBADMSG;
	}
}

int v1_child_check(struct chunk body)
{
	struct v1_quick_record r = {0};

	return v1_quick_record_get(body, &r);
}
