/*
 * The configuration. A process reads it once, so that each test is a process of
 * its own, with its own environment and its own standard error.
 */
#include "../conf.h"

#include <fcntl.h>
#include <locale.h>
#include <pthread.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../api.h"
#include "check.h"

/* A user without an entry, and thus without a home, in the user database. */
#define NOBODY_UID 54321

#define NOT_SECURE 77

static char dir[] = "/tmp/broccoli-conf-XXXXXX";
static char installed[64], chosen[64], at_home[64], said_path[64];
static const char *own_program;

static void
put_file(const char *path, mode_t mode, const char *contents)
{
    FILE *f;

    unlink(path);
    if (CHECK((f = fopen(path, "w")) != NULL)) {
        fputs(contents, f);
        fclose(f);
        chmod(path, mode);
    }
}

/* What has been written to standard error so far. */
static const char *
said(void)
{
    static char buf[8192];
    int fd = open(said_path, O_RDONLY);
    ssize_t n;

    fflush(stderr);
    n = read(fd, buf, sizeof buf - 1);
    buf[n > 0 ? n : 0] = '\0';
    close(fd);
    return buf;
}

static int
is_str(const char *key, const char *want)
{
    const char *got = bro_conf_get_str(key);

    return want ? got && strcmp(got, want) == 0 : got == NULL;
}

static int
is_int(const char *key, int want)
{
    int got = want + 1;

    return bro_conf_get_int(key, &got) && got == want;
}

static int
has_int(const char *key)
{
    int got;

    return bro_conf_get_int(key, &got);
}

static int
is_dbl(const char *key, double want)
{
    double got = want + 1;

    return bro_conf_get_dbl(key, &got) && got == want;
}

/* --- What is in a file ------------------------------------------------------------------- */

static void
test_values(void)
{
    double d = 5;
    int i = 5;

    put_file(installed, 0644,
             "# a comment\n"
             "// another one\n"
             "\n"
             "   \t  \n"
             "Foo/PeerName   mybro.securesite.com\n"
             "\tFoo/PortNum\t123 # and a comment\n"
             "Bar/SomeFloat 1.23443543 // one more\n"
             "Bar/SomeLongStr \"Hello World\"   # with \"quotes\" in it\n"
             "quote \"a\"b\"\r\n"
             "empty \"\"\n"
             "number_str \"42\"\n"
             "url http://www.example.org/#top\n"
             "a yes\nb true\nc on\nd no\ne false\nf off\ng Yes\n"
             "neg -5\nplus +6\nnegf -1.5\nzero 007\n"
             "almost 1.\nword 1.2.3\nexp 1e5\ndot .5\nminus -\n"
             "twice first\ntwice second\n"
             "quoted \"yes\"\nquoted no\n"
             "/broccoli/host_pass 123456\n"
             "last line");
    CHECK(is_str("Foo/PeerName", "mybro.securesite.com"));
    CHECK(is_int("Foo/PortNum", 123) && is_str("Foo/PortNum", NULL));
    CHECK(is_dbl("Bar/SomeFloat", 1.23443543) && is_str("Bar/SomeFloat", NULL));
    CHECK(is_str("Bar/SomeLongStr", "Hello World"));
    CHECK(is_str("quote", "a\"b") && is_str("empty", ""));
    CHECK(is_str("number_str", "42") && !has_int("number_str"));
    CHECK(is_str("url", "http://www.example.org/#top"));
    CHECK(is_int("a", 1) && is_int("b", 1) && is_int("c", 1) && is_str("c", NULL));
    CHECK(is_int("d", 0) && is_int("e", 0) && is_int("f", 0));
    CHECK(is_int("g", 1) && is_str("g", "Yes"));
    CHECK(is_int("neg", -5) && is_str("neg", "-5") && is_int("plus", 6));
    CHECK(is_dbl("negf", -1.5) && is_str("negf", "-1.5") && is_int("zero", 7));
    CHECK(is_str("almost", "1.") && is_str("word", "1.2.3") && is_str("exp", "1e5"));
    CHECK(is_str("dot", ".5") && is_str("minus", "-"));
    CHECK(is_str("twice", "first") && is_str("last", "line"));
    CHECK(!has_int("Bar/SomeFloat") && !bro_conf_get_dbl("Foo/PortNum", &d));
    CHECK(is_str("foo/peername", NULL)); /* the case of keys counts */
    CHECK(is_str("/broccoli/host_pass", NULL));
    CHECK(strcmp(conf_str("/broccoli/host_pass", "x"), "123456") == 0);
    CHECK(strcmp(conf_str("nothing", "x"), "x") == 0 && conf_str("nothing", NULL) == NULL);
    CHECK(is_str("quoted", "yes") && is_int("quoted", 0) && conf_int("quoted", 7) == 7);
    CHECK(conf_int("a", 7) == 1 && conf_int("url", 7) == 7 && conf_int("nothing", 7) == 7);

    CHECK(!bro_conf_get_int(NULL, &i) && !bro_conf_get_int("a", NULL));
    CHECK(!bro_conf_get_dbl(NULL, &d) && !bro_conf_get_dbl("Bar/SomeFloat", NULL));
    CHECK(bro_conf_get_str(NULL) == NULL);
    CHECK(!bro_conf_get_int("nothing", &i) && !bro_conf_get_dbl("nothing", &d));
    CHECK(i == 5 && d == 5);
    CHECK(said()[0] == '\0');
}

static void
test_domains(void)
{
    const char *kept;

    put_file(installed, 0644,
             "name default\nonly here\ntyped word\n"
             "[ MyApp ]\nname mine\ntyped 5\n"
             "[other]# comment\nname others\n"
             "[myapp]\nmore 1\n");
    CHECK(is_str("name", "default"));
    bro_conf_set_domain("MYAPP");
    CHECK((kept = bro_conf_get_str("name")) && strcmp(kept, "mine") == 0);
    CHECK(is_str("only", "here") && is_int("more", 1));
    CHECK(is_int("typed", 5) && is_str("typed", "word"));
    CHECK(strcmp(conf_str("name", ""), "mine") == 0);
    bro_conf_set_domain("other");
    CHECK(is_str("name", "others") && !has_int("more"));
    bro_conf_set_domain("nowhere");
    CHECK(is_str("name", "default"));
    bro_conf_set_domain("other");
    bro_conf_set_domain(NULL);
    CHECK(is_str("name", "default"));
    bro_conf_set_domain("other");
    bro_conf_set_domain("");
    CHECK(is_str("name", "default"));
    CHECK(strcmp(kept, "mine") == 0);
    CHECK(said()[0] == '\0');
}

static int
complained(int line)
{
    char where[128];

    snprintf(where, sizeof where, "libbroccoli: %s:%d: ", installed, line);
    return strstr(said(), where) != NULL;
}

static void
test_malformed(void)
{
    int line;

    put_file(installed, 0644,
             "good 1\n"
             "novalue\n"
             "nothing   # but a comment\n"
             "two words here\n"
             "open \"string\n"
             "behind \"string\" more\n"
             "big 99999999999999999999\n"
             "big2 2147483648\n"
             "[\n"
             "lost 1\n"
             "[a b]\n"
             "[]\n"
             "[x] y\n"
             "lost2 1\n"
             "[ok]\n"
             "still good\n");
    CHECK(is_int("good", 1));
    for (line = 1; line <= 16; line++)
        CHECK(complained(line) == !(line == 1 || line == 10 || line >= 14));
    CHECK(is_str("two", NULL) && is_str("open", NULL) && is_str("behind", NULL));
    CHECK(!has_int("big") && !has_int("big2") && !has_int("lost") && !has_int("lost2"));
    bro_conf_set_domain("x");
    CHECK(!has_int("lost2"));
    bro_conf_set_domain("ok");
    CHECK(is_str("still", "good"));
}

static void
test_zero_byte(void)
{
    FILE *f = fopen(installed, "w");

    fwrite("a 1\nb 2\0\nc 3\n", 1, 13, f);
    fclose(f);
    CHECK(is_int("a", 1) && !has_int("b") && is_int("c", 3));
    CHECK(complained(2));
}

static void
test_long_line(void)
{
    char *value = malloc(100001);
    FILE *f = fopen(installed, "w");

    memset(value, 'v', 100000);
    value[100000] = '\0';
    fprintf(f, "long %s\nafter 1\n", value);
    fclose(f);
    CHECK(is_str("long", value) && is_int("after", 1));
    free(value);
}

static void
test_locale(void)
{
    put_file(installed, 0644, "x 1.5\n");
    setlocale(LC_ALL, "de_DE.UTF-8"); /* if there is one */
    CHECK(is_dbl("x", 1.5));
}

static void
test_debug_switches(void)
{
    put_file(installed, 0644,
             "/broccoli/debug_messages yes\n/broccoli/debug_calltrace 1\n"
             "[dom]\n/broccoli/debug_messages no\n");
    CHECK(bro_debug_messages == 0 && bro_debug_calltrace == 0);
    conf_init();
    CHECK(bro_debug_messages == 1 && bro_debug_calltrace == 1);
    CHECK(said()[0] == '\0');
    bro_record_free(bro_record_new());
    CHECK(strstr(said(), "libbroccoli: bro_record_new()\n") != NULL);
    bro_debug_calltrace = 0;
    CHECK(!bro_set_insert(NULL, BRO_TYPE_ANY, &bro_debug_calltrace));
    CHECK(strstr(said(), "bro_set_insert") == NULL);
}

/* --- Which file -------------------------------------------------------------------------- */

static void
three_files(mode_t chosen_mode, mode_t home_mode)
{
    put_file(installed, 0644, "which installed\n");
    put_file(chosen, chosen_mode, "which chosen\n");
    put_file(at_home, home_mode, "which home\n");
    setenv("BROCCOLI_CONFIG_FILE", chosen, 1);
    setenv("HOME", dir, 1);
}

static void
test_none(void)
{
    CHECK(is_str("which", NULL) && !has_int("which"));
    bro_conf_set_domain("x");
    CHECK(said()[0] == '\0');
}

static void
test_chosen(void)
{
    three_files(0600, 0600);
    CHECK(is_str("which", "chosen"));
    CHECK(said()[0] == '\0');
}

static void
test_chosen_read_only(void)
{
    three_files(0400, 0600);
    CHECK(is_str("which", "chosen"));
}

static void
test_home(void)
{
    three_files(0600, 0600);
    setenv("BROCCOLI_CONFIG_FILE", "", 1);
    CHECK(is_str("which", "home"));
    CHECK(said()[0] == '\0');
}

static void
test_refused(void)
{
    three_files(0640, 0604);
    CHECK(is_str("which", "installed"));
    CHECK(strstr(said(), chosen) != NULL && strstr(said(), at_home) != NULL);
    CHECK(strstr(said(), "-rw-------") != NULL);
}

static void
test_executable(void)
{
    three_files(0700, 04600);
    CHECK(is_str("which", "installed"));
    CHECK(strstr(said(), chosen) != NULL && strstr(said(), at_home) != NULL);
}

static void
test_missing(void)
{
    three_files(0600, 0600);
    unlink(chosen);
    unlink(at_home);
    CHECK(is_str("which", "installed"));
    CHECK(strstr(said(), chosen) != NULL && strstr(said(), at_home) == NULL);
}

/* Neither may make us wait, or be taken for a file. */
static void
test_no_file(void)
{
    three_files(0600, 0600);
    unlink(at_home);
    CHECK(mkfifo(at_home, 0600) == 0);
    setenv("BROCCOLI_CONFIG_FILE", dir, 1);
    CHECK(is_str("which", "installed"));
    CHECK(strstr(said(), at_home) != NULL);
}

static void
test_link(void)
{
    three_files(0600, 0600);
    unlink(chosen);
    CHECK(symlink(at_home, chosen) == 0);
    CHECK(is_str("which", "home"));
}

static void
test_directory_installed(void)
{
    conf_installed_path = dir;
    CHECK(is_str("which", NULL));
    CHECK(strstr(said(), dir) != NULL);
}

static void *
look(void *arg)
{
    int i, *ok = arg;

    for (i = 0; i < 1000; i++) {
        bro_conf_set_domain(i & 1 ? "dom" : NULL);
        if (!is_str("which", "chosen"))
            *ok = FALSE;
    }
    return NULL;
}

static void
test_threads(void)
{
    pthread_t threads[4];
    int i, ok[4] = {TRUE, TRUE, TRUE, TRUE};

    three_files(0600, 0600);
    for (i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, look, &ok[i]) == 0);
    for (i = 0; i < 4; i++) {
        pthread_join(threads[i], NULL);
        CHECK(ok[i]);
    }
}

/* --- A program with more rights than its user -------------------------------------------- */

/* What that program does; it is this one. */
static int
secure_program(const char *path)
{
    conf_installed_path = path;
    if (!getauxval(AT_SECURE))
        return NOT_SECURE;
    return is_str("which", "installed") ? 0 : 1;
}

static int
copy_file(const char *from, const char *to, uid_t owner, mode_t mode)
{
    char cmd[256];

    snprintf(cmd, sizeof cmd, "cp %s %s", from, to);
    return system(cmd) == 0 && chown(to, owner, (gid_t)-1) == 0 && chmod(to, mode) == 0;
}

static void
test_secure(void)
{
    char program[80];
    int status = -1;
    pid_t pid;

    snprintf(program, sizeof program, "%s/setuid", dir);
    if (geteuid() != 0 || !copy_file(own_program, program, NOBODY_UID, 04755)) {
        printf("not root: no test of a setuid program\n");
        return;
    }
    three_files(0600, 0600);
    CHECK(chown(chosen, NOBODY_UID, (gid_t)-1) == 0 && chown(at_home, NOBODY_UID, (gid_t)-1) == 0);
    fflush(stdout);
    if ((pid = fork()) == 0) {
        execl(program, program, "secure", installed, (char *)NULL);
        _exit(126);
    }
    CHECK(pid > 0 && waitpid(pid, &status, 0) == pid && WIFEXITED(status));
    unlink(program);
    if (WEXITSTATUS(status) == NOT_SECURE)
        printf("%s allows no setuid programs: not tested\n", dir);
    else
        CHECK(WEXITSTATUS(status) == 0);
}

/* Root may open all files, but takes only its own for its own. */
static void
test_other_owner(void)
{
    struct passwd *pw = getpwuid(geteuid());
    char own[256] = "";

    if (pw)
        snprintf(own, sizeof own, "%s/.broccoli.conf", pw->pw_dir);
    if (geteuid() != 0 || access(own, F_OK) == 0)
        return;
    three_files(0600, 0600);
    CHECK(chown(chosen, NOBODY_UID, (gid_t)-1) == 0);
    CHECK(is_str("which", "home"));
    CHECK(strstr(said(), chosen) != NULL);
}

/* --- Running them ------------------------------------------------------------------------ */

/* Root becomes somebody whom no file in a real home can disturb. */
static void
become_nobody(void)
{
    if (geteuid() != 0)
        return;
    if (setgid(NOBODY_UID) < 0 || setuid(NOBODY_UID) < 0)
        _exit(126);
    prctl(PR_SET_DUMPABLE, 1); /* or the leak checker fails */
}

static void
in_child(void (*test)(void), int as_root, int out)
{
    int counts[2];

    if (!freopen(said_path, "w", stderr))
        _exit(126);
    chmod(said_path, 0666);
    if (!as_root)
        become_nobody();
    unsetenv("BROCCOLI_CONFIG_FILE");
    unsetenv("HOME");
    conf_installed_path = installed;
    check_passed = check_failed = 0;
    test();
    counts[0] = check_passed;
    counts[1] = check_failed;
    if (write(out, counts, sizeof counts) != (ssize_t)sizeof counts)
        _exit(126);
    exit(0);
}

static void
run(void (*test)(void), int as_root)
{
    int ends[2], counts[2] = {0, 1}, status = -1;
    pid_t pid;

    unlink(installed);
    unlink(chosen);
    unlink(at_home);
    unlink(said_path);
    fflush(stdout);
    if (pipe(ends) < 0 || (pid = fork()) < 0) {
        CHECK(!"a process");
        return;
    }
    if (pid == 0)
        in_child(test, as_root, ends[1]);
    close(ends[1]);
    if (read(ends[0], counts, sizeof counts) < 0)
        counts[1] = 1;
    close(ends[0]);
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    check_passed += counts[0];
    check_failed += counts[1];
}

static void
remove_files(void)
{
    unlink(installed);
    unlink(chosen);
    unlink(at_home);
    unlink(said_path);
    rmdir(dir);
}

int
main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "secure") == 0)
        _exit(secure_program(argv[2])); /* the leak checker would fail */
    if (!mkdtemp(dir) || chmod(dir, 0777) < 0)
        return 1;
    own_program = argv[0];
    snprintf(installed, sizeof installed, "%s/installed.conf", dir);
    snprintf(chosen, sizeof chosen, "%s/chosen.conf", dir);
    snprintf(at_home, sizeof at_home, "%s/.broccoli.conf", dir);
    snprintf(said_path, sizeof said_path, "%s/stderr", dir);
    run(test_values, FALSE);
    run(test_domains, FALSE);
    run(test_malformed, FALSE);
    run(test_zero_byte, FALSE);
    run(test_long_line, FALSE);
    run(test_locale, FALSE);
    run(test_debug_switches, FALSE);
    run(test_none, FALSE);
    run(test_chosen, FALSE);
    run(test_chosen_read_only, FALSE);
    run(test_home, FALSE);
    run(test_refused, FALSE);
    run(test_executable, FALSE);
    run(test_missing, FALSE);
    run(test_no_file, FALSE);
    run(test_link, FALSE);
    run(test_directory_installed, FALSE);
    run(test_threads, FALSE);
    run(test_secure, TRUE);
    run(test_other_owner, TRUE);
    remove_files();
    return check_done();
}
