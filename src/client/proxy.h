/* Which proxy, if any, leads to a URL: --proxy, else https_proxy, http_proxy, all_proxy and
 * no_proxy of the environment. */
#ifndef LATCH_CLIENT_PROXY_H
#define LATCH_CLIENT_PROXY_H

#include "client/options.h"
#include "http/uri.h"

struct proxy {
	bool is_used;
	char host[OPTIONS_HOST_SIZE];
	unsigned port;
	char credentials[512]; /* of Proxy-Authorization; "": none */
};

/* "http://[USER:PASSWORD@]HOST[:PORT]". The environment's proxies are not asked for the loopback,
 * for what no_proxy lists ("*", "example.org" with everything below it, "10.0.0.0/8", each perhaps
 * with ":PORT"), and where --connect says the way. 0 or -1 (a proxy that is none). */
int proxy_choose(const struct options *o, const struct url *url, struct proxy *ret, struct err *e);

#endif
