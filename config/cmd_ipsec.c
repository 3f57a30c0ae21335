// crypto ipsec: transform sets and the global defaults of IPsec SAs.
#include <stdio.h>
#include <string.h>

#include "cmd.h"

static const struct {
	const char *word;
	enum esp_cipher cipher;
	enum esp_auth auth;
	bool sized;  // 128, 192, 256 may follow
} transforms[] = {
	{"esp-aes", ESP_CIPHER_AES_CBC, ESP_AUTH_NONE, true},
	{"esp-gcm", ESP_CIPHER_AES_GCM, ESP_AUTH_NONE, true},
	{"esp-gmac", ESP_CIPHER_AES_GMAC, ESP_AUTH_NONE, true},
	{"esp-3des", ESP_CIPHER_3DES, ESP_AUTH_NONE, false},
	{"esp-des", ESP_CIPHER_DES, ESP_AUTH_NONE, false},
	{"esp-null", ESP_CIPHER_NULL, ESP_AUTH_NONE, false},
	{"esp-md5-hmac", ESP_CIPHER_NONE, ESP_AUTH_MD5, false},
	{"esp-sha-hmac", ESP_CIPHER_NONE, ESP_AUTH_SHA1, false},
	{"esp-sha256-hmac", ESP_CIPHER_NONE, ESP_AUTH_SHA256, false},
	{"esp-sha384-hmac", ESP_CIPHER_NONE, ESP_AUTH_SHA384, false},
	{"esp-sha512-hmac", ESP_CIPHER_NONE, ESP_AUTH_SHA512, false},
};

static bool is_combined(enum esp_cipher cipher)
{
	return cipher == ESP_CIPHER_AES_GCM || cipher == ESP_CIPHER_AES_GMAC;
}

// One transform word into the set. 0 or a failed command.
static int take_transform(struct cli *cli, struct transform_set *t, const char *word)
{
	for (size_t i = 0; i < sizeof(transforms) / sizeof(transforms[0]); i++) {
		if (strcmp(transforms[i].word, word) != 0)
			continue;
		if (transforms[i].cipher != ESP_CIPHER_NONE) {
			if (t->cipher != ESP_CIPHER_NONE)
				return cli_error(cli,
						 "%% a transform set has one encryption transform");
			t->cipher = transforms[i].cipher;
			t->key_bits = transforms[i].sized ? 128 : 0;
			t->gcm_icv = is_combined(t->cipher) ? 16 : 0;
		} else {
			if (t->auth != ESP_AUTH_NONE)
				return cli_error(cli, "%% a transform set has one authentication "
						      "transform");
			t->auth = transforms[i].auth;
		}
		return 0;
	}
	return cli_error(cli, "%% %s is not a transform", word);
}

static int take_size(struct cli *cli, struct transform_set *t, const char *word, bool icv)
{
	if (icv) {
		if (!is_combined(t->cipher))
			return cli_error(cli, "%% icv is for esp-gcm and esp-gmac");
		t->gcm_icv = (uint8_t)cmd_u32(word);
		return 0;
	}
	if (t->key_bits == 0)
		return cli_error(cli, "%% a key size belongs to esp-aes, esp-gcm or esp-gmac");
	t->key_bits = (uint16_t)cmd_u32(word);
	return 0;
}

static int parse_transforms(struct cli *cli, const struct cli_args *a, struct transform_set *t)
{
	for (unsigned i = 4; i < a->count; i++) {
		const char *w = a->word[i];
		int rc;
		if (strcmp(w, "icv") == 0)
			continue;
		if (w[0] >= '0' && w[0] <= '9')
			rc = take_size(cli, t, w, strcmp(a->word[i - 1], "icv") == 0);
		else
			rc = take_transform(cli, t, w);
		if (rc != 0)
			return rc;
	}
	if (t->cipher == ESP_CIPHER_NONE)
		return cli_error(cli, "%% the set encrypts nothing: add an encryption transform "
				      "(esp-null for none)");
	if (is_combined(t->cipher) && t->auth != ESP_AUTH_NONE)
		return cli_error(cli,
				 "%% esp-gcm and esp-gmac authenticate by themselves: leave out "
				 "the hmac");
	if (t->cipher == ESP_CIPHER_NULL && t->auth == ESP_AUTH_NONE)
		return cli_error(cli, "%% esp-null without an authentication transform protects "
				      "nothing");
	return 0;
}

static int cmd_transform_set(struct cli *cli, const struct cli_args *a)
{
	struct config *c = cli_candidate(cli);
	struct transform_set fresh = {0};

	if (a->values == 0)
		return cli_error(cli, "%% which transform set?");
	struct transform_set *t = config_transform_set(c, a->value[0]);
	if (a->no) {
		if (t == NULL)
			return cli_error(cli, "%% there is no transform set %s", a->value[0]);
		TAILQ_REMOVE(&c->transform_sets, t, link);
		return 0;
	}
	if (cmd_name(cli, fresh.name, a->value[0], "transform set") != 0 ||
	    parse_transforms(cli, a, &fresh) != 0)
		return -1;
	if (t == NULL) {
		t = cmd_alloc(cli, sizeof(*t));
		if (t == NULL)
			return -1;
		TAILQ_INSERT_TAIL(&c->transform_sets, t, link);
	}
	fresh.link = t->link;
	fresh.transport = t->transport;
	*t = fresh;
	return cli_enter(cli, CLI_TRANSFORM, t, NULL);
}

static int cmd_mode(struct cli *cli, const struct cli_args *a)
{
	struct transform_set *t = cli_object(cli);

	t->transport = !a->no && cli_has(a, "transport");
	return 0;
}

static int cmd_lifetime(struct cli *cli, const struct cli_args *a)
{
	struct ipsec_config *i = &cli_candidate(cli)->ipsec;

	if (cli_has(a, "seconds"))
		i->lifetime_s = a->no ? 3600 : cmd_u32(a->value[0]);
	else
		i->lifetime_kb = a->no ? 4608000 : cli_has(a, "disable") ? 0 : cmd_u32(a->value[0]);
	return 0;
}

static int cmd_replay(struct cli *cli, const struct cli_args *a)
{
	struct ipsec_config *i = &cli_candidate(cli)->ipsec;

	i->replay_window = a->no ? 64 : cli_has(a, "disable") ? 0 : cmd_u32(a->value[0]);
	return 0;
}

static int cmd_idle_time(struct cli *cli, const struct cli_args *a)
{
	cli_candidate(cli)->ipsec.idle_time_s = a->no ? 0 : cmd_u32(a->value[0]);
	return 0;
}

static int cmd_df_bit(struct cli *cli, const struct cli_args *a)
{
	cli_candidate(cli)->ipsec.df_bit = a->no                 ? DF_BIT_COPY
					   : cli_has(a, "clear") ? DF_BIT_CLEAR
					   : cli_has(a, "set")   ? DF_BIT_SET
								 : DF_BIT_COPY;
	return 0;
}

static int cmd_fragmentation(struct cli *cli, const struct cli_args *a)
{
	cli_candidate(cli)->ipsec.fragment_after = !a->no && cli_has(a, "after-encryption");
	return 0;
}

static int cmd_nat(struct cli *cli, const struct cli_args *a)
{
	cli_candidate(cli)->ipsec.nat_transparency_off = a->no;
	return 0;
}

#define T                                                                                \
	"{esp-aes|esp-gcm|esp-gmac|esp-3des|esp-des|esp-null|esp-md5-hmac|esp-sha-hmac|" \
	"esp-sha256-hmac|esp-sha384-hmac|esp-sha512-hmac} [128|192|256] [icv {8|12|16}]"
#define SA_LIFETIME \
	"lifetime {seconds NUMBER<120-2592000>|kilobytes {NUMBER<2560-4294967295>|disable}}"

static const struct cli_cmd rows[] = {
	{CLI_CONFIG, "crypto ipsec transform-set NAME " T " [" T "]", NULL, cmd_transform_set, 0,
	 NULL},
	{CLI_CONFIG, "crypto ipsec transform-set NAME [LINE]", NULL, cmd_transform_set, CLI_NO_ONLY,
	 NULL},
	{CLI_TRANSFORM, "mode {tunnel|transport}", NULL, cmd_mode, CLI_NO, NULL},
	{CLI_CONFIG, "crypto ipsec security-association " SA_LIFETIME, NULL, cmd_lifetime, CLI_NO,
	 NULL},
	{CLI_CONFIG,
	 "crypto ipsec security-association replay {window-size NUMBER<64-4096>|disable}", NULL,
	 cmd_replay, CLI_NO, NULL},
	{CLI_CONFIG, "crypto ipsec security-association idle-time NUMBER<60-86400>", NULL,
	 cmd_idle_time, CLI_NO, NULL},
	{CLI_CONFIG, "crypto ipsec df-bit {clear|copy|set}", NULL, cmd_df_bit, CLI_NO, NULL},
	{CLI_CONFIG, "crypto ipsec fragmentation {before-encryption|after-encryption}", NULL,
	 cmd_fragmentation, CLI_NO, NULL},
	{CLI_CONFIG, "crypto ipsec nat-transparency udp-encapsulation", NULL, cmd_nat, CLI_NO,
	 NULL},
};

int cmd_ipsec_register(struct err *err)
{
	return cli_register(rows, sizeof(rows) / sizeof(rows[0]), err);
}
