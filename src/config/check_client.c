/* Client authentication as written. Files are not touched here: that is config/open_trust's
 * business. */
#include "config/check_client.h"

#include "tls/peer.h"

void check_client_auth(const struct config *c, const struct config_site *site, struct findings *f)
{
	const struct config_client_auth *a = &site->client_auth;
	struct config_place p = config_place_of(c, &a->mode, &site->place);

	if (a->mode != TLS_CLIENT_OFF && !site->npairs)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"client_auth needs TLS, and the site has no certificate; add one, or set "
			"the mode to \"off\"");
	else if (a->mode != TLS_CLIENT_OFF && (!a->ca || !a->ca[0]))
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"client_auth asks for certificates, but its ca is not set; expected the "
			"file of the CAs that issue them");
	if (a->mode != TLS_CLIENT_OFF)
		return;
	p = config_place_of(c, &a->ca, &site->place);
	if (a->ca && a->ca[0])
		findings_warning(
			f, p.file, p.line, "client_auth.ca is not used: the mode is \"off\"");
}

void check_client_require(const struct config *c, const struct config_site *site,
	struct config_route *r, struct findings *f)
{
	struct config_place p = config_place_of(c, &r->has_require, &r->place);
	char fingerprint[TLS_FINGERPRINT_SIZE];

	if (r->has_require && site->client_auth.mode == TLS_CLIENT_OFF)
		findings_error(f, ERR_CONFIG, p.file, p.line,
			"the route \"%.100s\" requires a client certificate, but client_auth.mode "
			"of the site is \"off\"; set it to \"optional\" or \"required\"",
			r->path ? r->path : "");
	for (size_t i = 0; i < r->require.nnames; i++) {
		p = config_place_of(c, &r->require.names[i], &r->place);
		if (!tls_peer_is_rule(str_of(r->require.names[i])))
			findings_error(f, ERR_CONFIG, p.file, p.line,
				"\"%.100s\" is no subject alternative name; expected one such as "
				"\"client.example\", \"ops@example.org\", \"URI:urn:x:y\" or "
				"\"192.0.2.7\"",
				r->require.names[i]);
	}
	for (size_t i = 0; i < r->require.nfingerprints; i++) {
		char *text = r->require.fingerprints[i];

		p = config_place_of(c, &r->require.fingerprints[i], &r->place);
		if (tls_peer_parse_fingerprint(str_of(text), fingerprint))
			memcpy(text, fingerprint, sizeof(fingerprint)); /* never longer */
		else
			findings_error(f, ERR_CONFIG, p.file, p.line,
				"\"%.100s\" is no SHA-256 fingerprint; expected 64 hex digits, "
				"with or without colons",
				text);
	}
}
