/*
 * The configuration, which is read once in the life of a process and does not
 * change afterwards. All functions may be called from any thread.
 *
 * These are for the library itself; like bro_conf_get_*() they look in the
 * current domain first, then in the default one.
 */
#ifndef ROMANESCO_CONF_H
#define ROMANESCO_CONF_H

/* Reads the configuration if that has not been done; sets the debug switches. */
void conf_init(void);

/*
 * The value as a number: yes, on and true are 1 in whatever case they are
 * written. fallback when there is none, or the first of that name is not a
 * number; conf_str tells which.
 */
int conf_int(const char *name, int fallback);

/* The value as it is written, of whatever type. It is good for ever. */
const char *conf_str(const char *name, const char *fallback);

/* The file that the library was installed with. Tests have another one. */
extern const char *conf_installed_path;

#endif
