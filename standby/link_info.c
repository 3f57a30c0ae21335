// What the replication link says about itself, for displays and reports.
#include "link.h"

#include <string.h>

#include "link_private.h"

void link_get_info(const struct link *l, struct link_info *out)
{
	struct link_status st = {0};
	struct conn_counts n = {0};

	*out = (struct link_info){
		.up = l->cur != NULL,
		.driver = l->driver->name,
		.security = l->tls ? link_tls_name(l->tls) : "none",
		.ups = l->ups,
		.refused = l->refused,
	};
	memcpy(out->trouble, l->trouble, sizeof(out->trouble));
	if (l->cur) {
		conn_counts(l->cur, &n);
		out->queued = conn_queued(l->cur);
		if (l->driver->status(conn_sock(l->cur), &st) == 0) {
			out->primary = st.primary;
			out->paths = st.paths;
			out->paths_up = st.paths_up;
			for (unsigned i = 0; i < st.paths && i < LINK_ADDRS_MAX; i++) {
				out->path[i] = st.peer[i];
				out->path_up[i] = st.peer_up[i];
			}
			out->rto_ms = st.rto_ms;
			out->srtt_ms = st.srtt_ms;
			out->rto_min_ms = st.rto_min_ms;
			out->rto_max_ms = st.rto_max_ms;
			out->rto_initial_ms = st.rto_initial_ms;
			out->path_retransmit = st.path_retransmit;
			out->assoc_retransmit = st.assoc_retransmit;
			out->path_heartbeat_ms = st.path_heartbeat_ms;
			out->sack_delay_ms = st.sack_delay_ms;
			out->locals = st.locals;
		}
	}
	out->tx = l->before.tx + n.tx;
	out->rx = l->before.rx + n.rx;
	out->tx_bytes = l->before.tx_bytes + n.tx_bytes;
	out->rx_bytes = l->before.rx_bytes + n.rx_bytes;
}
