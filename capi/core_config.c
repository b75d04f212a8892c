#include "core_config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

static void
put_text(FILE *f, const char *name, const char *value)
{
    if (value)
        fprintf(f, "%s%c%s%c", name, 0, value, 0);
}

static void
put_number(FILE *f, const char *name, uint64_t value)
{
    if (value)
        fprintf(f, "%s%c%" PRIu64 "%c", name, 0, value, 0);
}

/* What the system calls the program: not by its arguments, which may be a title by now. */
static void
put_program(FILE *f)
{
    char name[64] = "";
    FILE *comm = fopen("/proc/self/comm", "re");

    if (comm && fgets(name, sizeof name, comm))
        name[strcspn(name, "\n")] = '\0';
    if (comm)
        fclose(comm);
    put_text(f, "program", name[0] ? name : "libbroccoli");
    put_number(f, "pid", (uint64_t)getpid());
}

#define TEXT(member) put_text(f, #member, cfg->member)
#define NUMBER(member) put_number(f, #member, cfg->member)

static void
put_zeek(FILE *f, const struct core_config *cfg)
{
    NUMBER(zeek);
    NUMBER(zeek_confirm);
    NUMBER(zeek_exact_time);
    TEXT(zeek_topic);
    TEXT(zeek_subscribe);
    TEXT(zeek_types);
    TEXT(zeek_time_zone);
    NUMBER(zeek_inbound);
}

static void
put_tls(FILE *f, const struct core_config *cfg)
{
    NUMBER(use_tls);
    NUMBER(tls_rsa_key_exchange);
    TEXT(ca_cert);
    TEXT(host_cert);
    TEXT(host_key);
    TEXT(host_pass);
    TEXT(tls_min_version);
    TEXT(peer_name);
}

static void
put_all(FILE *f, const struct core_config *cfg)
{
    TEXT(peer);
    TEXT(class_name);
    NUMBER(use_cache);
    NUMBER(debug);
    NUMBER(reconnect);
    NUMBER(background);
    NUMBER(anew);
    NUMBER(confirm);
    NUMBER(timeout_ms);
    NUMBER(retry_ms);
    NUMBER(silence_ms);
    put_tls(f, cfg);
    TEXT(spool_folder);
    NUMBER(spool_max_bytes);
    NUMBER(spool_sync_ms);
    NUMBER(stats_s);
    TEXT(stats_file);
    TEXT(refused_file);
    TEXT(core_user);
    TEXT(core_sandbox);
    TEXT(core_socket);
    NUMBER(core_share);
    put_zeek(f, cfg);
    put_program(f);
    fputc(0, f);
    fwrite(cfg->requests, 1, cfg->requests_len, f);
}

char *
config_text(const struct core_config *cfg, size_t *len)
{
    char *text = NULL;
    FILE *f = open_memstream(&text, len);
    int failed;

    if (!f)
        return NULL;
    put_all(f, cfg);
    failed = ferror(f);
    if (fclose(f) != 0 || failed) {
        free(text);
        return NULL;
    }
    return text;
}
