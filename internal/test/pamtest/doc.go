// Package pamtest runs programs of Debian's that use PAM with the module of
// examples/pam and a collector: saslauthd, a daemon whose processes live on and
// ask PAM again and again, and pamtester, which opens sessions too. "make
// test-pam" runs it. It needs root, and makes a user and a service of PAM for
// the time of the tests.
package pamtest
