// What both drivers of SCTP do alike; it does not compile alone. The two libraries declare the same
// structs and constants (RFC 6458), each in a header of its own that excludes the other's; so this
// file is included once by each driver, behind that header, and behind its own definitions of
//   typedef sctp_handle                          a socket
//   int option(sctp_handle, name, value, len)    setsockopt at IPPROTO_SCTP, 0 or -errno
//   int socket_option(...)                       the same at SOL_SOCKET
//   int option_get(sctp_handle, name, value, len)
//   int addresses_get(sctp_handle, bool local, struct sockaddr **list)
//   void addresses_free(bool local, struct sockaddr *list)
#pragma once

#include <errno.h>

#include "link_driver.h"
#include "link_sockaddr.h"

// ---- parameters ---------------------------------------------------------------------------------

static int timers_set(sctp_handle h, const struct link_socket_params *p)
{
	const struct link_params *l = p->link;
	const struct sctp_rtoinfo rto = {.srto_initial = p->rto_initial_ms,
					 .srto_max = l->rto_max_ms,
					 .srto_min = l->rto_min_ms};
	const struct sctp_assocparams assoc = {.sasoc_asocmaxrxt = (uint16_t)l->assoc_retransmit,
					       .sasoc_cookie_life = LINK_COOKIE_MS};
	const struct sctp_sack_info sack = {.sack_delay = LINK_SACK_DELAY_MS, .sack_freq = 2};
	struct sctp_paddrparams path = {.spp_hbinterval = link_path_heartbeat_ms(l),
					.spp_pathmaxrxt = (uint16_t)l->path_retransmit,
					.spp_flags = SPP_HB_ENABLE | SPP_PMTUD_ENABLE};
	int ret = option(h, SCTP_RTOINFO, &rto, sizeof(rto));

	path.spp_address.ss_family = l->local[0].family == 4 ? AF_INET : AF_INET6;
	if (ret == 0)
		ret = option(h, SCTP_ASSOCINFO, &assoc, sizeof(assoc));
	if (ret == 0)
		ret = option(h, SCTP_PEER_ADDR_PARAMS, &path, sizeof(path));
	return ret ? ret : option(h, SCTP_DELAYED_SACK, &sack, sizeof(sack));
}

static int socket_set(sctp_handle h, const struct link_socket_params *p)
{
	const int one = 1, sndbuf = (int)p->sndbuf, rcvbuf = (int)p->rcvbuf;
	const struct linger at_once = {.l_onoff = 1};
	const struct sctp_initmsg init = {.sinit_num_ostreams = LINK_STREAMS,
					  .sinit_max_instreams = LINK_STREAMS,
					  .sinit_max_attempts = 8,
					  .sinit_max_init_timeo = 1000};
	const struct sctp_event ev = {
		.se_assoc_id = SCTP_FUTURE_ASSOC, .se_type = SCTP_ASSOC_CHANGE, .se_on = 1};
	int ret = timers_set(h, p);

	if (ret == 0)
		ret = option(h, SCTP_INITMSG, &init, sizeof(init));
	if (ret == 0)
		ret = option(h, SCTP_NODELAY, &one, sizeof(one));
	if (ret == 0)
		ret = option(h, SCTP_RECVRCVINFO, &one, sizeof(one));
	if (ret == 0)
		ret = option(h, SCTP_EVENT, &ev, sizeof(ev));
	if (ret == 0)
		ret = socket_option(h, SO_LINGER, &at_once, sizeof(at_once));
	if (ret == 0)
		ret = socket_option(h, SO_SNDBUF, &sndbuf, sizeof(sndbuf));
	return ret ? ret : socket_option(h, SO_RCVBUF, &rcvbuf, sizeof(rcvbuf));
}

// What an accepted socket does not take over from the listening one everywhere.
static int accepted_set(sctp_handle h)
{
	const int one = 1;
	const struct linger at_once = {.l_onoff = 1};
	int ret = socket_option(h, SO_LINGER, &at_once, sizeof(at_once));

	if (ret == 0)
		ret = option(h, SCTP_NODELAY, &one, sizeof(one));
	return ret ? ret : option(h, SCTP_RECVRCVINFO, &one, sizeof(one));
}

static void prefer_set(sctp_handle h, const struct ip_addr *peer, uint16_t port)
{
	struct sctp_setprim prim = {0};
	union link_sockaddr u;
	socklen_t len = sockaddr_from(&u, peer, port);

	memcpy(&prim.ssp_addr, &u, len);
	(void)option(h, SCTP_PRIMARY_ADDR, &prim, sizeof(prim));
}

// ---- receiving ----------------------------------------------------------------------------------

static enum link_rx_kind notification_kind(const void *buf, size_t len)
{
	struct sctp_assoc_change change = {0};

	if (len < sizeof(change))
		return LINK_RX_OTHER;
	memcpy(&change, buf, sizeof(change));
	if (change.sac_type != SCTP_ASSOC_CHANGE)
		return LINK_RX_OTHER;
	switch (change.sac_state) {
	case SCTP_COMM_UP: return LINK_RX_UP;
	case SCTP_RESTART: return LINK_RX_RESTART;
	default: return LINK_RX_CLOSED;
	}
}

// n bytes were received: of what kind they are.
static int received(struct link_rx *rx, const void *buf, ssize_t n, int flags, unsigned type,
		    const struct sctp_rcvinfo *info)
{
	if (n <= 0) {
		rx->kind = LINK_RX_CLOSED;
		return 0;
	}
	rx->len = (size_t)n;
	if (flags & MSG_NOTIFICATION) {
		rx->kind = notification_kind(buf, rx->len);
		return 0;
	}
	if (type != SCTP_RECVV_RCVINFO)
		return -EPROTO;
	rx->kind = LINK_RX_DATA;
	rx->stream = info->rcv_sid;
	rx->ppid = ntohl(info->rcv_ppid);
	return 0;
}

// ---- what SCTP says about itself ----------------------------------------------------------------

static void path_read(sctp_handle h, const uint8_t *address, size_t size, struct link_status *out)
{
	struct sctp_paddrinfo info = {0};
	struct sctp_paddrparams params = {0};

	memcpy(&info.spinfo_address, address, size);
	memcpy(&params.spp_address, address, size);
	if (option_get(h, SCTP_GET_PEER_ADDR_INFO, &info, sizeof(info)) == 0 &&
	    info.spinfo_state == SCTP_ACTIVE) {
		out->paths_up++;
		if (out->paths < LINK_PEERS_MAX)
			out->peer_up[out->paths] = true;
	}
	if (option_get(h, SCTP_PEER_ADDR_PARAMS, &params, sizeof(params)) < 0)
		return;
	out->path_retransmit = out->paths == 0 || out->path_retransmit == params.spp_pathmaxrxt
				       ? params.spp_pathmaxrxt
				       : LINK_MIXED;
	out->path_heartbeat_ms = out->paths == 0 || out->path_heartbeat_ms == params.spp_hbinterval
					 ? params.spp_hbinterval
					 : LINK_MIXED;
}

static void paths_read(sctp_handle h, struct link_status *out)
{
	struct sockaddr *list = NULL;
	int n = addresses_get(h, false, &list);
	const uint8_t *pos = (const uint8_t *)list;

	for (int i = 0; i < n; i++) {
		size_t size;
		struct ip_addr a = sockaddr_addr((const struct sockaddr *)(const void *)pos,
						 &out->peer_port, &size);

		if (size == 0)
			break;
		path_read(h, pos, size, out);
		pos += size;
		if (out->paths < LINK_PEERS_MAX)
			out->peer[out->paths] = a;
		out->paths++;
	}
	if (n > 0)
		addresses_free(false, list);
	n = addresses_get(h, true, &list);
	if (n > 0) {
		out->locals = (unsigned)n;
		addresses_free(true, list);
	}
}

static int status_read(sctp_handle h, struct link_status *out)
{
	struct sctp_status st = {0};
	struct sctp_rtoinfo rto = {0};
	struct sctp_assocparams assoc = {0};
	struct sctp_sack_info sack = {0};
	uint16_t port;
	size_t size;

	*out = (struct link_status){0};
	int ret = option_get(h, SCTP_STATUS, &st, sizeof(st));

	if (ret == 0)
		ret = option_get(h, SCTP_RTOINFO, &rto, sizeof(rto));
	if (ret == 0)
		ret = option_get(h, SCTP_ASSOCINFO, &assoc, sizeof(assoc));
	if (ret == 0)
		ret = option_get(h, SCTP_DELAYED_SACK, &sack, sizeof(sack));
	if (ret < 0)
		return ret;
	paths_read(h, out);
	out->streams_in = st.sstat_instrms;
	out->streams_out = st.sstat_outstrms;
	out->rto_ms = st.sstat_primary.spinfo_rto;
	out->srtt_ms = st.sstat_primary.spinfo_srtt;
	out->rto_min_ms = rto.srto_min;
	out->rto_max_ms = rto.srto_max;
	out->rto_initial_ms = rto.srto_initial;
	out->assoc_retransmit = assoc.sasoc_asocmaxrxt;
	out->sack_delay_ms = sack.sack_delay;
	out->primary = sockaddr_addr(
		(const struct sockaddr *)(const void *)&st.sstat_primary.spinfo_address, &port,
		&size);
	return 0;
}
