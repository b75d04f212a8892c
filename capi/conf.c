/*
 * The configuration file: a line for each setting, "key value", and "[domain]"
 * before those that are for one domain only. A setting that comes twice has its
 * first value.
 */
#include "conf.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <locale.h>
#include <pthread.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/stat.h>
#include <unistd.h>

#include "debug.h"

#ifndef BROCCOLI_CONFIG_PATH
#define BROCCOLI_CONFIG_PATH "/usr/local/etc/broccoli.conf"
#endif

#define HOME_CONFIG_NAME ".broccoli.conf"

const char *conf_installed_path = BROCCOLI_CONFIG_PATH;

/*
 * As what a value may be asked for. Most are one thing only; where a word looks
 * like a number to people, but was always handed out as a string, it is both.
 */
enum kind { KIND_INT = 1, KIND_DBL = 2, KIND_STR = 4, KIND_ANY = 7 };

struct item {
    struct item *next;
    char *name;
    char *text;
    int kinds;
    int num;
    double dbl;
};

struct domain {
    struct domain *next;
    char *name; /* in lower case */
    struct item *items;
};

/* Written by conf_init only. */
static struct domain default_domain;

/* Where the file has no such domain. */
static const struct domain no_domain;

/* What bro_conf_set_domain() chose. */
static const struct domain *current = &default_domain;

/* While a file is read. */
struct parser {
    const char *path;
    int line;
    struct domain *domain; /* NULL: the settings are skipped */
};

static const char *
skip_blanks(const char *p)
{
    while (*p == ' ' || *p == '\t')
        p++;
    return p;
}

static const char *
skip_word(const char *p)
{
    while (*p && *p != ' ' && *p != '\t')
        p++;
    return p;
}

/* Whether nothing more comes but a comment. */
static int
at_end(const char *p)
{
    p = skip_blanks(p);
    return *p == '\0' || *p == '#' || (p[0] == '/' && p[1] == '/');
}

static int
is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static void
lower(char *s)
{
    for (; *s; s++) {
        if (*s >= 'A' && *s <= 'Z')
            *s = (char)(*s - 'A' + 'a');
    }
}

static struct domain *
find_domain(const char *name)
{
    struct domain *d = default_domain.next;

    while (d && strcmp(d->name, name) != 0)
        d = d->next;
    return d;
}

static struct item *
find_item(const struct domain *d, const char *name, int kinds)
{
    struct item *it = d->items;

    while (it && (strcmp(it->name, name) != 0 || !(it->kinds & kinds)))
        it = it->next;
    return it;
}

/* Takes the name over. */
static struct domain *
add_domain(char *name)
{
    struct domain *d = calloc(1, sizeof *d);

    if (!d) {
        free(name);
        return NULL;
    }
    d->name = name;
    d->next = default_domain.next;
    default_domain.next = d;
    return d;
}

/* The text without its sign is all digits, with one point among them or none. */
static int
number_kind(const char *text)
{
    int kind = KIND_INT;

    if (*text == '-' || *text == '+')
        text++;
    for (; is_digit(*text); text++) {
        if (text[1] == '.' && kind == KIND_INT && is_digit(text[2])) {
            kind = KIND_DBL;
            text++;
        }
    }
    return *text == '\0' && is_digit(text[-1]) ? kind : 0;
}

/* Whatever the locale of the host says, the file has points. */
static double
parse_double(const char *text)
{
    locale_t c = newlocale(LC_NUMERIC_MASK, "C", (locale_t)0);
    double d;

    if (c == (locale_t)0)
        return strtod(text, NULL);
    d = strtod_l(text, NULL, c);
    freelocale(c);
    return d;
}

/* 1 or 0 for the words that mean it, -1 for all others. */
static int
truth(const char *text)
{
    static const char *const words[] = {"no", "yes", "off", "on", "false", "true"};
    int i;

    for (i = 0; i < 6; i++) {
        if (strcasecmp(text, words[i]) == 0)
            return i & 1;
    }
    return -1;
}

static int
in_lower_case(const char *text)
{
    for (; *text; text++) {
        if (*text >= 'A' && *text <= 'Z')
            return FALSE;
    }
    return TRUE;
}

/* Sets what a word that is not in quotes means. */
static int
classify(struct item *it)
{
    int kind = number_kind(it->text);
    long num;

    if (kind == KIND_INT) {
        errno = 0;
        num = strtol(it->text, NULL, 10);
        if (errno != 0 || num < INT_MIN || num > INT_MAX)
            return FALSE;
        it->num = (int)num;
        it->kinds = is_digit(*it->text) ? KIND_INT : KIND_INT | KIND_STR;
    } else if (kind == KIND_DBL) {
        it->dbl = parse_double(it->text);
        it->kinds = is_digit(*it->text) ? KIND_DBL : KIND_DBL | KIND_STR;
    } else if ((it->num = truth(it->text)) >= 0) {
        it->kinds = in_lower_case(it->text) ? KIND_INT : KIND_INT | KIND_STR;
    } else {
        it->kinds = KIND_STR;
    }
    return TRUE;
}

static void
free_item(struct item *it)
{
    free(it->name);
    free(it->text);
    free(it);
}

static void
complain(const struct parser *ps, const char *what)
{
    log_later(BRO_LOG_WARNING, "%s:%d: %s", ps->path, ps->line, what);
}

static void
add_item(struct parser *ps, const char *name, size_t name_len, const char *text, size_t text_len,
         int quoted)
{
    struct item *it = calloc(1, sizeof *it);
    struct item **at;

    if (!it || !(it->name = strndup(name, name_len)) || !(it->text = strndup(text, text_len))) {
        complain(ps, "no memory, setting ignored");
        if (it)
            free_item(it);
        return;
    }
    it->kinds = KIND_STR;
    if (!quoted && !classify(it)) {
        complain(ps, "number out of range, setting ignored");
        free_item(it);
        return;
    }
    for (at = &ps->domain->items; *at; at = &(*at)->next)
        ;
    *at = it;
}

/* The quote that ends a string: the first one that only a comment may follow. */
static const char *
closing_quote(const char *p)
{
    while ((p = strchr(p, '"')) && !at_end(p + 1))
        p++;
    return p;
}

static void
parse_setting(struct parser *ps, const char *key)
{
    const char *key_end = skip_word(key);
    const char *value = skip_blanks(key_end);
    const char *value_end;
    int quoted = *value == '"';

    if (at_end(value)) {
        complain(ps, "setting without a value, ignored");
        return;
    }
    value_end = quoted ? closing_quote(++value) : skip_word(value);
    if (!value_end) {
        complain(ps, "string without a closing quote, or with something behind it; ignored");
    } else if (!quoted && !at_end(value_end)) {
        complain(ps, "more than one value, ignored; a string with blanks needs quotes");
    } else if (ps->domain) {
        add_item(ps, key, (size_t)(key_end - key), value, (size_t)(value_end - value), quoted);
    }
}

/* On an error the settings that follow must not end up in some other domain. */
static void
parse_domain(struct parser *ps, const char *p)
{
    const char *name = skip_blanks(p + 1);
    const char *end = name;
    char *copy;

    while (*end && *end != ' ' && *end != '\t' && *end != ']')
        end++;
    p = skip_blanks(end);
    ps->domain = NULL;
    if (end == name || *p != ']' || !at_end(p + 1)) {
        complain(ps, "not the name of a domain in brackets; its settings are ignored");
        return;
    }
    if (!(copy = strndup(name, (size_t)(end - name)))) {
        complain(ps, "no memory, domain ignored");
        return;
    }
    lower(copy);
    if ((ps->domain = find_domain(copy)))
        free(copy);
    else
        ps->domain = add_domain(copy);
}

static void
parse_line(struct parser *ps, char *line, size_t len)
{
    const char *p;

    if (memchr(line, '\0', len)) {
        complain(ps, "a byte that is zero, line ignored");
        return;
    }
    line[strcspn(line, "\r\n")] = '\0';
    p = skip_blanks(line);
    if (at_end(p))
        return;
    if (*p == '[')
        parse_domain(ps, p);
    else
        parse_setting(ps, p);
}

static void
parse_file(FILE *file, const char *path)
{
    struct parser ps = {path, 0, &default_domain};
    char *line = NULL;
    size_t cap = 0;
    ssize_t len;

    LOG_LATER(BRO_LOG_DEBUG, "configuration from %s", path);
    while ((len = getline(&line, &cap, file)) >= 0) {
        ps.line++;
        parse_line(&ps, line, (size_t)len);
    }
    if (ferror(file))
        log_later(BRO_LOG_WARNING, "%s: %s", path, strerror(errno));
    free(line);
}

/* It may hold a passphrase: it must be the user's own, and closed to others. */
static int
is_private(const struct stat *st)
{
    return S_ISREG(st->st_mode) && st->st_uid == geteuid() &&
           (st->st_mode & 07777 & ~(mode_t)S_IWUSR) == S_IRUSR;
}

/*
 * Reads a file; one of the user's own only if it is private. The checks are on
 * the open file, which nobody can exchange. FALSE when it was not read; that it
 * is not there is worth a word only if somebody asked for it by name.
 */
static int
read_file(const char *path, int own, int by_name)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    struct stat st;
    FILE *file;

    if (fd < 0) {
        if (by_name || (errno != ENOENT && errno != ENOTDIR))
            log_later(BRO_LOG_WARNING, "%s: %s; not used", path, strerror(errno));
        return FALSE;
    }
    if (own && (fstat(fd, &st) < 0 || !is_private(&st))) {
        log_later(BRO_LOG_WARNING,
                  "%s is not used: it must be a regular file of your own, and closed to "
                  "everybody else (-rw------- or -r--------)",
                  path);
        close(fd);
        return FALSE;
    }
    if (!(file = fdopen(fd, "r"))) {
        close(fd);
        return FALSE;
    }
    parse_file(file, path);
    fclose(file);
    return TRUE;
}

static int
read_home_file(const char *home, char *path, size_t size)
{
    int n = snprintf(path, size, "%s/%s", home, HOME_CONFIG_NAME);

    if (n < 0 || (size_t)n >= size) {
        path[0] = '\0';
        return FALSE;
    }
    return read_file(path, TRUE, FALSE);
}

/* The home of the user that we run as, then the one in the environment. */
static int
read_user_file(void)
{
    char first[PATH_MAX] = "", second[PATH_MAX], space[16384];
    const char *home = getenv("HOME");
    struct passwd pw, *found;

    if (getpwuid_r(geteuid(), &pw, space, sizeof space, &found) == 0 && found &&
        read_home_file(pw.pw_dir, first, sizeof first))
        return TRUE;
    if (!home || !*home)
        return FALSE;
    snprintf(second, sizeof second, "%s/%s", home, HOME_CONFIG_NAME);
    return strcmp(first, second) != 0 && read_home_file(home, second, sizeof second);
}

/* A program with more rights than its user takes nothing from that user. */
static int
read_users_choice(void)
{
    const char *path;

    if (getauxval(AT_SECURE))
        return FALSE;
    path = getenv("BROCCOLI_CONFIG_FILE");
    return (path && *path && read_file(path, TRUE, TRUE)) || read_user_file();
}

static struct item *
lookup(const char *name, int kinds)
{
    struct item *it;

    conf_init();
    it = find_item(__atomic_load_n(&current, __ATOMIC_ACQUIRE), name, kinds);
    return it ? it : find_item(&default_domain, name, kinds);
}

static void
read_config(void)
{
    struct item *it;

    if (!read_users_choice())
        read_file(conf_installed_path, FALSE, FALSE);
    if ((it = find_item(&default_domain, "/broccoli/debug_messages", KIND_INT)))
        bro_debug_messages = it->num;
    if ((it = find_item(&default_domain, "/broccoli/debug_calltrace", KIND_INT)))
        bro_debug_calltrace = it->num;
}

void
conf_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, read_config);
}

int
conf_int(const char *name, int fallback)
{
    struct item *it = lookup(name, KIND_ANY);

    return it && it->kinds & KIND_INT ? it->num : fallback;
}

const char *
conf_str(const char *name, const char *fallback)
{
    struct item *it = lookup(name, KIND_ANY);

    return it ? it->text : fallback;
}

/**
 * Chooses the domain in which the bro_conf_get_*() functions look first, for
 * the whole process: the section [domain] of the configuration file, in
 * whatever case either is written. NULL or "" chooses the default domain, which
 * is what comes before all sections; one that the file does not have leaves it
 * as the only one. The name is not kept.
 *
 * The configuration is read once, by bro_init() or the first call that needs
 * it, from the first of these that can be used: the file that
 * BROCCOLI_CONFIG_FILE names in the environment, ~/.broccoli.conf, and the file
 * that the library was installed with. The first two must be regular files of
 * the user's own that nobody else may read; a program that runs with more
 * rights than its user does not look at them. Any thread may call this,
 * also while others read the configuration.
 */
BRO_API void
bro_conf_set_domain(const char *domain)
{
    const struct domain *to = &default_domain;
    char *name;

    TRACE();
    conf_init();
    if (domain && *domain) {
        if (!(name = strdup(domain)))
            return;
        lower(name);
        if (!(to = find_domain(name)))
            to = &no_domain;
        free(name);
    }
    __atomic_store_n(&current, to, __ATOMIC_RELEASE);
}

/**
 * Stores the integer that the configuration has for the key val_name in *val.
 * It is looked for in the domain that bro_conf_set_domain() chose, then in the
 * default one. yes, on and true are 1, and no, off and false are 0; a number with
 * a point or in quotes is no integer. Returns TRUE, or FALSE with *val as it was
 * when there is none or an argument is NULL. Any thread may call this.
 */
BRO_API int
bro_conf_get_int(const char *val_name, int *val)
{
    struct item *it;

    TRACE();
    if (!val_name || !val || !(it = lookup(val_name, KIND_INT)))
        return FALSE;
    *val = it->num;
    return TRUE;
}

/**
 * Stores the floating-point number that the configuration has for the key
 * val_name in *val. It is looked for in the domain that bro_conf_set_domain()
 * chose, then in the default one, and must be written with a point and digits on
 * both sides of it, whatever the locale. Returns TRUE, or FALSE with *val as it
 * was when there is none or an argument is NULL. Any thread may call this.
 */
BRO_API int
bro_conf_get_dbl(const char *val_name, double *val)
{
    struct item *it;

    TRACE();
    if (!val_name || !val || !(it = lookup(val_name, KIND_DBL)))
        return FALSE;
    *val = it->dbl;
    return TRUE;
}

/**
 * Returns the string that the configuration has for the key val_name, or NULL
 * when there is none or val_name is NULL. It is looked for in the domain that
 * bro_conf_set_domain() chose, then in the default one; what is written without
 * quotes and reads as a number or as yes or no is no string. The string is the
 * library's, not to be freed, and good as long as the process lives. Any thread
 * may call this.
 */
BRO_API const char *
bro_conf_get_str(const char *val_name)
{
    struct item *it;

    TRACE();
    if (!val_name || !(it = lookup(val_name, KIND_STR)))
        return NULL;
    return it->text;
}
