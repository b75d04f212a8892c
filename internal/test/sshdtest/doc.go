// Package sshdtest runs the sshd that "make openssh" builds, with privilege
// separation, its sandbox and PAM, real clients and the real collector over
// TLS: "make test-openssh" runs it. It needs root, makes a user for the time of
// the tests, and removes it again.
package sshdtest
