/*
 * What the monitor tells of authentication: how it was tried, by which client,
 * and of passwords a hash. None of this is in the process that speaks with the
 * network before the login.
 */
#include "includes.h"

#include "hostfile.h" /* auth.h wants it before */

#include "auth.h"
#include "cipher.h"
#include "digest.h"
#include "kex.h"
#include "log.h"
#include "packet.h"
#include "sensor-auth.h"
#include "sensor-msg.h"
#include "sensor.h"
#include "sshbuf.h"
#include "ssherr.h"
#include "sshkey.h"

#include <sys/mman.h>

#include <errno.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- Keys ----------------------------------------------------------------------------------- */

static char *
fingerprint(const struct sshkey *key)
{
    return key ? sshkey_fingerprint(key, SSH_DIGEST_SHA256, SSH_FP_DEFAULT) : NULL;
}

void
sensor_auth(struct ssh *ssh, int accepted, const char *method, const char *submethod)
{
    const Authctxt *who = ssh->authctxt;
    struct sensor_msg m = {.kind = SENSOR_AUTH_DETAIL, .num = {accepted != 0}};
    const struct sshkey *key = who->auth_method_key;
    const struct sshkey_cert *cert = key && sshkey_is_cert(key) ? key->cert : NULL;
    char *of_key, *of_ca;

    if (!sensor_is_open() || who->postponed)
        return;
    of_key = fingerprint(key);
    of_ca = cert ? fingerprint(cert->signature_key) : NULL;
    m.num[1] = cert ? (int64_t)cert->serial : 0;
    sensor_tell_texts(&m,
                      (const char *const[]){who->user, method, submethod,
                                            key ? sshkey_ssh_name(key) : NULL, of_key,
                                            cert ? cert->key_id : NULL, of_ca},
                      7);
    free(of_key);
    free(of_ca);
}

/* --- Clients -------------------------------------------------------------------------------- */

static void
tell_client(const char *const texts[SENSOR_TEXTS])
{
    static int is_told;
    struct sensor_msg m = {.kind = SENSOR_CLIENT};

    if (!is_told)
        sensor_tell_texts(&m, texts, SENSOR_TEXTS);
    is_told = 1;
}

void
sensor_stranger(const struct ssh *ssh)
{
    char *version;

    if (!ssh->kex || !ssh->kex->client_version || sshbuf_len(ssh->kex->client_version) == 0)
        return;
    version = sshbuf_dup_string(ssh->kex->client_version);
    tell_client((const char *const[SENSOR_TEXTS]){version});
    free(version);
}

/*
 * The name of a key exchange. The state has a number for it, and the curve shows
 * in how long the hash is.
 */
static const char *
kex_name(uint32_t type, size_t hash_len)
{
    switch (type) {
    case KEX_DH_GRP1_SHA1:
        return KEX_DH1;
    case KEX_DH_GRP14_SHA1:
        return KEX_DH14_SHA1;
    case KEX_DH_GRP14_SHA256:
        return KEX_DH14_SHA256;
    case KEX_DH_GRP16_SHA512:
        return KEX_DH16_SHA512;
    case KEX_DH_GRP18_SHA512:
        return KEX_DH18_SHA512;
    case KEX_DH_GEX_SHA1:
        return KEX_DHGEX_SHA1;
    case KEX_DH_GEX_SHA256:
        return KEX_DHGEX_SHA256;
    case KEX_ECDH_SHA2:
        return hash_len == 32   ? KEX_ECDH_SHA2_NISTP256
               : hash_len == 48 ? KEX_ECDH_SHA2_NISTP384
                                : KEX_ECDH_SHA2_NISTP521;
    case KEX_C25519_SHA256:
        return KEX_CURVE25519_SHA256;
    case KEX_KEM_SNTRUP761X25519_SHA512:
        return KEX_SNTRUP761X25519_SHA512;
#ifdef KEX_MLKEM768X25519_SHA256
    case KEX_KEM_MLKEM768X25519_SHA256:
        return KEX_MLKEM768X25519_SHA256;
#endif
    default:
        return "";
    }
}

/* Of one direction, as newkeys_to_blob() writes them. */
struct ciphers {
    char *cipher, *mac, *compression;
};

/* The mac is not there where the cipher has its own. */
static int
get_mac(struct sshbuf *b, struct ciphers *c)
{
    const struct sshcipher *cipher = cipher_by_name(c->cipher);
    int r;

    if (!cipher)
        return SSH_ERR_INVALID_FORMAT;
    if (cipher_authlen(cipher) != 0)
        return (c->mac = strdup("<implicit>")) ? 0 : SSH_ERR_ALLOC_FAIL;
    if ((r = sshbuf_get_cstring(b, &c->mac, NULL)) != 0 || (r = sshbuf_get_u32(b, NULL)) != 0)
        return r;
    return sshbuf_skip_string(b);
}

static int
get_ciphers(struct sshbuf *state, struct ciphers *c)
{
    struct sshbuf *b = NULL;
    int r;

    if ((r = sshbuf_froms(state, &b)) != 0 || (r = sshbuf_get_cstring(b, &c->cipher, NULL)) != 0 ||
        (r = sshbuf_get_u32(b, NULL)) != 0 || (r = sshbuf_get_u32(b, NULL)) != 0 ||
        (r = sshbuf_skip_string(b)) != 0 || (r = sshbuf_skip_string(b)) != 0 ||
        (r = get_mac(b, c)) != 0 || (r = sshbuf_get_u32(b, NULL)) != 0)
        goto out;
    r = sshbuf_get_cstring(b, &c->compression, NULL);
out:
    sshbuf_free(b);
    return r;
}

static void
free_ciphers(struct ciphers *c)
{
    free(c->cipher);
    free(c->mac);
    free(c->compression);
}

/* Reads what kex_to_blob() and newkeys_to_blob() have written; the process that did is not trusted.
 */
static int
tell_state(struct sshbuf *b)
{
    char *host_key = NULL, *version = NULL;
    struct ciphers in = {0}, out = {0};
    size_t hash_len = 0;
    u_int type = 0;
    int r;

    if ((r = sshbuf_get_u32(b, NULL)) != 0 || (r = sshbuf_get_cstring(b, &host_key, NULL)) != 0 ||
        (r = sshbuf_get_u32(b, NULL)) != 0 || (r = sshbuf_get_u32(b, NULL)) != 0 ||
        (r = sshbuf_get_u32(b, &type)) != 0 || (r = sshbuf_get_u32(b, NULL)) != 0 ||
        (r = sshbuf_skip_string(b)) != 0 || (r = sshbuf_skip_string(b)) != 0 ||
        (r = sshbuf_get_cstring(b, &version, NULL)) != 0 || (r = sshbuf_skip_string(b)) != 0 ||
        (r = sshbuf_get_string_direct(b, NULL, &hash_len)) != 0 ||
        (r = sshbuf_get_u32(b, NULL)) != 0 || (r = get_ciphers(b, &out)) != 0 ||
        (r = get_ciphers(b, &in)) != 0)
        goto out;
    tell_client((const char *const[SENSOR_TEXTS]){version, kex_name(type, hash_len), host_key,
                                                  in.cipher, out.cipher, in.mac, out.mac,
                                                  in.compression});
out:
    free(host_key);
    free(version);
    free_ciphers(&in);
    free_ciphers(&out);
    return r;
}

void
sensor_kex(const struct sshbuf *state)
{
    struct sshbuf *b;

    if (!sensor_is_open() || !(b = sshbuf_fromb((struct sshbuf *)state)))
        return;
    if (tell_state(b) != 0)
        debug("sensor: the state of the key exchange cannot be read");
    sshbuf_free(b);
}

/* --- Passwords ------------------------------------------------------------------------------ */

/* On a page of its own that no child of the monitor has. */
static struct salt {
    size_t len;
    unsigned char bytes[SENSOR_SALT_MAX];
} * salt;

static size_t
read_salt(const char *hex, unsigned char *bytes)
{
    unsigned byte;
    size_t n;

    for (n = 0; n < SENSOR_SALT_MAX && sscanf(hex + 2 * n, "%2x", &byte) == 1; n++)
        bytes[n] = (unsigned char)byte;
    return n;
}

void
sensor_take_salt(void)
{
    char *hex = getenv(SENSOR_SALT_ENV);
    void *page;

    if (!hex)
        return;
    page = mmap(NULL, sizeof *salt, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page != MAP_FAILED && madvise(page, sizeof *salt, MADV_WIPEONFORK) == 0) {
        salt = page;
        salt->len = read_salt(hex, salt->bytes);
    }
    explicit_bzero(hex, strlen(hex)); /* /proc shows the environment as it began */
    unsetenv(SENSOR_SALT_ENV);
}

static void
tell_hash(const char *user, const char *password, int valid)
{
    struct sensor_msg m = {.kind = SENSOR_PASSWORD_HASH, .num = {valid != 0}};
    unsigned char hash[EVP_MAX_MD_SIZE];
    char hex[2 * EVP_MAX_MD_SIZE + 1];
    unsigned len = 0, i;

    if (!salt || salt->len == 0 ||
        !HMAC(EVP_sha256(), salt->bytes, (int)salt->len, (const unsigned char *)password,
              strlen(password), hash, &len))
        return;
    for (i = 0; i < len; i++)
        snprintf(hex + 2 * (size_t)i, 3, "%02x", hash[i]);
    sensor_tell_texts(&m, (const char *const[]){user, hex}, 2);
}

void
sensor_password(const char *user, const char *password, int valid)
{
    struct sensor_msg m = {.kind = SENSOR_PASSWORD, .num = {valid != 0}};
    size_t len = strlen(password);

    /* Clients ask with an empty one what they may try. */
    if (!user || (len == 0 && !valid))
        return;
    sensor_tell(&m, user, strlen(user), password, sensor_wants(SENSOR_WANTS_PASSWORDS) ? len : 0);
    tell_hash(user, password, valid);
}
